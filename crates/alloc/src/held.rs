//! Blocks that are recorded as free and may not be handed out yet.
//!
//! Invariant: the set holds exactly the runs of the queue, which are in the order of their epochs. In memory only: whoever
//! opens the pool anew finds them free.

use crate::RunSet;
use alloc::collections::VecDeque;
use spinney_core::{Epoch, Extent};

/// A queue by epoch, and the same as a set.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) set: RunSet,
    queue: VecDeque<(Epoch, Extent)>,
}

impl Held {
    /// Hold all of `set`, whose runs in order are `runs`, and leave it empty. As a rule nothing was held, and the set is
    /// exchanged, not filled.
    pub(crate) fn take_over(&mut self, epoch: Epoch, runs: &[Extent], set: &mut RunSet) {
        self.queue.extend(runs.iter().map(|run| (epoch, *run)));
        if self.set.is_empty() {
            core::mem::swap(&mut self.set, set);
            return;
        }
        for run in set.iter() {
            assert!(self.set.insert(run).is_ok(), "{run:?} is held already");
        }
        set.clear();
    }

    /// Hold one run more.
    pub(crate) fn add(&mut self, epoch: Epoch, run: Extent) {
        assert!(self.set.insert(run).is_ok(), "{run:?} is held already");
        self.queue.push_back((epoch, run));
    }

    /// The epoch of what waits longest.
    pub(crate) fn oldest(&self) -> Option<Epoch> {
        self.queue.front().map(|(epoch, _)| *epoch)
    }

    /// Let go of what was recorded up to `limit`, in order.
    pub(crate) fn let_go(&mut self, limit: Epoch, each: &mut dyn FnMut(Extent)) {
        let all = self.queue.back().is_none_or(|(epoch, _)| *epoch <= limit);
        while let Some((_, run)) = self.queue.front().copied().filter(|(epoch, _)| *epoch <= limit) {
            self.queue.pop_front();
            assert!(all || self.set.remove(run), "{run:?} is not held");
            each(run);
        }
        if all {
            self.set.clear();
        }
    }
}
