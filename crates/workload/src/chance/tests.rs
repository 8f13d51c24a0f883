//! Tests of seeded chance. Knows nothing of workloads.

use super::*;

#[test]
fn the_same_seed_gives_the_same_numbers_for_ever() {
    let mut chance = Chance::new(1, 0);
    let seen: Vec<u64> = (0..3).map(|_| chance.below(1_000_000)).collect();
    assert_eq!(seen, [402_485, 80_383, 596_560], "rows of old runs can no longer be repeated");
}

#[test]
fn streams_of_two_purposes_differ() {
    let (mut one, mut two) = (Chance::new(7, 0), Chance::new(7, 1));
    assert_ne!((one.number(), one.number()), (two.number(), two.number()));
}

#[test]
fn a_permutation_meets_each_place_once() {
    for count in [1, 2, 3, 5, 64, 65, 1000, 4097] {
        let permutation = Permutation::new(count, &mut Chance::new(count, 3));
        let mut met: Vec<u64> = (0..count).map(|index| permutation.at(index)).collect();
        met.sort_unstable();
        assert!(met.iter().copied().eq(0..count), "count {count}");
    }
}

#[test]
fn a_permutation_leaves_no_runs() {
    let permutation = Permutation::new(10_000, &mut Chance::new(9, 3));
    let follow = (1..10_000).filter(|&i| permutation.at(i) == permutation.at(i - 1) + 1).count();
    assert!(follow < 20, "{follow} neighbors stayed neighbors");
}

/// The share of each rank against its closed form, for exponents on both sides of 1 and at 1.
#[test]
fn zipf_ranks_have_their_shares() {
    for exponent in [0.5, 0.99, 1.0, 1.2, 2.5] {
        let (count, draws) = (100_u64, 400_000_u32);
        let zipf = Zipf::new(count, exponent);
        let mut chance = Chance::new(11, 0);
        let mut seen = vec![0_u32; 100];
        (0..draws).for_each(|_| seen[usize::try_from(zipf.rank(&mut chance)).unwrap()] += 1);
        let total: f64 = (1..=count).map(|k| (k as f64).powf(-exponent)).sum();
        for rank in [1_u32, 2, 3, 10, 50, 100] {
            let share = f64::from(rank).powf(-exponent) / total;
            let (due, got) = (share * f64::from(draws), f64::from(seen[rank as usize - 1]));
            let spread = (due * (1.0 - share)).sqrt();
            assert!(
                (got - due).abs() < 5.0 * spread + 1.0,
                "exponent {exponent} rank {rank}: {got}, due {due}"
            );
        }
    }
}

#[test]
fn zipf_of_one_item_and_of_very_many_stays_inside() {
    let mut chance = Chance::new(5, 0);
    assert_eq!(Zipf::new(1, 0.99).rank(&mut chance), 0);
    for exponent in [0.01, 1.0, 20.0] {
        let zipf = Zipf::new(1 << 40, exponent);
        assert!((0..10_000).all(|_| zipf.rank(&mut chance) < 1 << 40), "exponent {exponent}");
    }
}
