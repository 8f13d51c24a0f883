//! The one channel by which data blocks leave a scheme.
//!
//! Invariant: an extent is pushed exactly once, when its last owner let go.

use alloc::vec::{Drain, Vec};
use spinney_core::Extent;

/// Runs whose last owner let go; adjacent pushes are merged.
#[derive(Debug, Default)]
pub struct Freed(Vec<Extent>);

impl Freed {
    /// The last owner of `run` let go.
    pub fn push(&mut self, run: Extent) {
        match self.0.last_mut() {
            Some(last) if last.end() == run.start => last.blocks += run.blocks,
            _ => self.0.push(run),
        }
    }
    /// Take all.
    pub fn drain(&mut self) -> Drain<'_, Extent> {
        self.0.drain(..)
    }
    /// The runs so far.
    #[must_use]
    pub fn runs(&self) -> &[Extent] {
        &self.0
    }
    /// Blocks in all.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.0.iter().map(|run| run.blocks).sum()
    }
}
