//! Each planted fault must be seen by the lives: a fault that survives is a hole in the net.

use spinney_registry::Registry;
use spinney_sim::planted::command::{BEGIN, END};
use spinney_sim::planted::measure::{LIVES_MAX, catch};
use spinney_sim::planted::{FAULTS, Fault};
use spinney_sim::{Case, Life, Pair};
use std::sync::Arc;

#[test]
fn every_planted_fault_is_caught_over_every_allocator_and_scheme() {
    std::panic::set_hook(Box::new(|_| {}));
    let registry = Arc::new(Registry::standard());
    // Every third pair that fits, for time's sake: each fault has a turn of its own, so together they meet all.
    let in_sample = |(turn, fault): (usize, &'static Fault)| {
        let fitting = Pair::sample(&registry, turn).into_iter().filter(|pair| fault.fits(pair)).step_by(3);
        fitting.map(move |pair| (fault, catch(fault, &pair)))
    };
    let missed: Vec<String> = FAULTS
        .iter()
        .enumerate()
        .flat_map(in_sample)
        .filter(|(_, caught)| caught.lives.is_none())
        .map(|(fault, caught)| format!("{} in {}: {}", fault.name, caught.pair, fault.what))
        .collect();
    let _ = std::panic::take_hook();
    assert!(missed.is_empty(), "not caught in {LIVES_MAX} lives each: {missed:#?}");
}

#[test]
fn there_are_twenty_faults_or_more_and_the_readme_of_the_testkit_lists_each() {
    assert!(FAULTS.len() >= 20, "{} planted faults", FAULTS.len());
    let readme = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../testkit/README.md");
    let text = std::fs::read_to_string(readme).expect("a README");
    let (_, rest) = text.split_once(BEGIN).expect("the table's first line");
    let (table, _) = rest.split_once(END).expect("the table's last line");
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), FAULTS.len(), "run `cargo xtask sim --planted --write crates/testkit/README.md`");
    for (fault, row) in FAULTS.iter().zip(rows) {
        let named = row.starts_with(&format!("| `{}` | {} | ", fault.name, fault.what));
        assert!(named && !row.contains("missed"), "{} and its row differ: {row}", fault.name);
    }
}

#[test]
fn a_failing_seed_shrinks_to_a_few_lines_that_fail_again_and_pass_without_the_fault() {
    let registry = Arc::new(Registry::standard());
    let fault = FAULTS.iter().find(|fault| fault.name == "scheme-frees-early").expect("a planted fault");
    let sound = &Pair::all(&registry)[0];
    let mut pair = sound.clone();
    (fault.plant)(&mut pair);
    let failing = |seed| Life::of_seed(&pair, seed, 60).err().map(|failure| (seed, failure));
    let (seed, failure) = (0..LIVES_MAX).find_map(failing).expect("caught");
    let (case, shrunk) = Case::of_seed(&pair, seed, 60).shrink(failure);
    assert!(case.steps.len() <= 8, "{shrunk}\n{}", case.text());
    let folder = std::env::temp_dir().join(format!("spinney-case-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = case.write(&folder, seed, &shrunk).expect("a case file");
    let read = Case::parse(&registry, &std::fs::read_to_string(path).expect("a file")).expect("a case");
    std::fs::remove_dir_all(&folder).expect("the folder goes");
    assert_eq!((read.steps.len(), read.pair.geometry), (case.steps.len(), case.pair.geometry));
    assert!(Life::run(&pair.on(read.pair.geometry), &read.steps).is_err(), "{}", case.text());
    assert!(Life::run(&read.pair, &read.steps).is_ok(), "fails without the fault:\n{}", case.text());
}
