//! Instant fit: lists of runs by power of two, and never a search while a list has what is sure to fit.
//!
//! Invariant: a request for n blocks takes the head of list log2 n if n is a power of two, else of the next list, where *every*
//! run fits. Knows no addresses beyond "the lowest of the list is its head".

use crate::index::{Policy, PowerIndex};
use alloc::boxed::Box;
use core::ops::RangeInclusive;
use spinney_alloc::{BitSpace, IndexEntry, Want};
use spinney_core::Extent;

/// The policy. It has no state: the lists are the space's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vmem;

/// The index.
pub type VmemIndex = PowerIndex<Vmem>;

/// The first list in which every run has `blocks` blocks.
fn sure_class(space: &BitSpace, blocks: u64) -> Option<u32> {
    let size = blocks.checked_next_power_of_two()?;
    (size.ilog2() == space.class_of(size)).then_some(size.ilog2())
}

impl Policy for Vmem {
    fn reset(&mut self, _: &BitSpace) {}
    fn changed(&mut self, _: &BitSpace, _: RangeInclusive<usize>) {}
    fn choose(&mut self, space: &mut BitSpace, want: &Want, spilled: &mut bool) -> Option<Extent> {
        // Wherever a run of so many blocks starts, an aligned piece is in it.
        let padded = want.blocks_max.saturating_add(want.align - 1);
        let sure = sure_class(space, padded).and_then(|class| space.class_from(class));
        if let Some(run) = sure.and_then(|class| space.head(class)) {
            return want.fit(run);
        }
        *spilled = true;
        let longest = space.class_last()?;
        want.fit(space.head(longest)?)
    }
    fn memory_bytes(&self) -> u64 {
        0
    }
}

/// The row of the registry.
pub const VMEM: IndexEntry = IndexEntry {
    name: "vmem",
    summary: "instant fit: lists of free runs by power of two, the head of the first list where all fit",
    paper: "Bonwick and Adams, Magazines and Vmem (2001), section 4",
    parameters: &[],
    build: |_| Ok(Box::new(VmemIndex::default())),
};

#[cfg(test)]
mod tests {
    use super::*;
    use spinney_alloc::FreeIndex;
    use spinney_core::Pba;

    spinney_testkit::index_laws!(|| Box::new(VmemIndex::default()) as Box<dyn FreeIndex>);

    fn index(runs: &[(u64, u64)]) -> VmemIndex {
        let mut index = VmemIndex::default();
        index.reset(Extent::new(Pba(0), 1 << 20));
        runs.iter().for_each(|(start, blocks)| index.insert(Extent::new(Pba(*start), *blocks)));
        index
    }

    #[test]
    fn a_power_of_two_takes_its_own_list_and_another_size_the_next() {
        let mut index = index(&[(0, 15), (100, 8), (200, 31), (300, 16)]);
        assert_eq!(index.pick(&Want::exactly(8)).unwrap().start, Pba(0));
        assert_eq!(index.pick(&Want::exactly(9)).unwrap().start, Pba(200));
        assert_eq!(index.effort().fallbacks, 0);
    }

    #[test]
    fn only_its_own_list_having_a_run_it_is_searched_and_counted() {
        let mut index = index(&[(0, 8), (100, 12)]);
        assert_eq!(index.pick(&Want::exactly(11)), Some(Extent::new(Pba(100), 11)));
        assert_eq!(index.effort().fallbacks, 1);
    }

    /// R54: the work of a pair does not rise with the number of free runs.
    #[test]
    fn the_work_of_a_pick_does_not_grow_with_fragmentation() {
        let steps = [10, 1000, 50_000].map(|runs| {
            let mut index = index(&[]);
            (0..runs).for_each(|at| index.insert(Extent::new(Pba(at * 20), 1 + at % 17)));
            let before = index.effort().steps;
            let run = index.pick(&Want::exactly(5)).unwrap();
            index.insert(run);
            index.effort().steps - before
        });
        assert!(steps.iter().all(|steps| *steps <= 8), "{steps:?}");
    }
}
