//! The free set that a form stores: what the index has, and what was recorded as free but is not handed out yet.
//!
//! Invariant: the two halves are disjoint, and are seen as one set: its runs are maximal across both. To look at only.

use crate::{FreeIndex, RunSet};
use spinney_core::{Extent, Flow, Pba};

/// A free set of one moment, for a form to look at.
#[derive(Clone, Copy)]
pub struct FreeView<'a> {
    index: &'a dyn FreeIndex,
    held: Option<&'a RunSet>,
}

impl<'a> FreeView<'a> {
    /// All that is in `index`, and no more.
    #[must_use]
    pub fn of(index: &'a dyn FreeIndex) -> FreeView<'a> {
        FreeView { index, held: None }
    }
    /// The same with the runs of `held`, none of which is in `index`.
    #[must_use]
    pub fn with(index: &'a dyn FreeIndex, held: &'a RunSet) -> FreeView<'a> {
        FreeView { index, held: Some(held).filter(|held| !held.is_empty()) }
    }
    /// Blocks in the set.
    #[must_use]
    pub fn free_blocks(&self) -> u64 {
        self.index.free_blocks() + self.held.map_or(0, RunSet::blocks)
    }
    /// Maximal free runs in the set. Asks the index about the surroundings of each run that is held.
    #[must_use]
    pub fn free_runs(&self) -> u64 {
        let Some(held) = self.held else { return self.index.free_runs() };
        let joins: u64 = held.iter().map(|run| self.joins(run)).sum();
        self.index.free_runs() + held.runs() - joins
    }
    /// Runs of the index that touch a run that is held: at most two.
    fn joins(&self, run: Extent) -> u64 {
        let start = run.start.0.saturating_sub(1);
        let around = Extent::new(Pba(start), (run.end().0.saturating_add(1)) - start);
        let mut joins = 0;
        self.index.visit(around, &mut |_| {
            joins += 1;
            Flow::Continue
        });
        joins
    }
    /// The maximal free runs that touch `within`, clipped to it, in address order.
    pub fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        let Some(held) = self.held else { return self.index.visit(within, each) };
        let mut held = held.within(within).peekable();
        let mut joined = Joined { run: None, each, over: false };
        self.index.visit(within, &mut |run| {
            while let Some(before) = held.next_if(|other| other.start < run.start) {
                joined.push(before);
            }
            joined.push(run)
        });
        held.for_each(|run| _ = joined.push(run));
        joined.finish();
    }
}

/// Runs that come in address order, joined where they touch, until somebody says stop.
struct Joined<'a> {
    run: Option<Extent>,
    each: &'a mut dyn FnMut(Extent) -> Flow,
    over: bool,
}

impl Joined<'_> {
    fn push(&mut self, run: Extent) -> Flow {
        match &mut self.run {
            Some(last) if last.end() == run.start => last.blocks += run.blocks,
            _ => {
                self.finish();
                self.run = Some(run);
            }
        }
        if self.over { Flow::Stop } else { Flow::Continue }
    }
    fn finish(&mut self) {
        if let Some(run) = self.run.take().filter(|_| !self.over) {
            self.over = (self.each)(run) == Flow::Stop;
        }
    }
}
