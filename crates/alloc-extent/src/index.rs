//! Best fit over free extents by address and by size.
//!
//! Invariant: a request is served from the smallest run that holds it, so a large run is broken only if no smaller one
//! would do. Knows no pages and no epochs; the set itself is [`spinney_alloc::ExtentSet`].

use alloc::boxed::Box;
use spinney_alloc::{ExtentSet, FreeIndex, IndexEntry, Want};
use spinney_core::{Effort, Error, Extent, Flow, Parameter, Result, Settings};

/// Which of several runs of the best size is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tie {
    /// The one at the lowest address.
    #[default]
    Lowest,
    /// The first from the wished place on; the lowest if there is none or no wish.
    Near,
}

/// The index.
#[derive(Debug, Default)]
pub struct TwinIndex {
    set: ExtentSet,
    tie: Tie,
    sized_blocks_min: u64,
}

impl TwinIndex {
    /// An index that breaks ties as told; then `reset`.
    #[must_use]
    pub fn new(tie: Tie) -> TwinIndex {
        TwinIndex { tie, ..TwinIndex::default() }
    }
    /// The same, with free runs of fewer blocks left out of the order by size; then `reset`. See [`ExtentSet::with_sized_blocks_min`].
    #[must_use]
    pub fn with_sized_blocks_min(self, blocks: u64) -> TwinIndex {
        TwinIndex { sized_blocks_min: blocks, ..self }
    }
    /// The free runs, to look at.
    #[must_use]
    pub fn set(&self) -> &ExtentSet {
        &self.set
    }
}

impl FreeIndex for TwinIndex {
    fn reset(&mut self, universe: Extent) {
        self.set = ExtentSet::new(universe).with_sized_blocks_min(self.sized_blocks_min);
    }
    fn insert(&mut self, run: Extent) {
        self.set.insert(run);
    }
    fn remove(&mut self, run: Extent) {
        self.set.remove(run);
    }
    fn pick(&mut self, want: &Want) -> Option<Extent> {
        match self.tie {
            Tie::Lowest => self.set.take_best(&Want { near: None, ..*want }),
            Tie::Near => self.set.take_best(want),
        }
    }
    fn is_free(&self, run: Extent) -> bool {
        self.set.contains(run)
    }
    fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        self.set.visit(within, each);
    }
    fn free_blocks(&self) -> u64 {
        self.set.blocks()
    }
    fn free_runs(&self) -> u64 {
        self.set.runs()
    }
    fn longest_max(&self) -> u64 {
        self.set.longest_blocks()
    }
    fn effort(&self) -> Effort {
        Effort { steps: self.set.steps(), ..Effort::default() }
    }
    fn memory_bytes(&self) -> u64 {
        self.set.memory_bytes()
    }
}

const TIE: Parameter = Parameter::word(
    "tie",
    "lowest",
    "Among runs of the best size, `lowest` takes the one at the lowest address, which packs the front of the device and \
     leaves the tail whole; `near` takes the first one from the wished place on, which trades some of that for shorter \
     seeks between the pieces of a file. The default is the key-value article's: the first key at or after (size, 0).",
);

/// The floor of the order by size, of both indexes.
pub(crate) const SIZED_BLOCKS_MIN: Parameter = Parameter::integer(
    "sized_blocks_min",
    1,
    "Free runs of fewer blocks are left out of the order by size, as in ZFS below 16 KiB (4 blocks): less to keep for each change of a \
     short run, but a request for less is then served from a run of at least so many blocks while there is one, which breaks what a \
     shorter run would have spared. Nothing of it is stored, so it may differ each time a pool is opened. The default, 1, leaves none \
     out: an entry is a bit for each region here, and with 4 the study size-floor met 20 times the free runs.",
);

/// The row of the registry.
pub const INDEX: IndexEntry = IndexEntry {
    name: "twin",
    summary: "free extents by address and by size; the smallest run that fits",
    paper: "XFS (1996), by-block and by-size trees; the key-value article, <LBA, length> and <length, LBA>",
    parameters: &[TIE, SIZED_BLOCKS_MIN],
    build: |settings| {
        let blocks = settings.integer(&SIZED_BLOCKS_MIN);
        Ok(Box::new(TwinIndex::new(tie(settings)?).with_sized_blocks_min(blocks)))
    },
};

fn tie(settings: &Settings) -> Result<Tie> {
    match settings.word(&TIE) {
        "lowest" => Ok(Tie::Lowest),
        "near" => Ok(Tie::Near),
        _ => Err(Error::BadSetting("tie must be lowest or near")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinney_core::{Pba, Setting};

    fn build(word: &str) -> Result<Box<dyn FreeIndex>> {
        (INDEX.build)(&Settings::new().with("tie", Setting::Word(word.into())))
    }
    spinney_testkit::index_laws!(lowest, || build("lowest").unwrap());
    spinney_testkit::index_laws!(near, || build("near").unwrap());
    spinney_testkit::index_laws!(floor, || {
        (INDEX.build)(&Settings::new().with("sized_blocks_min", Setting::Integer(8))).unwrap()
    });

    #[test]
    fn the_smallest_run_that_fits_is_taken_at_the_lowest_address() {
        let mut index = TwinIndex::default();
        index.reset(Extent::new(Pba(0), 1000));
        for (start, blocks) in [(0, 50), (100, 9), (200, 8), (300, 8), (400, 7)] {
            index.insert(Extent::new(Pba(start), blocks));
        }
        let mut starts = Vec::new();
        while let Some(run) = index.pick(&Want::exactly(8).near(Pba(300))) {
            starts.push(run.start.0);
        }
        assert_eq!(starts, [200, 300, 100, 0, 8, 16, 24, 32, 40]);
    }

    #[test]
    fn without_a_run_that_holds_it_a_request_gets_the_longest() {
        let mut index = TwinIndex::default();
        index.reset(Extent::new(Pba(0), 1000));
        index.insert(Extent::new(Pba(5), 10));
        index.insert(Extent::new(Pba(50), 12));
        assert_eq!(index.pick(&Want::exactly(13)), None);
        assert_eq!(index.pick(&Want::up_to(13)), Some(Extent::new(Pba(50), 12)));
    }

    #[test]
    fn runs_below_the_floor_are_taken_when_nothing_else_is_left() {
        let mut index = TwinIndex::default().with_sized_blocks_min(4);
        index.reset(Extent::new(Pba(0), 1000));
        for (start, blocks) in [(0, 2), (10, 3), (20, 6), (40, 5)] {
            index.insert(Extent::new(Pba(start), blocks));
        }
        let starts: Vec<u64> = (0..4).map(|_| index.pick(&Want::exactly(3)).unwrap().start.0).collect();
        assert_eq!(starts, [40, 20, 10, 23]); // the last two by address
    }

    #[test]
    fn a_tie_of_another_name_is_refused() {
        assert_eq!(build("nearest").err(), Some(Error::BadSetting("tie must be lowest or near")));
    }
}
