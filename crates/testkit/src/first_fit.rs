//! The free index of a beginner: the model's flags, scanned from the start.
//!
//! Invariant: everything is answered from [`FreeModel`] alone. Laws are tried on it, forms are tested with it, and it is
//! what any clever index is expected to agree with. Far too slow for anything else.

use crate::free_model::FreeModel;
use spinney_alloc::{FreeIndex, Want};
use spinney_core::{Effort, Extent, Flow, Pba};

/// First fit over one flag a block.
#[derive(Debug)]
pub struct FirstFit {
    model: FreeModel,
    steps: u64,
}

impl Default for FirstFit {
    fn default() -> FirstFit {
        FirstFit { model: FreeModel::empty(Extent { start: Pba(0), blocks: 0 }), steps: 0 }
    }
}

impl FreeIndex for FirstFit {
    fn reset(&mut self, universe: Extent) {
        *self = FirstFit { model: FreeModel::empty(universe), steps: 0 };
    }
    fn insert(&mut self, run: Extent) {
        self.model.insert(run);
    }
    fn remove(&mut self, run: Extent) {
        self.model.remove(run);
    }
    fn pick(&mut self, want: &Want) -> Option<Extent> {
        self.steps += self.model.universe.blocks;
        let run = self.model.runs().into_iter().find_map(|run| want.fit(run))?;
        self.model.remove(run);
        Some(run)
    }
    fn is_free(&self, run: Extent) -> bool {
        run.iter().all(|at| self.model.is_free(at))
    }
    fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        for run in self.model.runs_within(within, true) {
            if each(run) == Flow::Stop {
                return;
            }
        }
    }
    fn free_blocks(&self) -> u64 {
        self.model.blocks()
    }
    fn free_runs(&self) -> u64 {
        self.model.runs().len() as u64
    }
    fn effort(&self) -> Effort {
        Effort { steps: self.steps, ..Effort::default() }
    }
    fn memory_bytes(&self) -> u64 {
        self.model.universe.blocks
    }
}
