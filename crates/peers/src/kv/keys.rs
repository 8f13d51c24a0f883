//! The keys: unique, scattered over all of `u64`, the same for every store.
//!
//! Invariant: `key` is a permutation of `u64` (multiplying by an odd number and folding the high half onto the low both
//! are), so equal keys have equal numbers. Knows no store.

/// The key of entry `number`.
pub(crate) fn key(number: u64) -> u64 {
    let folded = (number ^ (number >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let folded = (folded ^ (folded >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    folded ^ (folded >> 32)
}

/// The value of entry `number`.
pub(crate) fn value(number: u64) -> (u64, u64) {
    (number, number ^ 0x5555)
}

/// Which entries are asked for, in another order than they were put: a 64-bit linear congruential sequence (Knuth's MMIX
/// constants), its high half folded into `0..entries`.
pub(crate) fn asked(entries: u64) -> impl Iterator<Item = u64> {
    let mut state = 12345_u64;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((u128::from(state) * u128::from(entries)) >> 64) as u64
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn keys_are_unique_and_scattered() {
        let keys: BTreeSet<u64> = (0..100_000).map(key).collect();
        assert_eq!(keys.len(), 100_000);
        let in_first_half = keys.range(..1 << 63).count();
        assert!((45_000..55_000).contains(&in_first_half), "{in_first_half}");
    }

    #[test]
    fn what_is_asked_for_was_put() {
        assert!(asked(1000).take(10_000).all(|number| number < 1000));
        assert!(asked(1000).take(10_000).collect::<BTreeSet<_>>().len() > 990);
    }
}
