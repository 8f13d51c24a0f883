//! [`OldAndNew`]: dm-thin's way to never reuse a block too early: two maps, and a block is handed out only if it is free in the
//! committed one and in the current one.
//!
//! Invariant: `old` is `new` as of the last commit; what is handed out was free in both. So what is freed waits for one commit,
//! as with a list of deferred frees, but for blocks that were taken *and* freed since the last commit: these are free in both
//! again, and may be had at once (R47). Two bits a block; for experiments: a list of frees does the same in less.

use crate::bits::{Bits, LEAF_BLOCKS};
use spinney_core::{Extent, Pba};

/// Two maps over one universe, and a cursor.
#[derive(Clone, Debug)]
pub struct OldAndNew {
    universe: Extent,
    base: u64,
    old: Bits,
    new: Bits,
    cursor: usize,
}

impl OldAndNew {
    /// All of the universe is free in both maps.
    #[must_use]
    pub fn new(universe: Extent) -> OldAndNew {
        let base = universe.start.0 - universe.start.0 % LEAF_BLOCKS as u64;
        let blocks = usize::try_from(universe.end().0 - base).expect("a bitmap has a bit a block in memory");
        let mut old = Bits::new(blocks.div_ceil(LEAF_BLOCKS));
        old.set((universe.start.0 - base) as usize, blocks);
        OldAndNew { universe, base, new: old.clone(), old, cursor: 0 }
    }
    fn span(&self, run: Extent) -> (usize, usize) {
        assert!(self.universe.contains(run), "{run:?} is outside {:?}", self.universe);
        ((run.start.0 - self.base) as usize, (run.end().0 - self.base) as usize)
    }
    fn end(&self) -> usize {
        (self.universe.end().0 - self.base) as usize
    }
    /// The next free blocks after the last ones handed out, at most `blocks_max`, wrapping once.
    pub fn pick(&mut self, blocks_max: u64) -> Option<Extent> {
        let (cursor, end) = (self.cursor, self.end());
        let start = self.first_common(cursor, end).or_else(|| self.first_common(0, cursor))?;
        let limit = end.min(start.saturating_add(usize::try_from(blocks_max).unwrap_or(usize::MAX)));
        let stop = self.old.ones_end(start, limit).min(self.new.ones_end(start, limit));
        let run = Extent::new(Pba(self.base + start as u64), (stop - start) as u64);
        self.claim(run);
        self.cursor = stop;
        Some(run)
    }
    /// The first place of `from..to` that is free in both maps.
    fn first_common(&self, from: usize, to: usize) -> Option<usize> {
        let mut at = from;
        loop {
            at = self.old.next_one(at, to)?;
            let free = self.new.next_one(at, to)?;
            if free == at {
                return Some(at);
            }
            at = free;
        }
    }
    /// Take this very run, which must be free in the new map.
    pub fn claim(&mut self, run: Extent) {
        let (start, end) = self.span(run);
        assert!(self.new.clear(start, end), "part of {run:?} is taken");
    }
    /// Free a run: in the new map only.
    pub fn release(&mut self, run: Extent) {
        let (start, end) = self.span(run);
        assert!(self.new.set(start, end), "part of {run:?} is free");
    }
    /// The new map is durable.
    pub fn commit(&mut self) {
        self.old.clone_from(&self.new);
    }
    /// Whether the block may be handed out.
    #[must_use]
    pub fn is_allocatable(&self, at: Pba) -> bool {
        self.universe.contains(Extent::new(at, 1)) && {
            let at = (at.0 - self.base) as usize;
            self.old.get(at) && self.new.get(at)
        }
    }
    /// Blocks that are free and wait for a commit.
    #[must_use]
    pub fn pending_blocks(&self) -> u64 {
        let pending = |(old, new): (&u64, &u64)| u64::from((new & !old).count_ones());
        self.old.words().iter().zip(self.new.words()).map(pending).sum()
    }
}
