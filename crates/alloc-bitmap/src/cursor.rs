//! [`CursorIndex`]: the next free blocks after one cursor, however few, round and round: dm-thin's choice of blocks.
//!
//! Invariant: the cursor stands where the last pick ended, whatever found it (P1). One cursor for all: who asks in turns gets
//! blocks in turns. Knows no wish to be near, and no stream.

use crate::index::{BitmapIndex, Fit};
use alloc::boxed::Box;
use spinney_alloc::{FreeIndex, IndexEntry, Want};
use spinney_core::{Effort, Extent, Flow};

/// Runs that are too short or not aligned that are passed by for one request before it is searched for (P2). A request that
/// takes one block passes none.
const RUNS_MAX: usize = 1024;

/// A bitmap and a cursor.
#[derive(Clone, Debug)]
pub struct CursorIndex {
    bitmap: BitmapIndex,
    cursor: usize,
}

impl Default for CursorIndex {
    fn default() -> CursorIndex {
        CursorIndex { bitmap: BitmapIndex::new(Fit::First, 1, 0), cursor: 0 }
    }
}

impl FreeIndex for CursorIndex {
    fn reset(&mut self, universe: Extent) {
        self.bitmap.reset(universe);
        self.cursor = 0;
    }
    fn insert(&mut self, run: Extent) {
        self.bitmap.insert(run);
    }
    fn remove(&mut self, run: Extent) {
        self.bitmap.remove(run);
    }
    fn pick(&mut self, want: &Want) -> Option<Extent> {
        want.check();
        if self.bitmap.is_too_long(want.blocks_min) {
            return None;
        }
        let (end, cursor) = (self.bitmap.end(), self.cursor);
        let ahead = self.bitmap.ahead(want, cursor, end, RUNS_MAX);
        let run = match ahead.or_else(|| self.bitmap.ahead(want, 0, end, RUNS_MAX)) {
            Some(run) => {
                self.bitmap.remove(run);
                run
            }
            None => {
                self.bitmap.fallbacks += 1;
                self.bitmap.pick(&Want { near: None, ..*want })?
            }
        };
        self.cursor = (run.end().0 - self.bitmap.base) as usize;
        Some(run)
    }
    fn is_free(&self, run: Extent) -> bool {
        self.bitmap.is_free(run)
    }
    fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        self.bitmap.visit(within, each);
    }
    fn free_blocks(&self) -> u64 {
        self.bitmap.free_blocks()
    }
    fn free_runs(&self) -> u64 {
        self.bitmap.free_runs()
    }
    fn longest_max(&self) -> u64 {
        self.bitmap.longest_max()
    }
    fn effort(&self) -> Effort {
        self.bitmap.effort()
    }
    fn memory_bytes(&self) -> u64 {
        self.bitmap.memory_bytes() + size_of::<usize>() as u64
    }
}

/// The row of the registry.
pub const CURSOR: IndexEntry = IndexEntry {
    name: "cursor",
    summary: "the next free blocks after one cursor, however few; no wish is heeded",
    paper: "dm-thin space maps (Linux, persistent-data): first free block from a cursor, wrapping once",
    parameters: &[],
    build: |_| Ok(Box::new(CursorIndex::default())),
};

#[cfg(test)]
mod tests {
    use super::*;
    use spinney_core::Pba;

    spinney_testkit::index_laws!(|| Box::new(CursorIndex::default()));

    fn run(start: u64, blocks: u64) -> Extent {
        Extent::new(Pba(start), blocks)
    }

    #[test]
    fn free_blocks_come_in_order_and_from_the_start_again() {
        let mut index = CursorIndex::default();
        index.reset(run(100, 10_000));
        [run(200, 3), run(5000, 2), run(9000, 10)].into_iter().for_each(|run| index.insert(run));
        let picks: Vec<Extent> = (0..3).map(|_| index.pick(&Want::up_to(8)).unwrap()).collect();
        assert_eq!(picks, [run(200, 3), run(5000, 2), run(9000, 8)]);
        index.insert(run(200, 3));
        assert_eq!(index.pick(&Want::up_to(8)), Some(run(9008, 2)), "what is behind waits for the round");
        assert_eq!(index.pick(&Want::up_to(8).near(Pba(9000))), Some(run(200, 3)));
    }

    #[test]
    fn a_length_behind_many_short_runs_is_found_in_bounded_steps() {
        let mut index = CursorIndex::default();
        index.reset(run(0, 1 << 20));
        (0..1 << 19).for_each(|at| index.insert(run(2 * at, 1)));
        index.insert(run((1 << 20) - 1, 1));
        let before = index.effort().steps;
        assert_eq!(index.pick(&Want::exactly(2)), Some(run((1 << 20) - 2, 2)));
        let steps = index.effort().steps - before;
        assert!(steps < 5000, "{steps} steps");
    }
}
