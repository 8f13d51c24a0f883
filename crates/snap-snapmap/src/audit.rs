//! Looking at everything: usage by counting bits, what is owned, and whether the maps are those that the roots imply.
//!
//! Invariant: changes nothing, and enters a shared node once where that is enough.

use crate::bits::{BITS, Bits, any_beyond, beyond};
use crate::state::{State, leaves, map_of};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use roaring::RoaringTreemap;
use spinney_core::{DevId, Extent, Finding, Flow, LbaRange, PageNo, PageRead, Pba, Place, Result};
use spinney_snap::Usage;
use spinney_snap_tree::tree::child;
use spinney_snap_tree::{Node, NumberRuns, Position, Record, Slot, Stretch};

/// Space of one version: the bits that no other version has. What `tend` has still to delete does not count.
pub(crate) fn usage(state: &State, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
    let record = state.catalogue.get(dev, pages)?;
    let others = state.others(dev, true, pages)?;
    let mut exclusive_blocks = 0;
    map_of(dev, &record)?.visit(pages, &mut |leaf, page| {
        let taken = leaves(&others, leaf, pages)?;
        exclusive_blocks += beyond(page, &taken).count() as u64;
        Ok(Flow::Continue)
    })?;
    let referenced_blocks = record.referenced_blocks;
    let shared_blocks = referenced_blocks.saturating_sub(exclusive_blocks);
    Ok(Usage { referenced_blocks, exclusive_blocks, shared_blocks })
}

/// Blocks that go if these versions do: what any of their maps has, and none of the others'.
pub(crate) fn freed_by_deleting(state: &State, doomed: &[DevId], pages: &dyn PageRead) -> Result<u64> {
    let mut doomed_maps = Vec::new();
    for dev in doomed {
        doomed_maps.push(map_of(*dev, &state.catalogue.get(*dev, pages)?)?);
    }
    let mut others = Vec::new();
    let doomed: BTreeSet<DevId> = doomed.iter().copied().collect();
    state.catalogue.visit(pages, &mut |dev, record| {
        if !doomed.contains(&dev) {
            others.push(map_of(dev, &record)?);
        }
        Ok(Flow::Continue)
    })?;
    let mut blocks = 0;
    for leaf in leaves_of(&doomed_maps, pages)? {
        let (found, taken) = (leaves(&doomed_maps, leaf, pages)?, leaves(&others, leaf, pages)?);
        blocks += any_beyond(&found, &taken).count() as u64;
    }
    Ok(blocks)
}

/// The pages of bits that any of these maps has.
fn leaves_of(maps: &[Bits], pages: &dyn PageRead) -> Result<BTreeSet<u64>> {
    let mut all = BTreeSet::new();
    for map in maps {
        map.visit(pages, &mut |leaf, _| {
            all.insert(leaf);
            Ok(Flow::Continue)
        })?;
    }
    Ok(all)
}

/// Every record: live versions, then what is still to be dropped.
fn visit_records(
    state: &State,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(DevId, &Record, bool) -> Result<()>,
) -> Result<()> {
    for (table, live) in [(state.catalogue, true), (state.zombies, false)] {
        table.visit(pages, &mut |dev, record| each(dev, &record, live).map(|()| Flow::Continue))?;
    }
    Ok(())
}

fn maps(state: &State, pages: &dyn PageRead) -> Result<Vec<Bits>> {
    let mut maps = Vec::new();
    visit_records(state, pages, &mut |dev, record, _| {
        maps.push(map_of(dev, record)?);
        Ok(())
    })?;
    Ok(maps)
}

/// Every data block that some map has, once.
pub(crate) fn visit_blocks(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
    let maps = maps(state, pages)?;
    let mut runs = NumberRuns::new(|first, blocks| {
        each(Extent { start: Pba(first), blocks });
        Ok(())
    });
    for leaf in leaves_of(&maps, pages)? {
        let found = leaves(&maps, leaf, pages)?;
        for bit in any_beyond(&found, &[]) {
            runs.push(leaf * BITS + bit)?;
        }
    }
    runs.finish()
}

/// Every node once.
fn visit_nodes(
    state: &State,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(Position, PageNo, &Node) -> Result<()>,
) -> Result<()> {
    let mut met = BTreeSet::new();
    visit_records(state, pages, &mut |_, record, _| {
        let tree = state.tree(record);
        below(state, tree.root_position(), tree.root_slot(), &mut met, pages, each)
    })
}

fn below(
    state: &State,
    at: Position,
    slot: Slot,
    met: &mut BTreeSet<u64>,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(Position, PageNo, &Node) -> Result<()>,
) -> Result<()> {
    let Some(page) = slot.pointer().filter(|page| met.insert(*page)) else { return Ok(()) };
    let node = Node::read(pages, PageNo(page), state.shape, at)?;
    each(at, PageNo(page), &node)?;
    if at.level > 0 {
        for (index, slot) in (0..).zip(node.slots(0, state.shape.fanout() - 1)) {
            below(state, child(state.shape, at, index), slot, met, pages, each)?;
        }
    }
    Ok(())
}

/// Every page, once.
pub(crate) fn visit_pages(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
    each(state.anchor.0);
    state.catalogue.visit_pages(pages, each)?;
    state.zombies.visit_pages(pages, each)?;
    state.nodes.visit_pages(pages, each)?;
    for map in maps(state, pages)? {
        map.visit_pages(pages, each)?;
    }
    visit_nodes(state, pages, &mut |_, page, _| {
        each(page);
        Ok(())
    })
}

/// Maps, counts of nodes, sizes and ends.
pub(crate) fn check(state: &State, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
    let next = state.next_dev(pages)?;
    if !state.catalogue.holds(next) {
        found(Finding { rule: "the next id can be issued", place: Place::Page(state.anchor.0) });
    }
    let (mut owners, mut zombies) = (Vec::new(), 0);
    visit_records(state, pages, &mut |dev, record, live| {
        owners.extend(record.root.map(|page| page.0));
        zombies += u64::from(!live);
        let mut report = |broken, rule| {
            if broken {
                found(Finding { rule, place: Place::Version(dev) });
            }
        };
        report(dev >= next, "an id is below the next one");
        let mut past = false;
        state.tree(record).visit_past_end(pages, &mut || past = true)?;
        report(past, "nothing is mapped past the end of a version");
        let map = map_of(dev, record)?;
        let mut sound = true;
        map.visit(pages, &mut |_, page| {
            sound &= Bits::is_sound(page);
            Ok(Flow::Continue)
        })?;
        report(!sound, "a page of bits says how many are set, and has one");
        if live {
            let (same, mapped) = is_map_of(state, record, map, pages)?;
            report(!same, "a version's map of blocks is what its tree reaches");
            let rule = "a version's count of mapped blocks is that of its tree";
            report(mapped != record.referenced_blocks, rule);
        }
        Ok(())
    })?;
    if zombies != state.jobs(pages)? {
        found(Finding { rule: "the number of jobs is that of deleted versions", place: Place::Pool });
    }
    visit_nodes(state, pages, &mut |at, _, node| {
        if at.level > 0 {
            owners.extend(node.slots(0, state.shape.fanout() - 1).filter_map(Slot::pointer));
        }
        Ok(())
    })?;
    state.nodes.compare(owners, |at| Place::Page(PageNo(at)), pages, found)
}

/// W1 of the notes: whether the map has just what the tree reaches; and how many blocks the tree maps.
fn is_map_of(state: &State, record: &Record, map: Bits, pages: &dyn PageRead) -> Result<(bool, u64)> {
    let (mut reached, mut mapped) = (RoaringTreemap::new(), 0);
    let whole = LbaRange { start: spinney_core::Lba(0), blocks: record.blocks };
    state.tree(record).visit(whole, pages, &mut |stretch| {
        if let Stretch::Leaf(part, node, low) = stretch {
            for on in node.slots(low, low + part.blocks - 1).filter_map(Slot::pointer) {
                mapped += 1;
                reached.insert(on);
            }
        }
    })?;
    let (mut bits, mut known) = (0, true);
    map.visit(pages, &mut |leaf, page| {
        for bit in beyond(page, &[]) {
            bits += 1;
            known &= reached.contains(leaf * BITS + bit);
        }
        Ok(Flow::Continue)
    })?;
    Ok((known && bits == reached.len(), mapped))
}
