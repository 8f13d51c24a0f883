//! Which pairs of allocator and scheme a test runs. All of them are for `cargo xtask sim`: with thirty allocators and ten schemes the
//! whole product does not fit into a test command of minutes.
//!
//! Invariant: a choice follows from the registry and a turn alone; each has every allocator and every scheme in it. Names none of them.

use crate::Pair;
use spinney_registry::Registry;
use std::sync::Arc;

/// Schemes that the lives run over every allocator.
const SCHEMES_WITH_ALL: usize = 2;
/// Allocators that every scheme meets.
const ALLOCATORS_EACH: usize = 2;

impl Pair {
    /// What the crash lives run: every allocator with the first two schemes of the table, and every other scheme with two allocators,
    /// not the same ones for each.
    #[must_use]
    pub fn for_lives(registry: &Arc<Registry>) -> Vec<Pair> {
        let (allocators, schemes) = (registry.allocator_names().len(), registry.schemes.len());
        let with_all = |scheme| (0..allocators).map(move |allocator| (allocator, scheme));
        let with_two = |scheme| (0..ALLOCATORS_EACH).map(move |at| (scheme * ALLOCATORS_EACH + at, scheme));
        let first = (0..schemes.min(SCHEMES_WITH_ALL)).flat_map(with_all);
        pairs(registry, first.chain((SCHEMES_WITH_ALL..schemes).flat_map(with_two)))
    }

    /// A covering sample, for tests that repeat much in each pair: every allocator with one scheme, and so every scheme with two
    /// allocators or more. The next turn moves each allocator on to the next scheme: as many turns as there are schemes meet every pair.
    #[must_use]
    pub fn sample(registry: &Arc<Registry>, turn: usize) -> Vec<Pair> {
        let (allocators, schemes) = (registry.allocator_names().len(), registry.schemes.len());
        // Where allocators are few they go round again, a scheme further on each time.
        let rounds = (schemes * ALLOCATORS_EACH).div_ceil(allocators.max(1)).max(1);
        let all = (0..rounds).flat_map(|round| (0..allocators).map(move |at| (at, at + round + turn)));
        pairs(registry, all)
    }
}

/// The pairs of these rows; those beyond a column's end begin again.
fn pairs(registry: &Arc<Registry>, rows: impl Iterator<Item = (usize, usize)>) -> Vec<Pair> {
    let allocators = registry.allocator_names();
    let (of_allocators, of_schemes) = (allocators.len(), registry.schemes.len());
    let pair = |(allocator, scheme): (usize, usize)| {
        Pair::new(registry, allocators[allocator % of_allocators], registry.schemes[scheme % of_schemes].name)
    };
    rows.map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planted::FAULTS;
    use std::collections::{BTreeMap, BTreeSet};

    /// The standard one, cut or with its rows repeated under other names, to so many allocators and schemes.
    fn registry(allocators: usize, schemes: usize) -> Arc<Registry> {
        let standard = Registry::standard();
        let mut made = Registry { presets: vec![], allocators: vec![], schemes: vec![], ..standard.clone() };
        let name = |number: usize| -> &'static str { format!("entry-{number}").leak() };
        for (number, entry) in standard.presets.iter().cycle().take(allocators).enumerate() {
            made.presets.push(spinney_registry::AllocatorPreset { name: name(number), ..*entry });
        }
        for (number, entry) in standard.schemes.iter().cycle().take(schemes).enumerate() {
            made.schemes.push(spinney_snap::SchemeEntry { name: name(number), ..*entry });
        }
        Arc::new(made)
    }

    fn names(pairs: &[Pair]) -> BTreeSet<(String, String)> {
        pairs.iter().map(|pair| (pair.allocator.clone(), pair.scheme.clone())).collect()
    }

    /// How many allocators each scheme meets.
    fn met(pairs: &[Pair]) -> BTreeMap<String, usize> {
        names(pairs).into_iter().fold(BTreeMap::new(), |mut met, (_, scheme)| {
            *met.entry(scheme).or_default() += 1;
            met
        })
    }

    #[test]
    fn lives_run_every_allocator_with_two_schemes_and_every_scheme_with_two_allocators() {
        for (allocators, schemes) in [(20, 2), (30, 10), (3, 7), (5, 1)] {
            let pairs = Pair::for_lives(&registry(allocators, schemes));
            let met: Vec<usize> = met(&pairs).into_values().collect();
            let with_all = schemes.min(2);
            assert_eq!(names(&pairs).len(), pairs.len(), "{allocators} x {schemes}: a pair twice");
            assert_eq!(pairs.len(), allocators * with_all + 2 * (schemes - with_all));
            assert_eq!(met.iter().filter(|met| **met == allocators).count(), with_all);
            assert_eq!(met.iter().filter(|met| **met == 2).count(), schemes - with_all);
        }
    }

    #[test]
    fn a_sample_has_every_allocator_and_every_scheme_twice_and_its_turns_meet_every_pair() {
        for (allocators, schemes) in [(20, 2), (30, 10), (5, 4), (2, 2)] {
            let registry = registry(allocators, schemes);
            let mut all = BTreeSet::new();
            for turn in 0..schemes {
                let pairs = Pair::sample(&registry, turn);
                let what = format!("{allocators} x {schemes}, turn {turn}");
                let held: BTreeSet<_> = pairs.iter().map(|pair| pair.allocator.clone()).collect();
                assert_eq!(held.len(), allocators, "{what}");
                let met = met(&pairs);
                assert!(met.len() == schemes && met.values().all(|met| *met >= 2), "{what}: {met:?}");
                assert_eq!(names(&pairs).len(), pairs.len(), "{what}: a pair twice");
                all.extend(names(&pairs));
            }
            assert_eq!(all, names(&Pair::all(&registry)), "{allocators} x {schemes}");
        }
    }

    /// Each planted fault takes a turn.
    #[test]
    fn the_test_command_meets_every_pair() {
        assert!(FAULTS.len() >= Registry::standard().schemes.len());
    }
}
