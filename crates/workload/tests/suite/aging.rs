//! Tests of the agers: BlueStore's marks and lengths, Geriatrix's distributions of size and of age.
//!
//! Invariant: seeds are fixed and named in failures. Knows only the public face of the crate.

use crate::common::{build, check_laws, integer, ops_of, word};
use spinney_core::Setting::Real;
use spinney_workload::{Handle, Op, WorkloadError};
use std::collections::BTreeMap;

const BLOCK: u64 = 4096;
const MIB_BLOCKS: u64 = (1 << 20) / BLOCK;

/// Objects alive, by version and first byte: tick of birth and blocks. Asserts that none is written over.
#[derive(Default)]
struct Alive {
    objects: BTreeMap<(Handle, u64), (u64, u64)>,
    blocks: u64,
    tick: u64,
}

impl Alive {
    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Write { to, bytes } => {
                let before = self.objects.range(..=(to, bytes.offset)).next_back();
                let clear = before.is_none_or(|((of, offset), (_, blocks))| {
                    *of != to || offset + blocks * BLOCK <= bytes.offset
                });
                assert!(clear, "{op:?} lies over {before:?}");
                self.objects.insert((to, bytes.offset), (self.tick, bytes.length / BLOCK));
                self.blocks += bytes.length / BLOCK;
                self.tick += 1;
            }
            Op::Discard { of, bytes } => {
                let (_, blocks) = self.objects.remove(&(of, bytes.offset)).expect("what is dropped lives");
                assert_eq!(blocks * BLOCK, bytes.length, "an object goes whole");
                self.blocks -= blocks;
                self.tick += 1;
            }
            _ => {}
        }
    }
}

#[test]
fn bluestore_fills_to_the_high_mark_and_frees_to_the_low_one() {
    let volume = 1024 * MIB_BLOCKS;
    for (sizes, scenario, [high, low]) in
        [("triangle", 2, [0.9, 0.7]), ("8m-64k", 15, [0.8, 0.6]), ("objects", 22, [0.9, 0.7])]
    {
        let what = format!("{sizes}, scenario {scenario}, seed 1");
        let ops =
            ops_of("bluestore-aging", volume, 1, &[("sizes", word(sizes)), ("scenario", integer(scenario))]);
        check_laws(&ops, volume * BLOCK, &what);
        let (mut alive, mut levels) = (Alive::default(), Vec::new());
        for op in &ops {
            alive.apply(op);
            if matches!(op, Op::Round(_)) {
                levels.push(alive.blocks as f64 / volume as f64);
            }
        }
        let wanted = [high, low, high, low, high, low, high, 0.0];
        let near = levels.iter().zip(wanted).all(|(level, mark)| (level - mark).abs() < 0.02);
        assert!(near && levels.len() == 8, "{what}: {levels:?}");
    }
}

/// Unit, marks and leak of each line of BlueStore's table, as the stream shows them.
#[test]
fn all_22_scenarios_of_bluestore_have_their_unit_marks_and_leak() {
    let volume = 2048 * MIB_BLOCKS;
    let (full, half) = ([0.9, 0.7], [0.8, 0.6]);
    let half_tib = [(half, 0.1), (full, 0.0), (full, 0.1), (half, 0.5), (full, 0.5)];
    let larger = [(half, 0.1), (full, 0.0), (full, 0.1), (half, 0.3), (full, 0.0), (full, 0.3)];
    let of_a_unit = || half_tib.into_iter().chain(larger);
    let lines = of_a_unit().map(|line| (16, line)).chain(of_a_unit().map(|line| (1, line)));
    for (number, (unit, ([high, low], leak))) in (1..).zip(lines) {
        let ops = ops_of("bluestore-aging", volume, 1, &[("scenario", integer(number))]);
        let (mut alive, mut levels) = (Alive::default(), Vec::new());
        let (mut writes, mut frees, mut odd) = (0.0, 0.0, false);
        for op in &ops {
            alive.apply(op);
            match op {
                Op::Write { bytes, .. } => {
                    assert!((bytes.length / BLOCK).is_multiple_of(unit), "scenario {number}: {op:?}");
                    odd |= !(bytes.length / BLOCK).is_multiple_of(2 * unit);
                    writes += 1.0;
                }
                Op::Discard { .. } if levels.len().is_multiple_of(2) => frees += 1.0,
                Op::Round(_) => levels.push(alive.blocks as f64 / volume as f64),
                _ => {}
            }
        }
        let wanted = [high, low, high, low, high, low, high, 0.0];
        let near = levels.iter().zip(wanted).all(|(level, mark)| (level - mark).abs() < 0.01);
        assert!(near && levels.len() == 8 && odd, "scenario {number}: {levels:?}");
        let share: f64 = frees / writes;
        assert!(
            (share - leak).abs() < 0.1 && (share > 0.0) == (leak > 0.0),
            "scenario {number}: {share} freed"
        );
    }
    assert!(build("bluestore-aging", volume, 1, &[("scenario", integer(23))]).is_err());
}

#[test]
fn lengths_are_those_of_bluestores_test() {
    let volume = 2048 * MIB_BLOCKS;
    let lengths = |sizes: &str| -> Vec<u64> {
        let ops = ops_of("bluestore-aging", volume, 3, &[("sizes", word(sizes)), ("leak", Real(0.5))]);
        ops.iter()
            .filter_map(|op| if let Op::Write { bytes, .. } = op { Some(bytes.length / BLOCK) } else { None })
            .collect()
    };
    let mean = |lengths: &[u64]| lengths.iter().sum::<u64>() as f64 / lengths.len() as f64;
    let (triangle, either, objects) = (lengths("triangle"), lengths("8m-64k"), lengths("objects"));
    assert!((mean(&triangle) / (8 * MIB_BLOCKS) as f64 - 1.0).abs() < 0.1, "{}", mean(&triangle));
    assert!(triangle.iter().all(|blocks| blocks.is_multiple_of(16) && *blocks <= 16 * MIB_BLOCKS + 16));
    assert!(either.iter().all(|blocks| [16, 8 * MIB_BLOCKS].contains(blocks)));
    let small = either.iter().filter(|blocks| **blocks == 16).count() as f64 / either.len() as f64;
    assert!((small - 0.5).abs() < 0.1, "{small}");
    assert!(
        mean(&objects) > (7 * MIB_BLOCKS) as f64 && objects.iter().all(|blocks| *blocks <= 8 * MIB_BLOCKS)
    );
}

#[test]
fn what_is_carved_is_given_back_in_three_parts() {
    let ops = ops_of("bluestore-aging", 64 * MIB_BLOCKS, 1, &[("sizes", word("carve"))]);
    let lengths: Vec<i64> = ops
        .iter()
        .filter_map(|op| match op {
            Op::Write { bytes, .. } => Some((bytes.length / BLOCK) as i64),
            Op::Discard { bytes, .. } => Some(-((bytes.length / BLOCK) as i64)),
            _ => None,
        })
        .collect();
    assert_eq!(lengths, [256, -208, -16, -32].repeat(64));
}

#[test]
fn geriatrix_ends_with_the_sizes_and_ages_that_were_asked_for() {
    let (volume, classes) = (256 * MIB_BLOCKS, [(0.1, 0.2), (0.3, 0.3), (1.0, 0.5)]);
    let pairs = [
        ("sizes", word("4096:1 32768:2 131072:1")),
        ("ages", word("10:2 30:3 100:5")),
        ("overwrites", Real(1000.0)),
    ];
    let ops = ops_of("geriatrix", volume, 5, &pairs);
    check_laws(&ops, volume * BLOCK, "geriatrix, seed 5");
    let mut alive = Alive::default();
    ops.iter().for_each(|op| alive.apply(op));
    let all = alive.objects.len() as f64;
    let share = |wanted: &dyn Fn(&(u64, u64)) -> bool| {
        alive.objects.values().filter(|object| wanted(object)).count() as f64 / all
    };
    assert!((alive.blocks as f64 / volume as f64 - 0.8).abs() < 0.02, "{} blocks", alive.blocks);
    for (blocks, wanted) in [(1, 0.25), (8, 0.5), (32, 0.25)] {
        let found = share(&|(_, of)| *of == blocks);
        assert!((found - wanted).abs() < 0.02, "{found} of {blocks} blocks");
    }
    let mut from = 0.0;
    for (to, wanted) in classes {
        let age = |birth: u64| (alive.tick - birth) as f64 / alive.tick as f64;
        let found = share(&|(birth, _)| age(*birth) > from && age(*birth) <= to);
        assert!((found - wanted).abs() < 0.02, "{found} of ages {from} to {to}");
        from = to;
    }
}

#[test]
fn geriatrix_stops_when_it_is_told_to() {
    let run = |stop: &str, overwrites: f64| {
        let pairs = [
            ("sizes", word("4096:1 32768:2")),
            ("ages", word("10:2 30:3 100:5")),
            ("stop", word(stop)),
            ("round_share", Real(0.25)),
            ("overwrites", Real(overwrites)),
        ];
        ops_of("geriatrix", 32 * MIB_BLOCKS, 2, &pairs).len()
    };
    let (converged, confident, short) =
        (run("converged", 100.0), run("confidence", 100.0), run("converged", 1.5));
    assert!(short < converged && confident < converged, "{short} {confident} {converged}");
}

#[test]
fn bad_distributions_are_refused() {
    for (name, text) in [
        ("sizes", ""),
        ("sizes", "4096"),
        ("sizes", "4096:-1"),
        ("sizes", "8192:1 4096:1"),
        ("sizes", "1e14:1"),
        ("ages", "1:nan"),
        ("ages", "0.0000000001:1000 1000000:1"),
    ] {
        let mut workload = match build("geriatrix", 1024, 1, &[(name, word(text))]) {
            Ok(workload) => workload,
            Err(error) => {
                assert!(matches!(error, WorkloadError::BadSetting { .. }), "{text:?}: {error}");
                continue;
            }
        };
        let error = std::iter::from_fn(|| workload.next().transpose()).find_map(Result::err);
        assert!(matches!(error, Some(WorkloadError::BadSetting { .. })), "{name} {text:?}: {error:?}");
    }
}

#[test]
fn a_spike_rises_falls_walks_and_churns_to_its_levels() {
    let volume = 256 * MIB_BLOCKS;
    for seed in [1, 2] {
        let ops = ops_of("spike", volume, seed, &[("walk", Real(0.3)), ("base", Real(0.2))]);
        check_laws(&ops, volume * BLOCK, &format!("spike, seed {seed}"));
        let (mut alive, mut levels) = (Alive::default(), Vec::new());
        for op in &ops {
            alive.apply(op);
            if matches!(op, Op::Round(_)) {
                levels.push(alive.blocks as f64 / volume as f64);
            }
        }
        let wanted = [0.2, 0.8, 0.2, 0.5, 0.5];
        let near = levels.iter().zip(wanted).all(|(level, mark)| (level - mark).abs() < 0.005);
        assert!(near && levels.len() == 5, "seed {seed}: {levels:?}");
    }
}

/// Lengths of what is read, in order; a file may lie in several places.
fn read_blocks(ops: &[Op]) -> u64 {
    ops.iter().map(|op| if let Op::Read { bytes, .. } = op { bytes.length / BLOCK } else { 0 }).sum()
}

#[test]
fn a_copy_of_a_history_is_its_last_tree_written_once() {
    let volume = 64 * MIB_BLOCKS;
    for seed in [1, 2] {
        let of = |copy: &str| {
            let pairs =
                [("copy", word(copy)), ("pulls", integer(150)), ("changed", Real(0.02)), ("fill", Real(0.5))];
            ops_of("history", volume, seed, &pairs)
        };
        let (aged, copy, shuffled) = (of("none"), of("names"), of("shuffled"));
        let alive = |ops: &[Op]| {
            let mut alive = Alive::default();
            ops.iter().for_each(|op| alive.apply(op));
            alive.blocks
        };
        assert_eq!(read_blocks(&aged), alive(&aged), "seed {seed}: all that lives is read once");
        for fresh in [&copy, &shuffled] {
            assert_eq!(read_blocks(fresh), read_blocks(&aged), "seed {seed}: the same tree");
            assert!(!fresh.iter().any(|op| matches!(op, Op::Discard { .. })), "seed {seed}");
        }
        // The copy in the order of names is read front to back; the shuffled one is not.
        let reads = |ops: &[Op]| -> Vec<u64> {
            ops.iter()
                .filter_map(|op| if let Op::Read { bytes, .. } = op { Some(bytes.offset) } else { None })
                .collect()
        };
        assert!(reads(&copy).is_sorted() && !reads(&shuffled).is_sorted(), "seed {seed}");
        let mut sizes = [&copy, &shuffled].map(|ops| -> Vec<u64> {
            ops.iter()
                .filter_map(|op| if let Op::Write { bytes, .. } = op { Some(bytes.length) } else { None })
                .collect()
        });
        sizes.iter_mut().for_each(|sizes| sizes.sort_unstable());
        assert_eq!(sizes[0], sizes[1], "seed {seed}");
    }
}
