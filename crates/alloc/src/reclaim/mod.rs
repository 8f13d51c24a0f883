//! When released blocks come back: the third axis of an allocator.
//!
//! Invariant: a policy answers *when*, out of what it is told of the moment. It holds no block itself but in a [`FreeLog`],
//! and whatever it answers, `Composed` hands out nothing before its epoch is durable or while a reader can reach it.

mod hold;
mod log;
mod no_reader;

pub use hold::{EPOCHS, HOLD, Hold, SLOP_BLOCKS_MIN, SLOP_SHIFT};
pub use log::FreeLog;
pub use no_reader::{NO_READER, NoReader};

use crate::ReclaimEntry;
use alloc::boxed::Box;
use spinney_core::Epoch;

/// What a policy is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// The epoch that is committed, or was just made durable.
    pub epoch: Epoch,
    /// The oldest epoch that a reader has open.
    pub oldest_reader: Option<Epoch>,
    /// Blocks allocatable now.
    pub free_blocks: u64,
    /// Blocks of the universe.
    pub total_blocks: u64,
    /// Somebody found no space since the last commit: whatever lawfully can should come back.
    pub hurried: bool,
}

/// A reclaim policy.
pub trait Reclaim: Send {
    /// `now.epoch` is durable: what was recorded as free up to the epoch returned is handed out again.
    fn due(&self, now: &Moment) -> Epoch;
    /// The queue on pages that released blocks pass before they are recorded as free. Without one, the commit that released
    /// them records them, so that a crash loses none of them.
    fn log(&self) -> Option<&dyn FreeLog> {
        None
    }
    /// The same, to change.
    fn log_mut(&mut self) -> Option<&mut dyn FreeLog> {
        None
    }
}

/// Everything comes back at the commit of the epoch that released it: the simplest policy, and BTRFS's and dm-thin's
/// (which asks for a block that is free in the last durable map and in the one being built, and so waits as long).
#[derive(Clone, Copy, Debug, Default)]
pub struct AtCommit;

impl Reclaim for AtCommit {
    fn due(&self, now: &Moment) -> Epoch {
        now.epoch
    }
}

/// The row of the registry.
pub const AT_COMMIT: ReclaimEntry = ReclaimEntry {
    name: "at-commit",
    summary: "freed blocks come back when the epoch that freed them is durable",
    paper: "BTRFS (2012); dm-thin",
    parameters: &[],
    build: |_| Ok(Box::new(AtCommit)),
};
