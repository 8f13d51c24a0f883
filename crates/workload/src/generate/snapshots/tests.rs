//! What the workload promises about its versions and its places.
//!
//! Invariant: seeds are fixed. Knows the module's own parts only.

use super::*;
use spinney_core::{BLOCK_BYTES, Setting};
use std::collections::BTreeSet;

fn ops(pairs: &[(&str, u64)], order: &str) -> Vec<Op> {
    let context = WorkloadContext { volume_blocks: 1000, seed: 3, folder: ".".into() };
    let settings = pairs.iter().fold(Settings::new(), |settings, (name, value)| {
        let switch = ["clones", "settle", "from_origin"].contains(name);
        let setting = if switch { Setting::Switch(*value == 1) } else { Setting::Integer(*value) };
        settings.with(name, setting)
    });
    let settings =
        settings.with("fill", Setting::Real(1.0)).with("delete_order", Setting::Word(order.into()));
    let mut workload = build(&context, &settings).unwrap();
    std::iter::from_fn(|| workload.next().unwrap()).collect()
}

fn deleted(ops: &[Op]) -> Vec<u64> {
    ops.iter().filter_map(|op| if let Op::Delete { of } = op { Some(of.0) } else { None }).collect()
}

#[test]
fn versions_are_spread_over_the_writes_of_a_round() {
    for (count, writes) in [(3, 10), (10, 3), (1, 7), (7, 7), (5, 0), (0, 4)] {
        let all: Vec<u64> = (0..writes.max(1)).map(|done| now(count, writes, done)).collect();
        assert_eq!(all.iter().sum::<u64>(), count, "{count} over {writes}: {all:?}");
        assert!(count == 0 || all[0] > 0, "{count} over {writes}: {all:?}");
    }
    assert_eq!((0..10).map(|done| now(3, 10, done)).collect::<Vec<_>>(), [1, 0, 0, 1, 0, 0, 1, 0, 0, 0]);
}

#[test]
fn versions_go_in_the_order_asked_for() {
    let pairs = [
        ("rounds", 4),
        ("round_writes", 2),
        ("take", 3),
        ("take_until", 2),
        ("delete_from", 3),
        ("deletes", 2),
    ];
    assert_eq!(deleted(&ops(&pairs, "oldest")), [1, 2, 3, 4]);
    assert_eq!(deleted(&ops(&pairs, "newest")), [6, 5, 4, 3]);
    assert_eq!(deleted(&ops(&pairs, "middle")), [3, 4, 2, 5]);
    let random: BTreeSet<u64> = deleted(&ops(&pairs, "random")).into_iter().collect();
    assert!(random.len() == 4 && random.iter().all(|handle| (1..=6).contains(handle)), "{random:?}");
}

#[test]
fn no_more_are_kept_than_asked_for_and_all_can_go_at_once() {
    let pairs = [("rounds", 5), ("round_writes", 1), ("keep", 2), ("delete_from", 5), ("settle", 1)];
    let ops = ops(&pairs, "oldest");
    let mut live = 0;
    for op in &ops {
        match op {
            Op::Snapshot { .. } => live += 1,
            Op::Delete { .. } => live -= 1,
            Op::Write { .. } => assert!(live <= 2),
            _ => {}
        }
    }
    assert_eq!(deleted(&ops), [1, 2, 3, 4], "two of them in the last round, before its own");
    assert_eq!(ops[ops.len() - 3..], [Op::Settle, Op::Flush, Op::Round(6)]);
}

#[test]
fn writes_go_to_the_newest_clone_and_into_the_spots() {
    let pairs = [
        ("rounds", 3),
        ("round_writes", 50),
        ("clones", 1),
        ("spots", 4),
        ("spot_blocks", 10),
        ("unit_blocks", 1),
        ("age", 1),
        ("holes", 100),
    ];
    let ops = ops(&pairs, "oldest");
    let measure = ops.iter().position(|op| *op == Op::Phase(crate::op::Phase::Measure)).unwrap();
    let spot = |bytes: crate::op::Bytes| (bytes.offset / BLOCK_BYTES as u64 / 10).is_multiple_of(25);
    let mut newest = 0;
    for op in &ops[measure..] {
        match *op {
            Op::Clone { of, named } => {
                assert_eq!((of.0, named.0), (newest, newest + 1));
                newest += 1;
            }
            Op::Write { to, bytes } => assert!(to.0 == newest && spot(bytes), "{op:?}"),
            _ => {}
        }
    }
    let single: BTreeSet<u64> = ops[..measure]
        .iter()
        .filter_map(|op| match op {
            Op::Write { bytes, .. } if bytes.length == BLOCK_BYTES as u64 => Some(bytes.offset),
            _ => None,
        })
        .collect();
    assert_eq!(single.len(), 40, "each block of the spots was written once more");
    let holes = ops.iter().filter(|op| matches!(op, Op::Discard { bytes, .. } if !spot(*bytes))).count();
    assert_eq!((holes, ops.iter().filter(|op| matches!(op, Op::Discard { .. })).count()), (96, 96));
}
