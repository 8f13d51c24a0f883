//! Each metric against published digits or a case small enough to reckon by hand.

use super::*;
use spinney_core::Pba;

/// `bytes` of free space in runs of `run` bytes.
fn made_of(bytes: u64, run: u64) -> FreeSpace {
    let count = bytes / run;
    FreeSpace { lengths: BTreeMap::from([(run / BLOCK, count)]), runs: count, blocks: bytes / BLOCK }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

#[test]
fn the_bluestore_scores_have_the_digits_of_the_paper_file() {
    let rows = [
        (4 * KIB, 0.929, 0.952, 1.0),
        (64 * KIB, 0.880, 0.919, 0.837),
        (MIB, 0.809, 0.871, 0.498),
        (8 * MIB, 0.734, 0.820, 0.176),
        (128 * MIB, 0.595, 0.726, 0.0),
        (GIB, 0.450, 0.628, 0.0),
    ];
    for (run, old_64g, old_1t, new) in rows {
        let (small, large) = (made_of(64 * GIB, run), made_of(1024 * GIB, run));
        for (found, wanted) in [
            (small.bluestore_score_old(), old_64g),
            (large.bluestore_score_old(), old_1t),
            (large.bluestore_score_new(), new),
        ] {
            assert!((found - wanted).abs() < 0.000_51, "runs of {run}: {found}, not {wanted}");
        }
    }
}

#[test]
fn zfs_calls_a_pool_of_mebibyte_runs_43_percent_fragmented() {
    assert_eq!(made_of(GIB, MIB).zfs_fragmentation(ZfsTable::Since2025), 43);
    assert_eq!(made_of(GIB, MIB).zfs_fragmentation(ZfsTable::Before2025), 20);
    assert_eq!(made_of(GIB, 4 * KIB).zfs_fragmentation(ZfsTable::Since2025), 93);
    assert_eq!(made_of(GIB, GIB).zfs_fragmentation(ZfsTable::Since2025), 0);
}

#[test]
fn the_rating_is_insensitive_as_the_paper_file_says() {
    let rating = made_of(64 * GIB, MIB).bluestore_rating();
    assert!((rating - 0.0039).abs() < 0.000_05, "{rating}");
}

#[test]
fn one_run_is_no_fragmentation_by_any_metric() {
    let whole = made_of(GIB, GIB);
    let all = [whole.bluestore_rating(), whole.bluestore_score_new(), whole.bluestore_score_old()];
    assert_eq!(all, [0.0; 3]);
    assert_eq!((whole.largest_run_fragmentation(), whole.unusable_for(256)), (0.0, 0.0));
}

#[test]
fn no_free_space_is_no_fragmentation() {
    let none = FreeSpace::default();
    assert_eq!(none.zfs_fragmentation(ZfsTable::Since2025), 0);
    assert_eq!((none.bluestore_score_new(), none.unusable_for(1), none.mean_run_blocks()), (0.0, 0.0, 0.0));
}

#[test]
fn the_rest_of_each_run_is_unusable_for_a_size() {
    let run = |start, blocks| Extent::new(Pba(start), blocks);
    let space = FreeSpace::gather([run(0, 10), run(20, 3), run(30, 7)]);
    assert_eq!(space.unusable_for(4), 1.0 - 12.0 / 20.0);
    assert_eq!([3, 6, 7, 10].map(|blocks| space.in_runs_over(blocks)), [17.0 / 20.0, 17.0 / 20.0, 0.5, 0.0]);
    assert_eq!((space.runs(), space.blocks(), space.largest_run_blocks()), (3, 20, 10));
    assert_eq!(space.histogram()[1], Bucket { blocks_min: 4, runs: 1, blocks: 7 });
}

#[test]
fn layout_score_counts_blocks_that_follow_their_predecessor() {
    let run = |start, blocks| Extent::new(Pba(start), blocks);
    assert_eq!(layout_score([run(0, 4), run(4, 4)]), Some(1.0));
    assert_eq!(layout_score([run(0, 3), run(9, 2)]), Some(0.75));
    assert_eq!(layout_score([run(0, 1)]), None);
}

#[test]
fn write_run_length_joins_neighbors_written_in_any_order() {
    let run = |start, blocks| Extent::new(Pba(start), blocks);
    assert_eq!(write_run_blocks(alloc::vec![run(4, 4), run(0, 4), run(20, 4)]), Some(6.0));
    assert_eq!(write_run_blocks(Vec::new()), None);
}

#[test]
fn a_large_file_weighs_more_in_the_score_of_all() {
    let run = |start, blocks| Extent::new(Pba(start), blocks);
    let files =
        [alloc::vec![run(0, 7), run(20, 2)], alloc::vec![run(40, 1), run(50, 1)], alloc::vec![run(60, 1)]];
    assert_eq!(layout_score_of_all(files), Some(7.0 / 9.0));
    assert_eq!(layout_score_of_all([[run(0, 1)]]), None);
}
