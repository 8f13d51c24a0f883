//! When released blocks come back: the third axis of an allocator.
//!
//! Invariant: a policy hands out only what was queued, each run once. It never decides *whether* a block may be reused
//! before its epoch is durable: `Composed` calls it at commit only, after the epoch's last allocation.

use alloc::vec::Vec;
use spinney_core::{Epoch, Extent};

/// A queue of released runs.
pub trait Reclaim: Send {
    /// `run` was released in `epoch`.
    fn queue(&mut self, epoch: Epoch, run: Extent);
    /// At the commit of `epoch`: hand over what may come back now. `free_blocks` and `total_blocks` describe the index.
    fn due(&mut self, epoch: Epoch, free_blocks: u64, total_blocks: u64, each: &mut dyn FnMut(Extent));
    /// Blocks queued.
    fn queued_blocks(&self) -> u64;
    /// Runs queued.
    fn queued_runs(&self) -> u64;
    /// Every queued run.
    fn visit(&self, each: &mut dyn FnMut(Epoch, Extent));
}

/// Everything comes back at the commit of the epoch that released it: the simplest policy, and BTRFS's and dm-thin's.
#[derive(Debug, Default)]
pub struct AtCommit {
    queue: Vec<(Epoch, Extent)>,
    blocks: u64,
}

impl Reclaim for AtCommit {
    fn queue(&mut self, epoch: Epoch, run: Extent) {
        self.blocks += run.blocks;
        self.queue.push((epoch, run));
    }
    fn due(&mut self, _: Epoch, _: u64, _: u64, each: &mut dyn FnMut(Extent)) {
        self.blocks = 0;
        self.queue.drain(..).for_each(|(_, run)| each(run));
    }
    fn queued_blocks(&self) -> u64 {
        self.blocks
    }
    fn queued_runs(&self) -> u64 {
        self.queue.len() as u64
    }
    fn visit(&self, each: &mut dyn FnMut(Epoch, Extent)) {
        self.queue.iter().for_each(|(epoch, run)| each(*epoch, *run));
    }
}
