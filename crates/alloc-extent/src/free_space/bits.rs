//! A bitmap record: 2,048 blocks in 256 bytes, a set bit is a free block.
//!
//! Invariant: a change is made only if every bit of it had the other value. Knows no group and no page.

use core::ops::Range;

/// Blocks that a record describes: 8 MiB.
pub(super) const BLOCKS: u64 = 2048;
/// Bytes of a record.
pub(super) type Bits = [u8; 256];

/// The bits `within` of byte number `at`.
fn mask(at: usize, within: &Range<u64>) -> u8 {
    let from = within.start.saturating_sub(at as u64 * 8).min(8);
    let until = within.end.saturating_sub(at as u64 * 8).min(8);
    ((1u16 << until) - 1) as u8 & !(((1u16 << from) - 1) as u8)
}

/// Give the bits of a range this value; `false`, and nothing changed, if one of them has it.
pub(super) fn set(bits: &mut Bits, within: Range<u64>, free: bool) -> bool {
    let bytes = within.start as usize / 8..(within.end as usize).div_ceil(8);
    let same = |at: usize| if free { bits[at] } else { !bits[at] } & mask(at, &within);
    if bytes.clone().any(|at| same(at) != 0) {
        return false;
    }
    bytes.for_each(|at| bits[at] ^= mask(at, &within));
    true
}

/// Whether block `at` is free.
pub(super) fn get(bits: &Bits, at: u64) -> bool {
    bits[at as usize / 8] >> (at % 8) & 1 == 1
}

/// The free runs, in order.
pub(super) fn runs(bits: &Bits) -> impl Iterator<Item = Range<u64>> + '_ {
    let mut at = 0;
    core::iter::from_fn(move || {
        let start = next(bits, at, true);
        at = next(bits, start, false);
        (start < BLOCKS).then_some(start..at)
    })
}

/// The first bit of this value at `from` or after it, else the end.
fn next(bits: &Bits, mut from: u64, free: bool) -> u64 {
    while from < BLOCKS {
        let byte = bits[from as usize / 8];
        let rest = if free { byte } else { !byte } >> (from % 8);
        if rest != 0 {
            return from + u64::from(rest.trailing_zeros());
        }
        from = (from / 8 + 1) * 8;
    }
    BLOCKS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_set_once_and_found_again() {
        for (start, end) in [(0, 1), (7, 9), (8, 16), (3, 2048), (2047, 2048), (0, 2048), (100, 163)] {
            let mut bits = [0; 256];
            assert!(set(&mut bits, start..end, true));
            assert!(runs(&bits).eq(core::iter::once(start..end)));
            assert!(get(&bits, start) && get(&bits, end - 1));
            let same = bits;
            assert!(!set(&mut bits, end - 1..end, true), "{start}..{end} is free already");
            assert_eq!(bits, same);
            assert!(set(&mut bits, start..end, false));
            assert_eq!(bits, [0; 256]);
            assert!(!set(&mut bits, start..start + 1, false));
        }
    }

    #[test]
    fn runs_are_maximal_and_in_order() {
        let mut bits = [0; 256];
        for range in [4..6, 6..8, 8..20, 30..31, 2040..2048] {
            assert!(set(&mut bits, range, true));
        }
        assert_eq!(runs(&bits).collect::<Vec<_>>(), [4..20, 30..31, 2040..2048]);
    }
}
