//! The scheme seam, and the words it speaks in.
//!
//! Invariant: a snapshot's content never changes; a block is pushed to `Freed` exactly when its last owner lets go.

use crate::{Freed, Relocation, WritePlan};
use spinney_core::{
    DevId, Epoch, Error, Extent, Finding, Lba, LbaRange, PageNo, PageRead, PageTxn, Pba, Result, Root,
};

/// Whether a version may be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// A snapshot.
    ReadOnly,
    /// A volume or a clone.
    Writable,
}

/// What a scheme offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Whether writable clones can be made.
    pub clones: bool,
    /// Whether a clone (or its snapshot) can be cloned again.
    pub clones_of_clones: bool,
    /// Whether a version that others were taken from can be deleted.
    pub delete_any_order: bool,
    /// Whether nothing is held beyond what live versions own and what `tend` has still to delete; so nothing else at all
    /// when `tend` is idle.
    pub exact: bool,
    /// The most versions, if there is a limit.
    pub versions_max: Option<u64>,
}

/// A stretch of a version's map: `blocks` logical blocks from `at`, on consecutive physical blocks from `on`, or a hole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// Logical start.
    pub at: Lba,
    /// How many.
    pub blocks: u64,
    /// Physical start; `None` is a hole, which reads as zeros.
    pub on: Option<Pba>,
}

/// A difference of two versions: `blocks` logical blocks from `at` that lie elsewhere, appeared or went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delta {
    /// Logical start.
    pub at: Lba,
    /// How many.
    pub blocks: u64,
    /// Where they are in the old version.
    pub old: Option<Pba>,
    /// Where they are in the new one.
    pub new: Option<Pba>,
}

/// Blocks of a version; `referenced = exclusive + shared`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Data blocks that the version maps.
    pub referenced_blocks: u64,
    /// Of these, those that deleting it alone would free.
    pub exclusive_blocks: u64,
    /// The others.
    pub shared_blocks: u64,
}

/// A live version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version {
    /// Its id.
    pub dev: DevId,
    /// The version that it was taken from, if that is still alive or known.
    pub parent: Option<DevId>,
    /// Whether it may be written.
    pub access: Access,
    /// Its size.
    pub blocks: u64,
}

/// How background work stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Units of work (slots visited) done in this call.
    pub done: u64,
    /// Units left, as far as is known; 0 is idle.
    pub left: u64,
}

/// Work that is about to be done, to ask for its page bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// `create` of a volume of so many blocks.
    Create(u64),
    /// `snapshot` of a version.
    Snapshot(DevId),
    /// `delete` of a version.
    Delete(DevId),
    /// `map` of this range, in at most as many pieces as it has blocks.
    Map(DevId, LbaRange),
    /// `unmap` of this range.
    Unmap(DevId, LbaRange),
    /// `tend` with a budget.
    Tend(u64),
    /// `commit`.
    Commit,
}

/// A snapshot scheme. State lives on pages: what a scheme keeps in memory is constant after `format` or `open`, or a
/// cache that is right for any view of the pages, so that readers with an older view are served by the same object.
pub trait SnapshotScheme: Send + Sync {
    /// What it offers.
    fn limits(&self) -> Limits;
    /// Data blocks have numbers below `end`. Said once, before `format` or `open`, and only to sharpen bounds: a scheme that was
    /// not told must be right, too.
    fn blocks_end(&mut self, end: Pba) {
        let _ = end;
    }
    /// Begin anew: no versions.
    fn format(&mut self, pages: &mut dyn PageTxn) -> Result<()>;
    /// Find everything again. What is read is untrusted.
    fn open(&mut self, root: &Root, pages: &dyn PageRead) -> Result<()>;
    /// A new, empty volume (all holes).
    fn create(&mut self, blocks: u64, pages: &mut dyn PageTxn) -> Result<DevId>;
    /// A new version with the content of `of`. Errors: `NotFound`, `Unsupported` beyond [`Limits`].
    fn snapshot(&mut self, of: DevId, access: Access, pages: &mut dyn PageTxn) -> Result<DevId>;
    /// Detach the version; it is gone for every later call. Blocks may follow in `tend`. Errors: `NotFound`, `Unsupported`.
    fn delete(&mut self, dev: DevId, pages: &mut dyn PageTxn, freed: &mut Freed) -> Result<()>;
    /// Give `dev`, over the next commits, blocks of its own for all that it shares with what it was taken from, and then forget that
    /// one: the copies are wishes, and `tend` ends it. Touches no more pages than `Work::Delete` may. An error changes nothing. Errors:
    /// `NotFound`, `ReadOnly`, `Unsupported` where sharing needs no such end.
    fn detach(&mut self, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
        let _ = (dev, pages);
        Err(Error::Unsupported("detaching by copying"))
    }
    /// Decide how `range` is to be written. Changes nothing. Errors: `NotFound`, `ReadOnly`, `OutOfRange`.
    fn plan_write(
        &self,
        dev: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        plan: &mut WritePlan,
    ) -> Result<()>;
    /// Logical blocks from `at` now lie on `on` (freshly allocated, owned by nobody else). What lay there before is let go.
    fn map(
        &mut self,
        dev: DevId,
        at: Lba,
        on: Extent,
        pages: &mut dyn PageTxn,
        freed: &mut Freed,
    ) -> Result<()>;
    /// The range becomes a hole.
    fn unmap(
        &mut self,
        dev: DevId,
        range: LbaRange,
        pages: &mut dyn PageTxn,
        freed: &mut Freed,
    ) -> Result<()>;
    /// The range's runs in order, holes included, maximal except where that would cost a search.
    fn lookup(
        &self,
        dev: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Run),
    ) -> Result<()>;
    /// Where the two versions differ within the range, in order. Every block whose content differs is covered.
    fn diff(
        &self,
        old: DevId,
        new: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Delta),
    ) -> Result<()>;
    /// Exact space of one version.
    fn usage(&self, dev: DevId, pages: &dyn PageRead) -> Result<Usage>;
    /// Data blocks that deleting just these versions (each counts once) would give back by the time that `tend` is idle, beyond
    /// those that are on their way already. Exact; changes nothing. The default compares maps, so it costs what all versions
    /// map where these do. Errors: `NotFound`.
    fn freed_by_deleting(&self, doomed: &[DevId], pages: &dyn PageRead) -> Result<u64> {
        crate::foretell::freed_by_deleting(self, doomed, pages)
    }
    /// One live version. Errors: `NotFound`.
    fn version(&self, dev: DevId, pages: &dyn PageRead) -> Result<Version>;
    /// Every live version, by rising id.
    fn versions(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Version)) -> Result<()>;
    /// Background work: at most about `budget` slots.
    fn tend(&mut self, budget: u64, pages: &mut dyn PageTxn, freed: &mut Freed) -> Result<Progress>;
    /// The next copy of data that the scheme wishes for. Asked before a commit, after `tend`, again and again until there is none or the
    /// volume's budget is spent. A wish is told once: one that was not fulfilled may come again when something there was written. What
    /// it takes to find out is bounded by what was written since.
    fn next_relocation(&mut self, pages: &dyn PageRead) -> Result<Option<Relocation>> {
        let _ = pages;
        Ok(None)
    }
    /// Whether it is of use to tell it of reads.
    fn watches_reads(&self) -> bool {
        false
    }
    /// Somebody who read `dev` went from block `before` to the next one mapped, `after`, which does not lie behind it. Told before wishes
    /// are asked for, to a scheme that watches reads; some may be left out. `dev` may be gone by then.
    fn jumped(&mut self, dev: DevId, before: Lba, after: Lba) {
        let _ = (dev, before, after);
    }
    /// Blocks that the version shares and that copies still to come would give it as its own: what its space may grow by without
    /// a write beyond the next to each place. Errors: `NotFound`.
    fn latent_growth_blocks(&self, dev: DevId, pages: &dyn PageRead) -> Result<u64> {
        self.version(dev, pages).map(|_| 0)
    }
    /// At most how many pages the work would allocate or change.
    fn pages_bound(&self, work: Work, pages: &dyn PageRead) -> Result<u64>;
    /// At most how many data blocks the work would push to `Freed`. The default is right for schemes whose deletes do
    /// all at once; those that leave it to `tend` say less.
    fn frees_bound(&self, work: Work, pages: &dyn PageRead) -> Result<u64> {
        Ok(match work {
            Work::Create(_) | Work::Snapshot(_) | Work::Commit => 0,
            Work::Delete(dev) => self.version(dev, pages)?.blocks,
            Work::Map(_, range) | Work::Unmap(_, range) => range.blocks,
            Work::Tend(budget) => budget,
        })
    }
    /// Close the epoch.
    fn commit(&mut self, epoch: Epoch, pages: &mut dyn PageTxn) -> Result<Root>;
    /// Every data block that is owned (by a live version, or by what `tend` has still to delete), exactly once.
    fn visit_blocks(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()>;
    /// Every page of the scheme, exactly once.
    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()>;
    /// Rules of its own that do not hold: counts recomputed from the roots, and so on.
    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()>;
}
