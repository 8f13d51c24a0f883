//! What a scheme does with its pages, seen at its seam: how much, of which kind, and how much of that for deletes.
//!
//! Invariant: passes every call through unchanged. Counts are a function of the calls. Calls that only plan, look up or ask for a
//! bound are not counted: what they read shows in the page store's columns. Knows no scheme.

use spinney_core::{
    DevId, Epoch, Extent, Finding, Lba, LbaRange, PageKind, PageNo, PageRead, PageRef, PageTxn, Payload, Pba,
    Result, Root, Tally,
};
use spinney_snap::{
    Access, Delta, Freed, Limits, Progress, Relocation, Run, SnapshotScheme, Usage, Version, Work, WritePlan,
};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Units that no page shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tallies {
    pub(crate) counts: u64,
    pub(crate) bits: u64,
    pub(crate) entries: u64,
}

/// Pages that deletes looked at or changed, each once a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) nodes_read: u64,
    pub(crate) nodes_changed: u64,
    pub(crate) share_read: u64,
    pub(crate) share_changed: u64,
}

/// What a stretch of a run made the scheme do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SchemeWork {
    /// Of all calls.
    pub(crate) all: Tallies,
    /// Of `delete` and `tend`.
    pub(crate) deletes: Tallies,
    /// Index nodes that changes of maps looked at.
    pub(crate) nodes_read: u64,
    /// Index nodes made, copied ones included.
    pub(crate) nodes_made: u64,
    /// Index nodes given back.
    pub(crate) nodes_freed: u64,
    /// Data blocks let go of.
    pub(crate) blocks: u64,
    /// Units of background work.
    pub(crate) slots: u64,
    /// Most of them in one commit.
    pub(crate) slots_max: u64,
    /// Pages of deletes, of the commits that were closed.
    pub(crate) touched: Touched,
}

/// Pages by kind, of one call or since the last commit.
#[derive(Clone, Debug, Default)]
struct Pages {
    read: BTreeSet<(PageKind, PageNo)>,
    changed: BTreeSet<(PageKind, PageNo)>,
}

#[derive(Default)]
struct State {
    work: SchemeWork,
    /// Of the commit that is open.
    deletes: Pages,
    slots: u64,
    /// Pages that `diff` or `usage` asked for, in the last call.
    asked: u64,
}

/// The reading side of a [`MeteredScheme`].
#[derive(Clone, Default)]
pub(crate) struct SchemeMeter(Arc<Mutex<State>>);

impl SchemeMeter {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// What happened since this was last called, deletes as of the last commit.
    pub(crate) fn take(&self) -> SchemeWork {
        std::mem::take(&mut self.state().work)
    }
    /// Pages that the last `diff` or `usage` asked for, from memory or not, one that it met twice twice.
    pub(crate) fn asked_pages(&self) -> u64 {
        self.state().asked
    }
}

impl State {
    /// The commit is closed: its pages count.
    fn close(&mut self) {
        let pages = std::mem::take(&mut self.deletes);
        let of = |set: &BTreeSet<(PageKind, PageNo)>, kind| {
            set.iter().filter(|(found, _)| *found == kind).count() as u64
        };
        let touched = &mut self.work.touched;
        touched.nodes_read += of(&pages.read, PageKind::TREE);
        touched.share_read += of(&pages.read, PageKind::SHARE);
        touched.nodes_changed += of(&pages.changed, PageKind::TREE);
        touched.share_changed += of(&pages.changed, PageKind::SHARE);
        self.work.slots_max = self.work.slots_max.max(std::mem::take(&mut self.slots));
    }
}

/// What one call did.
#[derive(Default)]
struct Seen {
    tallies: Tallies,
    nodes_read: u64,
    nodes_made: u64,
    nodes_freed: u64,
    /// Of a delete only.
    pages: Option<Pages>,
}

impl Seen {
    fn read(&mut self, page: PageNo, kind: PageKind) {
        self.nodes_read += u64::from(kind == PageKind::TREE);
        if let Some(pages) = &mut self.pages {
            pages.read.insert((kind, page));
        }
    }
}

/// Pages that are watched while a scheme changes them.
struct Watched<'a> {
    below: &'a mut dyn PageTxn,
    seen: RefCell<Seen>,
}

impl PageRead for Watched<'_> {
    fn read(&self, page: PageNo, kind: PageKind) -> Result<PageRef> {
        self.seen.borrow_mut().read(page, kind);
        self.below.read(page, kind)
    }
    fn show(&self, page: PageNo, kind: PageKind, see: &mut dyn FnMut(&Payload)) -> Result<()> {
        self.seen.borrow_mut().read(page, kind);
        self.below.show(page, kind, see)
    }
    fn prefetch(&self, pages: &[PageNo], kind: PageKind) {
        self.below.prefetch(pages, kind);
    }
}

impl PageTxn for Watched<'_> {
    fn alloc(&mut self, kind: PageKind) -> Result<PageNo> {
        self.seen.get_mut().nodes_made += u64::from(kind == PageKind::TREE);
        self.below.alloc(kind)
    }
    fn edit(&mut self, page: PageNo, kind: PageKind) -> Result<&mut Payload> {
        if let Some(pages) = &mut self.seen.get_mut().pages {
            pages.changed.insert((kind, page));
        }
        self.below.edit(page, kind)
    }
    fn free(&mut self, page: PageNo, kind: PageKind) -> Result<()> {
        let seen = self.seen.get_mut();
        seen.nodes_freed += u64::from(kind == PageKind::TREE);
        if let Some(pages) = &mut seen.pages {
            pages.changed.remove(&(kind, page)); // it will not be written
        }
        self.below.free(page, kind)
    }
    fn tally(&mut self, of: Tally, units: u64) {
        let tallies = &mut self.seen.get_mut().tallies;
        match of {
            Tally::Counts => tallies.counts += units,
            Tally::Bits => tallies.bits += units,
            Tally::Entries => tallies.entries += units,
        }
        self.below.tally(of, units);
    }
}

/// Pages that are only asked for.
struct Asked<'a> {
    below: &'a dyn PageRead,
    pages: Cell<u64>,
}

impl PageRead for Asked<'_> {
    fn read(&self, page: PageNo, kind: PageKind) -> Result<PageRef> {
        self.pages.set(self.pages.get() + 1);
        self.below.read(page, kind)
    }
    fn show(&self, page: PageNo, kind: PageKind, see: &mut dyn FnMut(&Payload)) -> Result<()> {
        self.pages.set(self.pages.get() + 1);
        self.below.show(page, kind, see)
    }
    fn prefetch(&self, pages: &[PageNo], kind: PageKind) {
        self.below.prefetch(pages, kind);
    }
}

/// A scheme that is watched.
pub(crate) struct MeteredScheme {
    below: Box<dyn SnapshotScheme>,
    meter: SchemeMeter,
}

impl MeteredScheme {
    pub(crate) fn new(below: Box<dyn SnapshotScheme>, meter: SchemeMeter) -> MeteredScheme {
        MeteredScheme { below, meter }
    }

    /// A call that may change pages; `deletes`: its pages are those of a delete.
    fn watch<T>(
        &mut self,
        pages: &mut dyn PageTxn,
        deletes: bool,
        call: impl FnOnce(&mut dyn SnapshotScheme, &mut dyn PageTxn) -> Result<T>,
    ) -> Result<T> {
        // Those of the commit so far: a page that one call changed and the next gives back will not be written.
        let pages_of_deletes = deletes.then(|| std::mem::take(&mut self.meter.state().deletes));
        let seen = Seen { pages: pages_of_deletes, ..Seen::default() };
        let mut watched = Watched { below: pages, seen: RefCell::new(seen) };
        let done = call(&mut *self.below, &mut watched);
        let seen = watched.seen.into_inner();
        let mut state = self.meter.state();
        let work = &mut state.work;
        work.nodes_made += seen.nodes_made;
        work.nodes_freed += seen.nodes_freed;
        add(&mut work.all, seen.tallies);
        match seen.pages {
            None => work.nodes_read += seen.nodes_read,
            Some(pages) => {
                add(&mut work.deletes, seen.tallies);
                state.deletes = pages;
            }
        }
        done
    }

    fn ask<T>(&self, pages: &dyn PageRead, call: impl FnOnce(&dyn PageRead) -> Result<T>) -> Result<T> {
        let asked = Asked { below: pages, pages: Cell::new(0) };
        let done = call(&asked);
        self.meter.state().asked = asked.pages.get();
        done
    }
}

fn add(sum: &mut Tallies, more: Tallies) {
    sum.counts += more.counts;
    sum.bits += more.bits;
    sum.entries += more.entries;
}

impl SnapshotScheme for MeteredScheme {
    fn limits(&self) -> Limits {
        self.below.limits()
    }
    fn blocks_end(&mut self, end: Pba) {
        self.below.blocks_end(end);
    }
    fn format(&mut self, pages: &mut dyn PageTxn) -> Result<()> {
        self.below.format(pages)
    }
    fn open(&mut self, root: &Root, pages: &dyn PageRead) -> Result<()> {
        self.below.open(root, pages)
    }
    fn create(&mut self, blocks: u64, pages: &mut dyn PageTxn) -> Result<DevId> {
        self.watch(pages, false, |scheme, pages| scheme.create(blocks, pages))
    }
    fn snapshot(&mut self, of: DevId, access: Access, pages: &mut dyn PageTxn) -> Result<DevId> {
        self.watch(pages, false, |scheme, pages| scheme.snapshot(of, access, pages))
    }
    fn delete(&mut self, dev: DevId, pages: &mut dyn PageTxn, freed: &mut Freed) -> Result<()> {
        let before = freed.blocks();
        let done = self.watch(pages, true, |scheme, pages| scheme.delete(dev, pages, freed));
        self.meter.state().work.blocks += freed.blocks() - before;
        done
    }
    fn plan_write(
        &self,
        dev: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        plan: &mut WritePlan,
    ) -> Result<()> {
        self.below.plan_write(dev, range, pages, plan)
    }
    fn map(
        &mut self,
        dev: DevId,
        at: Lba,
        on: Extent,
        pages: &mut dyn PageTxn,
        freed: &mut Freed,
    ) -> Result<()> {
        let before = freed.blocks();
        let done = self.watch(pages, false, |scheme, pages| scheme.map(dev, at, on, pages, freed));
        self.meter.state().work.blocks += freed.blocks() - before;
        done
    }
    fn unmap(
        &mut self,
        dev: DevId,
        range: LbaRange,
        pages: &mut dyn PageTxn,
        freed: &mut Freed,
    ) -> Result<()> {
        let before = freed.blocks();
        let done = self.watch(pages, false, |scheme, pages| scheme.unmap(dev, range, pages, freed));
        self.meter.state().work.blocks += freed.blocks() - before;
        done
    }
    fn lookup(
        &self,
        dev: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Run),
    ) -> Result<()> {
        self.below.lookup(dev, range, pages, each)
    }
    fn diff(
        &self,
        old: DevId,
        new: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Delta),
    ) -> Result<()> {
        self.ask(pages, |pages| self.below.diff(old, new, range, pages, each))
    }
    fn usage(&self, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
        self.ask(pages, |pages| self.below.usage(dev, pages))
    }
    fn freed_by_deleting(&self, doomed: &[DevId], pages: &dyn PageRead) -> Result<u64> {
        self.below.freed_by_deleting(doomed, pages)
    }
    fn version(&self, dev: DevId, pages: &dyn PageRead) -> Result<Version> {
        self.below.version(dev, pages)
    }
    fn versions(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Version)) -> Result<()> {
        self.below.versions(pages, each)
    }
    fn tend(&mut self, budget: u64, pages: &mut dyn PageTxn, freed: &mut Freed) -> Result<Progress> {
        let before = freed.blocks();
        let done = self.watch(pages, true, |scheme, pages| scheme.tend(budget, pages, freed));
        let mut state = self.meter.state();
        state.work.blocks += freed.blocks() - before;
        let slots = done.as_ref().map_or(0, |progress| progress.done);
        state.work.slots += slots;
        state.slots += slots;
        drop(state);
        done
    }
    fn detach(&mut self, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
        self.below.detach(dev, pages)
    }
    fn next_relocation(&mut self, pages: &dyn PageRead) -> Result<Option<Relocation>> {
        self.below.next_relocation(pages)
    }
    fn watches_reads(&self) -> bool {
        self.below.watches_reads()
    }
    fn jumped(&mut self, dev: DevId, before: Lba, after: Lba) {
        self.below.jumped(dev, before, after);
    }
    fn latent_growth_blocks(&self, dev: DevId, pages: &dyn PageRead) -> Result<u64> {
        self.below.latent_growth_blocks(dev, pages)
    }
    fn pages_bound(&self, work: Work, pages: &dyn PageRead) -> Result<u64> {
        self.below.pages_bound(work, pages)
    }
    fn frees_bound(&self, work: Work, pages: &dyn PageRead) -> Result<u64> {
        self.below.frees_bound(work, pages)
    }
    fn commit(&mut self, epoch: Epoch, pages: &mut dyn PageTxn) -> Result<Root> {
        let done = self.watch(pages, false, |scheme, pages| scheme.commit(epoch, pages));
        self.meter.state().close();
        done
    }
    fn visit_blocks(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
        self.below.visit_blocks(pages, each)
    }
    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.below.visit_pages(pages, each)
    }
    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        self.below.check(pages, found)
    }
}
