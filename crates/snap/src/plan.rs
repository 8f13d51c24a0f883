//! A scheme's decision on one write: steps that the volume then carries out.
//!
//! Invariant: the `Place` and `Overwrite` steps of a plan cover the written range exactly once, in order.

use alloc::vec::Vec;
use spinney_core::{Extent, Lba, Pba};

/// One step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// This version owns the blocks alone: they may be written in place, if the volume's policy permits (else it places anew).
    Overwrite {
        /// Logical start.
        at: Lba,
        /// The blocks there now.
        on: Extent,
    },
    /// Give these logical blocks fresh physical ones, near `near` if that is free.
    Place {
        /// Logical start.
        at: Lba,
        /// How many.
        blocks: u64,
        /// The wish.
        near: Option<Pba>,
    },
    /// Copy these neighbours to fresh blocks too (copy-on-abundant-write); they follow the write in one run if possible.
    Relocate {
        /// Logical start.
        at: Lba,
        /// Where their content is now.
        from: Extent,
    },
}

impl Step {
    /// How many blocks it writes.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        match *self {
            Step::Overwrite { on, .. } => on.blocks,
            Step::Place { blocks, .. } => blocks,
            Step::Relocate { from, .. } => from.blocks,
        }
    }
}

/// The steps of one write.
#[derive(Debug, Default)]
pub struct WritePlan(pub Vec<Step>);

impl WritePlan {
    /// Fresh blocks that the plan needs at most (an `Overwrite` may be refused by policy and then needs them too).
    #[must_use]
    pub fn blocks_bound(&self) -> u64 {
        self.0.iter().map(Step::blocks).sum()
    }
}
