//! The bitmap behind a capped tree: what no longer found room there, served in the manner of BlueStore's bitmap.
//!
//! Invariant: no memory before the first run comes; then a fixed amount. A request that one run of it satisfies is served. A run is here
//! whole: what touches it is not free. Knows no tree.

use spinney_alloc::{BitSpace, Want};
use spinney_core::{Extent, Flow, Pba};

/// Lists by powers of two up to 512 blocks: what spills over is short, and few lists keep the whole below 600 MiB at 2^32 blocks.
const CLASSES: u32 = 10;

/// The bitmap.
#[derive(Clone, Debug)]
pub struct Spill {
    universe: Extent,
    bits: Option<BitSpace>,
    /// The leaf where the next search in order begins.
    position: usize,
}

impl Spill {
    /// Nothing, in a universe.
    #[must_use]
    pub fn new(universe: Extent) -> Spill {
        Spill { universe, bits: None, position: 0 }
    }
    /// Free blocks here.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.bits.as_ref().map_or(0, BitSpace::blocks)
    }
    /// Runs here.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.bits.as_ref().map_or(0, BitSpace::runs)
    }
    /// Add a run.
    pub fn insert(&mut self, run: Extent) {
        let universe = self.universe;
        let bits = self.bits.get_or_insert_with(|| BitSpace::with_classes(universe, CLASSES));
        bits.change(run, true);
    }
    /// Take blocks out, all of which are here (asserted).
    pub fn remove(&mut self, run: Extent) {
        let bits = self.bits.as_mut();
        bits.unwrap_or_else(|| panic!("{run:?} is not all free")).change(run, false);
    }
    /// The run grown by those that touch it, which are taken out: they go where it goes.
    pub fn claim(&mut self, run: Extent) -> Extent {
        let Some(bits) = self.bits.as_mut().filter(|bits| bits.blocks() > 0) else { return run };
        let (start, end) = ((run.start.0 - bits.base()) as usize, (run.end().0 - bits.base()) as usize);
        let before = start > 0 && bits.get(start - 1);
        let from = if before { bits.run_start(start) } else { start };
        let to = if bits.get(end) { bits.run_end(end) } else { end };
        for (from, to) in [(from, start), (end, to)] {
            if from < to {
                bits.change(bits.extent(from, to), false);
            }
        }
        bits.extent(from, to)
    }
    /// Choose and take out: in order from the position on whatever comes, if one block will do; else the shortest class of runs that
    /// holds all, else the longest run.
    pub fn pick(&mut self, want: &Want) -> Option<Extent> {
        let bits = self.bits.as_mut().filter(|bits| bits.blocks() >= want.blocks_min)?;
        let want = Want { blocks_max: want.blocks_max.min(self.universe.blocks), ..*want };
        let run = match (want.blocks_min, want.align) {
            (1, 1) => in_order(bits, &want, &mut self.position),
            _ => by_length(bits, &want).or_else(|| bits.search(&want)),
        }?;
        bits.change(run, false);
        Some(run)
    }
    /// Whether all of `run` is here.
    #[must_use]
    pub fn contains(&self, run: Extent) -> bool {
        self.bits.as_ref().is_some_and(|bits| bits.contains(run))
    }
    /// Runs that touch `within`, clipped to it, in address order.
    pub fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        if let Some(bits) = &self.bits {
            bits.visit(within, each);
        }
    }
    /// The first run from `from` on, cut at `until`.
    pub(crate) fn first(&self, from: Pba, until: Pba) -> Option<Extent> {
        let (mut first, within) = (None, Extent::checked(from.0, until.0.checked_sub(from.0)?)?);
        self.visit(within, &mut |run| {
            first = Some(run);
            Flow::Stop
        });
        first
    }
    /// No run is longer.
    #[must_use]
    pub fn longest_max(&self) -> u64 {
        self.bits.as_ref().map_or(0, BitSpace::longest_max)
    }
    /// Leaves and sets looked at.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.bits.as_ref().map_or(0, BitSpace::steps)
    }
    /// Bytes held.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.bits.as_ref().map_or(0, BitSpace::memory_bytes)
    }
}

/// The first run that starts in a leaf from the position on, around the end.
fn in_order(bits: &mut BitSpace, want: &Want, position: &mut usize) -> Option<Extent> {
    let next =
        |bits: &BitSpace, from| (0..bits.class_count()).filter_map(|class| bits.leaf_from(class, from)).min();
    let leaf = next(bits, *position).or_else(|| next(bits, 0))?;
    bits.looked_at(u64::from(bits.class_count()));
    *position = leaf;
    let (start, end) = bits.starting(leaf).next()?;
    want.fit(bits.extent(start, end))
}

/// A run of the first class that is sure to hold all of the request, however it is aligned.
fn by_length(bits: &mut BitSpace, want: &Want) -> Option<Extent> {
    let sure = want.blocks_max.saturating_add(want.align - 1).checked_next_power_of_two()?.ilog2();
    let class = bits.class_from(sure)?; // none, if only the last class could hold it
    want.fit(bits.head(class)?)
}
