//! Where things lie in the area: the fixed slots of map pages, and the places that pages may take.
//!
//! Invariant: every slot and place depends on its own index alone, so an area that grows moves nothing. Knows
//! addresses in area space only: no device, no content.

use spinney_core::PAYLOAD_BYTES;

/// Bytes of one map entry.
pub(super) const ENTRY_BYTES: usize = 24;
/// Entries of a map page.
pub(super) const FANOUT: u64 = (PAYLOAD_BYTES / ENTRY_BYTES) as u64;
/// Levels that a map may have: enough for `FANOUT^6`, some 2 * 10^13 pages.
pub(super) const LEVELS_MAX: u8 = 6;
/// The largest area: what a map entry's place can name, and what the levels can cover.
pub(super) const AREA_BLOCKS_MAX: u64 = 1 << 44;

/// A stretch of the area: first slots of all its map pages, then their second slots (so that a commit's map writes lie together),
/// then places.
/// Chunk 0 covers leaf 0; chunk `c` covers leaves `2^(c-1)..2^c`.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    start: u64,
    leaf_first: u64,
    leaf_end: u64,
    places_start: u64,
    places: u64,
}

/// The plan of an area of a given size.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    chunks: Vec<Chunk>,
    places: u64,
}

impl Layout {
    /// The plan of an area of `blocks` blocks; chunks whose slots do not fit with at least one place are left out.
    pub(super) fn new(blocks: u64) -> Layout {
        let blocks = blocks.min(AREA_BLOCKS_MAX);
        let (mut chunks, mut places) = (Vec::new(), 0);
        while let Some(chunk) = next_chunk(chunks.last(), blocks) {
            places += chunk.places;
            chunks.push(chunk);
        }
        Layout { chunks, places }
    }
    /// How many blocks an area needs to have `places` places; `None` if no area can.
    pub(super) fn blocks_for(places: u64) -> Option<u64> {
        let (mut last, mut missing) = (None, places.max(1));
        loop {
            let chunk = next_chunk(last.as_ref(), AREA_BLOCKS_MAX)?;
            if missing <= chunk.places {
                return Some(chunk.places_start + missing);
            }
            missing -= chunk.places;
            last = Some(chunk);
        }
    }
    /// How many places for pages there are.
    pub(super) fn places(&self) -> u64 {
        self.places
    }
    /// Page numbers are below this. One more than the places, since number 0 is never issued.
    pub(super) fn numbers_end(&self) -> u64 {
        self.chunks.last().map_or(0, |chunk| chunk.leaf_end * FANOUT)
    }
    /// One past the last block that is used.
    pub(super) fn blocks_end(&self) -> u64 {
        self.chunks.last().map_or(0, |chunk| chunk.places_start + chunk.places)
    }
    /// The runs of places, in order: start and length.
    pub(super) fn place_runs(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.chunks.iter().map(|chunk| (chunk.places_start, chunk.places))
    }
    /// Whether a page may live at `block`.
    pub(super) fn is_place(&self, block: u64) -> bool {
        let after = self.chunks.partition_point(|chunk| chunk.places_start <= block);
        after > 0 && block - self.chunks[after - 1].places_start < self.chunks[after - 1].places
    }
    /// The two slots of the map page `index` of `level` (0 is a leaf); `None` if the area has no such page.
    pub(super) fn slots(&self, level: u8, index: u64) -> Option<[u64; 2]> {
        let leaf = index.checked_mul(leaves_below(level)?)?;
        let chunk = self.chunks.get(chunk_of(leaf))?;
        let before: u64 = (0..level).map(|below| chunk.pages_at(below)).sum();
        let first = chunk.start + before + index - chunk.index_first(level);
        Some([first, first + chunk.map_pages()])
    }
}

impl Chunk {
    /// The first map page of `level` whose first leaf is in this chunk or later.
    fn index_first(&self, level: u8) -> u64 {
        self.leaf_first.div_ceil(leaves_below(level).unwrap_or(u64::MAX))
    }
    /// How many map pages of `level` have their first leaf here.
    fn pages_at(&self, level: u8) -> u64 {
        self.leaf_end.div_ceil(leaves_below(level).unwrap_or(u64::MAX)) - self.index_first(level)
    }
    /// How many map pages have their slots here.
    fn map_pages(&self) -> u64 {
        (0..LEVELS_MAX).map(|level| self.pages_at(level)).sum()
    }
}

/// How many leaves one map page of `level` covers; `None` above the top level.
pub(super) fn leaves_below(level: u8) -> Option<u64> {
    (level < LEVELS_MAX).then(|| FANOUT.pow(u32::from(level)))
}

/// How many levels a map needs to reach page `number`.
pub(super) fn levels_for(number: u64) -> u8 {
    let (mut levels, mut leaf) = (1, number / FANOUT);
    while leaf > 0 {
        leaf /= FANOUT;
        levels += 1;
    }
    levels
}

fn chunk_of(leaf: u64) -> usize {
    leaf.checked_ilog2().map_or(0, |log| log as usize + 1)
}

fn next_chunk(last: Option<&Chunk>, blocks: u64) -> Option<Chunk> {
    let (start, leaf_first) =
        last.map_or((0, 0), |chunk| (chunk.places_start + chunk.places, chunk.leaf_end));
    if last.is_some_and(|chunk| chunk.places < chunk.places_full()) {
        return None;
    }
    let leaf_end = (leaf_first * 2).max(1);
    let mut chunk = Chunk { start, leaf_first, leaf_end, places_start: start, places: 0 };
    chunk.places_start += 2 * chunk.map_pages();
    chunk.places = blocks.checked_sub(chunk.places_start)?.min(chunk.places_full());
    (chunk.places > 0).then_some(chunk)
}

impl Chunk {
    /// Places of the whole chunk: one for each number that its leaves hold, less the number 0.
    fn places_full(&self) -> u64 {
        (self.leaf_end - self.leaf_first) * FANOUT - u64::from(self.leaf_first == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn slots_and_places_are_disjoint_and_cover_the_area() {
        let layout = Layout::new(200_000);
        let mut seen = BTreeSet::new();
        let leaves = layout.numbers_end() / FANOUT;
        for level in 0..LEVELS_MAX {
            for index in 0..leaves.div_ceil(leaves_below(level).unwrap()) {
                for slot in layout.slots(level, index).unwrap() {
                    assert!(seen.insert(slot), "slot {slot} of {level}/{index} is taken");
                    assert!(!layout.is_place(slot));
                }
            }
        }
        for (start, length) in layout.place_runs() {
            for place in start..start + length {
                assert!(seen.insert(place) && layout.is_place(place), "place {place}");
            }
        }
        assert_eq!(seen.len() as u64, layout.blocks_end());
        assert_eq!(seen.last(), Some(&(layout.blocks_end() - 1)));
        assert!(layout.numbers_end() > layout.places());
    }

    #[test]
    fn growing_moves_nothing() {
        let large = Layout::new(1_000_000);
        for blocks in [13, 14, 100, 181, 182, 183, 184, 5_000, 123_456] {
            let small = Layout::new(blocks);
            assert!(small.blocks_end() <= blocks);
            for leaf in 0..small.numbers_end() / FANOUT {
                assert_eq!(small.slots(0, leaf), large.slots(0, leaf));
            }
            assert!((0..small.blocks_end()).all(|block| small.is_place(block) == large.is_place(block)));
        }
    }

    #[test]
    fn an_area_sized_for_places_has_them() {
        for places in [1, 2, 168, 169, 170, 1_000, 28_561, 1_000_000, 3_000_000_000] {
            let blocks = Layout::blocks_for(places).unwrap();
            assert_eq!(Layout::new(blocks).places(), places, "{places} places in {blocks} blocks");
        }
        assert_eq!(Layout::blocks_for(u64::MAX), None);
        assert_eq!(Layout::new(12).places(), 0);
        assert_eq!(Layout::new(13).places(), 1);
    }

    #[test]
    fn levels_follow_the_number() {
        let cases = [(0, 1), (168, 1), (169, 2), (28_560, 2), (28_561, 3), (4_826_808, 3), (4_826_809, 4)];
        for (number, levels) in cases {
            assert_eq!(levels_for(number), levels, "page {number}");
        }
        assert!(levels_for(Layout::new(u64::MAX).numbers_end() - 1) <= LEVELS_MAX);
    }
}
