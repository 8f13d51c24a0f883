//! The aligned powers of two of one leaf of a bit space.
//!
//! Invariant: everything is computed from the bits. Knows no address; the place of a leaf is a multiple of its size.

pub(crate) use spinney_alloc::bit_space::{BLOCKS, Words};
/// The order of a whole leaf.
pub(crate) const ORDER: u32 = BLOCKS.ilog2();
const WORD_ORDER: u32 = u64::BITS.ilog2();

/// The first bit of each aligned group of 2^order bits, which must be below a word's order.
const fn firsts(order: u32) -> u64 {
    let mut mask = 1u64;
    let mut step = 1 << order;
    while step < 64 {
        mask |= mask << step;
        step *= 2;
    }
    mask
}
const FIRSTS: [u64; WORD_ORDER as usize + 1] =
    [firsts(0), firsts(1), firsts(2), firsts(3), firsts(4), firsts(5), firsts(6)];

/// The aligned groups of 2^order that are all ones, by their first bits.
fn groups(word: u64, order: u32) -> u64 {
    (0..order).fold(word, |marks, below| marks & (marks >> (1 << below)) & FIRSTS[below as usize + 1])
}

/// Which words are all ones, a bit each.
fn full_words(words: &Words) -> u64 {
    words.iter().enumerate().fold(0, |bits, (at, word)| bits | u64::from(*word == u64::MAX) << at)
}

/// The first aligned piece of 2^order blocks (up to a leaf) that is free.
pub(crate) fn piece(words: &Words, order: u32) -> Option<usize> {
    if order >= WORD_ORDER {
        let marks = groups(full_words(words), order - WORD_ORDER);
        return (marks != 0).then(|| 64 * marks.trailing_zeros() as usize);
    }
    let (at, marks) =
        words.iter().map(|word| groups(*word, order)).enumerate().find(|(_, marks)| *marks != 0)?;
    Some(at * 64 + marks.trailing_zeros() as usize)
}

/// The pieces of 2^order in one word (or word of words) whose buddy is not free too.
fn lone(word: u64, order: u32, top: u32) -> u64 {
    let marks = groups(word, order);
    if order == top {
        return marks;
    }
    let merged = marks & (marks >> (1 << order)) & FIRSTS[order as usize + 1];
    marks & !(merged | merged << (1 << order))
}

/// The first free piece of 2^order blocks that is no part of a larger free piece of the leaf.
pub(crate) fn buddy(words: &Words, order: u32) -> Option<usize> {
    if order >= WORD_ORDER {
        let marks = lone(full_words(words), order - WORD_ORDER, ORDER - WORD_ORDER);
        return (marks != 0).then(|| 64 * marks.trailing_zeros() as usize);
    }
    let lones = words.iter().map(|word| lone(*word, order, WORD_ORDER));
    let (at, marks) = lones.enumerate().find(|(_, marks)| *marks != 0)?;
    Some(at * 64 + marks.trailing_zeros() as usize)
}

/// The orders that have such a piece, a bit each.
pub(crate) fn buddies(words: &Words) -> u32 {
    let (mut orders, full) = (0, full_words(words));
    for word in words {
        let mut marks = *word;
        for order in 0..WORD_ORDER {
            if marks == 0 {
                break;
            }
            let merged = marks & (marks >> (1 << order)) & FIRSTS[order as usize + 1];
            orders |= u32::from(marks & !(merged | merged << (1 << order)) != 0) << order;
            marks = merged;
        }
    }
    for order in WORD_ORDER..=ORDER {
        orders |= u32::from(lone(full, order - WORD_ORDER, ORDER - WORD_ORDER) != 0) << order;
    }
    orders
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinney_alloc::bit_space::WORDS;
    use spinney_testkit::Dice;

    /// By definition, bit by bit.
    fn is_piece(words: &Words, at: usize, order: u32) -> bool {
        (at..at + (1 << order)).all(|bit| words[bit / 64] >> (bit % 64) & 1 == 1)
    }
    fn is_lone(words: &Words, at: usize, order: u32) -> bool {
        is_piece(words, at, order) && (order == ORDER || !is_piece(words, at ^ (1 << order), order))
    }

    #[test]
    fn pieces_and_buddies_are_those_of_the_definition() {
        for seed in 0..300 {
            let mut dice = Dice::new("leaf", seed);
            let mut words = if dice.one_in(2) { [u64::MAX; WORDS] } else { [0; WORDS] };
            for _ in 0..dice.below(12) {
                let start = dice.below(BLOCKS as u64);
                let (end, free) = (start + dice.log_uniform(BLOCKS as u64 - start), dice.one_in(2));
                for at in start as usize..end as usize {
                    let (word, bit) = (&mut words[at / 64], 1 << (at % 64));
                    if free { *word |= bit } else { *word &= !bit }
                }
            }
            for order in 0..=ORDER {
                let places = || (0..BLOCKS).step_by(1 << order);
                let lone = places().find(|at| is_lone(&words, *at, order));
                assert_eq!(
                    piece(&words, order),
                    places().find(|at| is_piece(&words, *at, order)),
                    "seed {seed}"
                );
                assert_eq!(buddy(&words, order), lone, "seed {seed}, order {order}");
                assert_eq!(buddies(&words) >> order & 1 == 1, lone.is_some(), "seed {seed}, order {order}");
            }
        }
    }
}
