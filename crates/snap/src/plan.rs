//! A scheme's decision on one write: steps that the volume then carries out.
//!
//! Invariant: the `Place` and `Overwrite` steps of a plan cover the written range exactly once, in order; `Relocate` steps, which may
//! stand between them, name blocks outside it, none twice. A volume may leave these out.

use alloc::vec::Vec;
use spinney_core::{Extent, Lba, LbaRange, Pba};

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
    /// Copy these neighbors to fresh blocks too (copy-on-abundant-write): in one run with the fresh blocks of the other steps,
    /// in the plan's order, if there is one.
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
    /// What it copies: where each run belongs, and where it is now.
    pub fn copies(&self) -> impl Iterator<Item = (Lba, Extent)> {
        self.0.iter().filter_map(|step| match *step {
            Step::Relocate { at, from } => Some((at, from)),
            _ => None,
        })
    }
    /// Leave the copies out.
    pub fn drop_copies(&mut self) {
        self.0.retain(|step| !matches!(step, Step::Relocate { .. }));
    }
    /// The shortest range that holds `range` and all that is copied.
    #[must_use]
    pub fn span(&self, range: LbaRange) -> LbaRange {
        self.copies().fold(range, |span, (at, from)| {
            let end = span.end().0.max(at.0.saturating_add(from.blocks));
            let start = span.start.0.min(at.0);
            LbaRange::new(Lba(start), end - start)
        })
    }
}
