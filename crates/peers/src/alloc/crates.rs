//! The field's crates as candidates: offset-allocator, range-alloc, buddy_system_allocator, vm-allocator, bitmap-allocator, rangemap, roaring.
//!
//! Invariant: each is called as its documentation says; what a crate cannot do (a free without its handle, a size that is
//! no power of two) is added in the plainest way and counts to its cost. Knows nothing of spinney's structures.

use bitmap_allocator::{BitAlloc, BitAlloc1M, BitAlloc16M, BitAlloc256M};
use spinney_testkit::aging::{Entrant, Place, Space};

/// All of them.
pub(crate) fn entrants() -> Vec<Entrant> {
    vec![
        Entrant::new("offset-allocator", Offset::new),
        Entrant::new("range-alloc", |blocks| Best(range_alloc::RangeAllocator::new(0..blocks))),
        Entrant::new("buddy_system_allocator", Buddy::new),
        Entrant::new("vm-allocator", Addresses::new),
        Entrant::new("bitmap-allocator", bits),
        Entrant::new("rangemap, first fit", |blocks| Ranges::new(blocks, false)),
        Entrant::new("rangemap, next fit", |blocks| Ranges::new(blocks, true)),
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

/// First fit over an interval tree. It is based at [`BASE`], since a free of a range that begins at 0 fails.
struct Addresses(vm_allocator::AddressAllocator);

/// Where the space of `vm-allocator` begins.
const BASE: u64 = 4096;

impl Addresses {
    fn new(blocks: u64) -> Addresses {
        Addresses(vm_allocator::AddressAllocator::new(BASE, blocks).expect("a space of some blocks"))
    }
}

impl Space for Addresses {
    fn take(&mut self, blocks: u64) -> Option<Place> {
        let run = self.0.allocate(blocks, 1, vm_allocator::AllocPolicy::FirstMatch).ok()?;
        Some((run.start() - BASE).into())
    }
    fn give(&mut self, Place { start, .. }: Place, blocks: u64) {
        let run = vm_allocator::RangeInclusive::new(BASE + start, BASE + start + blocks - 1);
        self.0.free(&run.expect("a run of blocks")).expect("what was allocated can be freed");
    }
}

/// A bitmap of a fixed capacity, first fit.
struct Bits<B>(Box<B>);

impl<B: BitAlloc> Bits<B> {
    fn space(blocks: u64) -> Box<dyn Space>
    where
        B: 'static,
    {
        let mut bits = Box::new(B::DEFAULT);
        bits.insert(0..blocks as usize);
        Box::new(Bits(bits))
    }
}

impl<B: BitAlloc> Space for Bits<B> {
    fn take(&mut self, blocks: u64) -> Option<Place> {
        self.0.alloc_contiguous(None, blocks as usize, 0).map(|start| (start as u64).into())
    }
    fn give(&mut self, Place { start, .. }: Place, blocks: u64) {
        self.0.dealloc_contiguous(start as usize, blocks as usize);
    }
}

/// The smallest of its sizes that holds the space.
fn bits(blocks: u64) -> Box<dyn Space> {
    match blocks {
        0..=0x10_0000 => Bits::<BitAlloc1M>::space(blocks),
        0..=0x100_0000 => Bits::<BitAlloc16M>::space(blocks),
        _ => Bits::<BitAlloc256M>::space(blocks),
    }
}

/// A set of ranges, walked from its start or from where the last run ended.
struct Ranges {
    free: rangemap::RangeSet<u64>,
    blocks: u64,
    next_fit: bool,
    cursor: u64,
}

impl Ranges {
    fn new(blocks: u64, next_fit: bool) -> Ranges {
        let mut free = rangemap::RangeSet::new();
        free.insert(0..blocks);
        Ranges { free, blocks, next_fit, cursor: 0 }
    }
    fn find(&self, from: u64, blocks: u64) -> Option<u64> {
        let mut ranges = self.free.overlapping(from..self.blocks);
        ranges.find(|range| range.end - range.start >= blocks).map(|range| range.start)
    }
}

impl Space for Ranges {
    fn take(&mut self, blocks: u64) -> Option<Place> {
        let from = if self.next_fit { self.cursor } else { 0 };
        let start = self.find(from, blocks).or_else(|| self.find(0, blocks))?;
        self.free.remove(start..start + blocks);
        self.cursor = (start + blocks) % self.blocks;
        Some(start.into())
    }
    fn give(&mut self, Place { start, .. }: Place, blocks: u64) {
        self.free.insert(start..start + blocks);
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
