//! Best fit or first fit over free extents in two skip lists.
//!
//! Invariant: runs are maximal and disjoint, and the list by size holds the same runs as the one by address. Knows no pages and no epochs.

use crate::SkipList;
use alloc::boxed::Box;
use spinney_alloc::{FreeIndex, IndexEntry, Want};
use spinney_core::{Effort, Error, Extent, Flow, Parameter, Pba, Result, Settings};

/// Which run serves a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Fit {
    /// The smallest that holds it, at the lowest address.
    #[default]
    Best,
    /// The one at the lowest address that holds it.
    First,
}

/// The index.
#[derive(Debug, Default)]
pub struct SkipIndex {
    fit: Fit,
    by_start: SkipList<u64, u64>,
    by_size: SkipList<(u64, u64), ()>,
    blocks: u64,
    walked: u64,
    fallbacks: u64,
}

impl SkipIndex {
    /// An index of this fit; then `reset`.
    #[must_use]
    pub fn new(fit: Fit) -> SkipIndex {
        SkipIndex { fit, ..SkipIndex::default() }
    }

    fn put(&mut self, start: u64, blocks: u64) {
        self.by_start.insert(start, blocks);
        self.by_size.insert((blocks, start), ());
    }
    fn drop_run(&mut self, start: u64, blocks: u64) {
        self.by_start.remove(&start);
        self.by_size.remove(&(blocks, start));
    }
    /// The run that begins at or before `at`.
    fn begins_by(&self, at: u64) -> Option<(u64, u64)> {
        self.by_start.before(&at.checked_add(1)?)
    }
    fn holder(&self, run: Extent) -> Option<(u64, u64)> {
        self.begins_by(run.start.0).filter(|(start, blocks)| start + blocks >= run.end().0)
    }
    fn carve(&mut self, (start, blocks): (u64, u64), piece: Extent) {
        self.drop_run(start, blocks);
        self.blocks -= piece.blocks;
        let (head, tail) = (piece.start.0 - start, start + blocks - piece.end().0);
        if head > 0 {
            self.put(start, head);
        }
        if tail > 0 {
            self.put(piece.end().0, tail);
        }
    }

    /// The lowest run that holds all of the request.
    fn first(&mut self, want: &Want) -> Option<(u64, u64)> {
        let all = Want { blocks_min: want.blocks_max, ..*want };
        let mut walked = 0;
        let found = self.by_start.iter_from(&0).find(|run| {
            walked += 1;
            all.fit(extent(*run)).is_some()
        });
        self.walked += walked;
        found
    }
    /// The smallest run that holds all of the request: with an alignment, the smallest that has an aligned piece.
    fn best(&mut self, want: &Want) -> Option<(u64, u64)> {
        let all = Want { blocks_min: want.blocks_max, ..*want };
        let mut walked = 0;
        let found =
            self.by_size.iter_from(&(want.blocks_max, 0)).map(|((blocks, start), ())| (start, blocks)).find(
                |run| {
                    walked += 1;
                    all.fit(extent(*run)).is_some()
                },
            );
        self.walked += walked;
        found
    }
    /// The longest run that has any piece of use.
    fn longest(&mut self, want: &Want) -> Option<(u64, u64)> {
        let mut next = self.by_size.last();
        while let Some(((blocks, start), ())) = next.filter(|((blocks, _), ())| *blocks >= want.blocks_min) {
            self.walked += 1;
            if want.fit(extent((start, blocks))).is_some() {
                self.fallbacks += 1;
                return Some((start, blocks));
            }
            next = self.by_size.before(&(blocks, start));
        }
        None
    }
}

fn extent((start, blocks): (u64, u64)) -> Extent {
    Extent { start: Pba(start), blocks }
}

impl FreeIndex for SkipIndex {
    fn reset(&mut self, _: Extent) {
        *self = SkipIndex::new(self.fit);
    }
    fn insert(&mut self, run: Extent) {
        let (mut start, mut end) = (run.start.0, run.end().0);
        if let Some((before, blocks)) = self.begins_by(start) {
            assert!(before + blocks <= start, "{run:?} is free already, or part of it");
            if before + blocks == start {
                self.drop_run(before, blocks);
                start = before;
            }
        }
        if let Some((after, blocks)) = self.by_start.at_or_after(&run.start.0) {
            assert!(after >= end, "{run:?} is free already, or part of it");
            if after == end {
                self.drop_run(after, blocks);
                end += blocks;
            }
        }
        self.put(start, end - start);
        self.blocks += run.blocks;
    }
    fn remove(&mut self, run: Extent) {
        let holder = self.holder(run);
        self.carve(holder.unwrap_or_else(|| panic!("{run:?} is not all free")), run);
    }
    fn pick(&mut self, want: &Want) -> Option<Extent> {
        let found = match self.fit {
            Fit::Best => self.best(want),
            Fit::First => self.first(want),
        };
        let run = found.or_else(|| self.longest(want))?;
        let piece = want.fit(extent(run))?;
        self.carve(run, piece);
        Some(piece)
    }
    fn is_free(&self, run: Extent) -> bool {
        self.holder(run).is_some()
    }
    fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        let from = self.begins_by(within.start.0).map_or(within.start.0, |(start, _)| start);
        for run in self.by_start.iter_from(&from) {
            if run.0 >= within.end().0 {
                return;
            }
            if let Some(part) = extent(run).intersect(within)
                && each(part) == Flow::Stop
            {
                return;
            }
        }
    }
    fn free_blocks(&self) -> u64 {
        self.blocks
    }
    fn free_runs(&self) -> u64 {
        self.by_start.len()
    }
    fn effort(&self) -> Effort {
        let steps = self.by_start.steps() + self.by_size.steps() + self.walked;
        Effort { steps, fallbacks: self.fallbacks, ..Effort::default() }
    }
    fn memory_bytes(&self) -> u64 {
        size_of::<SkipIndex>() as u64 + self.by_start.memory_bytes() + self.by_size.memory_bytes()
    }
}

const FIT: Parameter = Parameter::word(
    "fit",
    "best",
    "`best` takes the smallest run that holds a request and finds it by size, in logarithmic time; `first` takes the one at the lowest \
     address and walks to it, which packs the front of the device and takes time in proportion to the free runs there. The default is \
     the one whose cost does not grow with fragmentation.",
);

/// The row of the registry.
pub const INDEX: IndexEntry = IndexEntry {
    name: "skiplist",
    summary: "free extents in two skip lists, by address and by size; best or first fit",
    paper: "Pugh (CACM 1990) for the list; the key-value article for the two orders",
    parameters: &[FIT],
    build: |settings| Ok(Box::new(SkipIndex::new(fit(settings)?))),
};

fn fit(settings: &Settings) -> Result<Fit> {
    match settings.word(&FIT) {
        "best" => Ok(Fit::Best),
        "first" => Ok(Fit::First),
        _ => Err(Error::BadSetting("fit must be best or first")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    spinney_testkit::index_laws!(best, || Box::new(SkipIndex::new(Fit::Best)));
    spinney_testkit::index_laws!(first, || Box::new(SkipIndex::new(Fit::First)));

    fn holed(fit: Fit) -> SkipIndex {
        let mut index = SkipIndex::new(fit);
        index.reset(Extent::new(Pba(0), 1_000));
        for (start, blocks) in [(0, 50), (100, 9), (200, 8), (300, 8), (400, 7)] {
            index.insert(Extent::new(Pba(start), blocks));
        }
        index
    }

    #[test]
    fn best_fit_takes_the_smallest_run_at_the_lowest_address() {
        assert_eq!(holed(Fit::Best).pick(&Want::exactly(8)), Some(Extent::new(Pba(200), 8)));
    }

    #[test]
    fn first_fit_takes_the_lowest_address() {
        assert_eq!(holed(Fit::First).pick(&Want::exactly(8)), Some(Extent::new(Pba(0), 8)));
    }

    #[test]
    fn without_a_run_that_holds_it_a_request_gets_the_longest() {
        for fit in [Fit::Best, Fit::First] {
            assert_eq!(holed(fit).pick(&Want::up_to(60)), Some(Extent::new(Pba(0), 50)), "{fit:?}");
        }
    }
}
