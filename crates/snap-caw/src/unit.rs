//! One unit of a version, as its map shows it: a base, and deltas beside it.
//!
//! Invariant: the *base* is the window of the unit's length in which the most of its blocks lie; the *deltas* are the runs of the others by
//! address, disjoint and not touching. No window holds more, so what lies outside is never more than what was written since the last
//! full copy. Knows not who owns what.

use crate::fault::{Fault, planted};
use alloc::vec::Vec;
use spinney_core::{DevId, Extent, Lba, LbaRange, PageRead, Pba, Result};
use spinney_snap::{SnapshotScheme, Step, WritePlan};

pub(crate) struct Unit {
    /// Its logical blocks.
    pub(crate) range: LbaRange,
    /// Where those that are mapped lie, in logical order.
    runs: Vec<(Lba, Extent)>,
    /// Where one sequential read finds the most of it.
    pub(crate) base: Extent,
    /// Where the rest lies.
    deltas: Vec<Extent>,
}

impl Unit {
    pub(crate) fn read(
        scheme: &dyn SnapshotScheme,
        dev: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
    ) -> Result<Unit> {
        let mut runs = Vec::new();
        scheme.lookup(dev, range, pages, &mut |run| {
            runs.extend(run.on.and_then(|on| Extent::checked(on.0, run.blocks)).map(|on| (run.at, on)));
        })?;
        Ok(Unit::of(range, runs))
    }

    pub(crate) fn of(range: LbaRange, runs: Vec<(Lba, Extent)>) -> Unit {
        let mut by_address: Vec<Extent> = runs.iter().map(|(_, on)| *on).collect();
        by_address.sort_unstable();
        let base = fullest_window(&by_address, range.blocks);
        let mut deltas = Vec::new();
        by_address.into_iter().flat_map(|run| outside(run, base)).for_each(|run| join(&mut deltas, run));
        Unit { range, runs, base, deltas }
    }

    /// How many runs lie outside the base.
    pub(crate) fn deltas(&self) -> u64 {
        self.deltas.len() as u64
    }
    /// Blocks outside the base.
    pub(crate) fn outside_blocks(&self) -> u64 {
        self.deltas.iter().map(|run| run.blocks).sum()
    }
    /// Blocks in the base.
    pub(crate) fn inside_blocks(&self) -> u64 {
        self.runs.iter().filter_map(|(_, on)| on.intersect(self.base)).map(|part| part.blocks).sum()
    }
    /// Whether a reader of all of it seeks on the way.
    pub(crate) fn is_apart(&self) -> bool {
        self.runs.windows(2).any(|pair| pair[0].1.end() != pair[1].1.start)
    }
    /// Copy all of it.
    pub(crate) fn whole(&self) -> WritePlan {
        WritePlan(self.runs.iter().map(|(at, from)| Step::Relocate { at: *at, from: *from }).collect())
    }
    /// Copy the shortest deltas into one, so many that `keep` are left with it.
    pub(crate) fn pack(&self, keep: u64) -> WritePlan {
        let together = self.deltas.len().saturating_sub(keep as usize) + 1;
        let mut shortest = self.deltas.clone();
        shortest.sort_unstable_by_key(|run| (run.blocks, run.start));
        shortest.truncate(together);
        shortest.sort_unstable();
        WritePlan(self.parts_on(&shortest).map(|(at, from)| Step::Relocate { at, from }).collect())
    }
    /// The parts of its runs that lie on `places` (by address, disjoint), in logical order.
    fn parts_on<'a>(&'a self, places: &'a [Extent]) -> impl Iterator<Item = (Lba, Extent)> + 'a {
        self.runs.iter().flat_map(move |(at, on)| {
            let first = places.partition_point(|place| place.end() <= on.start);
            let parts = places[first..].iter().map_while(|place| place.intersect(*on));
            parts.map(move |part| (Lba(at.0 + (part.start.0 - on.start.0)), part))
        })
    }
    /// Its runs without what lies in `range`, in logical order.
    pub(crate) fn beside(&self, range: LbaRange) -> impl Iterator<Item = (Lba, Extent)> + '_ {
        self.runs.iter().flat_map(move |(at, on)| {
            let end = at.0 + on.blocks;
            let before = (at.0, range.start.0.min(end));
            let after = (range.end().0.max(at.0), end);
            [before, after].into_iter().filter(|(from, to)| from < to).map(move |(from, to)| {
                let start = Pba(on.start.0 + (from - at.0));
                (Lba(from), Extent { start, blocks: to - from })
            })
        })
    }
    /// The first stretch at or behind `from` that lies outside the base, and where it would lie in it, by its neighbors' places.
    pub(crate) fn homeless(&self, from: Lba) -> Option<(Lba, Extent, Pba)> {
        self.parts_on(&self.deltas)
            .filter(|(at, _)| *at >= from)
            .find_map(|(at, on)| self.home(at, on.blocks).map(|home| (at, on, home)))
    }
    /// Where the blocks from `at` would lie by a neighbor that is at home, if one window holds that and all that is at home.
    fn home(&self, at: Lba, blocks: u64) -> Option<Pba> {
        let settled = || self.runs.iter().filter(|(_, on)| self.base.contains(*on));
        let (other, on) = settled().rfind(|(other, _)| *other < at).or_else(|| settled().next())?;
        let home = Extent::checked((on.start.0.checked_add(at.0)?).checked_sub(other.0)?, blocks)?;
        let first = settled().map(|(_, on)| on.start).min()?.min(home.start);
        let end = settled().map(|(_, on)| on.end()).max()?.max(home.end());
        (end.0 - first.0 <= self.range.blocks).then_some(home.start)
    }
}

/// The window of `length` blocks that holds the most of `runs` (by address); of equals the first. It may begin where a run does.
fn fullest_window(runs: &[Extent], length: u64) -> Extent {
    let (mut best, mut start) = (0, Pba(0));
    let (mut end, mut begun) = (0, 0u64);
    for run in runs {
        let limit = run.start.0.saturating_add(length);
        while let Some(next) = runs.get(end).filter(|next| next.start.0 < limit) {
            begun += next.blocks;
            end += 1;
        }
        let over = runs[..end].last().map_or(0, |last| last.end().0.saturating_sub(limit));
        let held = begun.saturating_sub(over);
        if held > best {
            (best, start) = (held, run.start);
        }
        begun = begun.saturating_sub(run.blocks);
    }
    Extent { start, blocks: length }
}

/// The parts of `run` before and behind `base`.
fn outside(run: Extent, base: Extent) -> impl Iterator<Item = Extent> {
    let base_end = base.start.0.saturating_add(base.blocks);
    let limit = if planted(Fault::DeltasReachIntoTheBase) { u64::MAX } else { base.start.0 };
    let before = (run.start.0, run.end().0.min(limit));
    let after = (run.start.0.max(base_end), run.end().0);
    [before, after].into_iter().filter_map(|(from, to)| Extent::checked(from, to.checked_sub(from)?))
}

/// Add a run to others by address. A damaged map may name a block twice.
fn join(runs: &mut Vec<Extent>, run: Extent) {
    match runs.last_mut() {
        Some(last) if last.end() >= run.start => {
            last.blocks = (run.end().0 - last.start.0).max(last.blocks);
        }
        _ => runs.push(run),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// A unit of 8 blocks from block 0: where each lies, 0 a hole.
    fn unit(places: [u64; 8]) -> Unit {
        let mut runs: Vec<(Lba, Extent)> = Vec::new();
        for (at, on) in (0..).zip(places).filter(|(_, on)| *on > 0) {
            match runs.last_mut() {
                Some((last, run)) if last.0 + run.blocks == at && run.end().0 == on => run.blocks += 1,
                _ => runs.push((Lba(at), Extent::new(Pba(on), 1))),
            }
        }
        Unit::of(LbaRange::new(Lba(0), 8), runs)
    }

    fn copied(plan: &WritePlan) -> Vec<(u64, u64)> {
        plan.copies().flat_map(|(at, from)| (at.0..).zip(from.iter().map(|on| on.0))).collect()
    }

    #[test]
    fn blocks_written_since_the_last_copy_lie_outside_its_window() {
        let fresh = unit([50, 51, 52, 53, 54, 55, 56, 57]);
        assert_eq!((fresh.outside_blocks(), fresh.deltas(), fresh.inside_blocks()), (0, 0, 8));
        let written = unit([50, 90, 52, 53, 91, 55, 70, 57]);
        assert_eq!(written.base, Extent::new(Pba(50), 8));
        assert_eq!((written.outside_blocks(), written.deltas(), written.inside_blocks()), (3, 2, 5));
    }

    #[test]
    fn a_copy_over_holes_is_one_base() {
        let packed = unit([50, 0, 51, 52, 0, 0, 53, 54]);
        assert_eq!((packed.outside_blocks(), packed.inside_blocks()), (0, 5));
        let empty = unit([0; 8]);
        assert_eq!((empty.outside_blocks(), empty.whole().0.len()), (0, 0));
    }

    #[test]
    fn the_window_is_the_fullest_one() {
        for places in
            [[50, 51, 10, 11, 12, 13, 14, 58], [10, 30, 11, 31, 12, 32, 33, 34], [7, 5, 3, 1, 90, 80, 70, 60]]
        {
            let unit = unit(places);
            let most =
                (0..100).map(|start| places.iter().filter(|on| (start..start + 8).contains(*on)).count());
            assert_eq!(unit.inside_blocks(), most.max().unwrap_or(0) as u64, "{places:?}");
            assert_eq!(unit.inside_blocks() + unit.outside_blocks(), 8);
        }
    }

    #[test]
    fn packing_takes_the_shortest_deltas_in_logical_order() {
        let unit = unit([90, 50, 51, 52, 53, 70, 80, 91]);
        assert_eq!((unit.deltas(), unit.outside_blocks()), (3, 4));
        assert_eq!(copied(&unit.pack(2)), [(5, 70), (6, 80)]);
        assert_eq!(copied(&unit.pack(1)), [(0, 90), (5, 70), (6, 80), (7, 91)]);
    }

    #[test]
    fn what_is_beside_a_range_is_all_but_it() {
        let unit = unit([50, 51, 52, 53, 54, 0, 56, 57]);
        let beside = |start, blocks| {
            let parts = unit.beside(LbaRange::new(Lba(start), blocks));
            parts.map(|(at, on)| (at.0, on.start.0, on.blocks)).collect::<Vec<_>>()
        };
        assert_eq!(beside(2, 2), vec![(0, 50, 2), (4, 54, 1), (6, 56, 2)]);
        assert_eq!(beside(0, 7), vec![(7, 57, 1)]);
        assert_eq!(beside(5, 1), vec![(0, 50, 5), (6, 56, 2)]);
    }

    #[test]
    fn a_home_is_beside_the_neighbors() {
        let unit = unit([90, 51, 52, 80, 81, 55, 56, 57]);
        assert_eq!(unit.homeless(Lba(0)), Some((Lba(0), Extent::new(Pba(90), 1), Pba(50))));
        assert_eq!(unit.homeless(Lba(1)), Some((Lba(3), Extent::new(Pba(80), 2), Pba(53))));
        assert_eq!(unit.homeless(Lba(5)), None);
    }
}
