//! How the length of a leaf's longest run is kept in a byte: as a level.
//!
//! Invariant: levels rise with the length. A level is the length itself up to 128 blocks and exact to four blocks up to 512;
//! the last one is everything from 513 blocks on. Knows no leaf.

/// The shortest run of the last level; a leaf tells exactly whether it has a run of so many blocks or fewer.
pub(crate) const LONG_BLOCKS: usize = 513;

const EXACT: usize = 128;
const STEP: usize = 4;
/// The last level: runs so long that the count may stop before their end.
pub(crate) const LONG_LEVEL: u8 = (EXACT + (LONG_BLOCKS - 1 - EXACT) / STEP + 1) as u8;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_has_its_shortest_length_and_no_shorter_one() {
        for blocks in 1..=1024 {
            let shortest = shortest_of(level_of(blocks));
            assert!(shortest <= blocks && level_of(shortest) == level_of(blocks), "{blocks} blocks");
            assert!(level_of(shortest - 1) < level_of(blocks), "{blocks} blocks");
        }
    }
}
