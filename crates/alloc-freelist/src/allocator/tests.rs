//! The laws, LMDB's rules of reuse, and damage.

use super::*;
use spinney_testkit::MemoryPages;
use spinney_testkit::allocator_damage::every_flipped_bit_is_an_error_or_harmless;

spinney_testkit::allocator_laws!(|| Box::new(FreeList::new(60)));

fn run(start: u64, blocks: u64) -> Extent {
    Extent::new(Pba(start), blocks)
}

/// An allocator over 1,000 blocks, its pages, and its next epoch.
struct Bench {
    list: FreeList,
    pages: MemoryPages,
    root: Root,
    next: Epoch,
}

impl Bench {
    fn new() -> Bench {
        let (mut list, mut pages) = (FreeList::new(60), MemoryPages::new());
        list.format(run(0, 1_000), &mut pages).unwrap();
        let mut bench = Bench { list, pages, root: Root::default(), next: Epoch(1) };
        bench.commit(None);
        bench
    }
    fn take(&mut self, blocks: u64) -> Extent {
        let mut grant = self.list.reserve(blocks).unwrap();
        let run = self.list.allocate(&Want::exactly(blocks), &mut grant, &self.pages).unwrap();
        self.list.settle(grant);
        run
    }
    fn release(&mut self, run: Extent) {
        self.list.release(run, &self.pages).unwrap();
    }
    fn commit(&mut self, oldest_reader: Option<Epoch>) {
        self.root = self.list.commit(self.next, &mut self.pages).unwrap();
        self.list.committed(self.next, oldest_reader);
        self.next = self.next.next();
    }
}

#[test]
fn what_an_epoch_freed_is_reused_by_the_next_but_one() {
    let mut bench = Bench::new();
    let first = bench.take(10);
    bench.commit(None);
    bench.release(first);
    bench.commit(None);
    assert_eq!(bench.take(10), run(10, 10), "the epoch before the freeing one must stay whole");
    bench.commit(None);
    assert_eq!(bench.take(10), first);
}

#[test]
fn one_stalled_reader_grows_the_space_by_what_each_commit_frees() {
    let mut bench = Bench::new();
    let mut live = bench.take(10);
    bench.commit(None);
    let reader = Epoch(bench.next.0 - 1);
    let mut used = Vec::new();
    for _ in 0..20 {
        let fresh = bench.take(10);
        bench.release(std::mem::replace(&mut live, fresh));
        bench.commit(Some(reader));
        used.push(bench.list.used_blocks());
    }
    let growth: Vec<u64> = used.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(growth, [10; 19], "freed blocks a commit, commit after commit");
    bench.commit(None);
    for _ in 0..20 {
        let fresh = bench.take(10);
        bench.release(std::mem::replace(&mut live, fresh));
        bench.commit(None);
    }
    assert_eq!(bench.list.used_blocks(), used[19], "growth stops when the reader leaves");
}

#[test]
fn older_records_are_reclaimed_first_and_younger_ones_only_when_needed() {
    let mut bench = Bench::new();
    let (one, two) = (bench.take(5), bench.take(7));
    bench.commit(None);
    bench.release(two);
    bench.commit(None);
    bench.release(one);
    bench.commit(None);
    bench.commit(None);
    assert_eq!(bench.take(4), run(5, 4), "the record of the older epoch, though it lies higher");
    assert_eq!(bench.take(5), run(0, 5), "which no longer holds it: the next record is taken over");
}

#[test]
fn a_search_gives_up_after_so_many_tries_and_goes_beyond_the_mark() {
    let mut bench = Bench::new();
    bench.list = FreeList { tries_a_block: 3, ..std::mem::replace(&mut bench.list, FreeList::new(3)) };
    let taken = bench.take(400);
    bench.commit(None);
    taken.iter().step_by(2).for_each(|at| bench.release(run(at.0, 1)));
    bench.commit(None);
    bench.commit(None);
    let before = bench.list.effort.steps;
    assert_eq!(bench.take(2), run(400, 2));
    assert_eq!(bench.list.effort.steps - before, 6, "three runs for each of two blocks");
}

#[test]
fn every_flipped_bit_is_corrupt_or_harmless() {
    let make: &dyn Fn() -> Box<dyn Allocator> = &|| Box::new(FreeList::new(60));
    every_flipped_bit_is_an_error_or_harmless(make, 400);
}
