//! What a candidate of the aging program is, the peer that every table has, and the floor under all of them.
//!
//! Invariant: [`TreePair`] is exact best fit by what the standard library has, and nothing cleverer. Knows no clock.

use crate::dice::Dice;
use spinney_alloc::{FreeIndex, Want};
use spinney_core::{Extent, Pba};
use std::collections::{BTreeMap, BTreeSet};

/// Where a run starts, and what the candidate wants to be told when it comes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Its first block.
    pub start: u64,
    /// The candidate's own.
    pub token: u32,
}

impl From<u64> for Place {
    fn from(start: u64) -> Place {
        Place { start, token: 0 }
    }
}

/// A candidate: takes and gives back runs of blocks.
pub trait Space {
    /// A run of exactly so many blocks, or `None` if it finds none.
    fn take(&mut self, blocks: u64) -> Option<Place>;
    /// The run is free again.
    fn give(&mut self, place: Place, blocks: u64);
    /// Between two pairs: the place for work that is not a part of a free or an allocation, as a commit is. Returns whether it
    /// did any.
    fn settle(&mut self) -> bool {
        false
    }
    /// Bytes of memory by its own reckoning, if it has one.
    fn memory_bytes(&self) -> Option<u64> {
        None
    }
}

impl<I: FreeIndex> Space for I {
    fn take(&mut self, blocks: u64) -> Option<Place> {
        self.pick(&Want::exactly(blocks)).map(|run| run.start.0.into())
    }
    fn give(&mut self, place: Place, blocks: u64) {
        self.insert(Extent::new(Pba(place.start), blocks));
    }
    fn memory_bytes(&self) -> Option<u64> {
        Some(FreeIndex::memory_bytes(self))
    }
}

/// An index over so many blocks, all of them free.
pub fn all_free<I: FreeIndex>(mut index: I, blocks: u64) -> I {
    let universe = Extent::new(Pba(0), blocks);
    index.reset(universe);
    index.insert(universe);
    index
}

/// The peer: free runs by address and by length in two B-trees of the standard library, best fit.
#[derive(Default)]
pub struct TreePair {
    by_start: BTreeMap<u64, u64>,
    by_blocks: BTreeSet<(u64, u64)>,
}

impl TreePair {
    /// All of it free.
    #[must_use]
    pub fn new(blocks: u64) -> TreePair {
        let mut pair = TreePair::default();
        pair.add(0, blocks);
        pair
    }
    /// Blocks of the longest run.
    #[must_use]
    pub fn longest(&self) -> u64 {
        self.by_blocks.last().map_or(0, |(blocks, _)| *blocks)
    }
    /// Take this very run; `false`, and nothing changed, if not all of it is free.
    pub fn claim(&mut self, start: u64, blocks: u64) -> bool {
        let holder = self.by_start.range(..=start).next_back().map(|(at, length)| (*at, *length));
        let Some((at, length)) = holder.filter(|(at, length)| at + length >= start + blocks) else {
            return false;
        };
        self.drop_run(at, length);
        if start > at {
            self.add(at, start - at);
        }
        if at + length > start + blocks {
            self.add(start + blocks, at + length - start - blocks);
        }
        true
    }
    fn add(&mut self, start: u64, blocks: u64) {
        self.by_start.insert(start, blocks);
        self.by_blocks.insert((blocks, start));
    }
    fn drop_run(&mut self, start: u64, blocks: u64) {
        self.by_start.remove(&start);
        self.by_blocks.remove(&(blocks, start));
    }
}

impl Space for TreePair {
    fn take(&mut self, blocks: u64) -> Option<Place> {
        let (length, start) = *self.by_blocks.range((blocks, 0)..).next()?;
        self.drop_run(start, length);
        if length > blocks {
            self.add(start + blocks, length - blocks);
        }
        Some(start.into())
    }
    fn give(&mut self, place: Place, blocks: u64) {
        let (mut start, mut blocks) = (place.start, blocks);
        let before = self.by_start.range(..start).next_back().map(|(at, length)| (*at, *length));
        if let Some((at, length)) = before.filter(|(at, length)| at + length == start) {
            self.drop_run(at, length);
            (start, blocks) = (at, blocks + length);
        }
        if let Some(length) = self.by_start.get(&(start + blocks)).copied() {
            self.drop_run(start + blocks, length);
            blocks += length;
        }
        self.add(start, blocks);
    }
}

/// What nothing in the memory of a bitmap can beat: for a free and for an allocation, one word each at a random place is
/// changed, and no more. It allocates nothing: its answers may overlap.
pub struct Floor {
    words: Vec<u64>,
    dice: Dice,
}

impl Floor {
    /// A word for each 64 blocks.
    #[must_use]
    pub fn new(blocks: u64) -> Floor {
        Floor { words: vec![0; blocks as usize / 64], dice: Dice::new("floor", 1) }
    }
}

impl Space for Floor {
    fn take(&mut self, blocks: u64) -> Option<Place> {
        let at = self.dice.below(self.words.len() as u64);
        self.words[at as usize] ^= blocks;
        Some((at * 64).into())
    }
    fn give(&mut self, place: Place, blocks: u64) {
        self.words[place.start as usize / 64] ^= blocks;
    }
}

impl Space for Box<dyn Space> {
    fn take(&mut self, blocks: u64) -> Option<Place> {
        (**self).take(blocks)
    }
    fn give(&mut self, place: Place, blocks: u64) {
        (**self).give(place, blocks);
    }
    fn settle(&mut self) -> bool {
        (**self).settle()
    }
    fn memory_bytes(&self) -> Option<u64> {
        (**self).memory_bytes()
    }
}
