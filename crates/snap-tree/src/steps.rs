//! A function of whole numbers that is constant in stretches, on one page: where it changes, and what it is from there on.
//!
//! Invariant: the places rise, each value differs from the one before it, and the last is 0; so a stretch takes two steps
//! however long it is, stretches that touch share one, and adding something and taking it off again leaves nothing. Before
//! the first place all is 0. Knows not what the function counts; the first bytes of the page are its owner's.

use core::ops::Range;
use spinney_core::{PAYLOAD_BYTES, Payload};

/// Offset of the number of steps; two bytes.
const COUNT_AT: usize = 0;
/// Where steps begin. The bytes between are the owner's.
const STEPS_AT: usize = 16;
const STEP_BYTES: usize = 4;
/// Steps that a page holds.
pub(crate) const STEPS_MAX: usize = (PAYLOAD_BYTES - STEPS_AT) / STEP_BYTES;
/// Bits of a step that are its value, signed; the rest are its place.
const VALUE_BITS: u32 = 14;
/// The largest value, and the smallest is its negative.
pub(crate) const VALUE_MAX: i64 = (1 << (VALUE_BITS - 1)) - 1;
/// Places are below this.
pub(crate) const PLACES: u64 = 1 << (u32::BITS - VALUE_BITS);

/// How many steps the page has; a damaged number is taken for a full page.
#[must_use]
pub(crate) fn count(bytes: &Payload) -> usize {
    let count = u16::from_le_bytes([bytes[COUNT_AT], bytes[COUNT_AT + 1]]);
    usize::from(count).min(STEPS_MAX)
}

fn set_count(bytes: &mut Payload, count: usize) {
    bytes[COUNT_AT..COUNT_AT + 2].copy_from_slice(&(count as u16).to_le_bytes());
}

fn word(bytes: &Payload, index: usize) -> u32 {
    let at = STEPS_AT + index * STEP_BYTES;
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("a step lies inside its page"))
}

fn place_of(word: u32) -> u64 {
    u64::from(word >> VALUE_BITS)
}

fn value_of(word: u32) -> i64 {
    let unused = u32::BITS - VALUE_BITS;
    i64::from((word << unused) as i32 >> unused)
}

fn value_before(bytes: &Payload, index: usize) -> i64 {
    index.checked_sub(1).map_or(0, |before| value_of(word(bytes, before)))
}

fn set(bytes: &mut Payload, index: usize, place: u64, value: i64) {
    let word = (place as u32) << VALUE_BITS | (value as u32 & ((1 << VALUE_BITS) - 1));
    let at = STEPS_AT + index * STEP_BYTES;
    bytes[at..at + STEP_BYTES].copy_from_slice(&word.to_le_bytes());
}

/// How many steps lie at `place` or before it.
fn rank(bytes: &Payload, place: u64) -> usize {
    let (mut low, mut high) = (0, count(bytes));
    while low < high {
        let middle = low.midpoint(high);
        if place_of(word(bytes, middle)) <= place { low = middle + 1 } else { high = middle }
    }
    low
}

/// The value at `place`.
#[must_use]
pub(crate) fn value_at(bytes: &Payload, place: u64) -> i64 {
    value_before(bytes, rank(bytes, place))
}

/// Add `change` to the value at each place of `from..to`; at most two steps are added. Returns what no value
/// there is larger than in size, or nothing, and then nothing was changed: a value would leave its bits, or the page may be too full.
pub(crate) fn add(bytes: &mut Payload, from: u64, to: u64, change: i64) -> Option<i64> {
    if count(bytes) + 2 > STEPS_MAX || from >= to || to >= PLACES {
        return None;
    }
    let touched = rank(bytes, from).saturating_sub(1)..rank(bytes, to - 1);
    let reach = |index| (value_before(bytes, index + 1) + change).abs();
    let largest = touched.map(reach).max().unwrap_or(0).max(change.abs());
    if largest > VALUE_MAX {
        return None;
    }
    let (first, end) = (split(bytes, from), split(bytes, to));
    for index in first..end {
        let step = word(bytes, index);
        set(bytes, index, place_of(step), value_of(step) + change);
    }
    join(bytes, end);
    join(bytes, first);
    Some(largest)
}

/// The step at `place`, made if there is none.
fn split(bytes: &mut Payload, place: u64) -> usize {
    let (rank, count) = (rank(bytes, place), count(bytes));
    if rank > 0 && place_of(word(bytes, rank - 1)) == place {
        return rank - 1;
    }
    let value = value_before(bytes, rank);
    let at = |index| STEPS_AT + index * STEP_BYTES;
    bytes.copy_within(at(rank)..at(count), at(rank + 1));
    set(bytes, rank, place, value);
    set_count(bytes, count + 1);
    rank
}

/// Take a step away that is none.
fn join(bytes: &mut Payload, index: usize) {
    let count = count(bytes);
    if index < count && value_of(word(bytes, index)) == value_before(bytes, index) {
        let at = |index| STEPS_AT + index * STEP_BYTES;
        bytes.copy_within(at(index + 1)..at(count), at(index));
        bytes[at(count - 1)..at(count)].fill(0);
        set_count(bytes, count - 1);
    }
}

/// Each step: its place, and by how much the value changes there.
pub(crate) fn changes(bytes: &Payload) -> impl Iterator<Item = (u64, i64)> {
    (0..count(bytes)).map(|index| {
        let word = word(bytes, index);
        (place_of(word), value_of(word) - value_before(bytes, index))
    })
}

/// Each stretch that is not 0: its first place, its end and its value.
pub(crate) fn stretches(bytes: &Payload) -> impl Iterator<Item = (u64, u64, i64)> {
    let ends = 1..count(bytes);
    ends.map(|end| (place_of(word(bytes, end - 1)), place_of(word(bytes, end)), value_before(bytes, end)))
        .filter(|(from, to, value)| *value != 0 && from < to)
}

/// Make a page without steps have those of `whole` in `places`, which it calls 0 and on.
pub(crate) fn copy_part(whole: &Payload, places: Range<u64>, part: &mut Payload) {
    let mut push = |place, value| {
        let count = count(part);
        if count < STEPS_MAX && value != value_before(part, count) {
            set(part, count, place - places.start, value);
            set_count(part, count + 1);
        }
    };
    push(places.start, value_at(whole, places.start));
    for index in rank(whole, places.start)..rank(whole, places.end - 1) {
        push(place_of(word(whole, index)), value_of(word(whole, index)));
    }
    push(places.end, 0);
}

/// Forget all steps.
pub(crate) fn clear(bytes: &mut Payload) {
    bytes[STEPS_AT..].fill(0);
    set_count(bytes, 0);
}

/// Whether the invariant holds, nothing is at `end` or past it, and no value is larger in size than `peak`.
#[must_use]
pub(crate) fn is_sound(bytes: &Payload, end: u64, peak: i64) -> bool {
    let count = count(bytes);
    let rises = (1..count).all(|index| place_of(word(bytes, index - 1)) < place_of(word(bytes, index)));
    let ends = count == 0 || place_of(word(bytes, count - 1)) <= end && value_before(bytes, count) == 0;
    let counted = usize::from(u16::from_le_bytes([bytes[COUNT_AT], bytes[COUNT_AT + 1]])) == count;
    let small = (0..count).all(|index| value_of(word(bytes, index)).abs() <= peak);
    counted && rises && ends && small && changes(bytes).all(|(_, change)| change != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinney_testkit::Dice;

    #[test]
    fn agrees_with_an_array_and_keeps_no_step_that_is_none() {
        for seed in 0..20 {
            let mut dice = Dice::new("steps", seed);
            let (mut bytes, mut model) = ([0; PAYLOAD_BYTES], [0i64; 200]);
            for _ in 0..400 {
                let from = dice.below(200);
                let (to, change) =
                    (from + 1 + dice.below(200 - from), if dice.below(2) == 0 { 1 } else { -1 });
                let before = count(&bytes);
                let largest = add(&mut bytes, from, to, change).expect("there is room");
                model[from as usize..to as usize].iter_mut().for_each(|value| *value += change);
                let reached = model[from as usize..to as usize].iter().map(|value| value.abs()).max();
                assert!(Some(largest) >= reached && count(&bytes) <= before + 2, "seed {seed}");
                assert!(is_sound(&bytes, 200, 400), "seed {seed}");
                assert!((0..200).all(|at| value_at(&bytes, at) == model[at as usize]), "seed {seed}");
            }
        }
    }

    #[test]
    fn what_would_not_fit_is_refused_and_changes_nothing() {
        let mut bytes = [0; PAYLOAD_BYTES];
        assert_eq!(add(&mut bytes, 5, 9, VALUE_MAX), Some(VALUE_MAX));
        let before = bytes;
        assert_eq!(add(&mut bytes, 8, 20, 1), None);
        assert_eq!(add(&mut bytes, 8, PLACES, -1), None);
        assert_eq!(bytes, before);
        assert_eq!(add(&mut bytes, 5, 9, -VALUE_MAX), Some(VALUE_MAX));
        assert_eq!(bytes, [0; PAYLOAD_BYTES]);
        let whole = (0..).find(|at| add(&mut bytes, at * 2, at * 2 + 1, 1).is_none());
        assert_eq!((whole, count(&bytes)), (Some(STEPS_MAX as u64 / 2), STEPS_MAX));
    }
}
