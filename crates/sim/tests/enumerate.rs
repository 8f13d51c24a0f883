//! Every sequence of two operations in a sample of pairs, cut at every flush; what must be caught; and the cases that were kept.

use spinney_core::{BlockDevice, Extent, Pba, Result};
use spinney_device::{Fate, MemoryDevice};
use spinney_registry::Registry;
use spinney_sim::Pair;
use spinney_sim::enumerate::{Case, Finding, Plan, enumerate};
use spinney_sim::planted::FAULTS;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The test command's depth; `cargo xtask sim --exhaustive 3` goes further.
fn plan() -> Plan {
    Plan::new(2, 4)
}

/// Every other pair of a sample, for time's sake: each test has a turn of its own.
fn pairs(turn: usize) -> Vec<Pair> {
    Pair::sample(&Arc::new(Registry::standard()), turn).into_iter().step_by(2).collect()
}

#[test]
fn every_sequence_of_two_operations_survives_every_cut() {
    for pair in pairs(0) {
        match enumerate(&pair, plan()) {
            Ok(counts) => {
                assert!(counts.sequences > 400 && counts.idle < 200, "too many are idle: {counts:?}");
                assert!(counts.points > counts.sequences, "a commit has two flushes: {counts:?}");
                assert!(
                    counts.raw[0] > 100 * counts.points && counts.raw[1] > 1000,
                    "too few cuts: {counts:?}"
                );
                // The superblock is one sector: it has no torn states.
                assert!(
                    2 * counts.distinct[0] > counts.sequences,
                    "the states are too much alike: {counts:?}"
                );
            }
            Err(finding) => panic!("{}", report(&finding)),
        }
    }
}

#[test]
fn operations_short_of_metadata_survive_every_cut() {
    let (mut refused, mut on_the_way) = (0, 0);
    for (pair, more) in pairs(1).into_iter().flat_map(|pair| [0, 4, 8].map(|more| (pair.clone(), more))) {
        let plan = Plan::new(1, 4).scarce(&pair, more);
        assert!(plan.geometry.metadata_blocks < 120, "{plan:?} is not short of 144");
        let counts = enumerate(&pair, plan).unwrap_or_else(|finding| panic!("{}", report(&finding)));
        refused += counts.refused;
        on_the_way += counts.points.saturating_sub(2 * counts.sequences);
    }
    assert!(
        refused > 10 && on_the_way > 10,
        "{refused} refused, {on_the_way} flushes before the last commit"
    );
}

fn report(finding: &Finding) -> String {
    format!("{}\n{}", finding.what, finding.case)
}

/// Plant it in the pairs of this turn: each must fall, and its shrunk case must fail with the fault and pass without.
fn must_be_caught(name: &str, turn: usize, plant: impl Fn(&mut Pair)) {
    for sound in pairs(turn) {
        let sound = sound.on(plan().geometry);
        let mut pair = sound.clone();
        plant(&mut pair);
        let named = format!("{name} in {} x {}", pair.allocator, pair.scheme);
        let finding = *enumerate(&pair, Plan::new(2, 0)).expect_err(&named);
        let case = Case::parse(&finding.case.to_string()).expect("a case reads back");
        assert!(case.run(&pair).is_err(), "{named}: does not fail again\n{}", report(&finding));
        assert_eq!(case.run(&sound), Ok(()), "{named}: fails without the fault\n{case}");
    }
}

fn must_catch_planted(name: &str, turn: usize) {
    let fault = FAULTS.iter().find(|fault| fault.name == name).expect("a planted fault of this name");
    must_be_caught(name, turn, fault.plant);
}

#[test]
fn a_superblock_that_is_not_preceded_by_a_flush_is_caught() {
    must_catch_planted("no-flush-before-superblock", 2);
}

// A single superblock slot is not asked for here: every cut listed leaves whole sectors, and all that a commit changes is in one, so the
// slot is never lost. What a second slot is for, a write shorn inside its sector, `tests/shears.rs` has.

#[test]
fn reuse_of_blocks_in_their_own_epoch_is_caught() {
    must_catch_planted("reuse-at-once", 3);
}

#[test]
fn an_open_that_does_not_flush_is_caught() {
    must_be_caught("open-does-not-flush", 4, |pair| {
        pair.device = |device| Arc::new(DeafAtFirst { device, heard: AtomicBool::new(false) });
    });
}

/// Leaves out the first flush, which is that of opening.
struct DeafAtFirst {
    device: Arc<dyn BlockDevice>,
    heard: AtomicBool,
}

impl BlockDevice for DeafAtFirst {
    fn blocks(&self) -> u64 {
        self.device.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.device.read(at, buffer)
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        self.device.write(at, data)
    }
    fn flush(&self) -> Result<()> {
        if self.heard.swap(true, Ordering::Relaxed) { self.device.flush() } else { Ok(()) }
    }
    fn discard(&self, run: Extent) -> Result<()> {
        self.device.discard(run)
    }
}

#[test]
fn every_kept_crash_state_passes() {
    let registry = Arc::new(Registry::standard());
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/states");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let case = Case::parse(&std::fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|line| panic!("{path:?}: {line}"));
        let outcome = case.run(&case.sound_pair(&registry).unwrap());
        assert_eq!(outcome, Ok(()), "{path:?}");
    }
}

#[test]
fn a_recorded_history_goes_from_zeros_to_the_end_without_a_gap() {
    let registry = Arc::new(Registry::standard());
    let case = Case::parse("pair bitmap refcount\nwrite first 0 8192\nkill 1\nsnapshot first").unwrap();
    let epochs = case.record(&case.sound_pair(&registry).unwrap()).unwrap();
    let zeros = MemoryDevice::new(epochs[0].durable.blocks());
    assert_eq!(epochs[0].durable.first_difference(&zeros), None);
    for (number, pair) in epochs.windows(2).enumerate() {
        let after = pair[0].image(&vec![Fate::Kept; pair[0].writes.len()]);
        assert_eq!(after.first_difference(&pair[1].durable), None, "after flush {number}");
    }
    assert!(epochs.len() > 8);
}

#[test]
fn counts_do_not_depend_on_threads() {
    let registry = Arc::new(Registry::standard());
    let pair = Pair::all(&registry).remove(0);
    let counts = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| enumerate(&pair, Plan::new(1, 2)).map_err(|finding| report(&finding)))
    };
    assert_eq!(counts(1).unwrap(), counts(4).unwrap());
}
