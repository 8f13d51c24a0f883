//! How many pages a piece of work may touch, found by looking and changing nothing.
//!
//! Invariant: never less than what the work touches. Without a version above nothing goes on a list, and no node is read.

use crate::held::Held;
use crate::let_go::Holder;
use crate::lineage::{ZOMBIE_BIRTH, ZOMBIE_FLOOR};
use crate::state::{State, root_slot};
use crate::tend::prefetch;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use spinney_core::{DevId, Flow, LbaRange, PageNo, PageRead, Result};
use spinney_snap_tree::tree::{child, clip};
use spinney_snap_tree::{Ahead, Catalogue, Node, Position, Slot};

/// The anchor, which any change of a structure's root may touch.
const ANCHOR: u64 = 1;

/// `create`.
pub(crate) fn create(state: &State, pages: &dyn PageRead) -> Result<u64> {
    Ok(ANCHOR + state.catalogue.pages_bound(state.next_dev(pages)?))
}

/// `snapshot`: at most two new records, and four changes of who is whose child.
pub(crate) fn snapshot(state: &State, of: DevId, pages: &dyn PageRead) -> Result<u64> {
    let (_, line) = state.live(of, pages)?;
    if line.frozen == 0 {
        state.epoch_to_end(pages)?; // a refusal comes before anything is begun
    }
    let next = state.next_dev(pages)?;
    let records =
        2 * state.catalogue.pages_bound(DevId(next.0.saturating_add(1))) + state.catalogue.pages_bound(of);
    Ok(ANCHOR + records + state.table.pages_bound(4, 4, pages)?)
}

/// `delete`: the record moves, the one above may have to be looked at.
pub(crate) fn delete(state: &State, dev: DevId, pages: &dyn PageRead) -> Result<u64> {
    let (_, line) = state.live(dev, pages)?;
    let above = line.prev.map_or(0, |above| state.catalogue.pages_bound(above));
    Ok(ANCHOR + 2 * state.catalogue.pages_bound(dev) + above + state.table.pages_bound(2, 1, pages)?)
}

/// `map` of the range in any pieces, or `unmap`.
pub(crate) fn change(
    state: &State,
    dev: DevId,
    range: LbaRange,
    unmap: bool,
    pages: &dyn PageRead,
) -> Result<u64> {
    let (record, line) = state.live(dev, pages)?;
    let tree = state.tree(&record);
    tree.contains(range)?;
    if range.blocks == 0 {
        return Ok(0);
    }
    let holder = Holder::new(state, dev, line, pages)?;
    let around = ANCHOR + state.catalogue.pages_bound(dev);
    if holder.above.is_none() {
        return Ok(around + state.shape.nodes_touched(tree.blocks, range));
    }
    let mut look = Look { state, floor: holder.frozen_above(), range, pages, nodes: 0, listed: 0, blocks: 0 };
    look.change(tree.root_position(), root_slot(&record, line.birth_or_cursor), unmap)?;
    let keys =
        if look.listed > 0 { Climbs::default().keys(state, holder, pages)? + live_key(state) } else { 0 };
    let made = if unmap { 0 } else { range.blocks.saturating_add(look.nodes) };
    let (made, gone) = if line.listed { (made, look.blocks.saturating_add(look.nodes)) } else { (0, 0) };
    let operations = look.listed.saturating_mul(keys).saturating_add(made).saturating_add(gone);
    Ok(around + look.nodes + state.table.pages_bound(operations, look.listed.saturating_add(made), pages)?)
}

/// Keys of live lists that one let-go removes: what is freed is on one at most.
fn live_key(state: &State) -> u64 {
    u64::from(state.livelists)
}

/// Answers for versions that were asked for, and for those above them: many may hang on one chain of hidden ones.
#[derive(Default)]
struct Climbs(BTreeMap<DevId, u64>);

impl Climbs {
    /// At most how many keys one let-go of `holder` puts or removes: one, and where the version above is hidden, one of each
    /// other below that and what that one's let-go does.
    fn keys(&mut self, state: &State, mut holder: Holder, pages: &dyn PageRead) -> Result<u64> {
        let mut path = Vec::new();
        let mut keys = loop {
            if let Some(keys) = self.0.get(&holder.dev) {
                break *keys;
            }
            let Some(above) = holder.above.filter(|above| above.hidden) else { break 1 };
            let siblings = state.table.children(above.dev, usize::MAX, pages)?.len().saturating_sub(1);
            path.push((holder.dev, siblings as u64));
            holder = Holder::up(state, above, pages)?;
        };
        for (dev, siblings) in path.into_iter().rev() {
            keys += siblings;
            self.0.insert(dev, keys);
        }
        Ok(keys)
    }
    /// The same of a pending version, or of the one above into which it waits to be dissolved.
    fn pending_keys(&mut self, state: &State, dev: DevId, pages: &dyn PageRead) -> Result<u64> {
        let (_, line) = state.kin(dev, pages)?;
        let own = state.table.children(dev, usize::MAX, pages)?.len() as u64;
        Ok(own + self.keys(state, Holder::new(state, dev, line, pages)?, pages)?)
    }
}

/// `tend`.
pub(crate) fn tend(state: &State, budget: u64, pages: &dyn PageRead) -> Result<u64> {
    let jobs = state.jobs(pages)?.min(budget);
    if jobs == 0 {
        return Ok(0);
    }
    let mut look = Look {
        state,
        floor: 0,
        range: LbaRange::new(spinney_core::Lba(0), 0),
        pages,
        nodes: 0,
        listed: 0,
        blocks: 0,
    };
    let mut budget_left = budget;
    state.zombies.visit(pages, &mut |_, record| {
        let root = root_slot(&record, record.own[ZOMBIE_BIRTH]);
        look.floor = record.own[ZOMBIE_FLOOR].try_into().unwrap_or(u32::MAX);
        if let Some(page) = root.pointer().filter(|_| root.tag() > look.floor) {
            look.drop(state.tree(&record).root_position(), PageNo(page), &mut budget_left)?;
        }
        budget_left = budget_left.saturating_sub(1);
        Ok(if budget_left == 0 { Flow::Stop } else { Flow::Continue })
    })?;
    let (mut climbs, mut keys, mut pending) = (Climbs::default(), 1, 0u64);
    for dev in state.table.pending(usize::try_from(budget).unwrap_or(usize::MAX), pages)? {
        keys = keys.max(climbs.pending_keys(state, dev, pages)?);
        pending += 1;
    }
    // What leaves the lineage makes the version above pending, too.
    let pending = 2 * pending;
    // A unit takes one entry from a list, and from it goes one let-go; an entry may pass through the list of each pending
    // version, and is freed once. A job that ends changes a few keys of the lineage.
    let entries = state.table.entries(pages)?.min(budget);
    let units = entries.saturating_mul(pending + 1).min(budget);
    let operations =
        units.saturating_mul(keys + 1 + live_key(state)).saturating_add(pending.saturating_mul(4));
    let next = state.next_dev(pages)?;
    let leaves = next.0 / <Catalogue>::PER_PAGE + 1;
    let tables = 2 * leaves.saturating_add(state.catalogue.pages_bound(next));
    let records = (jobs + pending).saturating_mul(5 * state.catalogue.pages_bound(next)).min(tables);
    let table = state.table.pages_bound(operations, 2, pages)?;
    Ok(ANCHOR + look.nodes + entries + records + table)
}

/// Pages met so far.
struct Look<'a> {
    state: &'a State,
    /// What was born up to then another version holds too.
    floor: u32,
    range: LbaRange,
    pages: &'a dyn PageRead,
    /// Nodes that are made, changed or freed.
    nodes: u64,
    /// Nodes and blocks that are let go of and that the version above may hold.
    listed: u64,
    /// Blocks that are there.
    blocks: u64,
}

impl Look<'_> {
    fn change(&mut self, at: Position, slot: Slot, unmap: bool) -> Result<()> {
        let shape = self.state.shape;
        let range = clip(shape, at, self.range);
        let Some(page) = slot.pointer() else {
            self.nodes += if unmap { 0 } else { shape.nodes_below(at.level, range) };
            return Ok(());
        };
        let node = Node::read(self.pages, PageNo(page), shape, at)?;
        self.nodes += 1;
        if slot.tag() <= self.floor {
            // A hidden version above may let go of the node too, and then it is freed.
            self.nodes += 1;
            self.listed += 1;
        }
        let (low, high) = shape.slots_of(at.level, at.first, range);
        for (index, slot) in (low..).zip(node.slots(low, high)) {
            if at.level > 0 {
                self.change(child(shape, at, index), slot, unmap)?;
            } else if let Some(held) = Held::of(false, slot.0) {
                self.blocks += 1;
                self.listed += u64::from(held.birth() <= self.floor);
            }
        }
        Ok(())
    }
    /// As `tend` drops a zombie's tree, without doing it. Whether the node goes.
    fn drop(&mut self, at: Position, page: PageNo, budget: &mut u64) -> Result<bool> {
        let shape = self.state.shape;
        let slots: Vec<Slot> =
            Node::read(self.pages, page, shape, at)?.slots(0, shape.fanout() - 1).collect();
        self.nodes += 1;
        let mut ahead = Ahead::default();
        for (index, slot) in (0..).zip(slots.iter().copied()) {
            if let Some(group) = ahead.group(at, index).filter(|_| *budget > 0) {
                prefetch(group, &slots, self.floor, self.pages);
            }
            let Some(pointer) = slot.pointer().filter(|_| slot.tag() > self.floor) else { continue };
            if *budget == 0 {
                return Ok(false);
            }
            if at.level == 0 {
                *budget -= 1;
            } else if !self.drop(child(shape, at, index), PageNo(pointer), budget)? {
                return Ok(false);
            }
        }
        let gone = *budget > 0;
        *budget = budget.saturating_sub(1);
        Ok(gone)
    }
}
