//! How many pages a piece of work may touch, found by looking and changing nothing.
//!
//! Invariant: never less than what the work touches. As long as nothing is shared the answer needs no node; after a
//! snapshot the nodes on the path are read, because a bound from the sizes alone (each slot on a count page of its own)
//! would refuse writes on pools that have room for them.

use super::state::{Emptied, State};
use super::zombie::prefetch;
use crate::owners::Touched;
use crate::tree::{child, clip};
use crate::{Ahead, Counts, Node, NumberRuns, Owners, Position, Slot};
use spinney_core::{DevId, LbaRange, PageNo, PageRead, Result};
use std::collections::BTreeMap;

/// The anchor, which any change of a structure's root may touch.
const ANCHOR: u64 = 1;

/// `create`.
pub(crate) fn create(state: &State, pages: &dyn PageRead) -> Result<u64> {
    Ok(ANCHOR + state.catalogue.pages_bound(state.next_dev(pages)?))
}

/// `snapshot`; with times the version that it is taken from is stamped too.
pub(crate) fn snapshot(state: &State, of: DevId, stamps: bool, pages: &dyn PageRead) -> Result<u64> {
    if stamps {
        state.time_after(pages)?; // a refusal comes before anything is begun
    }
    let stamped = if stamps { state.catalogue.pages_bound(of) } else { 0 };
    Ok(create(state, pages)? + root_count(state, of, pages)? + stamped)
}

/// `delete`.
pub(crate) fn delete(state: &State, dev: DevId, pages: &dyn PageRead) -> Result<u64> {
    Ok(ANCHOR + 2 * state.catalogue.pages_bound(dev) + root_count(state, dev, pages)?)
}

fn root_count(state: &State, dev: DevId, pages: &dyn PageRead) -> Result<u64> {
    let root = state.catalogue.get(dev, pages)?.root;
    Ok(Counts::pages_bound(&root.iter().map(|page| Counts::leaf_of(page.0)).collect()))
}

/// `map` of the range in any pieces, or `unmap`.
pub(crate) fn change(
    state: &State,
    dev: DevId,
    range: LbaRange,
    unmap: bool,
    pages: &dyn PageRead,
) -> Result<u64> {
    let anchor = state.anchor.read(pages)?;
    let record = state.catalogue.get_in(&anchor, dev, pages)?;
    let tree = state.tree(&record);
    tree.contains(range)?;
    if range.blocks == 0 {
        return Ok(0);
    }
    let touched = if state.shares_nothing_in(&anchor) {
        state.shape.nodes_touched(tree.blocks, range)
    } else {
        let mut look = Look::new(*state, range, pages)?;
        look.change(tree.root_position(), tree.root_slot(), false, unmap)?;
        look.touched()?
    };
    Ok(ANCHOR + state.catalogue.pages_bound(dev) + touched)
}

/// `tend`.
pub(crate) fn tend(state: &State, budget: u64, pages: &dyn PageRead) -> Result<u64> {
    let none = LbaRange { start: spinney_core::Lba(0), blocks: 0 };
    let mut look = Look::new(*state, none, pages)?;
    let mut budget_left = budget;
    let mut records = 0;
    state.zombies.visit(pages, &mut |dev, record| {
        if budget_left == 0 {
            return Ok(spinney_core::Flow::Stop);
        }
        records += state.catalogue.pages_bound(dev);
        if let Some(root) = record.root {
            look.drop(state.tree(&record).root_position(), root, &mut budget_left)?;
        }
        Ok(spinney_core::Flow::Continue)
    })?;
    Ok(ANCHOR + records + look.touched()?)
}

/// `commit`.
pub(crate) fn commit(state: &State, emptied: &Emptied, pages: &dyn PageRead) -> Result<u64> {
    let some = !emptied.nodes.is_empty() || !emptied.blocks.is_empty();
    let nodes = state.nodes.trim_bound(&emptied.nodes, pages)?;
    Ok(u64::from(some) * ANCHOR + nodes + state.blocks.trim_bound(&emptied.blocks, pages)?)
}

/// Pages met so far.
struct Look<'a> {
    state: State,
    range: LbaRange,
    pages: &'a dyn PageRead,
    tree_pages: u64,
    /// Counts of nodes and of blocks.
    counts: [Touched; 2],
    /// Which of the two have no entry at all, so that letting go touches none.
    uncounted: [bool; 2],
    /// Owners that a `tend` took from a node before it meets it again.
    let_go: BTreeMap<u64, u32>,
}

impl<'a> Look<'a> {
    fn new(state: State, range: LbaRange, pages: &'a dyn PageRead) -> Result<Look<'a>> {
        let uncounted = [state.nodes.is_empty(pages)?, state.blocks.is_empty(pages)?];
        let (counts, let_go) = (Default::default(), BTreeMap::new());
        Ok(Look { state, range, pages, tree_pages: 0, counts, uncounted, let_go })
    }
    fn touched(&self) -> Result<u64> {
        let [nodes, blocks] = &self.counts;
        let nodes = self.state.nodes.pages_bound(nodes, self.pages)?;
        Ok(self.tree_pages + nodes + self.state.blocks.pages_bound(blocks, self.pages)?)
    }
    /// What the slots point at may lose an owner.
    fn lower(&mut self, level: u32, slots: impl Iterator<Item = Slot>) -> Result<()> {
        if self.uncounted[usize::from(level == 0)] {
            return Ok(());
        }
        self.count(level, slots, Owners::will_lower)
    }
    /// What the slots point at may gain or lose one.
    fn count(
        &mut self,
        level: u32,
        slots: impl Iterator<Item = Slot>,
        will: fn(&Owners, u64, u64, &mut Touched),
    ) -> Result<()> {
        let (counts, touched) = match level {
            0 => (&self.state.blocks, &mut self.counts[1]),
            _ => (&self.state.nodes, &mut self.counts[0]),
        };
        let mut runs = NumberRuns::new(|first, length| {
            will(counts, first, length, touched);
            Ok(())
        });
        slots.filter_map(Slot::pointer).try_for_each(|number| runs.push(number))?;
        runs.finish()
    }
    fn change(&mut self, at: Position, slot: Slot, inherited: bool, unmap: bool) -> Result<()> {
        let shape = self.state.shape;
        let range = clip(shape, at, self.range);
        let Some(page) = slot.pointer() else {
            self.tree_pages += if unmap { 0 } else { shape.nodes_below(at.level, range) };
            return Ok(());
        };
        let node = Node::read(self.pages, PageNo(page), shape, at)?;
        let shared = inherited || self.state.nodes.extra(page, self.pages)? > 0;
        self.tree_pages += 1;
        let (low, high) = shape.slots_of(at.level, at.first, range);
        if shared {
            self.state.nodes.will_lower(page, 1, &mut self.counts[0]);
            self.count(at.level, node.slots(0, shape.fanout() - 1), Owners::will_raise)?;
            if at.level == 0 {
                // What is mapped in pieces gains an owner with the first and loses it with its own.
                self.count(0, node.slots(low, high), Owners::will_lower)?;
            }
        } else if at.level == 0 {
            self.lower(0, node.slots(low, high))?;
        }
        if at.level > 0 {
            for (index, slot) in (low..).zip(node.slots(low, high)) {
                self.change(child(shape, at, index), slot, shared, unmap)?;
            }
        }
        Ok(())
    }
    /// As `zombie::Drop`, without doing it: only nodes that lose a slot or go are changed, not the path to them. Whether
    /// the node goes.
    fn drop(&mut self, at: Position, page: PageNo, budget: &mut u64) -> Result<bool> {
        let shape = self.state.shape;
        let slots: Vec<Slot> =
            Node::read(self.pages, page, shape, at)?.slots(0, shape.fanout() - 1).collect();
        let (mut lost_any, mut ahead) = (false, Ahead::default());
        for (index, slot) in (0..).zip(slots.iter().copied()) {
            let Some(pointer) = slot.pointer() else { continue };
            if let Some(group) = ahead.group(at, index).filter(|_| *budget > 0) {
                prefetch(&self.state, group, &slots, self.pages);
            }
            let lost = if *budget == 0 {
                false
            } else if at.level == 0 || self.is_shared(pointer)? {
                *budget -= 1;
                self.lower(at.level, std::iter::once(slot))?;
                true
            } else {
                self.drop(child(shape, at, index), PageNo(pointer), budget)?
            };
            if !lost {
                self.tree_pages += u64::from(lost_any);
                return Ok(false);
            }
            lost_any = true;
        }
        let gone = *budget > 0;
        self.tree_pages += u64::from(gone || lost_any);
        *budget = budget.saturating_sub(1);
        Ok(gone)
    }
    fn is_shared(&mut self, page: u64) -> Result<bool> {
        let let_go = self.let_go.entry(page).or_default();
        let shared = self.state.nodes.extra(page, self.pages)? > *let_go;
        *let_go += u32::from(shared);
        Ok(shared)
    }
}
