//! Tests of the generated workloads: the laws of every stream, and what each kind promises about where it writes.
//!
//! Invariant: seeds are fixed and named in failures. Knows only the public face of the crate.

use crate::common::{build, check_laws, entry, integer, ops_of, word};
use spinney_core::Setting::Real;
use spinney_core::{Setting, Settings};
use spinney_workload::{Handle, Op, Phase};
use std::collections::{BTreeMap, BTreeSet};

const BLOCK: u64 = 4096;
/// 64 MiB.
const VOLUME_BLOCKS: u64 = 16_384;

type Pairs = Vec<(&'static str, Setting)>;

/// One short run of each kind, with everything that can be put round it.
fn samples() -> Vec<(&'static str, Pairs)> {
    let rotation = |unit| {
        vec![
            ("snapshot_every", integer(3)),
            ("snapshot_unit", word(unit)),
            ("keep", integer(2)),
            ("scan", Setting::Switch(true)),
        ]
    };
    let with = |mut pairs: Pairs, more: Pairs| {
        pairs.extend(more);
        pairs
    };
    vec![
        ("fill", vec![("order", word("shuffled")), ("unit_blocks", integer(7))]),
        ("fill", vec![("rounds", integer(3)), ("fill", Real(0.33))]),
        ("overwrite", with(vec![("rounds", integer(3))], rotation("op"))),
        (
            "overwrite",
            with(
                vec![("rounds", integer(9)), ("pattern", word("zipf")), ("read_share", Real(0.3))],
                rotation("flush"),
            ),
        ),
        (
            "overwrite",
            with(
                vec![("rounds", integer(9)), ("pattern", word("hot-cold")), ("fill", Real(0.0))],
                rotation("round"),
            ),
        ),
        (
            "overwrite",
            with(
                vec![("rounds", integer(4)), ("pattern", word("sequential")), ("flush_every", integer(0))],
                rotation("flush"),
            ),
        ),
        (
            "clones",
            vec![
                ("rounds", integer(6)),
                ("from", word("random")),
                ("keep_clones", integer(3)),
                ("scan", Setting::Switch(true)),
            ],
        ),
        ("clones", vec![("rounds", integer(4)), ("clone_writes", Real(0.0)), ("from", word("origin"))]),
        ("discard-storm", with(vec![("rounds", integer(2)), ("storm_share", Real(1.0))], rotation("op"))),
        ("discard-storm", vec![("rounds", integer(2)), ("refill", word("same"))]),
        ("spread", vec![("rounds", integer(3)), ("versions", integer(3)), ("read_share", Real(0.4))]),
        ("grow", vec![("rounds", integer(3)), ("versions", integer(5)), ("until", Real(0.3))]),
        ("grow", vec![("rounds", integer(7)), ("turns", word("robin")), ("scan", Setting::Switch(true))]),
        ("comb", vec![("unit_blocks", integer(3)), ("spacing", integer(4)), ("scan", Setting::Switch(true))]),
    ]
    .into_iter()
    .chain(agers())
    .collect()
}

/// The same of the kinds that make and drop objects.
fn agers() -> Vec<(&'static str, Pairs)> {
    vec![
        (
            "bluestore-aging",
            vec![
                ("repeats", integer(2)),
                ("leak", Real(0.3)),
                ("sizes", word("8m-64k")),
                ("scan", Setting::Switch(true)),
            ],
        ),
        ("bluestore-aging", vec![("repeats", integer(1)), ("sizes", word("objects"))]),
        (
            "geriatrix",
            vec![
                ("overwrites", Real(3.0)),
                ("sizes", word("4096:3 65536:2 1048576:1")),
                ("snapshot_every", integer(3)),
                ("keep", integer(2)),
            ],
        ),
        ("history", vec![("pulls", integer(120)), ("changed", Real(0.02))]),
        ("history", vec![("pulls", integer(50)), ("copy", word("shuffled")), ("fill", Real(0.97))]),
        ("spike", vec![("scan", Setting::Switch(true)), ("sizes", word("4096:3 65536:2 1048576:1"))]),
        ("geriatrix", vec![("stop", word("confidence")), ("sizes", word("4096:1 32768:1"))]),
        (
            "fsperf",
            vec![
                ("test", word("correlated-lifetimes")),
                ("scale", integer(32)),
                ("loops", integer(2)),
                ("rounds", integer(7)),
                ("snapshot_every", integer(3)),
                ("keep", integer(2)),
            ],
        ),
    ]
}

#[test]
fn every_stream_obeys_the_laws() {
    for (name, pairs) in samples() {
        for seed in [1, 2] {
            let ops = ops_of(name, VOLUME_BLOCKS, seed, &pairs);
            check_laws(&ops, VOLUME_BLOCKS * BLOCK, &format!("{name} {pairs:?} seed {seed}"));
            assert!(ops.iter().any(|op| matches!(op, Op::Round(_))), "{name} {pairs:?} gives no row");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_stream_and_another_one_does_not() {
    for (name, pairs) in samples() {
        let ops = ops_of(name, VOLUME_BLOCKS, 7, &pairs);
        assert!(ops == ops_of(name, VOLUME_BLOCKS, 7, &pairs), "{name} {pairs:?}");
        let random = !matches!(pairs.iter().find(|(name, _)| *name == "pattern"), Some((_, Setting::Word(word))) if word == "sequential")
            && pairs.iter().all(|(name, value)| *name != "clone_writes" || *value != Real(0.0))
            && name != "comb"
            && pairs.iter().all(|(name, value)| *name != "turns" || *value != word("robin"))
            && (name != "fill" || pairs.iter().any(|(name, _)| *name == "order"));
        assert_eq!(ops != ops_of(name, VOLUME_BLOCKS, 8, &pairs), random, "{name} {pairs:?}");
    }
}

#[test]
fn progress_rises_from_nothing_to_one() {
    for (name, pairs) in samples() {
        let mut workload = build(name, VOLUME_BLOCKS, 1, &pairs).unwrap();
        let mut before = workload.progress();
        assert!(before < 0.01, "{name} {pairs:?} begins at {before}");
        while workload.next().unwrap().is_some() {
            let now = workload.progress();
            assert!(now >= before && now <= 1.0, "{name} {pairs:?}: {before} then {now}");
            before = now;
        }
        assert!(before > 0.999, "{name} {pairs:?} ends at {before}");
    }
}

/// Offsets in bytes of the writes to the volume behind `Phase::Measure`.
fn measured_writes(ops: &[Op]) -> Vec<u64> {
    let start = ops.iter().position(|op| *op == Op::Phase(Phase::Measure)).unwrap();
    ops[start..]
        .iter()
        .filter_map(|op| if let Op::Write { bytes, .. } = op { Some(bytes.offset) } else { None })
        .collect()
}

fn blocks_written(ops: &[Op]) -> BTreeMap<u64, u32> {
    let mut times = BTreeMap::new();
    for op in ops {
        if let Op::Write { bytes, .. } = op {
            for block in bytes.offset / BLOCK..(bytes.offset + bytes.length) / BLOCK {
                *times.entry(block).or_default() += 1;
            }
        }
    }
    times
}

#[test]
fn a_fill_writes_each_block_of_its_share_once() {
    for order in ["sequential", "shuffled"] {
        let ops = ops_of(
            "fill",
            VOLUME_BLOCKS,
            3,
            &[("fill", Real(0.5)), ("unit_blocks", integer(32)), ("order", word(order))],
        );
        let times = blocks_written(&ops);
        assert!(times.keys().copied().eq(0..VOLUME_BLOCKS / 2), "{order}");
        assert!(times.values().all(|times| *times == 1), "{order}");
        assert_eq!(ops.iter().filter(|op| matches!(op, Op::Round(_))).count(), 10, "{order}");
    }
}

#[test]
fn content_is_laid_down_before_it_is_overwritten() {
    let ops = ops_of("overwrite", VOLUME_BLOCKS, 3, &[("fill", Real(0.5)), ("rounds", integer(1))]);
    assert_eq!(ops[0], Op::Phase(Phase::Fill));
    let measure = ops.iter().position(|op| *op == Op::Phase(Phase::Measure)).unwrap();
    assert_eq!(ops[measure - 1], Op::Flush);
    assert!(blocks_written(&ops[..measure]).into_iter().eq((0..VOLUME_BLOCKS / 2).map(|block| (block, 1))));
    assert!(blocks_written(&ops[measure..]).keys().all(|block| *block < VOLUME_BLOCKS / 2));
}

#[test]
fn a_round_writes_its_share_of_the_live_units() {
    let ops = ops_of(
        "overwrite",
        VOLUME_BLOCKS,
        4,
        &[("fill", Real(0.5)), ("rounds", integer(6)), ("round_share", Real(0.25))],
    );
    assert_eq!(measured_writes(&ops).len() as u64, 6 * (VOLUME_BLOCKS / 2 / 4) / 4);
}

#[test]
fn flushes_come_after_every_so_many_writes() {
    let ops = ops_of(
        "overwrite",
        VOLUME_BLOCKS,
        5,
        &[("fill", Real(0.0)), ("rounds", integer(2)), ("flush_every", integer(10))],
    );
    let (mut since, mut most) = (0, 0);
    for op in &ops {
        since = if *op == Op::Flush { 0 } else { since + u32::from(matches!(op, Op::Write { .. })) };
        most = most.max(since);
    }
    assert_eq!(most, 10);
}

#[test]
fn hot_units_get_their_traffic_and_lie_scattered() {
    let pairs = [
        ("pattern", word("hot-cold")),
        ("fill", Real(0.0)),
        ("unit_blocks", integer(1)),
        ("rounds", integer(20)),
    ];
    let offsets = measured_writes(&ops_of("overwrite", VOLUME_BLOCKS, 6, &pairs));
    let mut times = BTreeMap::<u64, u64>::new();
    offsets.iter().for_each(|offset| *times.entry(*offset).or_default() += 1);
    let mut counts: Vec<(u64, u64)> = times.into_iter().map(|(offset, count)| (count, offset)).collect();
    counts.sort_unstable_by(|one, other| other.cmp(one));
    let hot = &counts[..usize::try_from(VOLUME_BLOCKS / 10).unwrap()];
    let share = hot.iter().map(|(count, _)| *count).sum::<u64>() as f64 / offsets.len() as f64;
    assert!((share - 0.9).abs() < 0.01, "the hottest tenth got {share}");
    let in_front = hot.iter().filter(|(_, offset)| *offset < VOLUME_BLOCKS * BLOCK / 2).count();
    assert!(
        (in_front as f64 / hot.len() as f64 - 0.5).abs() < 0.05,
        "{in_front} of {} lie in the front half",
        hot.len()
    );
}

#[test]
fn hot_units_lie_in_front_when_they_are_not_scattered() {
    let pairs = [
        ("pattern", word("zipf")),
        ("scatter", Setting::Switch(false)),
        ("fill", Real(0.0)),
        ("rounds", integer(20)),
    ];
    let offsets = measured_writes(&ops_of("overwrite", VOLUME_BLOCKS, 6, &pairs));
    let in_front = offsets.iter().filter(|offset| **offset < VOLUME_BLOCKS * BLOCK / 10).count() as f64;
    // H(409) / H(4096) with exponent 0.99.
    let due = (1..=409).map(|k| f64::from(k).powf(-0.99)).sum::<f64>()
        / (1..=4096).map(|k| f64::from(k).powf(-0.99)).sum::<f64>();
    assert!(
        (in_front / offsets.len() as f64 - due).abs() < 0.02,
        "{} of {}, due {due}",
        in_front,
        offsets.len()
    );
}

#[test]
fn uniform_overwrites_leave_a_poisson_share_untouched() {
    let pairs = [("fill", Real(0.0)), ("unit_blocks", integer(1)), ("rounds", integer(10))];
    let met: BTreeSet<u64> =
        measured_writes(&ops_of("overwrite", VOLUME_BLOCKS, 9, &pairs)).into_iter().collect();
    let untouched = 1.0 - met.len() as f64 / VOLUME_BLOCKS as f64;
    assert!((untouched - (-1.0_f64).exp()).abs() < 0.015, "{untouched} after one volume overwrite");
}

#[test]
fn reads_have_their_share() {
    let pairs = [
        ("read_share", Real(0.7)),
        ("fill", Real(0.0)),
        ("rounds", integer(10)),
        ("unit_blocks", integer(1)),
    ];
    let ops = ops_of("overwrite", VOLUME_BLOCKS, 10, &pairs);
    let reads = ops.iter().filter(|op| matches!(op, Op::Read { .. })).count() as f64;
    let writes = ops.iter().filter(|op| matches!(op, Op::Write { .. })).count() as f64;
    assert!((reads / (reads + writes) - 0.7).abs() < 0.01, "{reads} reads, {writes} writes");
}

#[test]
fn a_storm_discards_its_share_and_writes_back_exactly_that() {
    for refill in ["shuffled", "same", "ascending"] {
        let ops = ops_of(
            "discard-storm",
            VOLUME_BLOCKS,
            11,
            &[("fill", Real(0.5)), ("rounds", integer(3)), ("refill", word(refill))],
        );
        let mut live: BTreeSet<u64> = BTreeSet::new();
        let mut at_rows = Vec::new();
        for op in &ops {
            match op {
                Op::Write { bytes, .. } => {
                    live.extend(bytes.offset / BLOCK..(bytes.offset + bytes.length) / BLOCK)
                }
                Op::Discard { bytes, .. } => {
                    let range = bytes.offset / BLOCK..(bytes.offset + bytes.length) / BLOCK;
                    assert!(
                        range.into_iter().all(|block| live.remove(&block)),
                        "{refill}: {op:?} was not live"
                    );
                }
                Op::Round(_) => at_rows.push(live.len()),
                _ => {}
            }
        }
        let (full, low) = (8192, 8192 - 409 * 4);
        assert_eq!(at_rows, [low, full, low, full, low, full], "{refill}");
    }
}

#[test]
fn a_refill_keeps_its_order() {
    let order = |refill| {
        let ops =
            ops_of("discard-storm", VOLUME_BLOCKS, 12, &[("rounds", integer(1)), ("refill", word(refill))]);
        let gone: Vec<u64> = ops
            .iter()
            .filter_map(|op| if let Op::Discard { bytes, .. } = op { Some(bytes.offset) } else { None })
            .collect();
        (gone, measured_writes(&ops))
    };
    let (gone, back) = order("same");
    assert!(gone == back);
    let (gone, back) = order("ascending");
    assert!(gone != back && back.is_sorted());
    let (gone, back) = order("shuffled");
    assert!(gone != back && !back.is_sorted());
}

/// For each clone: what it was made of, and how many writes it got.
fn clones(pairs: &[(&'static str, Setting)]) -> (Vec<Handle>, BTreeMap<Handle, usize>, Vec<Handle>) {
    let ops = ops_of("clones", VOLUME_BLOCKS, 13, pairs);
    let (mut parents, mut writes, mut deleted) = (Vec::new(), BTreeMap::new(), Vec::new());
    let start = ops.iter().position(|op| *op == Op::Phase(Phase::Measure)).unwrap();
    for op in &ops[start..] {
        match *op {
            Op::Clone { of, .. } => parents.push(of),
            Op::Write { to, .. } => *writes.entry(to).or_default() += 1,
            Op::Delete { of } => deleted.push(of),
            _ => {}
        }
    }
    (parents, writes, deleted)
}

#[test]
fn clones_form_a_chain_or_a_star_and_each_gets_its_writes() {
    let fixed = [("rounds", integer(5)), ("fill", Real(0.5)), ("clone_writes", Real(0.1))];
    let (parents, writes, deleted) = clones(&fixed);
    assert_eq!(parents, [0, 1, 2, 3, 4].map(Handle));
    assert!(writes.into_iter().eq((1..=5).map(|clone| (Handle(clone), 204))));
    assert!(deleted.is_empty());
    let (parents, ..) = clones(&[fixed.as_slice(), &[("from", word("origin"))]].concat());
    assert_eq!(parents, [Handle::VOLUME; 5]);
}

#[test]
fn old_clones_are_deleted_oldest_first() {
    let (_, _, deleted) = clones(&[("rounds", integer(6)), ("keep_clones", integer(2))]);
    assert_eq!(deleted, [1, 2, 3, 4].map(Handle));
}

#[test]
fn a_scan_reads_the_newest_version_once_from_front_to_back() {
    let ops = ops_of(
        "clones",
        1000,
        14,
        &[("rounds", integer(3)), ("fill", Real(0.0)), ("scan", Setting::Switch(true))],
    );
    let start = ops.iter().position(|op| *op == Op::Phase(Phase::Scan)).unwrap();
    let mut next = 0;
    for op in &ops[start + 1..] {
        match *op {
            Op::Read { of, bytes } => {
                assert_eq!((of, bytes.offset), (Handle(3), next));
                next += bytes.length;
            }
            Op::Flush | Op::Round(1) => assert_eq!(next, 1000 * BLOCK),
            _ => panic!("{op:?} in a scan"),
        }
    }
    assert_eq!(ops.last(), Some(&Op::Round(1)));
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let cases: [(&str, &str, Setting); 22] = [
        ("overwrite", "fill", Real(1.5)),
        ("overwrite", "fill", Real(f64::NAN)),
        ("overwrite", "pattern", word("zipfian")),
        ("overwrite", "unit_blocks", integer(0)),
        ("overwrite", "unit_blocks", integer(VOLUME_BLOCKS)),
        ("overwrite", "round_share", Real(0.0)),
        ("overwrite", "read_share", Real(1.0)),
        ("overwrite", "keep", integer(0)),
        ("overwrite", "snapshot_unit", word("second")),
        ("fill", "rounds", integer(0)),
        ("fill", "order", word("random")),
        ("clones", "clone_writes", Real(-1.0)),
        ("discard-storm", "fill", Real(0.0)),
        ("spread", "versions", integer(0)),
        ("spread", "versions", integer(1025)),
        ("grow", "versions", integer(0)),
        ("grow", "rounds", integer(0)),
        ("grow", "until", Real(0.0)),
        ("grow", "turns", word("fair")),
        ("comb", "spacing", integer(1)),
        ("comb", "fill", Real(0.0)),
        ("replay", "repeats", integer(0)),
    ];
    for (name, setting, value) in cases {
        let said =
            build(name, VOLUME_BLOCKS, 1, &[(setting, value.clone())]).err().map(|error| error.to_string());
        let begin = format!("bad setting: {setting} = ");
        assert!(
            said.as_ref().is_some_and(|said| said.starts_with(&begin)),
            "{name} {setting} {value}: {said:?}"
        );
    }
}

#[test]
fn the_smallest_volume_works() {
    for name in ["fill", "overwrite", "clones", "discard-storm"] {
        let pairs = [("unit_blocks", integer(1)), ("fill", Real(1.0)), ("rounds", integer(2))];
        check_laws(&ops_of(name, 1, 1, &pairs), BLOCK, name);
    }
}

#[test]
fn every_entry_has_a_summary_and_builds_with_its_defaults() {
    for name in ["fill", "overwrite", "clones", "discard-storm", "spread", "grow", "comb", "replay"] {
        let entry = entry(name);
        assert!(!entry.summary.is_empty() && !entry.paper.is_empty() && !entry.parameters.is_empty());
        assert!(
            entry.parameters.iter().all(|parameter| parameter.reason.len() > 20),
            "{name} has a parameter without a reason"
        );
        let context = crate::common::context(1 << 17, 1);
        assert!((entry.build)(&context, &Settings::new()).unwrap().next().unwrap().is_some(), "{name}");
    }
}

#[test]
fn a_comb_discards_every_nth_unit_once() {
    let pairs = [("unit_blocks", integer(2)), ("spacing", integer(3)), ("flush_every", integer(0))];
    let ops = ops_of("comb", 100, 1, &pairs);
    let discarded = ops.iter().filter_map(|op| match op {
        Op::Discard { bytes, .. } => Some((bytes.offset / BLOCK, bytes.length / BLOCK)),
        _ => None,
    });
    let expected: Vec<(u64, u64)> = (0..50).filter(|unit| unit % 3 == 2).map(|unit| (unit * 2, 2)).collect();
    assert_eq!(discarded.collect::<Vec<_>>(), expected);
    assert_eq!(ops.iter().filter(|op| matches!(op, Op::Round(_))).count(), 1);
}

#[test]
fn spread_operations_reach_every_version_alike() {
    let pairs = [("rounds", integer(5)), ("versions", integer(4)), ("unit_blocks", integer(1))];
    let ops = ops_of("spread", VOLUME_BLOCKS, 3, &pairs);
    let measured = ops.iter().skip_while(|op| **op != Op::Phase(Phase::Measure));
    let mut written: BTreeMap<Handle, u64> = BTreeMap::new();
    for op in measured {
        if let Op::Write { to, .. } = op {
            *written.entry(*to).or_default() += 1;
        }
    }
    let all: u64 = written.values().sum();
    assert_eq!(all, 5 * (13_107 / 10), "five rounds of a tenth of what is live");
    assert_eq!(written.len(), 4);
    assert!(written.values().all(|count| count.abs_diff(all / 4) < all / 20), "seed 3: {written:?}");
}
