//! How many pages a piece of work may touch, found by looking and changing nothing.
//!
//! Invariant: never less than what the work touches. Where new blocks will lie is not known, only below which number: so a
//! write may touch as many pages of bits as it has blocks, but no more than there can be.

use crate::bits::{BITS, Bits};
use crate::state::{State, map_of};
use alloc::collections::{BTreeMap, BTreeSet};
use spinney_core::{DevId, Flow, LbaRange, PageNo, PageRead, Result};
use spinney_snap_tree::counts::Emptied;
use spinney_snap_tree::tree::{child, clip};
use spinney_snap_tree::{Counts, Node, Position, Slot, Sparse};

/// The anchor, which any change of a structure's root may touch.
const ANCHOR: u64 = 1;
/// More pages of bits than this are bounded one by one.
const LEAVES_LISTED: u64 = 1 << 12;

/// `create`: a record, and a map's own page.
pub(crate) fn create(state: &State, pages: &dyn PageRead) -> Result<u64> {
    Ok(ANCHOR + state.catalogue.pages_bound(state.next_dev(pages)?) + 1)
}

/// `snapshot`: the map of blocks is copied.
pub(crate) fn snapshot(state: &State, of: DevId, pages: &dyn PageRead) -> Result<u64> {
    let record = state.catalogue.get(of, pages)?;
    let mut map_pages = 0;
    map_of(of, &record)?.visit_pages(pages, &mut |_| map_pages += 1)?;
    Ok(create(state, pages)? + map_pages + root_count(record.root))
}

/// `delete`: a record moves.
pub(crate) fn delete(state: &State, dev: DevId, pages: &dyn PageRead) -> Result<u64> {
    let root = state.catalogue.get(dev, pages)?.root;
    Ok(ANCHOR + 2 * state.catalogue.pages_bound(dev) + root_count(root))
}

fn root_count(root: Option<PageNo>) -> u64 {
    Counts::pages_bound(&root.iter().map(|page| Counts::leaf_of(page.0)).collect())
}

/// `map` of the range in any pieces, or `unmap`, where block numbers are below `end`.
pub(crate) fn change(
    state: &State,
    dev: DevId,
    range: LbaRange,
    unmap: bool,
    end: u64,
    pages: &dyn PageRead,
) -> Result<u64> {
    let tree = state.tree(&state.catalogue.get(dev, pages)?);
    tree.contains(range)?;
    if range.blocks == 0 {
        return Ok(0);
    }
    let mut look = Look::new(state, range, pages);
    look.change(tree.root_position(), tree.root_slot(), false, unmap)?;
    let last = end.saturating_sub(1) / BITS;
    let new = if unmap { 0 } else { range.blocks.saturating_mul(Sparse::pages_bound_of_one(last)) };
    let mut bits = Sparse::pages_bound(&look.bits).saturating_add(new);
    // There are so many at most, and one that loses its last bit may come back under another number.
    if last < LEAVES_LISTED.min(bits.div_ceil(2)) {
        bits = bits.min(2 * Sparse::pages_bound(&(0..=last).collect()));
    }
    let map_page = 1;
    Ok((ANCHOR + state.catalogue.pages_bound(dev) + look.touched() + map_page).saturating_add(bits))
}

/// `tend`.
pub(crate) fn tend(state: &State, budget: u64, pages: &dyn PageRead) -> Result<u64> {
    let mut look = Look::new(state, LbaRange { start: spinney_core::Lba(0), blocks: 0 }, pages);
    let (mut budget_left, mut others) = (budget, 0);
    state.zombies.visit(pages, &mut |dev, record| {
        others +=
            1 + state.catalogue.pages_bound(dev) + bits_of(map_of(dev, &record)?, &mut budget_left, pages)?;
        if let Some(root) = record.root.filter(|_| budget_left > 0) {
            look.drop(state.tree(&record).root_position(), root, &mut budget_left)?;
        }
        budget_left = budget_left.saturating_sub(1);
        Ok(if budget_left == 0 { Flow::Stop } else { Flow::Continue })
    })?;
    Ok(if others == 0 { 0 } else { ANCHOR + others + look.touched() })
}

/// Pages of a map that a budget reaches, at least a unit each.
fn bits_of(map: Bits, budget: &mut u64, pages: &dyn PageRead) -> Result<u64> {
    let mut leaves = BTreeSet::new();
    map.visit(pages, &mut |leaf, _| {
        if *budget == 0 {
            return Ok(Flow::Stop);
        }
        *budget -= 1;
        leaves.insert(leaf);
        Ok(Flow::Continue)
    })?;
    Ok(Sparse::pages_bound(&leaves))
}

/// `commit`.
pub(crate) fn commit(emptied: &Emptied) -> u64 {
    u64::from(!emptied.is_empty()) * ANCHOR + Counts::pages_bound(emptied)
}

/// Pages met so far.
struct Look<'a> {
    state: &'a State,
    range: LbaRange,
    pages: &'a dyn PageRead,
    tree_pages: u64,
    /// Count pages of nodes.
    counts: BTreeSet<u64>,
    /// Pages of bits of blocks that are let go of.
    bits: BTreeSet<u64>,
    /// Owners that a `tend` took from a node before it meets it again.
    let_go: BTreeMap<u64, u32>,
}

impl<'a> Look<'a> {
    fn new(state: &'a State, range: LbaRange, pages: &'a dyn PageRead) -> Look<'a> {
        let (counts, bits, let_go) = Default::default();
        Look { state, range, pages, tree_pages: 0, counts, bits, let_go }
    }
    fn touched(&self) -> u64 {
        self.tree_pages + Counts::pages_bound(&self.counts)
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
            self.counts.insert(Counts::leaf_of(page));
            if at.level > 0 {
                let below = node.slots(0, shape.fanout() - 1).filter_map(Slot::pointer);
                self.counts.extend(below.map(Counts::leaf_of));
            }
        }
        for (index, slot) in (low..).zip(node.slots(low, high)) {
            if at.level > 0 {
                self.change(child(shape, at, index), slot, shared, unmap)?;
            } else if let Some(on) = slot.pointer() {
                self.bits.insert(on / BITS);
            }
        }
        Ok(())
    }
    /// As `zombie::Drop`, without doing it. Whether the node goes.
    fn drop(&mut self, at: Position, page: PageNo, budget: &mut u64) -> Result<bool> {
        let shape = self.state.shape;
        let node = Node::read(self.pages, page, shape, at)?;
        self.tree_pages += 1;
        if at.level > 0 {
            for (index, slot) in (0..).zip(node.slots(0, shape.fanout() - 1)) {
                let Some(page) = slot.pointer() else { continue };
                if *budget == 0 {
                    return Ok(false);
                }
                if self.is_shared(page)? {
                    *budget -= 1;
                    self.counts.insert(Counts::leaf_of(page));
                } else if !self.drop(child(shape, at, index), PageNo(page), budget)? {
                    return Ok(false);
                }
            }
        }
        let gone = *budget > 0;
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
