//! Where runs of each exact length up to 256 blocks were last seen: the way to an exact fit without a search.
//!
//! Invariant: none. A place is a hint that may be stale, and whoever takes one looks at the bits first; so nothing has to be
//! kept true when runs merge or shrink. Newest first, the oldest forgotten.

use alloc::vec;
use alloc::vec::Vec;

/// The longest run that is noted.
pub(crate) const RECENT_BLOCKS: usize = 256;
const OCTAVES: usize = RECENT_BLOCKS.ilog2() as usize + 1;
/// A place an octave for so many blocks: with what the leaves' summaries take, 1.07 bits a block in all.
const BLOCKS_A_PLACE: usize = 5600;
/// As many as a ring's byte can count.
const WAYS_MAX: usize = 255;

/// A ring of places for each length.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent {
    /// Ring by ring, shortest length first.
    places: Vec<u32>,
    /// The newest place of each ring, and how many it has.
    rings: Vec<(u8, u8)>,
    /// For the lengths of an octave: where the first one's ring starts, and how many places each has.
    octaves: [(u32, u32); OCTAVES],
    /// A bit for each length whose ring is not empty.
    filled: [u64; RECENT_BLOCKS / 64 + 1],
}

impl Recent {
    /// Rings for a space of `blocks`. Each octave gets as many places, because sizes are asked for by ratio rather than by
    /// difference; a length gets at least one.
    pub(crate) fn new(blocks: usize) -> Recent {
        let share = blocks / BLOCKS_A_PLACE;
        let mut octaves = [(0, 0); OCTAVES];
        let mut places = 0;
        for (octave, (start, ways)) in octaves.iter_mut().enumerate() {
            *ways = (share >> octave).clamp(1, WAYS_MAX) as u32;
            *start = places;
            let lengths = (1 << octave).min(RECENT_BLOCKS + 1 - (1 << octave));
            places += *ways * lengths as u32;
        }
        Recent {
            places: vec![0; places as usize],
            rings: vec![(0, 0); RECENT_BLOCKS + 1],
            octaves,
            filled: Default::default(),
        }
    }
    /// The start of a length's ring, and its places.
    fn ring(&self, blocks: usize) -> (usize, u8) {
        let octave = blocks.ilog2() as usize;
        let (start, ways) = self.octaves[octave];
        (start as usize + (blocks - (1 << octave)) * ways as usize, ways as u8)
    }
    /// There is a run of exactly `blocks` at `start`. Places beyond 2^32 blocks are not noted, nor are long runs.
    pub(crate) fn note(&mut self, blocks: usize, start: usize) {
        let Ok(place) = u32::try_from(start) else { return };
        if blocks > RECENT_BLOCKS {
            return;
        }
        let (start, ways) = self.ring(blocks);
        let (newest, count) = &mut self.rings[blocks];
        *newest = if *newest + 1 >= ways { 0 } else { *newest + 1 };
        *count = if *count < ways { *count + 1 } else { ways };
        self.places[start + usize::from(*newest)] = place;
        self.filled[blocks / 64] |= 1 << (blocks % 64);
    }
    /// The newest place of a run of `blocks`, which is forgotten.
    pub(crate) fn take(&mut self, blocks: usize) -> Option<usize> {
        if blocks > RECENT_BLOCKS || self.filled[blocks / 64] >> (blocks % 64) & 1 == 0 {
            return None;
        }
        let (start, ways) = self.ring(blocks);
        let (newest, count) = &mut self.rings[blocks];
        let place = self.places[start + usize::from(*newest)];
        *newest = if *newest == 0 { ways - 1 } else { *newest - 1 };
        *count -= 1;
        if *count == 0 {
            self.filled[blocks / 64] &= !(1 << (blocks % 64));
        }
        Some(place as usize)
    }
    /// Bytes of memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.places.len() as u64 * 4 + self.rings.len() as u64 * 2
    }
}
