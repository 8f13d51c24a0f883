//! Key versions (bcachefs): one tree of keys (inode, logical block, snapshot node); a version sees the key of the nearest node that is its
//! own or above it.
//!
//! Invariant: a block has one key. A node has two children or none, only leaves have versions, and no key is touched by a snapshot.
//! What a node says stays while a version sees it. State stands on pages only. Knows no allocator and no device.
#![doc = include_str!("../README.md")]
#![doc = include_str!("../FORMAT.md")]
#![cfg_attr(not(test), no_std)]
extern crate alloc;

mod audit;
mod bound;
mod change;
mod check;
mod entry;
mod keys;
mod lineage;
mod nodes;
mod planted;
mod reader;
mod state;
mod tend;
mod view;

pub use entry::ENTRY;

use change::Change;
use spinney_core::{
    DevId, Epoch, Extent, Finding, Flow, Lba, LbaRange, PageNo, PageRead, PageTxn, Result, Root,
};
use spinney_snap::{
    Access, Delta, Freed, Limits, Progress, Run, SnapshotScheme, Usage, Version, Work, WritePlan,
};
use spinney_snap_tree::Anchor;
use state::{Head, State};

/// Marks a root of this format, version 1.
const MARK: u64 = u64::from_le_bytes(*b"keyvers\x01");

/// The scheme. Make it with [`KeyVersions::new`] or from [`ENTRY`], then `format` or `open`.
#[derive(Debug)]
pub struct KeyVersions {
    in_place: bool,
    state: Option<State>,
}

impl KeyVersions {
    /// A scheme. `in_place`: whether plans offer blocks to overwrite.
    #[must_use]
    pub fn new(in_place: bool) -> KeyVersions {
        KeyVersions { in_place, state: None }
    }
    fn state(&self) -> &State {
        self.state.as_ref().expect("format or open comes first")
    }
    fn writable(&self, dev: DevId, range: LbaRange, pages: &dyn PageRead) -> Result<(State, Head)> {
        let state = *self.state();
        Ok((state, state.writable(dev, range, pages)?))
    }
}

impl SnapshotScheme for KeyVersions {
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
        self.state = Some(State::format(pages)?);
        Ok(())
    }
    fn open(&mut self, root: &Root, pages: &dyn PageRead) -> Result<()> {
        let (anchor, _) = Anchor::open(root, MARK)?;
        self.state = Some(State::open(anchor, pages)?);
        Ok(())
    }
    fn create(&mut self, blocks: u64, pages: &mut dyn PageTxn) -> Result<DevId> {
        lineage::create(self.state(), blocks, pages)
    }
    fn snapshot(&mut self, of: DevId, access: Access, pages: &mut dyn PageTxn) -> Result<DevId> {
        lineage::take(self.state(), of, access, pages)
    }
    fn delete(&mut self, dev: DevId, pages: &mut dyn PageTxn, _: &mut Freed) -> Result<()> {
        lineage::delete(self.state(), dev, pages)
    }
    fn plan_write(
        &self,
        dev: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        plan: &mut WritePlan,
    ) -> Result<()> {
        let (state, head) = self.writable(dev, range, pages)?;
        view::plan(&state, &head, range, self.in_place, pages, plan)
    }
    fn map(
        &mut self,
        dev: DevId,
        at: Lba,
        on: Extent,
        pages: &mut dyn PageTxn,
        freed: &mut Freed,
    ) -> Result<()> {
        let range = LbaRange::new(at, on.blocks);
        let (state, head) = self.writable(dev, range, pages)?;
        Change::new(state, head, pages, freed).map(range, on.start)
    }
    fn unmap(
        &mut self,
        dev: DevId,
        range: LbaRange,
        pages: &mut dyn PageTxn,
        freed: &mut Freed,
    ) -> Result<()> {
        let (state, head) = self.writable(dev, range, pages)?;
        Change::new(state, head, pages, freed).unmap(range)
    }
    fn lookup(
        &self,
        dev: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Run),
    ) -> Result<()> {
        let state = self.state();
        view::lookup(state, &state.head(dev, pages)?, range, pages, each)
    }
    fn diff(
        &self,
        old: DevId,
        new: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Delta),
    ) -> Result<()> {
        let state = self.state();
        let (old, new) = (state.head(old, pages)?, state.head(new, pages)?);
        view::diff(state, [&old, &new], range, pages, each)
    }
    fn usage(&self, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
        audit::usage(self.state(), dev, pages)
    }
    fn freed_by_deleting(&self, doomed: &[DevId], pages: &dyn PageRead) -> Result<u64> {
        audit::freed_by_deleting(self.state(), doomed, pages)
    }
    fn version(&self, dev: DevId, pages: &dyn PageRead) -> Result<Version> {
        Ok(self.state().head(dev, pages)?.record.version(dev))
    }
    fn versions(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Version)) -> Result<()> {
        self.state().versions.visit(pages, &mut |dev, record| {
            each(record.version(dev));
            Ok(Flow::Continue)
        })
    }
    fn tend(&mut self, budget: u64, pages: &mut dyn PageTxn, freed: &mut Freed) -> Result<Progress> {
        tend::tend(self.state(), budget, pages, freed)
    }
    fn pages_bound(&self, work: Work, pages: &dyn PageRead) -> Result<u64> {
        let state = self.state();
        match work {
            Work::Create(_) => bound::create(state, pages),
            Work::Snapshot(of) => bound::snapshot(state, of, pages),
            Work::Delete(dev) => bound::delete(state, dev, pages),
            Work::Map(dev, range) => bound::change(state, dev, range, false, pages),
            Work::Unmap(dev, range) => bound::change(state, dev, range, true, pages),
            Work::Tend(budget) => bound::tend(state, budget, pages),
            Work::Commit => Ok(0),
        }
    }
    fn frees_bound(&self, work: Work, _: &dyn PageRead) -> Result<u64> {
        Ok(match work {
            Work::Map(_, range) | Work::Unmap(_, range) => range.blocks,
            Work::Tend(budget) => budget,
            Work::Create(_) | Work::Snapshot(_) | Work::Delete(_) | Work::Commit => 0,
        })
    }
    fn commit(&mut self, _: Epoch, _: &mut dyn PageTxn) -> Result<Root> {
        Ok(self.state().anchor.root(MARK, 0))
    }
    fn visit_blocks(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
        audit::visit_blocks(self.state(), pages, each)
    }
    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        audit::visit_pages(self.state(), pages, each)
    }
    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        check::check(self.state(), pages, found)
    }
}
