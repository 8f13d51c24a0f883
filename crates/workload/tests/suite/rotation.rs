//! Tests of snapshot rotation round workloads that are written down op by op.
//!
//! Invariant: the base workloads here make no random choice. Knows only the public face of the crate.

use crate::common::{build, check_laws, drained, integer, ops_of};
use spinney_core::Setting;
use spinney_workload::compose::{Counted, Rotation};
use spinney_workload::{Bytes, Handle, Op, Phase, Result, Workload};
use std::collections::VecDeque;

fn real(value: f64) -> Setting {
    Setting::Real(value)
}

struct Script(VecDeque<Op>);

impl Workload for Script {
    fn next(&mut self) -> Result<Option<Op>> {
        Ok(self.0.pop_front())
    }
    fn progress(&self) -> f64 {
        0.0
    }
}

fn rotated(ops: &[Op], counted: Counted, every: u64, keep: u64) -> Vec<Op> {
    let ops = drained(Box::new(Rotation::new(
        Box::new(Script(ops.iter().copied().collect())),
        counted,
        every,
        keep,
    )));
    check_laws(&ops, 1 << 30, &format!("{counted:?} {every} {keep}"));
    ops
}

fn write(to: u64, block: u64) -> Op {
    Op::Write { to: Handle(to), bytes: Bytes { offset: block * 4096, length: 4096 } }
}

fn snapshot(of: u64, named: u64) -> Op {
    Op::Snapshot { of: Handle(of), named: Handle(named) }
}

fn delete(of: u64) -> Op {
    Op::Delete { of: Handle(of) }
}

#[test]
fn a_snapshot_follows_every_so_many_changes_and_the_oldest_goes() {
    let read = Op::Read { of: Handle(0), bytes: Bytes { offset: 0, length: 4096 } };
    let base = [
        write(0, 0),
        read,
        write(0, 1),
        Op::Flush,
        write(0, 2),
        write(0, 3),
        write(0, 4),
        write(0, 5),
        write(0, 6),
    ];
    let due = [
        write(0, 0),
        read,
        write(0, 1),
        snapshot(0, 1),
        Op::Flush,
        write(0, 2),
        write(0, 3),
        snapshot(0, 2),
        write(0, 4),
        write(0, 5),
        snapshot(0, 3),
        delete(1),
        write(0, 6),
    ];
    assert_eq!(rotated(&base, Counted::Op, 2, 2), due);
}

#[test]
fn discards_and_zeros_count_as_changes() {
    let bytes = Bytes { offset: 0, length: 4096 };
    let base = [Op::Discard { of: Handle(0), bytes }, Op::Zero { of: Handle(0), bytes }];
    let due = [base[0], snapshot(0, 1), base[1], snapshot(0, 2)];
    assert_eq!(rotated(&base, Counted::Op, 1, 9), due);
}

#[test]
fn a_snapshot_counted_by_flushes_waits_behind_the_round() {
    let base = [write(0, 0), Op::Flush, Op::Round(1), write(0, 1), Op::Flush, write(0, 2)];
    let due = [
        write(0, 0),
        Op::Flush,
        Op::Round(1),
        snapshot(0, 1),
        write(0, 1),
        Op::Flush,
        snapshot(0, 2),
        write(0, 2),
    ];
    assert_eq!(rotated(&base, Counted::Flush, 1, 2), due);
}

#[test]
fn rounds_can_be_counted() {
    let base = [Op::Flush, Op::Round(1), Op::Flush, Op::Round(2), write(0, 1), Op::Flush, Op::Round(3)];
    let due = [
        Op::Flush,
        Op::Round(1),
        Op::Flush,
        Op::Round(2),
        snapshot(0, 1),
        write(0, 1),
        Op::Flush,
        Op::Round(3),
    ];
    assert_eq!(rotated(&base, Counted::Round, 2, 1), due);
}

#[test]
fn handles_of_the_base_are_renamed_and_the_written_version_is_frozen() {
    let clone = |of, named| Op::Clone { of: Handle(of), named: Handle(named) };
    let base = [write(0, 0), clone(0, 1), write(1, 1), clone(1, 2), delete(1), write(2, 2), write(2, 3)];
    let due = [
        write(0, 0),
        snapshot(0, 1),
        clone(0, 2),
        write(2, 1),
        snapshot(2, 3),
        delete(1),
        clone(2, 4),
        delete(2),
        write(4, 2),
        snapshot(4, 5),
        delete(3),
        write(4, 3),
        snapshot(4, 6),
        delete(5),
    ];
    assert_eq!(rotated(&base, Counted::Op, 1, 1), due);
}

#[test]
fn a_log_block_lies_beside_each_write_and_goes_after_the_flush() {
    let ops = ops_of(
        "overwrite",
        1000,
        7,
        &[
            ("fill", real(0.5)),
            ("unit_blocks", integer(1)),
            ("round_share", real(0.008)),
            ("rounds", integer(2)),
            ("flush_every", integer(2)),
            ("log_blocks", integer(8)),
        ],
    );
    check_laws(&ops, 1000 * 4096, "log_blocks");
    let measured = ops.iter().skip_while(|op| **op != Op::Phase(Phase::Measure));
    let kinds: String = measured
        .map(|op| match op {
            Op::Write { bytes, .. } if bytes.offset >= 500 * 4096 && bytes.length == 8 * 4096 => 'l',
            Op::Discard { bytes, .. } if bytes.offset >= 500 * 4096 && bytes.length == 8 * 4096 => 'd',
            Op::Write { .. } => 'w',
            Op::Flush => 'F',
            Op::Round(_) => 'R',
            Op::Phase(_) => 'P',
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, "PwlwlFddwlwlFRddwlwlFddwlwlFR");
}

#[test]
fn a_log_that_does_not_fit_behind_the_data_is_refused() {
    let pairs = [
        ("fill", real(0.5)),
        ("round_share", real(1.0)),
        ("flush_every", integer(64)),
        ("log_blocks", integer(8)),
    ];
    let Err(refused) = build("overwrite", 1000, 7, &pairs) else { panic!("512 blocks fit into 500") };
    assert!(refused.to_string().contains("log_blocks"), "{refused}");
}

#[test]
fn a_teardown_discards_all_that_is_live_and_counts_its_rounds_on() {
    let pairs = [
        ("fill", real(0.5)),
        ("unit_blocks", integer(100)),
        ("round_share", real(0.25)),
        ("rounds", integer(2)),
        ("teardown_rounds", integer(3)),
    ];
    let ops = ops_of("overwrite", 1000, 7, &pairs);
    check_laws(&ops, 1000 * 4096, "teardown_rounds");
    let discard = |from: u64, to: u64| Op::Discard {
        of: Handle(0),
        bytes: Bytes { offset: from * 4096, length: (to - from) * 4096 },
    };
    let parts = [(0, 166, 3), (166, 333, 4), (333, 500, 5)];
    let end: Vec<Op> = parts
        .iter()
        .flat_map(|(from, to, round)| [discard(*from, *to), Op::Flush, Op::Round(*round)])
        .collect();
    assert_eq!(ops[ops.len() - end.len()..], end);
}
