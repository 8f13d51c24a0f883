//! BlueStore's bitmap: the laws, what is split and what is not, the price of a length, the memory.

use spinney_alloc::{FreeIndex, Want};
use spinney_alloc_bitmap::BlueStoreIndex;
use spinney_core::{Extent, Pba};

spinney_testkit::index_laws!(blocks, || Box::new(BlueStoreIndex::default()));
spinney_testkit::index_laws!(units, || Box::new(BlueStoreIndex::new(16)));

fn run(start: u64, blocks: u64) -> Extent {
    Extent::new(Pba(start), blocks)
}

fn with(universe: Extent, free: &[Extent]) -> BlueStoreIndex {
    let mut index = BlueStoreIndex::default();
    index.reset(universe);
    free.iter().for_each(|run| index.insert(*run));
    index
}

#[test]
fn one_block_will_do_so_whatever_comes_first_is_taken() {
    let mut index = with(run(0, 10_000), &[run(700, 2), run(705, 1), run(1000, 500)]);
    let picks: Vec<Extent> = (0..3).map(|_| index.pick(&Want::up_to(64)).unwrap()).collect();
    assert_eq!(picks, [run(700, 2), run(705, 1), run(1000, 64)]);
}

#[test]
fn pieces_are_of_a_unit_at_least_while_that_can_be_had() {
    let mut index = BlueStoreIndex::new(16);
    index.reset(run(0, 10_000));
    [run(100, 9), run(200, 20), run(300, 15)].into_iter().for_each(|run| index.insert(run));
    let picks: Vec<Extent> = (0..3).map(|_| index.pick(&Want::up_to(64)).unwrap()).collect();
    assert_eq!(picks, [run(200, 20), run(100, 9), run(300, 15)]);
}

#[test]
fn a_length_takes_the_shortest_partly_free_stretch_that_holds_it() {
    let free = [run(0, 2000), run(3000, 90), run(3100, 70), run(3300, 80)];
    let mut index = with(run(0, 10_000), &free);
    assert_eq!(index.pick(&Want::exactly(65)), Some(run(3100, 65)));
    assert_eq!(index.pick(&Want::exactly(100)), Some(run(0, 100)), "else a wholly free entry");
    let least = Want { blocks_min: 85, ..Want::up_to(5000) };
    assert_eq!(index.pick(&least), Some(run(100, 1900)), "else the longest there is");
}

#[test]
fn the_position_goes_round_the_groups() {
    const GROUP: u64 = 256 * 512;
    let mut index = with(run(0, 3 * GROUP), &[run(10, 5), run(GROUP + 10, 5), run(2 * GROUP + 10, 5)]);
    let mut groups = Vec::new();
    while let Some(picked) = index.pick(&Want::up_to(3)) {
        groups.push(picked.start.0 / GROUP);
    }
    assert_eq!(groups, [0, 0, 1, 1, 2, 2]);
    index.insert(run(10, 5));
    assert_eq!(index.pick(&Want::up_to(3)), Some(run(10, 3)), "and from the start again");
}

#[test]
fn a_run_over_the_edge_of_two_groups_is_found_by_a_walk() {
    let mut index = with(run(0, 300_000), &[run(131_000, 200)]);
    assert_eq!(index.pick(&Want::exactly(200)), Some(run(131_000, 200)));
    assert_eq!(index.effort().fallbacks, 1);
}

/// The weak spot that users met: no length is kept, so a request that nothing serves reads all that is partly free.
#[test]
fn a_length_that_is_nowhere_costs_a_walk_of_all() {
    let universe = run(0, 1 << 20);
    let mut index = with(universe, &[]);
    (0..1 << 12).for_each(|at| index.insert(run(at * 256, 100)));
    let before = index.effort().steps;
    assert_eq!(index.pick(&Want::exactly(101)), None);
    assert!(index.effort().steps - before > (1 << 20) / 64, "every word of L0 is read");
}

#[test]
fn a_tebibyte_takes_32_mebibytes() {
    let index = with(run(0, 1 << 28), &[]);
    let mib = index.memory_bytes() as f64 / f64::from(1 << 20);
    assert!((32.0..32.2).contains(&mib), "{mib} MiB for 2^28 blocks");
}
