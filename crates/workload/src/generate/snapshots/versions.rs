//! The versions that are there, and which goes next.
//!
//! Invariant: a handle is used between its taking and its deletion only; the first volume is never deleted. When no more than one
//! clone is there to write to, deleting all leaves the volume.

use crate::chance::Chance;
use crate::generate::Commits;
use crate::op::{Handle, Op};
use std::collections::VecDeque;

/// Which is deleted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Oldest,
    Newest,
    Random,
    Middle,
}

pub(super) struct Versions {
    clones: bool,
    from_origin: bool,
    /// 0: all.
    keep: u64,
    order: Order,
    chance: Chance,
    /// Oldest first.
    live: VecDeque<Handle>,
    taken: u64,
}

impl Versions {
    pub(super) fn new(clones: bool, from_origin: bool, keep: u64, order: Order, seed: u64) -> Versions {
        Versions {
            clones,
            from_origin,
            keep,
            order,
            chance: Chance::new(seed, 12),
            live: VecDeque::new(),
            taken: 0,
        }
    }
    pub(super) fn live(&self) -> u64 {
        self.live.len() as u64
    }
    /// What is written.
    pub(super) fn written(&self) -> Handle {
        match self.live.back() {
            Some(newest) if self.clones => *newest,
            _ => Handle::VOLUME,
        }
    }
    /// Take one; if that is one too many, another goes.
    pub(super) fn take(&mut self, commits: &mut Commits, out: &mut VecDeque<Op>) {
        self.taken += 1;
        let named = Handle(self.taken);
        let of = if self.clones && !self.from_origin { self.written() } else { Handle::VOLUME };
        let op = if self.clones { Op::Clone { of, named } } else { Op::Snapshot { of, named } };
        commits.push(op, out);
        if self.keep > 0 && self.live() >= self.keep {
            self.delete(commits, out);
        }
        self.live.push_back(named);
    }
    /// Delete the next one, if there is any.
    pub(super) fn delete(&mut self, commits: &mut Commits, out: &mut VecDeque<Op>) {
        let last = self.live.len().saturating_sub(1);
        let at = match self.order {
            Order::Oldest => 0,
            Order::Newest => last,
            Order::Middle => last / 2,
            Order::Random => self.chance.below(last as u64 + 1) as usize,
        };
        if let Some(of) = self.live.remove(at) {
            commits.push(Op::Delete { of }, out);
        }
    }
}
