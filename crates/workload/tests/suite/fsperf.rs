//! Tests of fsperf's fragmentation tests: what lives at the end, how long requests are, and who is fast.
//!
//! Invariant: seeds are fixed and named in failures. Knows only the public face of the crate.

use crate::common::{build, check_laws, integer, ops_of, word};
use spinney_workload::{Op, WorkloadError};
use std::collections::{BTreeMap, BTreeSet};

const BLOCK: u64 = 4096;
const MIB_BLOCKS: u64 = (1 << 20) / BLOCK;
/// 512 MiB: what the largest test needs at a scale of 16.
const VOLUME_BLOCKS: u64 = 512 * MIB_BLOCKS;

fn ops(test: &str, seed: u64, loops: u64) -> Vec<Op> {
    let pairs = [("test", word(test)), ("loops", integer(loops)), ("rounds", integer(5))];
    ops_of("fsperf", VOLUME_BLOCKS, seed, &pairs)
}

/// Blocks that are live at the end, after writes of dead blocks and discards of live ones only.
fn live_at_end(ops: &[Op], what: &str) -> u64 {
    let mut live = BTreeSet::new();
    for op in ops {
        let Some((_, bytes)) = op.changes() else { continue };
        for block in bytes.offset / BLOCK..(bytes.offset + bytes.length) / BLOCK {
            let changed =
                if matches!(op, Op::Write { .. }) { live.insert(block) } else { live.remove(&block) };
            assert!(changed, "{what}: block {block} at {op:?}");
        }
    }
    live.len() as u64
}

/// How often each request length was written, by blocks.
fn lengths(ops: &[Op]) -> BTreeMap<u64, u64> {
    let mut lengths = BTreeMap::new();
    for op in ops {
        if let Op::Write { bytes, .. } = op {
            *lengths.entry(bytes.length / BLOCK).or_default() += 1;
        }
    }
    lengths
}

#[test]
fn what_fio_leaves_is_what_lives_at_the_end() {
    // 32 files of 128 MiB that were appended to, or the last small file; all divided by 16.
    for (test, live_mib) in [
        ("correlated-lifetimes", 8),
        ("mixed-lifetimes", 256),
        ("four-sizes", 256),
        ("append-vs-fallocate", 256),
    ] {
        let ops = ops(test, 1, 3);
        check_laws(&ops, VOLUME_BLOCKS * BLOCK, test);
        assert_eq!(live_at_end(&ops, test), live_mib * MIB_BLOCKS, "{test}");
        assert_eq!(ops.iter().filter(|op| matches!(op, Op::Round(_))).count(), 5, "{test}");
    }
}

#[test]
fn four_sizes_are_four_lengths() {
    // 2 GiB, 128 MiB, 8 MiB and 128 KiB divided by 16; three loops of 1, 8 and 128 writes, 32 x 1024 appends.
    let expected = [(2, 32 * 1024), (128, 3 * 128), (8 * MIB_BLOCKS, 3 * 8), (128 * MIB_BLOCKS, 3)];
    assert_eq!(lengths(&ops("four-sizes", 2, 3)), BTreeMap::from(expected));
}

#[test]
fn funny_sizes_lie_on_the_two_sides_of_each_border() {
    let border = [2, 128, 8 * MIB_BLOCKS];
    let [low, high] = ["low", "high"].map(|side| lengths(&ops(&format!("funny-sizes-{side}"), 3, 1)));
    // 127 KiB rounds up to the border itself, as it does on BTRFS.
    assert!(low.keys().zip(border).all(|(length, border)| *length <= border), "{low:?}");
    assert!(high.keys().zip(border).all(|(length, border)| *length > border), "{high:?}");
}

#[test]
fn a_writer_that_waits_is_overtaken() {
    // In mixed-lifetimes two writers send the same requests; one waits 10 ms after each.
    let ops = ops("mixed-lifetimes", 4, 10);
    let of = |file: u64| {
        let range = file * 64 * MIB_BLOCKS * BLOCK..(file + 1) * 64 * MIB_BLOCKS * BLOCK;
        let last =
            ops.iter().rposition(|op| matches!(op, Op::Write { bytes, .. } if range.contains(&bytes.offset)));
        last.expect("each file is written")
    };
    assert!(of(0) > 2 * of(1), "the waiting one ends at {}, the other at {}", of(0), of(1));
}

#[test]
fn a_volume_that_is_too_small_is_refused() {
    let built = build("fsperf", VOLUME_BLOCKS - 1, 1, &[("test", word("four-sizes"))]);
    assert!(matches!(built.err(), Some(WorkloadError::BadSetting { name: "scale", .. })));
}
