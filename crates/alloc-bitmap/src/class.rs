//! How the length of a leaf's longest run is kept: in a byte (its level), and by powers of four (its class).
//!
//! Invariant: both rise with the length. A level is the length itself up to 128 blocks and exact to four blocks up to 512; the
//! last level and the last class are everything from 513 blocks on. Knows no leaf.

/// How many classes.
pub(crate) const CLASSES: usize = 6;
/// The class of runs so long that the count may stop before their end.
pub(crate) const LONG: usize = CLASSES - 1;
/// The shortest run of the class `LONG`; a leaf tells exactly whether it has a run of so many blocks or fewer.
pub(crate) const LONG_BLOCKS: usize = 513;

const EXACT: usize = 128;
const STEP: usize = 4;
const LONG_LEVEL: u8 = (EXACT + (LONG_BLOCKS - 1 - EXACT) / STEP + 1) as u8;

/// The level of a length; 0 is no run at all.
pub(crate) fn level_of(blocks: usize) -> u8 {
    match blocks {
        0..=EXACT => blocks as u8,
        LONG_BLOCKS.. => LONG_LEVEL,
        _ => (EXACT + (blocks - EXACT) / STEP) as u8,
    }
}

/// The shortest length of a level.
pub(crate) fn shortest_of(level: u8) -> usize {
    match usize::from(level) {
        level @ 0..=EXACT => level,
        _ if level == LONG_LEVEL => LONG_BLOCKS,
        level => EXACT + (level - EXACT) * STEP,
    }
}

/// The class of a length, which must not be 0.
pub(crate) fn class_of(blocks: usize) -> usize {
    if blocks >= LONG_BLOCKS { LONG } else { (blocks.ilog2() as usize / 2).min(LONG - 1) }
}

/// The smallest class all of whose runs have `blocks` blocks, which must be at most [`LONG_BLOCKS`].
pub(crate) fn sure_class(blocks: usize) -> usize {
    if blocks > 1 << (2 * (LONG - 1)) {
        LONG
    } else {
        (blocks.next_power_of_two().ilog2() as usize).div_ceil(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_classes_rise_with_the_length() {
        for blocks in 1..=1024 {
            assert!(level_of(blocks) >= level_of(blocks - 1), "{blocks} blocks");
            assert!(blocks == 1 || class_of(blocks) >= class_of(blocks - 1), "{blocks} blocks");
            assert_eq!(class_of(shortest_of(level_of(blocks))), class_of(blocks), "{blocks} blocks");
        }
    }

    #[test]
    fn a_level_has_its_shortest_length_and_no_shorter_one() {
        for blocks in 1..=1024 {
            let shortest = shortest_of(level_of(blocks));
            assert!(shortest <= blocks && level_of(shortest) == level_of(blocks), "{blocks} blocks");
            assert!(level_of(shortest - 1) < level_of(blocks), "{blocks} blocks");
        }
    }

    #[test]
    fn a_sure_class_is_the_smallest_whose_runs_are_all_long_enough() {
        for blocks in 1..=LONG_BLOCKS {
            let all_fit = |class| (1..=1024).filter(|run| class_of(*run) == class).all(|run| run >= blocks);
            assert_eq!(
                Some(sure_class(blocks)),
                (0..CLASSES).find(|class| all_fit(*class)),
                "{blocks} blocks"
            );
        }
    }
}
