//! The policies that wait in memory: the laws, and that nothing comes back before it is due.

use spinney_alloc::reclaim::{AT_COMMIT, HOLD, NO_READER};
use spinney_alloc::{Allocator, Composed, ReclaimEntry, Want};
use spinney_core::{Epoch, Extent, Pba, Setting, Settings};
use spinney_testkit::{DumpForm, FirstFit, MemoryPages};

fn composed(entry: &ReclaimEntry, settings: &[(&str, u64)]) -> Box<dyn Allocator> {
    let settings = settings
        .iter()
        .fold(Settings::new(), |settings, (name, value)| settings.with(name, Setting::Integer(*value)));
    let reclaim = (entry.build)(&settings).expect("lawful settings");
    Box::new(Composed::new(Box::new(FirstFit::default()), Box::new(DumpForm::default()), reclaim))
}

fn hold() -> Box<dyn Allocator> {
    composed(&HOLD, &[("epochs", 3), ("slop_blocks_min", 0)])
}

fn no_reader() -> Box<dyn Allocator> {
    composed(&NO_READER, &[])
}

spinney_testkit::allocator_laws!(hold_laws, hold);
spinney_testkit::allocator_laws!(no_reader_laws, no_reader);

/// Commits until the blocks released in epoch 5 are allocatable, with the oldest reader at each of them.
fn commits_until_back(mut space: Box<dyn Allocator>, reader: impl Fn(u64) -> Option<u64>) -> u64 {
    let mut pages = MemoryPages::new();
    space.format(Extent::new(Pba(0), 1000), &mut pages).expect("room");
    let mut grant = space.reserve(100).expect("all is free");
    let run = space.allocate(&Want::exactly(100), &mut grant, &pages).expect("all is free");
    space.settle(grant);
    for epoch in 1..40 {
        if epoch == 5 {
            space.release(run, &pages).expect("it is held");
        }
        space.commit(Epoch(epoch), &mut pages).expect("room");
        space.committed(Epoch(epoch), reader(epoch).map(Epoch));
        if epoch >= 5 && space.stats().deferred_blocks == 0 {
            return epoch - 4;
        }
    }
    u64::MAX
}

#[test]
fn each_policy_waits_as_long_as_it_says() {
    let at_commit = || composed(&AT_COMMIT, &[]);
    let none = |_| None;
    let waits = [at_commit(), no_reader(), hold()].map(|space| commits_until_back(space, none));
    assert_eq!(waits, [1, 2, 4]);
    let five = composed(&HOLD, &[("epochs", 5), ("slop_blocks_min", 0)]);
    assert_eq!(commits_until_back(five, none), 6);
}

#[test]
fn a_reader_holds_every_policy_back_until_it_leaves() {
    let at_commit = || composed(&AT_COMMIT, &[]);
    // Until epoch 20 a reader reads epoch 4, whose blocks epoch 5 released.
    let stalled = |epoch| Some(4).filter(|_| epoch < 20);
    for space in [at_commit(), no_reader(), hold()] {
        assert_eq!(commits_until_back(space, stalled), 16);
    }
    // One of epoch 5 does not reach them; LMDB's rule spares its epoch all the same.
    let late = |epoch| Some(5).filter(|_| epoch < 20);
    assert_eq!([at_commit(), no_reader()].map(|space| commits_until_back(space, late)), [1, 16]);
}

#[test]
fn what_was_held_is_free_after_opening() {
    let (mut space, mut pages) = (hold(), MemoryPages::new());
    let universe = Extent::new(Pba(0), 1000);
    space.format(universe, &mut pages).expect("room");
    let run = Extent::new(Pba(10), 20);
    space.claim(run, &pages).expect("all is free");
    space.commit(Epoch(1), &mut pages).expect("room");
    space.committed(Epoch(1), None);
    space.release(run, &pages).expect("it is held");
    let root = space.commit(Epoch(2), &mut pages).expect("room");
    space.committed(Epoch(2), None);
    assert_eq!((space.stats().free_blocks, space.stats().deferred_blocks), (980, 20));
    let mut again = hold();
    again.open(universe, &root, &pages).expect("a sound root");
    assert_eq!((again.stats().free_blocks, again.stats().deferred_blocks), (1000, 0));
}
