//! The snapshot scheme of a beginner: all versions and their maps in one list, which every change reads and writes anew.
//!
//! Invariant: nothing is counted: a block is let go of by the change after which no map names it. Deletes are done at once.
//! A change costs the size of the whole list: never use it for anything but tests.

use crate::list_state::{Listed, PAIR_WORDS, State, VERSION_WORDS, chain, pages_for};
use crate::scheme_model::joined;
use spinney_core::{
    DevId, Epoch, Error, Extent, Finding, Lba, LbaRange, PageNo, PageRead, PageTxn, Pba, Place, Result, Root,
};
use spinney_snap::{
    Access, Delta, Freed, Limits, Progress, Relocation, Run, SchemeEntry, SnapshotScheme, Step, Usage,
    Version, Work, WritePlan,
};
use std::collections::BTreeSet;

/// Marks a root of this scheme.
const MARK: u64 = u64::from_le_bytes(*b"listed\0\x01");

/// Its row of a registry.
pub const ENTRY: SchemeEntry = SchemeEntry {
    name: "list",
    summary: "one list of all versions and their blocks, written anew by every change",
    paper: "none: the least that keeps the contract",
    parameters: &[],
    build: |_| Ok(Box::new(ListScheme::default())),
};

/// The scheme. `format` or `open` comes first.
#[derive(Debug, Default)]
pub struct ListScheme {
    first: Option<PageNo>,
    /// Whether data is moved about: so many neighbors on each side are copied along with each write, and what a version maps is
    /// wished into one run after each change.
    restless: Option<u64>,
    /// Versions that were changed since they were last looked at for that.
    changed: BTreeSet<DevId>,
}

impl ListScheme {
    /// One that moves data: `neighbors` on each side of a write along with it, and all of a version afterwards.
    #[must_use]
    pub fn restless(neighbors: u64) -> ListScheme {
        ListScheme { restless: Some(neighbors), ..ListScheme::default() }
    }
    fn first(&self) -> PageNo {
        self.first.expect("format or open comes first")
    }
    fn load(&self, pages: &dyn PageRead) -> Result<State> {
        State::load(self.first(), pages)
    }
    fn issue(&self, mut state: State, listed: Listed, pages: &mut dyn PageTxn) -> Result<DevId> {
        let dev = state.next;
        let last = Error::corrupt_page("next version id", self.first());
        state.next = DevId(dev.0.checked_add(1).ok_or(last)?);
        state.versions.insert(dev, listed);
        state.store(self.first(), pages)?;
        Ok(dev)
    }
    /// The range moves to these blocks, or nowhere.
    fn change(
        &self,
        dev: DevId,
        range: LbaRange,
        on: Option<Extent>,
        pages: &mut dyn PageTxn,
        freed: &mut Freed,
    ) -> Result<()> {
        let mut state = self.load(pages)?;
        let map = &mut state.writable(dev, range)?.map;
        let before = map.range(range.start..range.end()).map(|(_, on)| *on).collect();
        map.retain(|at, _| *at < range.start || *at >= range.end());
        map.extend((range.start.0..).map(Lba).zip(on.into_iter().flat_map(Extent::iter)));
        state.unnamed(before, None).into_iter().for_each(|on| freed.push(Extent::new(on, 1)));
        state.store(self.first(), pages)
    }
}

/// The runs of a range, holes included.
fn runs(listed: &Listed, range: LbaRange) -> Vec<Run> {
    let (mut runs, mut next) = (Vec::new(), range.start);
    let mut hole = |runs: &mut Vec<Run>, to: Lba| {
        if next < to {
            runs.push(Run { at: next, blocks: to.0 - next.0, on: None });
        }
        next = Lba(to.0 + 1);
    };
    for (at, on) in listed.map.range(range.start..range.end()) {
        hole(&mut runs, *at);
        runs.push(Run { at: *at, blocks: 1, on: Some(*on) });
    }
    hole(&mut runs, range.end());
    joined(runs)
}

/// A step for each block.
fn copies<'a>(blocks: impl Iterator<Item = (&'a Lba, &'a Pba)>) -> impl Iterator<Item = Step> {
    blocks.map(|(at, on)| Step::Relocate { at: *at, from: Extent::new(*on, 1) })
}

impl SnapshotScheme for ListScheme {
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
        self.first = Some(State::new().create(pages)?);
        Ok(())
    }
    fn open(&mut self, root: &Root, pages: &dyn PageRead) -> Result<()> {
        let [mark, first] = root.words("list root")?;
        if mark != MARK {
            return Err(Error::Corrupt { what: "list root", place: Place::Pool });
        }
        State::load(PageNo(first), pages)?;
        self.first = Some(PageNo(first));
        Ok(())
    }
    fn create(&mut self, blocks: u64, pages: &mut dyn PageTxn) -> Result<DevId> {
        let listed = Listed { access: Access::Writable, parent: None, blocks, map: Default::default() };
        self.issue(self.load(pages)?, listed, pages)
    }
    fn snapshot(&mut self, of: DevId, access: Access, pages: &mut dyn PageTxn) -> Result<DevId> {
        let state = self.load(pages)?;
        let listed = Listed { access, parent: Some(of), ..state.get(of)?.clone() };
        self.issue(state, listed, pages)
    }
    fn delete(&mut self, dev: DevId, pages: &mut dyn PageTxn, freed: &mut Freed) -> Result<()> {
        let mut state = self.load(pages)?;
        let gone = state.versions.remove(&dev).ok_or(Error::NotFound(dev))?;
        let last = state.unnamed(gone.map.into_values().collect(), None);
        last.into_iter().for_each(|on| freed.push(Extent::new(on, 1)));
        state.store(self.first(), pages)
    }
    fn plan_write(
        &self,
        dev: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        plan: &mut WritePlan,
    ) -> Result<()> {
        let mut state = self.load(pages)?;
        let map = &state.writable(dev, range)?.map;
        let before = range.start.0.checked_sub(1).and_then(|before| map.get(&Lba(before)));
        let near = before.map(|on| Pba(on.0 + 1));
        if range.blocks > 0 {
            let along = self.restless.unwrap_or(0);
            let first = Lba(range.start.0.saturating_sub(along));
            let end = Lba(range.end().0.saturating_add(along));
            plan.0.extend(copies(map.range(first..range.start)));
            plan.0.push(Step::Place { at: range.start, blocks: range.blocks, near });
            plan.0.extend(copies(map.range(range.end()..end)));
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
        if self.restless.is_some() {
            self.changed.insert(dev);
        }
        self.change(dev, LbaRange::new(at, on.blocks), Some(on), pages, freed)
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
        let state = self.load(pages)?;
        let listed = state.get(dev)?;
        listed.contains(range)?;
        runs(listed, range).into_iter().for_each(each);
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
        let state = self.load(pages)?;
        let (old, new) = (state.get(old)?, state.get(new)?);
        if old.blocks > new.blocks {
            old.contains(range)?
        } else {
            new.contains(range)?
        }
        let part = range.start..range.end();
        let mapped = old.map.range(part.clone()).chain(new.map.range(part));
        for at in mapped.map(|(at, _)| *at).collect::<BTreeSet<_>>() {
            let (old, new) = (old.map.get(&at).copied(), new.map.get(&at).copied());
            if old != new {
                each(Delta { at, blocks: 1, old, new });
            }
        }
        Ok(())
    }
    fn usage(&self, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
        let state = self.load(pages)?;
        let blocks: BTreeSet<Pba> = state.get(dev)?.map.values().copied().collect();
        let referenced_blocks = blocks.len() as u64;
        let exclusive_blocks = state.unnamed(blocks, Some(dev)).len() as u64;
        Ok(Usage { referenced_blocks, exclusive_blocks, shared_blocks: referenced_blocks - exclusive_blocks })
    }
    fn version(&self, dev: DevId, pages: &dyn PageRead) -> Result<Version> {
        Ok(self.load(pages)?.get(dev)?.version(dev))
    }
    fn versions(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Version)) -> Result<()> {
        self.load(pages)?.versions.iter().for_each(|(dev, listed)| each(listed.version(*dev)));
        Ok(())
    }
    fn tend(&mut self, _: u64, _: &mut dyn PageTxn, _: &mut Freed) -> Result<Progress> {
        Ok(Progress::default())
    }
    fn next_relocation(&mut self, pages: &dyn PageRead) -> Result<Option<Relocation>> {
        while let Some(dev) = self.changed.pop_first() {
            let state = self.load(pages)?;
            let Ok(listed) = state.get(dev) else { continue };
            let blocks: Vec<&Pba> = listed.map.values().collect();
            if blocks.windows(2).any(|pair| pair[0].0 + 1 != pair[1].0) {
                let plan = WritePlan(copies(listed.map.iter()).collect());
                return Ok(Some(Relocation { dev, plan, to: None }));
            }
        }
        Ok(None)
    }
    /// The chain as it is and as it will be have their pages in common, so the longer one is the bound.
    fn pages_bound(&self, work: Work, pages: &dyn PageRead) -> Result<u64> {
        let state = self.load(pages)?;
        let more = match work {
            Work::Create(_) => VERSION_WORDS,
            Work::Snapshot(dev) => VERSION_WORDS + PAIR_WORDS * state.get(dev)?.map.len() as u64,
            Work::Map(dev, range) => state.get(dev).map(|_| range.blocks.saturating_mul(PAIR_WORDS))?,
            Work::Delete(dev) | Work::Unmap(dev, _) => state.get(dev).map(|_| 0)?,
            Work::Tend(_) | Work::Commit => return Ok(0),
        };
        Ok(pages_for(state.words().saturating_add(more)))
    }
    fn frees_bound(&self, work: Work, pages: &dyn PageRead) -> Result<u64> {
        Ok(match work {
            Work::Map(_, range) | Work::Unmap(_, range) => range.blocks,
            Work::Delete(dev) => self.load(pages)?.get(dev)?.map.len() as u64,
            Work::Create(_) | Work::Snapshot(_) | Work::Tend(_) | Work::Commit => 0,
        })
    }
    fn commit(&mut self, _: Epoch, _: &mut dyn PageTxn) -> Result<Root> {
        Ok(Root::from_words(&[MARK, self.first().0]))
    }
    fn visit_blocks(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
        let state = self.load(pages)?;
        let named = state.versions.values().flat_map(|listed| listed.map.values());
        let named: BTreeSet<&Pba> = named.collect();
        named.into_iter().for_each(|on| each(Extent::new(*on, 1)));
        Ok(())
    }
    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        chain(self.first(), pages)?.into_iter().for_each(each);
        Ok(())
    }
    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        for (dev, listed) in self.load(pages)?.versions {
            let place = Place::Version(dev);
            if listed.map.values().collect::<BTreeSet<_>>().len() < listed.map.len() {
                found(Finding { rule: "a version names a block once", place });
            }
            if listed.parent >= Some(dev) {
                found(Finding { rule: "a version is younger than its parent", place });
            }
        }
        Ok(())
    }
}
