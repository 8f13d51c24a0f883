//! Tests of replaying: order, limits, the three policies at the volume's end, and snapshots put into a trace.
//!
//! Invariant: the small traces are written out here. Knows only the public face of the crate.

use crate::common::{build, check_laws, drained, integer, word};
use spinney_core::Setting;
use spinney_workload::{Account, Bytes, Handle, Op, Phase, Result, Workload, WorkloadError};
use std::fmt::Write;

/// 16 KiB.
const VOLUME_BLOCKS: u64 = 4;

const TRACE: &str = "5,W,0,4096\n6,R,0,512\n7,F,0,0\n2000008,D,4096,4096\n2000009,Z,8192,100\n";

struct Case {
    _folder: tempfile::TempDir,
    file: String,
}

impl Case {
    fn new(trace: &str) -> Case {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, trace).unwrap();
        Case { file: path.to_str().unwrap().to_string(), _folder: folder }
    }
    fn build(&self, pairs: &[(&str, Setting)]) -> Result<Box<dyn Workload>> {
        build("replay", VOLUME_BLOCKS, 1, &[&[("file", word(&self.file))], pairs].concat())
    }
    fn ops(&self, pairs: &[(&str, Setting)]) -> Vec<Op> {
        let ops = drained(self.build(pairs).unwrap());
        check_laws(&ops, VOLUME_BLOCKS * 4096, &format!("{pairs:?}"));
        ops
    }
    /// The operations, and what became of the requests.
    fn fitted(&self, outside: &str) -> (Vec<Bytes>, Account) {
        let pairs = [("outside", word(outside))];
        let bytes = self.ops(&pairs).iter().filter_map(|op| op.changes().map(|(_, bytes)| bytes)).collect();
        let mut workload = self.build(&pairs).unwrap();
        while workload.next().unwrap().is_some() {}
        (bytes, workload.account())
    }
}

fn bytes(offset: u64, length: u64) -> Bytes {
    Bytes { offset, length }
}

fn requests() -> [Op; 5] {
    let of = Handle::VOLUME;
    [
        Op::Write { to: of, bytes: bytes(0, 4096) },
        Op::Read { of, bytes: bytes(0, 512) },
        Op::Flush,
        Op::Discard { of, bytes: bytes(4096, 4096) },
        Op::Zero { of, bytes: bytes(8192, 100) },
    ]
}

#[test]
fn requests_keep_their_order_and_their_bytes() {
    let due = [&[Op::Phase(Phase::Measure)][..], &requests(), &[Op::Flush, Op::Round(1)]].concat();
    assert_eq!(Case::new(TRACE).ops(&[]), due);
}

#[test]
fn rounds_end_after_so_many_requests() {
    let [one, two, three, four, five] = requests();
    let (flush, measure) = (Op::Flush, Op::Phase(Phase::Measure));
    let due =
        [measure, one, two, flush, Op::Round(1), three, four, flush, Op::Round(2), five, flush, Op::Round(3)];
    assert_eq!(Case::new(TRACE).ops(&[("round_requests", integer(2))]), due);
}

#[test]
fn limits_cut_by_requests_and_by_time() {
    let case = Case::new(TRACE);
    assert_eq!(case.ops(&[("max_requests", integer(2))]).len(), 1 + 2 + 2);
    assert_eq!(
        case.ops(&[("max_time_s", integer(2))]).len(),
        1 + 3 + 1,
        "the third is a flush, so the round adds none"
    );
    assert_eq!(case.ops(&[("max_time_s", integer(3))]).len(), 1 + 5 + 2);
}

#[test]
fn a_repeat_starts_over() {
    let ops = Case::new(TRACE).ops(&[("repeats", integer(3)), ("max_time_s", integer(2))]);
    let reads = ops.iter().filter(|op| matches!(op, Op::Read { .. })).count();
    assert_eq!((reads, ops.iter().filter(|op| matches!(op, Op::Zero { .. })).count()), (3, 0));
}

#[test]
fn a_request_past_the_end_is_an_error_with_its_line_unless_a_policy_takes_it() {
    let case = Case::new("0,W,0,4096\n1,W,12288,8192\n");
    let mut workload = case.build(&[]).unwrap();
    let error = loop {
        match workload.next() {
            Ok(op) => assert!(op.is_some(), "no error"),
            Err(error) => break error,
        }
    };
    assert!(matches!(
        error,
        WorkloadError::Outside { line: 2, offset: 12_288, length: 8192, volume_bytes: 16_384, .. }
    ));
    assert!(
        error
            .to_string()
            .contains("t.csv:2: request 12288+8192 passes the volume's end at 16384; use a larger")
    );
}

#[test]
fn clip_cuts_and_drops() {
    let (fitted, account) =
        Case::new("0,W,12288,8192\n1,W,16384,4096\n2,D,0,99999999\n3,W,0,1\n").fitted("clip");
    assert_eq!(fitted, [bytes(12_288, 4096), bytes(0, 16_384), bytes(0, 1)]);
    assert_eq!(account, Account { requests: 4, clipped: 2, dropped: 1, ..Account::default() });
}

#[test]
fn wrap_counts_modulo_the_volume() {
    let text = format!("0,W,12288,8192\n1,W,{},4096\n2,D,4096,99999999\n3,W,0,1\n", (1_u64 << 40) + 4096);
    let (fitted, account) = Case::new(&text).fitted("wrap");
    let due = [
        bytes(12_288, 4096),
        bytes(0, 4096),
        bytes(4096, 4096),
        bytes(4096, 12_288),
        bytes(0, 4096),
        bytes(0, 1),
    ];
    assert_eq!(fitted, due);
    assert_eq!(account, Account { requests: 4, wrapped: 3, ..Account::default() });
}

#[test]
fn bad_lines_within_the_budget_are_in_the_account() {
    let mut text = String::new();
    (0..1500).for_each(|index| writeln!(text, "{index},W,0,4096").unwrap());
    text += "bad\n";
    let case = Case::new(&text);
    let mut workload = case.build(&[("repeats", integer(2))]).unwrap();
    while workload.next().unwrap().is_some() {}
    assert_eq!(workload.account(), Account { requests: 3000, bad_lines: 2, ..Account::default() });
}

#[test]
fn snapshots_and_flushes_can_be_put_into_a_trace() {
    let text: String = (0..12).map(|index| format!("{index},W,0,4096\n")).collect();
    let pairs = [("snapshot_every", integer(4)), ("keep", integer(2)), ("flush_every", integer(6))];
    let ops = Case::new(&text).ops(&pairs);
    let count = |test: fn(&Op) -> bool| ops.iter().filter(|op| test(op)).count();
    assert_eq!(count(|op| matches!(op, Op::Snapshot { .. })), 3);
    assert_eq!(count(|op| matches!(op, Op::Delete { .. })), 1);
    assert_eq!(count(|op| *op == Op::Flush), 2);
}

#[test]
fn an_empty_trace_is_an_empty_workload() {
    assert_eq!(Case::new("").ops(&[]), [Op::Phase(Phase::Measure)]);
    assert_eq!(Case::new("time_us,op,offset,length\n").ops(&[]), [Op::Phase(Phase::Measure)]);
}

#[test]
fn a_real_trace_replays_whole_with_rising_progress() {
    let mut workload = build("replay", 1 << 17, 1, &[]).unwrap();
    let (mut before, mut ops) = (0.0, Vec::new());
    while let Some(op) = workload.next().unwrap() {
        assert!(workload.progress() >= before);
        before = workload.progress();
        ops.push(op);
    }
    check_laws(&ops, 512 << 20, "git");
    assert!(before > 0.999 && workload.account().requests == 114_918, "{before}, {:?}", workload.account());
}

#[test]
fn snapshots_of_a_trace_are_taken_and_end_and_those_left_go_before_a_repeat() {
    let case = Case::new("0,S,9,0\n1,W,0,4096\n2,S,9,0\n3,S,4,0\n4,E,9,0\n5,E,8,0\n");
    let of = Handle::VOLUME;
    let pass = |first: u64| {
        [
            Op::Snapshot { of, named: Handle(first) },
            Op::Write { to: of, bytes: bytes(0, 4096) },
            Op::Snapshot { of, named: Handle(first + 1) },
            Op::Delete { of: Handle(first) },
        ]
    };
    let ends = [Op::Flush, Op::Round(1)];
    let due = [&[Op::Phase(Phase::Measure)][..], &pass(1), &[Op::Delete { of: Handle(2) }], &pass(3), &ends]
        .concat();
    assert_eq!(case.ops(&[("repeats", integer(2))]), due);
    let mut workload = case.build(&[]).unwrap();
    while workload.next().unwrap().is_some() {}
    assert_eq!(workload.account().dropped, 2, "a number twice, and an end of what had no beginning");
    // Beside snapshots in rotation, names do not collide; `ops` looks at that.
    assert!(case.ops(&[("snapshot_every", integer(1)), ("repeats", integer(3))]).len() > due.len());
}
