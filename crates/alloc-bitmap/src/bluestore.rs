//! [`BlueStoreIndex`]: the bitmap allocator of Ceph's BlueStore, from its description: three levels, a position that goes
//! round, requests of one block served with whatever comes first.
//!
//! Invariant: an L1 entry says whether none, some or all of its 512 blocks are free; a bit of L2 is set exactly if one of its
//! 256 entries is not "none". It keeps no lengths, so a request of some length has to read L0: that is the design, and its price.

use crate::bits::{Bits, LEAF_BLOCKS};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use spinney_alloc::{FreeIndex, IndexEntry, Want};
use spinney_core::{Effort, Extent, Flow, Parameter, Pba};

/// L1 entries of an L2 bit.
const GROUP_ENTRIES: usize = 256;
/// Blocks of an L2 bit: 512 MiB at 4 KiB.
const GROUP_BLOCKS: usize = GROUP_ENTRIES * LEAF_BLOCKS;
/// Entries of a word of L1.
const WORD_ENTRIES: usize = 32;

/// What an L1 entry says of its 512 blocks, in its two bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Free {
    None = 0b00,
    Some = 0b01,
    All = 0b11,
}

/// The three levels, and where the next search begins.
#[derive(Clone, Debug)]
pub struct BlueStoreIndex {
    universe: Option<Extent>,
    base: u64,
    l0: Bits,
    l1: Vec<u64>,
    l2: Vec<u64>,
    entries: usize,
    position: usize,
    /// A request of as many blocks or more is looked for by length.
    unit_blocks: u64,
    free_blocks: u64,
    free_runs: u64,
    steps: u64,
    fallbacks: u64,
}

/// A run by positions.
type Run = (usize, usize);

impl BlueStoreIndex {
    /// An index whose requests are wanted in pieces of `unit_blocks` at least, if that can be had; then `reset`.
    #[must_use]
    pub fn new(unit_blocks: u64) -> BlueStoreIndex {
        BlueStoreIndex {
            universe: None,
            base: 0,
            l0: Bits::default(),
            l1: Vec::new(),
            l2: Vec::new(),
            entries: 0,
            position: 0,
            unit_blocks: unit_blocks.max(1),
            free_blocks: 0,
            free_runs: 0,
            steps: 0,
            fallbacks: 0,
        }
    }
    fn universe(&self) -> Extent {
        self.universe.expect("`reset` comes first")
    }
    fn span(&self, run: Extent) -> Run {
        assert!(self.universe().contains(run), "{run:?} is outside {:?}", self.universe());
        ((run.start.0 - self.base) as usize, (run.end().0 - self.base) as usize)
    }
    fn extent(&self, (start, end): Run) -> Extent {
        Extent::new(Pba(self.base + start as u64), (end - start) as u64)
    }
    fn groups(&self) -> usize {
        self.entries.div_ceil(GROUP_ENTRIES)
    }
    fn entry(&self, entry: usize) -> Free {
        match self.l1[entry / WORD_ENTRIES] >> (2 * (entry % WORD_ENTRIES)) & 0b11 {
            0b00 => Free::None,
            0b11 => Free::All,
            _ => Free::Some,
        }
    }
    /// Bring L1 and L2 up to what L0 has in `start..end`, bottom up.
    fn update(&mut self, (start, end): Run) {
        let (first, last) = (start / LEAF_BLOCKS, (end - 1) / LEAF_BLOCKS);
        for entry in first..=last {
            let (from, to) = (entry * LEAF_BLOCKS, (entry + 1) * LEAF_BLOCKS);
            let state = match self.l0.next_one(from, to) {
                None => Free::None,
                Some(at) if at == from && self.l0.ones_end(from, to) == to => Free::All,
                Some(_) => Free::Some,
            };
            let shift = 2 * (entry % WORD_ENTRIES);
            let word = &mut self.l1[entry / WORD_ENTRIES];
            *word = *word & !(0b11 << shift) | (state as u64) << shift;
        }
        let words = GROUP_ENTRIES / WORD_ENTRIES;
        for group in first / GROUP_ENTRIES..=last / GROUP_ENTRIES {
            let any = self.l1[group * words..(group + 1) * words].iter().any(|word| *word != 0);
            let (word, bit) = (&mut self.l2[group / 64], 1 << (group % 64));
            if any { *word |= bit } else { *word &= !bit }
        }
        self.steps += ((end - start) / 64 + 1 + 8 * (last - first + 1)) as u64;
    }
    /// The first group at `from` or after it, before `to`, with a free block.
    fn next_group(&mut self, from: usize, to: usize) -> Option<usize> {
        let mut at = from;
        while at < to {
            self.steps += 1;
            let ones = self.l2[at / 64] >> (at % 64);
            if ones != 0 {
                return Some(at + ones.trailing_zeros() as usize).filter(|group| *group < to);
            }
            at = (at | 63) + 1;
        }
        None
    }
    /// The first entry at `from` or after it, before `to`, with a free block: a word of L1 at a time.
    fn next_entry(&mut self, from: usize, to: usize) -> Option<usize> {
        let mut at = from;
        while at < to {
            self.steps += 1;
            let pairs = self.l1[at / WORD_ENTRIES] >> (2 * (at % WORD_ENTRIES));
            if pairs != 0 {
                return Some(at + pairs.trailing_zeros() as usize / 2).filter(|entry| *entry < to);
            }
            at = (at / WORD_ENTRIES + 1) * WORD_ENTRIES;
        }
        None
    }
    /// The next maximal run that starts at position `from` or after it, both cut at `to`: L0 is read where L1 says "some".
    fn next_run(&mut self, from: usize, to: usize) -> Option<Run> {
        let mut at = from;
        let start = loop {
            let entry = self.next_entry(at / LEAF_BLOCKS, to.div_ceil(LEAF_BLOCKS))?;
            at = at.max(entry * LEAF_BLOCKS);
            let entry_end = to.min((entry + 1) * LEAF_BLOCKS);
            self.steps += 8;
            match self.l0.next_one(at, entry_end) {
                Some(start) => break start,
                None if entry_end == to => return None,
                None => at = entry_end,
            }
        };
        let mut end = start;
        while end < to {
            let entry_end = to.min((end / LEAF_BLOCKS + 1) * LEAF_BLOCKS);
            self.steps += 1;
            if self.entry(end / LEAF_BLOCKS) != Free::All {
                let here = self.l0.ones_end(end, entry_end);
                self.steps += 8;
                if here < entry_end {
                    return Some((start, here));
                }
            }
            end = entry_end;
        }
        Some((start, to))
    }
    /// One block will do: the free blocks of the group in order, as many as follow each other.
    fn in_order(&mut self, want: &Want, group: usize) -> Option<Extent> {
        let from = group * GROUP_BLOCKS;
        let entry = self.next_entry(from / LEAF_BLOCKS, from / LEAF_BLOCKS + GROUP_ENTRIES)?;
        let start = self.l0.next_one(entry * LEAF_BLOCKS, (entry + 1) * LEAF_BLOCKS)?;
        let most = usize::try_from(want.blocks_max).unwrap_or(usize::MAX);
        let end = self.l0.ones_end(start, (from + GROUP_BLOCKS).min(start.saturating_add(most)));
        self.steps += ((end - start) / 64 + 8) as u64;
        Some(self.extent((start, end)))
    }
    /// A length is needed: the shortest run of partly free entries that holds all, else the first that has a wholly free
    /// entry in it and does, else the longest that holds the least.
    fn by_length(&mut self, want: &Want, group: usize) -> Option<Extent> {
        let (mut at, end) =
            (group * GROUP_BLOCKS, ((group + 1) * GROUP_BLOCKS).min(self.entries * LEAF_BLOCKS));
        let whole = Want { blocks_min: want.blocks_max, ..*want };
        let (mut tight, mut free, mut shorter): (Option<Run>, Option<Run>, Option<Run>) = (None, None, None);
        let length = |run: Option<Run>| run.map_or(0, |(start, end)| end - start);
        while let Some(run) = self.next_run(at, end) {
            at = run.1;
            let blocks = run.1 - run.0;
            if whole.fit(self.extent(run)).is_some() {
                if blocks >= 2 * LEAF_BLOCKS {
                    free = free.or(Some(run));
                } else if tight.is_none() || blocks < length(tight) {
                    tight = Some(run);
                }
            } else if blocks > length(shorter) && want.fit(self.extent(run)).is_some() {
                shorter = Some(run);
            }
        }
        tight.or(free).or(shorter).and_then(|run| want.fit(self.extent(run)))
    }
    /// Every run in address order: what spans two groups is found only here.
    fn anywhere(&mut self, want: &Want) -> Option<Extent> {
        self.fallbacks += 1;
        let (mut at, end) = (0, self.entries * LEAF_BLOCKS);
        while let Some(run) = self.next_run(at, end) {
            let found = want.fit(self.extent(run));
            if found.is_some() {
                return found;
            }
            at = run.1;
        }
        None
    }
    fn search(&mut self, want: &Want) -> Option<Extent> {
        let (groups, position) = (self.groups(), self.position);
        let in_order = want.blocks_min == 1 && want.align == 1;
        for (from, to) in [(position, groups), (0, position)] {
            let mut at = from;
            while let Some(group) = self.next_group(at, to) {
                self.position = group;
                let found = if in_order { self.in_order(want, group) } else { self.by_length(want, group) };
                if found.is_some() {
                    return found;
                }
                at = group + 1;
            }
        }
        self.anywhere(want)
    }
    fn take(&mut self, run: Run) {
        let (left_before, left_after) = (self.l0.before(run.0), self.l0.get(run.1));
        assert!(self.l0.clear(run.0, run.1), "part of {run:?} is taken already");
        self.free_blocks -= (run.1 - run.0) as u64;
        self.free_runs = self.free_runs + u64::from(left_before) + u64::from(left_after) - 1;
        self.update(run);
    }
}

impl FreeIndex for BlueStoreIndex {
    fn reset(&mut self, universe: Extent) {
        let base = universe.start.0 - universe.start.0 % LEAF_BLOCKS as u64;
        let blocks = usize::try_from(universe.end().0 - base).expect("a bitmap has a bit a block in memory");
        let entries = blocks.div_ceil(LEAF_BLOCKS);
        let groups = entries.div_ceil(GROUP_ENTRIES);
        *self = BlueStoreIndex {
            universe: Some(universe),
            base,
            l0: Bits::new(entries),
            l1: vec![0; groups * (GROUP_ENTRIES / WORD_ENTRIES)],
            l2: vec![0; groups.div_ceil(64)],
            entries,
            ..BlueStoreIndex::new(self.unit_blocks)
        };
    }
    fn insert(&mut self, run: Extent) {
        let span = self.span(run);
        assert!(self.l0.set(span.0, span.1), "a double free in {run:?}");
        let (joins_before, joins_after) = (self.l0.before(span.0), self.l0.get(span.1));
        self.free_blocks += run.blocks;
        self.free_runs = self.free_runs + 1 - u64::from(joins_before) - u64::from(joins_after);
        self.update(span);
    }
    fn remove(&mut self, run: Extent) {
        self.take(self.span(run));
    }
    fn pick(&mut self, want: &Want) -> Option<Extent> {
        want.check();
        if self.free_blocks < want.blocks_min {
            return None;
        }
        let unit = self.unit_blocks.clamp(want.blocks_min, want.blocks_max);
        let run = match self.search(&Want { blocks_min: unit, ..*want }) {
            None if unit > want.blocks_min => {
                self.fallbacks += 1;
                self.search(want)?
            }
            found => found?,
        };
        self.take(self.span(run));
        Some(run)
    }
    fn is_free(&self, run: Extent) -> bool {
        self.universe().contains(run) && {
            let (start, end) = self.span(run);
            self.l0.ones_end(start, end) == end
        }
    }
    fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        let Some(within) = within.intersect(self.universe()) else { return };
        let (mut at, end) = self.span(within);
        while let Some(start) = self.l0.next_one(at, end) {
            at = self.l0.ones_end(start, end);
            if each(self.extent((start, at))) == Flow::Stop {
                return;
            }
        }
    }
    fn free_blocks(&self) -> u64 {
        self.free_blocks
    }
    fn free_runs(&self) -> u64 {
        self.free_runs
    }
    fn effort(&self) -> Effort {
        Effort { steps: self.steps, fallbacks: self.fallbacks, ..Effort::default() }
    }
    fn memory_bytes(&self) -> u64 {
        let summaries = 8 * (self.l1.len() + self.l2.len());
        self.l0.memory_bytes() + (summaries + size_of::<BlueStoreIndex>()) as u64
    }
}

impl Default for BlueStoreIndex {
    fn default() -> BlueStoreIndex {
        BlueStoreIndex::new(1)
    }
}

const UNIT: Parameter = Parameter::integer(
    "unit_blocks",
    1,
    "The smallest piece that a larger request should be served with. 1: whatever comes first, so no search and many pieces; it is \
     what an object store with 4 KiB units does, hence the default. More (16 for BlueFS's 64 KiB) asks for a length, which no \
     level knows: once the free stretches are short, a request reads all that is partly free, and what users reported is had.",
);

/// The row of the registry.
pub const BLUESTORE: IndexEntry = IndexEntry {
    name: "bluestore-bitmap",
    summary: "three levels of bits and a position that goes round; splits freely, keeps no lengths",
    paper: "Ceph BlueStore, bitmap allocator (2018), from its description",
    parameters: &[UNIT],
    build: |settings| Ok(Box::new(BlueStoreIndex::new(settings.integer(&UNIT)))),
};
