//! A free set with a bit a block, for the allocators that keep lists by powers of two.
//!
//! Invariant: a run of n blocks has class floor(log2 n) (the last class has all that are longer too); a leaf's mask has exactly the
//! classes of the runs that start in it, and set c has exactly the leaves whose mask has c. `partial` has the leaves that are not all
//! free, so the ends of a run, however long, are some word reads away. No run of class c is longer than `longest[c]`. Chooses nothing
//! but in [`BitSpace::search`], and its memory does not depend on what is free: at most 1.1 bits a block.
//!
//! ```text
//!  leaf 0 (512 blocks, 64 bytes)   leaf 1                leaf 2             for each class: the leaves where such a run starts
//!  111..0110000111111110000..01    1111111111111111111   11100000010000000       {0, 2} {0} {} {0} ..
//!                            └ a run that reaches into leaf 2                partial: {0, 2}
//! ```

mod leaf;
mod places;

use crate::Want;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::RangeInclusive;
pub use leaf::{BLOCKS, WORDS, Words};
pub use places::PlaceSet;
use spinney_core::{Extent, Flow, Pba};

/// Classes of runs: a mask is 32 bits.
const CLASSES_MAX: u32 = 32;

/// The set.
#[derive(Clone, Debug)]
pub struct BitSpace {
    universe: Extent,
    base: u64,
    bits: Vec<Words>,
    partial: PlaceSet,
    classes: Vec<PlaceSet>,
    masks: Vec<u32>,
    longest: [u64; CLASSES_MAX as usize],
    blocks: u64,
    runs: u64,
    steps: u64,
}

impl BitSpace {
    /// Nothing free, classes up to the universe's length.
    #[must_use]
    pub fn new(universe: Extent) -> BitSpace {
        BitSpace::with_classes(universe, CLASSES_MAX)
    }
    /// The same with at most `classes_max` classes (1 to 32, asserted): fewer take less memory, and search the last one for longer.
    #[must_use]
    pub fn with_classes(universe: Extent, classes_max: u32) -> BitSpace {
        assert!(
            (1..=CLASSES_MAX).contains(&classes_max),
            "{classes_max} classes are none or more than a mask has"
        );
        let base = universe.start.0 - universe.start.0 % BLOCKS as u64;
        let blocks = usize::try_from(universe.end().0 - base).expect("a bitmap has a bit a block in memory");
        let leaves = blocks.div_ceil(BLOCKS);
        let classes = universe.blocks.max(1).ilog2() + 1;
        let mut partial = PlaceSet::new(leaves);
        (0..leaves).for_each(|leaf| partial.insert(leaf));
        BitSpace {
            universe,
            base,
            bits: vec![[0; leaf::WORDS]; leaves],
            partial,
            classes: vec![PlaceSet::new(leaves); classes.min(classes_max) as usize],
            masks: vec![0; leaves],
            longest: [0; CLASSES_MAX as usize],
            blocks: 0,
            runs: 0,
            steps: 0,
        }
    }
    /// Where all runs lie.
    #[must_use]
    pub fn universe(&self) -> Extent {
        self.universe
    }
    /// The block of position 0: the universe's first one, rounded down to a whole leaf.
    #[must_use]
    pub fn base(&self) -> u64 {
        self.base
    }
    /// Free blocks.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }
    /// Maximal free runs.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.runs
    }
    /// Leaves and sets looked at so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }
    /// A policy looked at so many more.
    pub fn looked_at(&mut self, steps: u64) {
        self.steps += steps;
    }
    /// The class of a length.
    #[must_use]
    pub fn class_of(&self, blocks: u64) -> u32 {
        blocks.ilog2().min(self.class_count() - 1)
    }
    /// Leaves of the space.
    #[must_use]
    pub fn leaves(&self) -> usize {
        self.bits.len()
    }
    /// The bits of a leaf.
    #[must_use]
    pub fn leaf(&self, leaf: usize) -> &Words {
        &self.bits[leaf]
    }
    /// Whether all of a leaf is free.
    #[must_use]
    pub fn is_full(&self, leaf: usize) -> bool {
        !self.partial.contains(leaf)
    }
    /// How many classes there are.
    #[must_use]
    pub fn class_count(&self) -> u32 {
        self.classes.len() as u32
    }
    fn span(&self, run: Extent) -> (usize, usize) {
        assert!(self.universe.contains(run), "{run:?} is outside {:?}", self.universe);
        ((run.start.0 - self.base) as usize, (run.end().0 - self.base) as usize)
    }
    /// A run of positions as an extent.
    #[must_use]
    pub fn extent(&self, start: usize, end: usize) -> Extent {
        Extent::new(Pba(self.base + start as u64), (end - start) as u64)
    }
    /// Whether the block at a position is free.
    #[must_use]
    pub fn get(&self, at: usize) -> bool {
        self.bits.get(at / BLOCKS).is_some_and(|words| words[at % BLOCKS / 64] >> (at % 64) & 1 == 1)
    }
    /// Where the free run that holds or starts at position `at` ends.
    #[must_use]
    pub fn run_end(&self, at: usize) -> usize {
        let leaf = at / BLOCKS;
        let end = leaf::ones_end(&self.bits[leaf], at % BLOCKS);
        if end < BLOCKS {
            return leaf * BLOCKS + end;
        }
        match self.partial.next(leaf + 1) {
            Some(next) => next * BLOCKS + leaf::ones_end(&self.bits[next], 0),
            None => self.bits.len() * BLOCKS,
        }
    }
    /// Where the free run that ends at position `at` or holds it starts.
    #[must_use]
    pub fn run_start(&self, at: usize) -> usize {
        let leaf = at / BLOCKS;
        let start =
            if at.is_multiple_of(BLOCKS) { 0 } else { leaf::ones_start(&self.bits[leaf], at % BLOCKS) };
        if start > 0 || leaf == 0 {
            return leaf * BLOCKS + start;
        }
        match self.partial.prev(leaf - 1) {
            Some(before) => before * BLOCKS + leaf::ones_start(&self.bits[before], BLOCKS),
            None => 0,
        }
    }
    /// Make bits of `start..end` free or taken; all of them must have been the other (asserted).
    fn fill(&mut self, start: usize, end: usize, free: bool) {
        for leaf in start / BLOCKS..=(end - 1) / BLOCKS {
            let (from, to) = (start.max(leaf * BLOCKS), end.min((leaf + 1) * BLOCKS));
            let words = &mut self.bits[leaf];
            let touched = (from % BLOCKS) / 64..=(to - 1) % BLOCKS / 64;
            let first_word = leaf * BLOCKS / 64 + touched.start();
            for (at, word) in words[touched].iter_mut().enumerate() {
                let first = (first_word + at) * 64;
                let low = u64::MAX << from.saturating_sub(first);
                let mask = low & (u64::MAX >> (first + 64).saturating_sub(to));
                let was = if free { *word & mask } else { !*word & mask };
                assert!(
                    was == 0,
                    "a block of {start}..{end} is {} already",
                    if free { "free" } else { "taken" }
                );
                *word ^= mask;
            }
            self.partial.put(leaf, self.bits[leaf] != [u64::MAX; leaf::WORDS]);
        }
    }
    /// Change a run; all of it must have been the other (asserted). Returns the leaves whose bits changed.
    pub fn change(&mut self, run: Extent, free: bool) -> RangeInclusive<usize> {
        let (start, end) = self.span(run);
        let before = start > 0 && self.get(start - 1);
        let after = self.get(end);
        self.fill(start, end, free);
        let neighbors = u64::from(before) + u64::from(after);
        if free {
            self.blocks += run.blocks;
            self.runs = self.runs + 1 - neighbors;
        } else {
            self.blocks -= run.blocks;
            self.runs = self.runs + neighbors - 1;
        }
        let first = start / BLOCKS;
        if before {
            let starts_in = self.run_start(start) / BLOCKS;
            if starts_in < first {
                self.note(starts_in);
            }
        }
        (first..=(end / BLOCKS).min(self.leaves() - 1)).for_each(|leaf| self.note(leaf));
        first..=(end - 1) / BLOCKS
    }
    /// The runs that start in a leaf, by positions of their starts and ends.
    pub fn starting(&self, leaf: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let (first, words) = (leaf * BLOCKS, &self.bits[leaf]);
        let continues = words[0] & 1 == 1 && first > 0 && self.get(first - 1);
        let mut at = if continues { leaf::ones_end(words, 0) } else { 0 };
        core::iter::from_fn(move || {
            let start = leaf::next_one(words, at)?;
            at = leaf::ones_end(words, start);
            let end = if at < BLOCKS { first + at } else { self.run_end(first + start) };
            Some((first + start, end))
        })
    }
    /// Bring a leaf's mask and the sets up to its bits.
    fn note(&mut self, leaf: usize) {
        self.steps += 1;
        let (mut mask, mut longest) = (0, self.longest);
        for (start, end) in self.starting(leaf) {
            let blocks = (end - start) as u64;
            let class = self.class_of(blocks);
            mask |= 1 << class;
            longest[class as usize] = longest[class as usize].max(blocks);
        }
        self.longest = longest;
        let mut differ = mask ^ self.masks[leaf];
        self.masks[leaf] = mask;
        while differ != 0 {
            let class = differ.trailing_zeros();
            self.classes[class as usize].put(leaf, mask >> class & 1 == 1);
            differ &= differ - 1;
        }
    }
    /// The first leaf from `leaf` on in which a run of the class starts.
    #[must_use]
    pub fn leaf_from(&self, class: u32, leaf: usize) -> Option<usize> {
        self.classes.get(class as usize)?.next(leaf)
    }
    /// The lowest class of `from` and above that has runs.
    pub fn class_from(&mut self, from: u32) -> Option<u32> {
        let found = (from..self.class_count()).find(|class| self.classes[*class as usize].next(0).is_some());
        self.steps += u64::from(found.unwrap_or(self.class_count()).saturating_sub(from)) + 1;
        found
    }
    /// The highest class that has runs.
    pub fn class_last(&mut self) -> Option<u32> {
        self.steps += 1;
        (0..self.class_count()).rev().find(|class| self.classes[*class as usize].next(0).is_some())
    }
    /// The run of a class at the lowest address.
    pub fn head(&mut self, class: u32) -> Option<Extent> {
        let leaf = self.classes.get(class as usize)?.next(0)?;
        self.steps += 1;
        let of_class = |(start, end): &(usize, usize)| self.class_of((end - start) as u64) == class;
        self.starting(leaf).find(of_class).map(|(start, end)| self.extent(start, end))
    }
    /// Exact search from the longest class down: the first run that satisfies the request. It is what makes every policy lawful.
    /// A search in vain makes `longest` exact, so that the next one is spared until a longer run appears.
    pub fn search(&mut self, want: &Want) -> Option<Extent> {
        let classes = self.class_of(want.blocks_min)..self.class_count();
        classes.rev().find_map(|class| self.search_class(class as usize, want))
    }
    fn search_class(&mut self, class: usize, want: &Want) -> Option<Extent> {
        if self.longest[class] < want.blocks_min {
            return None;
        }
        let (mut longest, mut next) = (0, self.classes[class].next(0));
        while let Some(leaf) = next {
            self.steps += 1;
            for (start, end) in self.starting(leaf) {
                if let Some(piece) = want.fit(self.extent(start, end)) {
                    return Some(piece);
                }
                let blocks = (end - start) as u64;
                longest = if self.class_of(blocks) as usize == class { longest.max(blocks) } else { longest };
            }
            next = self.classes[class].next(leaf + 1);
        }
        self.longest[class] = longest;
        None
    }
    /// No run is longer.
    #[must_use]
    pub fn longest_max(&self) -> u64 {
        self.longest.iter().copied().max().unwrap_or(0).min(self.blocks)
    }
    /// Whether every block of `run` is free.
    #[must_use]
    pub fn contains(&self, run: Extent) -> bool {
        self.universe.contains(run) && {
            let (start, end) = self.span(run);
            self.get(start) && self.run_end(start) >= end
        }
    }
    /// Maximal runs that touch `within`, clipped to it, in address order.
    pub fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        let Some(within) = within.intersect(self.universe) else { return };
        let (mut at, end) = self.span(within);
        while at < end {
            let Some(start) = leaf::next_one(&self.bits[at / BLOCKS], at % BLOCKS) else {
                at = (at / BLOCKS + 1) * BLOCKS;
                continue;
            };
            let start = at / BLOCKS * BLOCKS + start;
            if start >= end {
                return;
            }
            at = self.run_end(start);
            if each(self.extent(start, at.min(end))) == Flow::Stop {
                return;
            }
        }
    }
    /// Bytes held.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let sets = self.classes.iter().map(PlaceSet::memory_bytes).sum::<u64>() + self.partial.memory_bytes();
        sets + (self.bits.len() * size_of::<Words>() + self.masks.len() * 4 + size_of::<BitSpace>()) as u64
    }
}
