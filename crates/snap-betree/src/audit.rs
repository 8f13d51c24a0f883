//! Looking at everything: what is owned, and whether what is stored is what the roots imply.
//!
//! Invariant: changes nothing, and enters a shared node once.

use crate::clean::VAIN_ROUNDS_MAX;
use crate::inner::{Inner, hiding};
use crate::state::{CURSOR, HELD, HIDDEN, State, ZOMBIES_LEFT};
use crate::view::{Map, chain, entry};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use spinney_core::{DevId, Extent, Finding, Flow, Lba, LbaRange, PageNo, PageRead, Pba, Place, Result};
use spinney_snap_tree::{Node, NumberRuns, Position, Record, Slot};

/// A node.
enum Any {
    Leaf(Node),
    Inner(Inner),
}

impl Any {
    fn read(state: &State, at: Position, page: PageNo, pages: &dyn PageRead) -> Result<Any> {
        match at.level {
            0 => Node::read(pages, page, state.geometry.shape, at).map(Any::Leaf),
            _ => Inner::read(pages, page, &state.geometry, at).map(Any::Inner),
        }
    }
    /// Data blocks that its entries name.
    fn blocks(&self, fanout: u64) -> Vec<u64> {
        match self {
            Any::Leaf(leaf) => leaf.slots(0, fanout - 1).filter_map(Slot::pointer).collect(),
            Any::Inner(inner) => inner.messages.iter().filter_map(|message| message.on()).collect(),
        }
    }
}

/// Every root: live versions, then what is still to be dropped.
fn visit_roots(
    state: &State,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(DevId, &Record, bool) -> Result<()>,
) -> Result<()> {
    for (table, live) in [(state.catalogue, true), (state.zombies, false)] {
        table.visit(pages, &mut |dev, record| each(dev, &record, live).map(|()| Flow::Continue))?;
    }
    Ok(())
}

/// Every node once.
struct Nodes<'a> {
    state: State,
    pages: &'a dyn PageRead,
    met: BTreeSet<PageNo>,
    each: &'a mut dyn FnMut(PageNo, &Any) -> Result<()>,
}

impl Nodes<'_> {
    fn node(&mut self, at: Position, page: PageNo) -> Result<()> {
        if !self.met.insert(page) {
            return Ok(());
        }
        let any = Any::read(&self.state, at, page, self.pages)?;
        (self.each)(page, &any)?;
        let Any::Inner(inner) = any else { return Ok(()) };
        for (index, pivot) in inner.pivots.iter().enumerate() {
            if let Some(child) = pivot.pointer() {
                self.node(self.state.geometry.child(at, index), PageNo(child))?;
            }
        }
        let Some(target) = inner.goto else { return Ok(()) };
        let below = Inner::read(self.pages, target, &self.state.geometry, at)?;
        crate::view::follows(target, below.depth, Some(inner.depth))?;
        self.node(at, target)
    }
}

fn visit_nodes(
    state: &State,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(PageNo, &Any) -> Result<()>,
) -> Result<()> {
    let mut nodes = Nodes { state: *state, pages, met: BTreeSet::new(), each };
    visit_roots(state, pages, &mut |_, record, _| {
        record.root.map_or(Ok(()), |root| nodes.node(state.geometry.root(record.blocks), root))
    })
}

/// Every data block that something owns, once.
pub(crate) fn visit_blocks(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
    let mut shared = BTreeSet::new();
    let mut counts = state.blocks.reader(pages);
    visit_nodes(state, pages, &mut |_, any| {
        let mut runs = NumberRuns::new(|first, blocks| {
            each(Extent { start: Pba(first), blocks });
            Ok(())
        });
        for on in any.blocks(state.geometry.shape.fanout()) {
            if counts.extra(on)? == 0 || shared.insert(on) {
                runs.push(on)?;
            }
        }
        runs.finish()
    })
}

/// Every page, once.
pub(crate) fn visit_pages(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
    each(state.anchor.0);
    state.catalogue.visit_pages(pages, each)?;
    state.zombies.visit_pages(pages, each)?;
    state.nodes.visit_pages(pages, each)?;
    state.blocks.visit_pages(pages, each)?;
    visit_nodes(state, pages, &mut |page, _| {
        each(page);
        Ok(())
    })
}

/// What the maps imply against what is stored.
pub(crate) fn check(state: &State, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
    let (mut node_owners, mut block_owners, mut hidden) = (Vec::new(), Vec::new(), 0);
    visit_nodes(state, pages, &mut |page, any| {
        block_owners.extend(any.blocks(state.geometry.shape.fanout()));
        let Any::Inner(inner) = any else { return Ok(()) };
        hidden += hiding(&inner.messages).unsigned_abs();
        node_owners.extend(inner.pivots.iter().filter_map(|pivot| pivot.pointer()));
        node_owners.extend(inner.goto.map(|page| page.0));
        let line = chain(&state.geometry, inner.at, page, pages)?;
        if line.iter().map(|(_, inner)| inner.messages.len()).sum::<usize>() > state.geometry.messages {
            let rule = "a line of GOTOs has no more messages than a node holds";
            found(Finding { rule, place: Place::Page(page) });
        }
        Ok(())
    })?;
    let mut zombies = 0;
    visit_roots(state, pages, &mut |_, record, live| {
        node_owners.extend(record.root.map(|page| page.0));
        zombies += u64::from(!live);
        Ok(())
    })?;
    state.nodes.compare(node_owners, |at| Place::Page(PageNo(at)), pages, found)?;
    state.blocks.compare(block_owners.clone(), |at| Place::Block(Pba(at)), pages, found)?;
    block_owners.sort_unstable();
    block_owners.dedup();
    let numbers = [
        (HIDDEN, hidden, "the number of messages that hide something is that of the messages"),
        (HELD, block_owners.len() as u64, "the number of blocks that are held is that of the entries"),
        (ZOMBIES_LEFT, zombies, "the number of versions to be dropped is that of the dropped"),
    ];
    for (word, right, rule) in numbers {
        if state.anchor.get(word, pages)? != right {
            found(Finding { rule, place: Place::Page(state.anchor.0) });
        }
    }
    if state.anchor.get(CURSOR + 2, pages)? > VAIN_ROUNDS_MAX / 2 {
        found(Finding { rule: "cleaning finds what is hidden", place: Place::Page(state.anchor.0) });
    }
    versions(state, pages, found)?;
    flags(state, pages, found)
}

/// Sizes, ends and ids.
fn versions(state: &State, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
    let next = state.next_dev(pages)?;
    if !state.catalogue.holds(next) {
        found(Finding { rule: "the next id can be issued", place: Place::Page(state.anchor.0) });
    }
    visit_roots(state, pages, &mut |dev, record, live| {
        let map = Map::of(state.geometry, record);
        let count = |start: u64, blocks| {
            let mut mapped = 0;
            map.lookup(LbaRange { start: Lba(start), blocks }, pages, &mut |run| {
                mapped += run.on.map_or(0, |_| run.blocks);
            })?;
            Ok(mapped)
        };
        let end = state.geometry.end(map.root_at());
        let rules = [
            (
                live && count(0, record.blocks)? != record.referenced_blocks,
                "a version's count of mapped blocks is that of its map",
            ),
            (count(record.blocks, end - record.blocks)? != 0, "nothing is mapped past the end of a version"),
            (dev >= next, "an id is below the next one"),
        ];
        let broken = rules.into_iter().filter(|(broken, _)| *broken);
        broken.for_each(|(_, rule)| found(Finding { rule, place: Place::Version(dev) }));
        Ok(())
    })
}

/// Whether each message of a live version tells the truth about what lies right below it.
fn flags(state: &State, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
    let geometry = state.geometry;
    let mut each = |page: PageNo, any: &Any| {
        let Any::Inner(inner) = any else { return Ok(()) };
        for message in &inner.messages {
            let below = match inner.goto {
                Some(target) => entry(&geometry, inner.at, Some(target), message.lba, pages)?,
                None => {
                    let index = geometry.index(inner.at, message.lba);
                    let child = inner.pivots[index].pointer().map(PageNo);
                    entry(&geometry, geometry.child(inner.at, index), child, message.lba, pages)?
                }
            };
            let hides = below.flatten().is_some();
            if hides != message.hides() || message.on().is_none() && !hides {
                let rule = "a message says whether it hides a mapped block, and a hole does";
                found(Finding { rule, place: Place::Page(page) });
            }
        }
        Ok(())
    };
    let mut nodes = Nodes { state: *state, pages, met: BTreeSet::new(), each: &mut each };
    state.catalogue.visit(pages, &mut |_, record| {
        let at = geometry.root(record.blocks);
        record.root.map_or(Ok(()), |root| nodes.node(at, root)).map(|()| Flow::Continue)
    })
}
