//! Pages that a commit takes: no more than it was allowed.
//!
//! Invariant: the store has as many pages as the commit was told, and not one more.

use spinney_backref::{BackReferences, BackrefOptions};
use spinney_core::{DevId, Extent, Lba, Pba};
use spinney_testkit::MemoryPages;

const UNIVERSE: Extent = Extent { start: Pba(0), blocks: 1 << 20 };
const KEPT: BackrefOptions = BackrefOptions { compact_commits: 40, partition_blocks: 1 << 20, inherit: true };
/// One page of rows, each of 64 blocks.
const COMMIT_BLOCKS: u64 = 126 * 64;

/// Small runs have no stored filter; what they are merged to has a large one.
#[test]
fn a_merge_keeps_within_the_pages_that_it_may_take() {
    let mut pages = MemoryPages::new();
    let mut references = BackReferences::format(UNIVERSE, KEPT, &mut pages).unwrap();
    references.create(DevId(0)).unwrap();
    let mut root = references.commit(0, &mut pages).unwrap();
    for commit in 0..38 {
        let at = commit * COMMIT_BLOCKS;
        references.add(DevId(0), Lba(at), Extent::new(Pba(at), COMMIT_BLOCKS)).unwrap();
        root = references.commit(0, &mut pages).unwrap();
    }
    assert_eq!((references.runs(), references.pages_bound(0, 0)), (38, 0));
    let merges = |spare: u64| {
        let mut pages = pages.view();
        pages.limit = Some(pages.live().count() as u64 + spare);
        let mut references = BackReferences::open(UNIVERSE, &root, KEPT, &pages).unwrap();
        let done = references.commit(spare, &mut pages);
        assert!(done.is_ok(), "{spare} pages were there, {done:?}");
        references.stats().compactions
    };
    // Halves its way to the first that is enough, so that and the one before are tried.
    let enough = Vec::from_iter(0..1000).partition_point(|spare| merges(*spare) == 0);
    assert!((1..1000).contains(&enough), "the fortieth commit merges");
}
