//! Slabs: regions of 512 blocks, each cut into pieces of one power of two until all of it is free again.
//!
//! Invariant: a slab has a size exactly while some of it is taken; `open` of a size has the slabs of that size with a whole piece
//! free. A claim or a load that takes part of a slab without a size gives it that of its largest free piece.

use crate::index::{Policy, PowerIndex};
use crate::leaf::{self, BLOCKS, ORDER};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use spinney_alloc::bit_space::PlaceSet;
use spinney_alloc::{BitSpace, IndexEntry, Want};
use spinney_core::{Extent, Pba};

/// A slab without a size.
const NONE: u8 = u8::MAX;

/// The policy.
#[derive(Clone, Debug, Default)]
pub struct Slab {
    /// The order of each slab's pieces.
    sizes: Vec<u8>,
    /// By order: slabs of that size with a free piece. The last is for slabs that are all free.
    open: Vec<PlaceSet>,
}

/// The index.
pub type SlabIndex = PowerIndex<Slab>;

impl Slab {
    fn forget(&mut self, slab: usize) {
        let size = self.sizes[slab];
        if size != NONE {
            self.open[usize::from(size)].remove(slab);
            self.sizes[slab] = NONE;
        }
    }
    /// The first free piece of a slab that is open for `order`; a slab that was all free is cut to `order` by that.
    fn piece(&self, space: &mut BitSpace, order: u32, blocks: u64) -> Option<Extent> {
        let slab = self.open[order as usize].next(0)?;
        space.looked_at(1);
        let at = leaf::piece(space.leaf(slab), order)?;
        Some(Extent::new(Pba(space.base() + (slab * BLOCKS + at) as u64), blocks.min(1 << order)))
    }
    /// Whole slabs in a row: from a run that is long enough wherever it starts.
    fn slabs(&self, space: &mut BitSpace, blocks: u64) -> Option<Extent> {
        let blocks = blocks - blocks % BLOCKS as u64;
        let want = Want { align: BLOCKS as u64, ..Want::exactly(blocks) };
        let class = blocks.checked_add(BLOCKS as u64 - 1)?.checked_next_power_of_two()?.ilog2();
        let class = space.class_from(class)?;
        want.fit(space.head(class)?)
    }
}

impl Policy for Slab {
    fn reset(&mut self, space: &BitSpace) {
        self.sizes = vec![NONE; space.leaves()];
        self.open = vec![PlaceSet::new(space.leaves()); ORDER as usize + 1];
    }
    fn changed(&mut self, space: &BitSpace, leaves: RangeInclusive<usize>) {
        for slab in leaves {
            let words = space.leaf(slab);
            self.open[ORDER as usize].put(slab, space.is_full(slab));
            if space.is_full(slab) {
                self.forget(slab);
                continue;
            }
            if self.sizes[slab] == NONE {
                let largest = (0..ORDER).rev().find(|order| leaf::piece(words, *order).is_some());
                self.sizes[slab] = largest.map_or(NONE, |order| order as u8);
            }
            if self.sizes[slab] != NONE {
                let size = self.sizes[slab];
                self.open[usize::from(size)].put(slab, leaf::piece(words, u32::from(size)).is_some());
            }
        }
    }
    fn choose(&mut self, space: &mut BitSpace, want: &Want, spilled: &mut bool) -> Option<Extent> {
        if want.align > BLOCKS as u64 || !want.align.is_power_of_two() {
            return None;
        }
        let floor = want.blocks_max.ilog2();
        if floor >= ORDER {
            let run = self.slabs(space, want.blocks_max);
            return run.filter(|run| run.blocks >= want.blocks_min);
        }
        let up = u32::from(1 << floor < want.blocks_min);
        let order = (floor + up).max(want.align.ilog2());
        let blocks = if 1 << floor < want.blocks_min { want.blocks_max } else { 1 << floor };
        if order < ORDER
            && let Some(piece) = self.piece(space, order, blocks)
        {
            return Some(piece);
        }
        if let Some(slab) = self.open[ORDER as usize].next(0) {
            space.looked_at(1);
            if order < ORDER {
                self.sizes[slab] = order as u8;
            }
            return Some(Extent::new(Pba(space.base() + (slab * BLOCKS) as u64), blocks));
        }
        *spilled = true;
        // No slab is left: a piece of a larger size, else the largest that is enough.
        let enough = want.blocks_min.next_power_of_two().ilog2().max(want.align.ilog2());
        let (larger, smaller) = (order + 1..ORDER, (enough..order.min(ORDER)).rev());
        larger.chain(smaller).find_map(|order| self.piece(space, order, blocks))
    }
    fn memory_bytes(&self) -> u64 {
        self.open.iter().map(PlaceSet::memory_bytes).sum::<u64>() + self.sizes.len() as u64
    }
}

/// The row of the registry.
pub const SLAB: IndexEntry = IndexEntry {
    name: "slab",
    summary: "regions of 2 MiB, each cut into pieces of one power of two until all of it is free again",
    paper: "Bonwick, The Slab Allocator (1994); the power-of-two size classes of kernels",
    parameters: &[],
    build: |_| Ok(Box::new(SlabIndex::default())),
};

#[cfg(test)]
mod tests {
    use super::*;
    use spinney_alloc::FreeIndex;

    spinney_testkit::index_laws!(|| Box::new(SlabIndex::default()) as Box<dyn FreeIndex>);

    #[test]
    fn sizes_do_not_share_a_slab_and_an_empty_one_takes_any_size() {
        let mut index = SlabIndex::default();
        index.reset(Extent::new(Pba(0), 2048));
        index.insert(Extent::new(Pba(0), 2048));
        let mut start = |blocks| index.pick(&Want::exactly(blocks)).unwrap().start.0;
        assert_eq!([8, 1, 8, 1, 64].map(&mut start), [0, 512, 8, 513, 1024]);
        index.insert(Extent::new(Pba(512), 2));
        let mut start = |blocks| index.pick(&Want::exactly(blocks)).unwrap().start.0;
        assert_eq!([16, 8].map(&mut start), [512, 16]);
    }

    #[test]
    fn without_a_slab_of_its_own_a_size_takes_from_another() {
        let mut index = SlabIndex::default();
        index.reset(Extent::new(Pba(0), 512));
        index.insert(Extent::new(Pba(0), 512));
        assert!(index.pick(&Want::exactly(8)).is_some());
        assert_eq!(index.effort().fallbacks, 0);
        assert_eq!(index.pick(&Want::exactly(2)), Some(Extent::new(Pba(8), 2)));
        assert_eq!(index.effort().fallbacks, 1);
    }
}
