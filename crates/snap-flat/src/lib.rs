//! Flat reference counts: a whole map for each version, a count for each shared block; slow, and obviously right.
//!
//! Invariant: no index page is shared. A block's stored count is the number of maps that hold it beyond the first, those of
//! deleted versions included as far as `tend` has not emptied them; it is right after every call.
#![doc = include_str!("../README.md")]
#![doc = include_str!("../FORMAT.md")]

mod bound;
mod check;
mod entry;
mod map;
mod zombie;

pub use entry::ENTRY;

use map::{Map, parts};
use spinney_core::{
    DevId, Epoch, Error, Extent, Finding, Flow, Lba, LbaRange, PageNo, PageRead, PageTxn, Pba, Place, Result,
    Root,
};
use spinney_snap::{
    Access, Delta, Freed, Limits, Progress, Run, SnapshotScheme, Step, Usage, Version, Work, WritePlan,
};
use spinney_snap_tree::counts::Emptied;
use spinney_snap_tree::{Anchor, Catalogue, Counts, Deltas, NumberRuns, Record, Runs, SPARSE_WORDS};
use std::collections::BTreeMap;

/// Marks a root of this format, version 2.
const MARK: u64 = u64::from_le_bytes(*b"flatcnt\x02");
/// Word of the anchor: the next id.
const NEXT_DEV: usize = 0;
const CATALOGUE: usize = 1;
const COUNTS: usize = CATALOGUE + SPARSE_WORDS;
const ZOMBIES: usize = COUNTS + SPARSE_WORDS;

/// The places of all structures.
#[derive(Clone, Copy, Debug)]
struct State {
    anchor: Anchor,
    /// Live versions.
    catalogue: Catalogue,
    /// Owners beyond the first of data blocks.
    counts: Counts,
    /// Deleted versions whose maps `tend` still empties.
    zombies: Catalogue,
}

/// The scheme. `format` or `open` comes first.
#[derive(Debug, Default)]
pub struct Flat {
    state: Option<State>,
    emptied: Emptied,
}

impl State {
    fn at(anchor: Anchor) -> State {
        let (catalogue, zombies) = (Catalogue::at(anchor, CATALOGUE), Catalogue::at(anchor, ZOMBIES));
        State { anchor, catalogue, counts: Counts::at(anchor, COUNTS), zombies }
    }
    fn next_dev(&self, pages: &dyn PageRead) -> Result<DevId> {
        self.anchor.get(NEXT_DEV, pages).map(DevId)
    }
    fn issue(&self, record: &Record, pages: &mut dyn PageTxn) -> Result<DevId> {
        let dev = self.next_dev(pages)?;
        let Some(next) = dev.0.checked_add(1) else { return self.anchor.corrupt("next version id") };
        if self.catalogue.find(dev, pages)?.is_some() {
            return self.anchor.corrupt("next version id (there is such a version)");
        }
        self.catalogue.put(dev, record, pages)?;
        self.anchor.set(NEXT_DEV, next, pages)?;
        Ok(dev)
    }
    fn open(&self, dev: DevId, pages: &dyn PageRead) -> Result<(Record, Map)> {
        let record = self.catalogue.get(dev, pages)?;
        Ok((record, Map::open(&record, pages)?))
    }
    /// The same, to be written inside `range`.
    fn writable(&self, dev: DevId, range: LbaRange, pages: &dyn PageRead) -> Result<(Record, Map)> {
        let record = self.catalogue.writable(dev, pages)?;
        contains(record.blocks, range)?;
        Ok((record, Map::at(&record)))
    }
    /// One owner less for each of these blocks.
    fn release(
        &self,
        blocks: &[u64],
        pages: &mut dyn PageTxn,
        emptied: &mut Emptied,
        freed: &mut Freed,
    ) -> Result<()> {
        let last = &mut |start, blocks| freed.push(Extent { start: Pba(start), blocks });
        let mut runs =
            NumberRuns::new(|first, length| self.counts.release(first, length, pages, emptied, last));
        blocks.iter().try_for_each(|on| runs.push(*on))?;
        runs.finish()
    }
    /// How often a zombie still maps each block.
    fn dying(&self, pages: &dyn PageRead) -> Result<BTreeMap<u64, u32>> {
        let mut dying = BTreeMap::new();
        self.zombies.visit(pages, &mut |_, record| {
            Map::open(&record, pages)?.visit_mapped(pages, &mut |_, on| {
                *dying.entry(on).or_default() += 1;
                Ok(())
            })?;
            Ok(Flow::Continue)
        })?;
        Ok(dying)
    }
}

fn contains(blocks: u64, range: LbaRange) -> Result<()> {
    if range.end().0 <= blocks {
        return Ok(());
    }
    Err(Error::OutOfRange { start: range.start.0, length: range.blocks, limit: blocks })
}

impl Flat {
    /// A scheme without pages yet.
    #[must_use]
    pub fn new() -> Flat {
        Flat::default()
    }
    fn state(&self) -> &State {
        self.state.as_ref().expect("format or open comes first")
    }
    fn change(
        &mut self,
        dev: DevId,
        range: LbaRange,
        on: Option<Pba>,
        pages: &mut dyn PageTxn,
        freed: &mut Freed,
    ) -> Result<()> {
        let state = *self.state();
        let (mut record, map) = state.writable(dev, range, pages)?;
        for (index, part) in parts(range) {
            let on = on.map(|on| on.0 + part.start - range.start.0);
            let before = map.change(index, part.clone(), on, pages)?;
            let gained = if on.is_some() { part.end - part.start } else { 0 };
            let referenced = record.referenced_blocks.saturating_add(gained);
            record.referenced_blocks = referenced.saturating_sub(before.len() as u64);
            state.release(&before, pages, &mut self.emptied, freed)?;
        }
        state.catalogue.put(dev, &record, pages)
    }
}

impl SnapshotScheme for Flat {
    fn limits(&self) -> Limits {
        Limits {
            clones: true,
            clones_of_clones: true,
            delete_any_order: true,
            exact: true,
            versions_max: None,
        }
    }
    fn format(&mut self, pages: &mut dyn PageTxn) -> Result<()> {
        let anchor = Anchor::create(pages)?;
        anchor.set(NEXT_DEV, 1, pages)?;
        *self = Flat { state: Some(State::at(anchor)), emptied: Emptied::new() };
        Ok(())
    }
    fn open(&mut self, root: &Root, pages: &dyn PageRead) -> Result<()> {
        let (anchor, parameter) = Anchor::open(root, MARK)?;
        anchor.read(pages)?;
        if parameter != 0 {
            return Err(Error::Corrupt { what: "scheme root", place: Place::Pool });
        }
        *self = Flat { state: Some(State::at(anchor)), emptied: Emptied::new() };
        Ok(())
    }
    fn create(&mut self, blocks: u64, pages: &mut dyn PageTxn) -> Result<DevId> {
        let map = Map::create(blocks, pages)?;
        let record = Record {
            access: Access::Writable,
            blocks,
            root: Some(map.array.root()),
            parent: None,
            referenced_blocks: 0,
            own: Default::default(),
        };
        self.state().issue(&record, pages)
    }
    fn snapshot(&mut self, of: DevId, access: Access, pages: &mut dyn PageTxn) -> Result<DevId> {
        let state = self.state();
        let (record, map) = state.open(of, pages)?;
        let root = Some(map.copy(pages)?.array.root());
        let mut all = Vec::new();
        map.visit_mapped(pages, &mut |_, on| {
            all.push(on);
            Ok(())
        })?;
        let mut runs = NumberRuns::new(|first, length| state.counts.raise(first, length, pages));
        all.into_iter().try_for_each(|on| runs.push(on))?;
        runs.finish()?;
        state.issue(&Record { access, root, parent: Some(of), ..record }, pages)
    }
    fn delete(&mut self, dev: DevId, pages: &mut dyn PageTxn, _: &mut Freed) -> Result<()> {
        let state = *self.state();
        let record = state.catalogue.get(dev, pages)?;
        state.catalogue.remove(dev, pages)?;
        state.zombies.put(dev, &record, pages)
    }
    fn plan_write(
        &self,
        dev: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        plan: &mut WritePlan,
    ) -> Result<()> {
        let (_, map) = self.state().writable(dev, range, pages)?;
        let mut near = None;
        if let Some(before) = range.start.0.checked_sub(1) {
            map.visit(LbaRange::new(Lba(before), 1), pages, &mut |_, slot| {
                near = slot.pointer().map(|on| Pba(on + 1));
                Ok(())
            })?;
        }
        if range.blocks > 0 {
            plan.0.push(Step::Place { at: range.start, blocks: range.blocks, near });
        }
        Ok(())
    }
    fn map(
        &mut self,
        dev: DevId,
        at: Lba,
        on: Extent,
        pages: &mut dyn PageTxn,
        freed: &mut Freed,
    ) -> Result<()> {
        self.change(dev, LbaRange::new(at, on.blocks), Some(on.start), pages, freed)
    }
    fn unmap(
        &mut self,
        dev: DevId,
        range: LbaRange,
        pages: &mut dyn PageTxn,
        freed: &mut Freed,
    ) -> Result<()> {
        self.change(dev, range, None, pages, freed)
    }
    fn lookup(
        &self,
        dev: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Run),
    ) -> Result<()> {
        let map = Map::at(&self.state().catalogue.get(dev, pages)?);
        contains(map.blocks, range)?;
        if range.blocks == 1 {
            return map.visit(range, pages, &mut |at, slot| {
                each(Run { at: Lba(at), blocks: 1, on: slot.pointer().map(Pba) });
                Ok(())
            });
        }
        let (mut runs, mut next) = (Runs::new(each), range.start.0);
        // Holes as a whole: a version's size is only a number on a page.
        let hole = |runs: &mut Runs<'_>, from: u64, to: u64| {
            if from < to {
                runs.push(Lba(from), to - from, None);
            }
        };
        map.visit_parts(range, pages, &mut |part, leaf| {
            hole(&mut runs, next, part.start);
            next = part.end;
            part.for_each(|at| runs.push(Lba(at), 1, map::slot(Some(leaf), at).pointer().map(Pba)));
        })?;
        hole(&mut runs, next, range.end().0);
        runs.finish();
        Ok(())
    }
    fn diff(
        &self,
        old: DevId,
        new: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Delta),
    ) -> Result<()> {
        let (_, old) = self.state().open(old, pages)?;
        let (_, new) = self.state().open(new, pages)?;
        contains(old.blocks.max(new.blocks), range)?;
        let (mut deltas, mut changed) = (Deltas::new(each), BTreeMap::new());
        for map in [&old, &new] {
            map.visit_parts(range, pages, &mut |part, _| {
                changed.insert(part.start / map::SLOTS, part);
            })?;
        }
        for (index, part) in changed {
            let leaf = |map: &Map| match index < map.array.leaves() {
                true => map.array.read(index, pages),
                false => Ok(None),
            };
            let (old, new) = (leaf(&old)?, leaf(&new)?);
            for at in part {
                let on =
                    |leaf: &Option<spinney_core::PageRef>| map::slot(leaf.as_deref(), at).pointer().map(Pba);
                deltas.push(Lba(at), on(&old), on(&new));
            }
        }
        deltas.finish();
        Ok(())
    }
    fn usage(&self, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
        let (_, map) = self.state().open(dev, pages)?;
        let mut counts = self.state().counts.reader(pages);
        let dying = self.state().dying(pages)?;
        let mut usage = Usage::default();
        map.visit_mapped(pages, &mut |_, on| {
            let alone = counts.extra(on)? == dying.get(&on).copied().unwrap_or(0);
            usage.referenced_blocks += 1;
            usage.exclusive_blocks += u64::from(alone);
            usage.shared_blocks += u64::from(!alone);
            Ok(())
        })?;
        Ok(usage)
    }
    fn version(&self, dev: DevId, pages: &dyn PageRead) -> Result<Version> {
        Ok(self.state().catalogue.get(dev, pages)?.version(dev))
    }
    fn versions(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Version)) -> Result<()> {
        self.state().catalogue.visit(pages, &mut |dev, record| {
            each(record.version(dev));
            Ok(Flow::Continue)
        })
    }
    fn tend(&mut self, budget: u64, pages: &mut dyn PageTxn, freed: &mut Freed) -> Result<Progress> {
        let state = *self.state();
        zombie::tend(&state, budget, pages, &mut self.emptied, freed)
    }
    fn pages_bound(&self, work: Work, pages: &dyn PageRead) -> Result<u64> {
        let state = self.state();
        match work {
            Work::Create(_) => bound::create(state, pages),
            Work::Snapshot(dev) => bound::snapshot(state, dev, pages),
            Work::Delete(dev) => bound::delete(state, dev, pages),
            Work::Map(dev, range) | Work::Unmap(dev, range) => bound::change(state, dev, range, pages),
            Work::Tend(budget) => Ok(bound::Tend::look(state, budget, pages)?.touched()),
            Work::Commit => Ok(Counts::pages_bound(&self.emptied) + 1),
        }
    }
    fn frees_bound(&self, work: Work, pages: &dyn PageRead) -> Result<u64> {
        Ok(match work {
            Work::Map(_, range) | Work::Unmap(_, range) => range.blocks,
            Work::Tend(budget) => bound::Tend::look(self.state(), budget, pages)?.frees(),
            Work::Create(_) | Work::Snapshot(_) | Work::Delete(_) | Work::Commit => 0,
        })
    }
    fn commit(&mut self, _: Epoch, pages: &mut dyn PageTxn) -> Result<Root> {
        let state = *self.state();
        state.counts.trim(&mut self.emptied, pages)?;
        Ok(state.anchor.root(MARK, 0))
    }
    fn visit_blocks(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
        check::visit_blocks(self.state(), pages, each)
    }
    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        check::visit_pages(self.state(), pages, each)
    }
    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        check::check(self.state(), pages, found)
    }
}
