//! Layers over layers (backing files): each version maps what it wrote, over the layer that it was taken from.
//!
//! Invariant: a block is in one slot of one layer; a version maps what the front layer of its chain that is not silent says. A deleted
//! layer on which others lie is hidden, holds only what one of them sees, and is merged into the last of them. State stands on pages
//! only. Knows no allocator and no device.
#![doc = include_str!("../README.md")]
#![doc = include_str!("../FORMAT.md")]
#![cfg_attr(not(test), no_std)]
extern crate alloc;

mod apart;
mod audit;
mod bound;
mod change;
mod check;
mod diff;
mod entry;
mod layer;
mod lineage;
mod mapped;
mod planted;
mod state;
mod sweep;
mod table;
mod tend;
mod view;

pub use entry::ENTRY;

use apart::Wishes;
use change::Change;
use spinney_core::{
    DevId, Epoch, Error, Extent, Finding, Lba, LbaRange, PageNo, PageRead, PageTxn, Pba, Place, Result, Root,
};
use spinney_snap::{
    Access, Delta, Freed, Limits, Progress, Relocation, Run, SnapshotScheme, Usage, Version, Work, WritePlan,
};
use spinney_snap_tree::{Anchor, Shape, plan};
use state::{Kin, Layer, State};

/// Marks a root of this format, version 1.
const MARK: u64 = u64::from_le_bytes(*b"bkchain\x01");
/// Bit of the root's parameter, above the fanout: volumes have an index.
const INDEXED: u64 = 1 << 16;

/// The scheme. Make it with [`Chain::new`] or from [`ENTRY`], then `format` or `open`.
#[derive(Debug)]
pub struct Chain {
    shape: Shape,
    indexed: bool,
    in_place: bool,
    wishes: Wishes,
    state: Option<State>,
}

impl Chain {
    /// A scheme whose index nodes have `fanout` slots. `indexed`: whether what is formatted keeps an index for each volume (what
    /// is opened says so itself); `in_place`: whether plans offer blocks to overwrite. Errors: `BadSetting` for a fanout that no page
    /// holds.
    pub fn new(fanout: u64, indexed: bool, in_place: bool) -> Result<Chain> {
        Ok(Chain { shape: Shape::new(fanout)?, indexed, in_place, wishes: Wishes::default(), state: None })
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
        let mut kin = state.writable(dev, range, pages)?;
        if range.blocks == 0 {
            return Ok(());
        }
        let (before, layered) = (kin, kin.layer.back.is_some());
        let seen = if layered { view::mapped(&state, &kin, range, pages)? } else { 0 };
        // A discard of what is a hole already would otherwise leave marks.
        if on.is_none() && layered && seen == 0 {
            return Ok(());
        }
        let (tree, covered, lost_blocks) = (state.tree(&kin), false, 0);
        let freed_here = Some(&mut *freed);
        let mut change =
            Change { tree, range, on, marks: layered, pages, freed: freed_here, lost_blocks, covered };
        kin.record.root = change.run()?;
        let (lost, covered) = (if layered { seen } else { change.lost_blocks }, change.covered);
        kin.layer.marked |= layered && on.is_none();
        if state.indexed {
            let (tree, marks) = (state.index(&kin), !kin.layer.index_whole);
            let mut change = Change { tree, range, on, marks, pages, freed: None, lost_blocks, covered };
            kin.layer.index = change.run()?;
        }
        let gained = if on.is_some() { range.blocks } else { 0 };
        kin.record.referenced_blocks =
            kin.record.referenced_blocks.saturating_add(gained).saturating_sub(lost);
        if (kin.record, kin.layer) != (before.record, before.layer) {
            kin.put(&state, pages)?;
        }
        if covered && layered { sweep::let_go_behind(&state, &kin, range, pages, freed) } else { Ok(()) }
    }
}

impl SnapshotScheme for Chain {
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
        self.wishes = Wishes::default();
        self.state = Some(State::format(self.shape, self.indexed, pages)?);
        Ok(())
    }
    fn open(&mut self, root: &Root, pages: &dyn PageRead) -> Result<()> {
        let (anchor, parameter) = Anchor::open(root, MARK)?;
        let bad = |_| Error::Corrupt { what: "fanout in the scheme's root", place: Place::Pool };
        self.wishes = Wishes::default();
        self.indexed = parameter & INDEXED != 0;
        self.shape = Shape::new(parameter & !INDEXED).map_err(bad)?;
        self.state = Some(State::open(anchor, self.shape, self.indexed, pages)?);
        Ok(())
    }
    fn create(&mut self, blocks: u64, pages: &mut dyn PageTxn) -> Result<DevId> {
        let state = self.state();
        let dev = state.issue(pages)?;
        let layer = Layer {
            back: None,
            hidden: false,
            marked: false,
            index_whole: state.indexed,
            leaving: false,
            number: dev.0,
            index: None,
            cursor: 0,
        };
        Kin { dev, record: state::new_record(blocks), layer }.put(state, pages)?;
        Ok(dev)
    }
    fn snapshot(&mut self, of: DevId, access: Access, pages: &mut dyn PageTxn) -> Result<DevId> {
        lineage::take(self.state(), of, access, pages)
    }
    fn detach(&mut self, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
        apart::begin(self.state(), dev, pages)
    }
    fn next_relocation(&mut self, pages: &dyn PageRead) -> Result<Option<Relocation>> {
        let state = *self.state();
        self.wishes.next(&state, pages)
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
        let state = self.state();
        let tree = state.tree(&state.writable(dev, range, pages)?);
        if self.in_place {
            return plan::overwrite(&tree, range, pages, plan, &|_, _| true);
        }
        plan::redirect(&tree, range, pages, plan)
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
        let state = self.state();
        view::lookup(state, &state.live(dev, pages)?, range, pages, each)
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
        let (old, new) = (state.live(old, pages)?, state.live(new, pages)?);
        diff::diff(state, [&old, &new], range, pages, each)
    }
    fn usage(&self, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
        audit::usage(self.state(), dev, pages)
    }
    fn version(&self, dev: DevId, pages: &dyn PageRead) -> Result<Version> {
        Ok(self.state().live(dev, pages)?.record.version(dev))
    }
    fn versions(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Version)) -> Result<()> {
        self.state().catalogue.visit(pages, &mut |dev, record| {
            if !Layer::of(dev, &record)?.hidden {
                each(record.version(dev));
            }
            Ok(spinney_core::Flow::Continue)
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
    fn frees_bound(&self, work: Work, pages: &dyn PageRead) -> Result<u64> {
        match work {
            Work::Map(dev, range) | Work::Unmap(dev, range) => bound::frees(self.state(), dev, range, pages),
            Work::Tend(budget) => Ok(budget),
            Work::Create(_) | Work::Snapshot(_) | Work::Delete(_) | Work::Commit => Ok(0),
        }
    }
    fn commit(&mut self, _: Epoch, _: &mut dyn PageTxn) -> Result<Root> {
        let state = self.state();
        let parameter = state.shape.fanout() | if state.indexed { INDEXED } else { 0 };
        Ok(state.anchor.root(MARK, parameter))
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
