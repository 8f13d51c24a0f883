//! Indexes that keep the wrong set.
//!
//! Invariant: what is not named in a fault is the index inside.

use super::form::recomposed;
use spinney_alloc::{FreeIndex, Want};
use spinney_core::{Effort, Extent, Flow};
use spinney_registry::{PoolSpec, Registry};
use spinney_volume::Parts;

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Twist {
    KeepsPicked,
    LosesTail,
}

struct Twisted {
    inner: Box<dyn FreeIndex>,
    twist: Twist,
    calls: u64,
}

fn twisted(registry: &Registry, spec: &PoolSpec, twist: Twist) -> Parts {
    recomposed(registry, spec, |index, form| (Box::new(Twisted { inner: index, twist, calls: 0 }), form))
}

pub(super) fn keeps_picked(registry: &Registry, spec: &PoolSpec) -> Parts {
    twisted(registry, spec, Twist::KeepsPicked)
}

pub(super) fn loses_tail(registry: &Registry, spec: &PoolSpec) -> Parts {
    twisted(registry, spec, Twist::LosesTail)
}

impl FreeIndex for Twisted {
    fn reset(&mut self, universe: Extent) {
        self.inner.reset(universe);
    }
    fn insert(&mut self, run: Extent) {
        self.calls += 1;
        let loses = self.twist == Twist::LosesTail && run.blocks > 1 && self.calls.is_multiple_of(10);
        self.inner.insert(Extent { blocks: run.blocks - u64::from(loses), ..run });
    }
    fn remove(&mut self, run: Extent) {
        self.inner.remove(run);
    }
    fn pick(&mut self, want: &Want) -> Option<Extent> {
        let run = self.inner.pick(want)?;
        self.calls += 1;
        if self.twist == Twist::KeepsPicked && self.calls.is_multiple_of(10) {
            self.inner.insert(run);
        }
        Some(run)
    }
    fn is_free(&self, run: Extent) -> bool {
        self.inner.is_free(run)
    }
    fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        self.inner.visit(within, each);
    }
    fn free_blocks(&self) -> u64 {
        self.inner.free_blocks()
    }
    fn free_runs(&self) -> u64 {
        self.inner.free_runs()
    }
    fn effort(&self) -> Effort {
        self.inner.effort()
    }
    fn memory_bytes(&self) -> u64 {
        self.inner.memory_bytes()
    }
}
