//! A bitmap of blocks for each version (WAFL): what no map has is free.
//!
//! Invariant: a version's map of blocks has just what its tree reaches, so that no lineage and no count of blocks is needed,
//! whatever is deleted in whatever order. State stands on pages only. Knows no allocator and no device.
#![doc = include_str!("../README.md")]
#![doc = include_str!("../FORMAT.md")]
#![no_std]
extern crate alloc;

mod audit;
mod bits;
mod bound;
mod change;
mod entry;
mod state;
mod zombie;

pub use entry::ENTRY;

use bits::Bits;
use change::Change;
use spinney_core::{
    DevId, Epoch, Extent, Finding, Lba, LbaRange, PageNo, PageRead, PageTxn, Pba, Place, Result, Root,
};
use spinney_snap::{
    Access, Delta, Freed, Limits, Progress, Run, SnapshotScheme, Usage, Version, Work, WritePlan,
};
use spinney_snap_tree::counts::Emptied;
use spinney_snap_tree::{Anchor, Record, Shape, plan};
use state::{State, map_of};

/// Marks a root of this format, version 1.
const MARK: u64 = u64::from_le_bytes(*b"snapmap\x01");

/// The scheme. Make it with [`SnapMap::new`] or from [`ENTRY`], then `format` or `open`.
#[derive(Debug)]
pub struct SnapMap {
    shape: Shape,
    state: Option<State>,
    emptied: Emptied,
    /// Block numbers are below this.
    end: u64,
}

impl SnapMap {
    /// A scheme whose index nodes have `fanout` slots. Errors: `BadSetting` for a fanout that no page holds.
    pub fn new(fanout: u64) -> Result<SnapMap> {
        let (shape, emptied) = (Shape::new(fanout)?, Emptied::default());
        Ok(SnapMap { shape, state: None, emptied, end: spinney_snap_tree::slot::POINTER_LIMIT })
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
        let record = state.writable(dev, range, pages)?;
        let tree = state.tree(&record);
        // A discard of what is a hole already would otherwise copy the path to it.
        let nothing = on.is_none() && !tree.maps_any(range, pages)?;
        if range.blocks == 0 || nothing {
            return Ok(());
        }
        let (own, others) = (map_of(dev, &record)?, state.others(dev, false, pages)?);
        let emptied = &mut self.emptied;
        let mut change = Change { state, own, others, range, on, pages, freed, emptied, lost_blocks: 0 };
        let root = change.node(tree.root_position(), tree.root_slot(), false)?;
        let gained = if on.is_some() { range.blocks } else { 0 };
        let referenced_blocks =
            (record.referenced_blocks.saturating_add(gained)).saturating_sub(change.lost_blocks);
        let changed = Record { root: root.pointer().map(PageNo), referenced_blocks, ..record };
        if changed != record {
            state.catalogue.put(dev, &changed, pages)?;
        }
        Ok(())
    }
}

impl SnapshotScheme for SnapMap {
    fn limits(&self) -> Limits {
        Limits {
            clones: true,
            clones_of_clones: true,
            delete_any_order: true,
            exact: true,
            versions_max: None,
        }
    }
    fn blocks_end(&mut self, end: Pba) {
        self.end = end.0;
    }
    fn format(&mut self, pages: &mut dyn PageTxn) -> Result<()> {
        self.state = Some(State::format(self.shape, pages)?);
        self.emptied = Emptied::default();
        Ok(())
    }
    fn open(&mut self, root: &Root, pages: &dyn PageRead) -> Result<()> {
        let (anchor, fanout) = Anchor::open(root, MARK)?;
        let bad =
            |_| spinney_core::Error::Corrupt { what: "fanout in the scheme's root", place: Place::Pool };
        self.shape = Shape::new(fanout).map_err(bad)?;
        anchor.read(pages)?;
        self.state = Some(State::at(anchor, self.shape));
        self.emptied = Emptied::default();
        Ok(())
    }
    fn create(&mut self, blocks: u64, pages: &mut dyn PageTxn) -> Result<DevId> {
        let map = Bits::create(pages)?;
        self.state().issue(&state::with_map(state::new_record(blocks), map), pages)
    }
    fn snapshot(&mut self, of: DevId, access: Access, pages: &mut dyn PageTxn) -> Result<DevId> {
        let state = self.state();
        let record = state.catalogue.get(of, pages)?;
        let map = map_of(of, &record)?.copy(pages)?;
        let taken = Record { access, parent: Some(of), ..record };
        let dev = state.issue(&state::with_map(taken, map), pages)?;
        if let Some(root) = record.root {
            state.nodes.raise(root.0, 1, pages)?;
        }
        Ok(dev)
    }
    fn delete(&mut self, dev: DevId, pages: &mut dyn PageTxn, _: &mut Freed) -> Result<()> {
        let state = *self.state();
        let record = state.catalogue.get(dev, pages)?;
        state.catalogue.remove(dev, pages)?;
        zombie::bury(&state, dev, record, pages, &mut self.emptied)
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
        state.tree(&state.catalogue.get(dev, pages)?).lookup(range, pages, each)
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
        let tree = |dev| state.catalogue.get(dev, pages).map(|record| state.tree(&record));
        spinney_snap_tree::diff(&tree(old)?, &tree(new)?, range, pages, each)
    }
    fn usage(&self, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
        audit::usage(self.state(), dev, pages)
    }
    fn freed_by_deleting(&self, doomed: &[DevId], pages: &dyn PageRead) -> Result<u64> {
        audit::freed_by_deleting(self.state(), doomed, pages)
    }
    fn version(&self, dev: DevId, pages: &dyn PageRead) -> Result<Version> {
        Ok(self.state().catalogue.get(dev, pages)?.version(dev))
    }
    fn versions(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Version)) -> Result<()> {
        self.state().catalogue.visit(pages, &mut |dev, record| {
            each(record.version(dev));
            Ok(spinney_core::Flow::Continue)
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
            Work::Snapshot(of) => bound::snapshot(state, of, pages),
            Work::Delete(dev) => bound::delete(state, dev, pages),
            Work::Map(dev, range) => bound::change(state, dev, range, false, self.end, pages),
            Work::Unmap(dev, range) => bound::change(state, dev, range, true, self.end, pages),
            Work::Tend(budget) => bound::tend(state, budget, pages),
            Work::Commit => Ok(bound::commit(&self.emptied)),
        }
    }
    fn frees_bound(&self, work: Work, _: &dyn PageRead) -> Result<u64> {
        Ok(match work {
            Work::Map(_, range) | Work::Unmap(_, range) => range.blocks,
            Work::Tend(budget) => budget,
            Work::Create(_) | Work::Snapshot(_) | Work::Delete(_) | Work::Commit => 0,
        })
    }
    fn commit(&mut self, _: Epoch, pages: &mut dyn PageTxn) -> Result<Root> {
        let state = *self.state();
        state.nodes.trim(&mut self.emptied, pages)?;
        Ok(state.anchor.root(MARK, state.shape.fanout()))
    }
    fn visit_blocks(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
        audit::visit_blocks(self.state(), pages, each)
    }
    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        audit::visit_pages(self.state(), pages, each)
    }
    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        audit::check(self.state(), pages, found)
    }
}
