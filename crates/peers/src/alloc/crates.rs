//! The field's crates as candidates: offset-allocator, range-alloc, buddy_system_allocator, rangemap, roaring.
//!
//! Invariant: each is called as its documentation says; what a crate cannot do (a free without its handle, a size that is
//! no power of two) is added in the plainest way and counts to its cost. Knows nothing of spinney's structures.

use spinney_testkit::aging::{Entrant, Place, Space};

/// All of them.
pub(crate) fn entrants() -> Vec<Entrant> {
    vec![
        Entrant::new("offset-allocator", Offset::new),
        Entrant::new("range-alloc", |blocks| Best(range_alloc::RangeAllocator::new(0..blocks))),
        Entrant::new("buddy_system_allocator", Buddy::new),
        Entrant::new("rangemap, first fit", Ranges::new),
        Entrant::new("roaring, next fit", Roaring::new),
    ]
}

/// Its handles are kept in a list, and their places there go with the runs: it takes nothing else back.
struct Offset {
    space: offset_allocator::Allocator<u32>,
    held: Vec<Option<offset_allocator::Allocation<u32>>>,
    vacant: Vec<u32>,
}

impl Offset {
    fn new(blocks: u64) -> Offset {
        // The live set of the program, whose mean is 46 blocks, and as many free runs, with room.
        let allocations = (blocks / 17 + 65_536) as u32;
        let space = offset_allocator::Allocator::with_max_allocs(blocks as u32, allocations);
        Offset { space, held: Vec::new(), vacant: Vec::new() }
    }
}

impl Space for Offset {
    fn take(&mut self, blocks: u64) -> Option<Place> {
        let run = self.space.allocate(blocks as u32)?;
        let token = self.vacant.pop().unwrap_or_else(|| {
            self.held.push(None);
            self.held.len() as u32 - 1
        });
        self.held[token as usize] = Some(run);
        Some(Place { start: u64::from(run.offset), token })
    }
    fn give(&mut self, place: Place, _: u64) {
        if let Some(run) = self.held[place.token as usize].take() {
            self.vacant.push(place.token);
            self.space.free(run);
        }
    }
}

/// Best fit by a walk over all free ranges.
struct Best(range_alloc::RangeAllocator<u64>);

impl Space for Best {
    fn take(&mut self, blocks: u64) -> Option<Place> {
        self.0.allocate_range(blocks).ok().map(|range| range.start.into())
    }
    fn give(&mut self, Place { start, .. }: Place, blocks: u64) {
        self.0.free_range(start..start + blocks);
    }
}

/// It hands out powers of two: what is beyond the size goes back at once, and a run is freed as its aligned powers of two.
struct Buddy(buddy_system_allocator::FrameAllocator<33>);

impl Buddy {
    fn new(blocks: u64) -> Buddy {
        let mut space = buddy_system_allocator::FrameAllocator::new();
        space.add_frame(0, blocks as usize);
        Buddy(space)
    }
    fn free(&mut self, start: usize, end: usize) {
        let mut at = start;
        while at < end {
            let aligned = if at == 0 { usize::MAX } else { 1 << at.trailing_zeros() };
            let count = 1 << aligned.min(end - at).ilog2();
            self.0.dealloc(at, count);
            at += count;
        }
    }
}

impl Space for Buddy {
    fn take(&mut self, blocks: u64) -> Option<Place> {
        let start = self.0.alloc(blocks as usize)?;
        self.free(start + blocks as usize, start + blocks.next_power_of_two() as usize);
        Some((start as u64).into())
    }
    fn give(&mut self, Place { start, .. }: Place, blocks: u64) {
        self.free(start as usize, (start + blocks) as usize);
    }
}

/// A set of ranges, walked from its start.
struct Ranges(rangemap::RangeSet<u64>);

impl Ranges {
    fn new(blocks: u64) -> Ranges {
        let mut free = rangemap::RangeSet::new();
        free.insert(0..blocks);
        Ranges(free)
    }
}

impl Space for Ranges {
    fn take(&mut self, blocks: u64) -> Option<Place> {
        let start = self.0.iter().find(|range| range.end - range.start >= blocks)?.start;
        self.0.remove(start..start + blocks);
        Some(start.into())
    }
    fn give(&mut self, Place { start, .. }: Place, blocks: u64) {
        self.0.insert(start..start + blocks);
    }
}

/// A compressed bitmap, walked by ranges from where the last run ended.
struct Roaring {
    free: roaring::RoaringBitmap,
    cursor: u32,
}

impl Roaring {
    fn new(blocks: u64) -> Roaring {
        let mut free = roaring::RoaringBitmap::new();
        free.insert_range(0..=(blocks - 1) as u32);
        Roaring { free, cursor: 0 }
    }
    fn find(&self, from: u32, blocks: u32) -> Option<u32> {
        let mut ranges = self.free.range(from..);
        let mut run: Option<(u32, u32)> = None;
        while let Some(range) = ranges.next_range() {
            // Ranges may be cut where containers meet.
            let start = match run {
                Some((start, last)) if last.checked_add(1) == Some(*range.start()) => start,
                _ => *range.start(),
            };
            if range.end() - start >= blocks - 1 {
                return Some(start);
            }
            run = Some((start, *range.end()));
        }
        None
    }
}

impl Space for Roaring {
    fn take(&mut self, blocks: u64) -> Option<Place> {
        let blocks = blocks as u32;
        let start = self.find(self.cursor, blocks).or_else(|| self.find(0, blocks))?;
        self.free.remove_range(start..=start + (blocks - 1));
        self.cursor = start.saturating_add(blocks);
        Some(u64::from(start).into())
    }
    fn give(&mut self, Place { start, .. }: Place, blocks: u64) {
        self.free.insert_range(start as u32..=(start + blocks - 1) as u32);
    }
}
