//! Where objects lie on the address space of volumes: best fit over what no object has.
//!
//! Invariant: what is taken and not given back never overlaps; a stretch never crosses from one volume to the next. This is
//! the file system's side: how the pool below places the blocks is not known here.

use crate::op::{Bytes, Handle, Op};
use spinney_core::BLOCK_BYTES;
use std::collections::{BTreeMap, BTreeSet};

/// A run of blocks of one volume, counted over all volumes one behind the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stretch {
    pub(crate) start: u64,
    pub(crate) blocks: u64,
}

/// Free address space.
pub(crate) struct Ground {
    volume_blocks: u64,
    by_start: BTreeMap<u64, u64>,
    /// Length, then start.
    by_length: BTreeSet<(u64, u64)>,
}

impl Ground {
    /// `volumes` empty ones of `volume_blocks` each.
    pub(crate) fn new(volume_blocks: u64, volumes: u64) -> Ground {
        let mut ground = Ground { volume_blocks, by_start: BTreeMap::new(), by_length: BTreeSet::new() };
        for volume in 0..volumes {
            ground.insert(Stretch { start: volume * volume_blocks, blocks: volume_blocks });
        }
        ground
    }

    fn insert(&mut self, Stretch { start, blocks }: Stretch) {
        self.by_start.insert(start, blocks);
        self.by_length.insert((blocks, start));
    }

    fn remove(&mut self, start: u64) -> u64 {
        let blocks = self.by_start.remove(&start).expect("a free stretch starts here");
        self.by_length.remove(&(blocks, start));
        blocks
    }

    /// Room for `blocks`: the shortest free stretch that holds them; where none does the longest ones, one after the other.
    /// `None`, and nothing is taken, if there is not so much free.
    pub(crate) fn take(&mut self, blocks: u64) -> Option<Vec<Stretch>> {
        let mut taken: Vec<Stretch> = Vec::new();
        let mut left = blocks;
        while left > 0 {
            let fitting = self.by_length.range((left, 0)..).next().or_else(|| self.by_length.last());
            let Some((length, start)) = fitting.copied() else {
                taken.into_iter().for_each(|stretch| self.give(stretch));
                return None;
            };
            self.remove(start);
            let part = left.min(length);
            if part < length {
                self.insert(Stretch { start: start + part, blocks: length - part });
            }
            taken.push(Stretch { start, blocks: part });
            left -= part;
        }
        Some(taken)
    }

    /// Give back what was taken.
    pub(crate) fn give(&mut self, Stretch { mut start, mut blocks }: Stretch) {
        let end = start + blocks;
        if self.by_start.contains_key(&end) && !end.is_multiple_of(self.volume_blocks) {
            blocks += self.remove(end);
        }
        let before = self.by_start.range(..start).next_back().map(|(start, blocks)| (*start, *blocks));
        if let Some((first, length)) = before
            && first + length == start
            && !start.is_multiple_of(self.volume_blocks)
        {
            self.remove(first);
            (start, blocks) = (first, blocks + length);
        }
        self.insert(Stretch { start, blocks });
    }

    fn place(&self, stretch: Stretch) -> (Handle, Bytes) {
        let block = BLOCK_BYTES as u64;
        let offset = stretch.start % self.volume_blocks * block;
        (Handle(stretch.start / self.volume_blocks), Bytes { offset, length: stretch.blocks * block })
    }
    /// The write of a stretch.
    pub(crate) fn write(&self, stretch: Stretch) -> Op {
        let (to, bytes) = self.place(stretch);
        Op::Write { to, bytes }
    }
    /// The read of a stretch.
    pub(crate) fn read(&self, stretch: Stretch) -> Op {
        let (of, bytes) = self.place(stretch);
        Op::Read { of, bytes }
    }
    /// The discard of a stretch.
    pub(crate) fn discard(&self, stretch: Stretch) -> Op {
        let (of, bytes) = self.place(stretch);
        Op::Discard { of, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_joins_again_but_not_over_volumes() {
        let mut ground = Ground::new(100, 2);
        let taken: Vec<Stretch> = (0..20).flat_map(|_| ground.take(10).unwrap()).collect();
        assert!(ground.take(1).is_none(), "200 blocks are taken");
        taken.into_iter().rev().step_by(2).for_each(|stretch| ground.give(stretch));
        assert_eq!(ground.take(30).unwrap().len(), 3, "no gap is longer than 10");
        let mut ground = Ground::new(100, 2);
        let whole = [ground.take(100).unwrap(), ground.take(100).unwrap()].concat();
        whole.into_iter().for_each(|stretch| ground.give(stretch));
        assert_eq!(ground.take(101).unwrap().len(), 2, "a stretch lies in one volume");
    }

    #[test]
    fn a_refused_wish_takes_nothing() {
        let mut ground = Ground::new(10, 1);
        ground.take(4).unwrap();
        assert!(ground.take(7).is_none());
        assert_eq!(ground.take(6).unwrap(), [Stretch { start: 4, blocks: 6 }]);
    }
}
