//! Eager reference counts (qcow2's internal snapshots): two levels of tables, a count for each table and each block, all of which a
//! snapshot raises at once.
//!
//! Invariant: a block's stored count is the number of versions that map it beyond the first, a table's that of the slots that point at
//! it; deleted versions count as far as `tend` has not come. A slot with its flag set points at what has one owner. State stands on
//! pages only ([`Emptied`] only says where to look). Knows no allocator and no device.
#![doc = include_str!("../README.md")]
#![doc = include_str!("../FORMAT.md")]
#![cfg_attr(not(test), no_std)]
extern crate alloc;

mod audit;
mod bound;
mod change;
mod entry;
mod planted;
mod state;
mod take;
mod zombie;

pub use entry::ENTRY;

use change::Change;
use spinney_core::{
    DevId, Epoch, Extent, Finding, Flow, Lba, LbaRange, PageNo, PageRead, PageTxn, Pba, Place, Result, Root,
};
use spinney_snap::{
    Access, Delta, Freed, Limits, Progress, Run, SnapshotScheme, Usage, Version, Work, WritePlan,
};
use spinney_snap_tree::{Anchor, Record, Shape, plan};
use state::{Emptied, State, is_copied};

/// Marks a root of this format, version 1.
const MARK: u64 = u64::from_le_bytes(*b"eagerct\x01");

/// The scheme. Make it with [`Eager::new`] or from [`ENTRY`], then `format` or `open`.
#[derive(Debug)]
pub struct Eager {
    shape: Shape,
    in_place: bool,
    state: Option<State>,
    emptied: Emptied,
}

impl Eager {
    /// A scheme whose tables have `fanout` slots. `in_place`: whether plans offer blocks to overwrite. Errors: `BadSetting` for a
    /// fanout that no page holds.
    pub fn new(fanout: u64, in_place: bool) -> Result<Eager> {
        Ok(Eager { shape: Shape::new(fanout)?, in_place, state: None, emptied: Emptied::default() })
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
        let emptied = &mut self.emptied;
        let mut change = Change { state, range, on, pages, freed, emptied, lost_blocks: 0 };
        let root = change.node(tree.root_position(), tree.root_slot())?;
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

impl SnapshotScheme for Eager {
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
        self.state().issue(&state::new_record(blocks), pages)
    }
    fn snapshot(&mut self, of: DevId, access: Access, pages: &mut dyn PageTxn) -> Result<DevId> {
        let state = self.state();
        let record = state.catalogue.get(of, pages)?;
        let root = take::take(state, &record, pages)?;
        state.issue(&Record { access, parent: Some(of), root, ..record }, pages)
    }
    fn delete(&mut self, dev: DevId, pages: &mut dyn PageTxn, _: &mut Freed) -> Result<()> {
        let state = self.state();
        let record = state.catalogue.get(dev, pages)?;
        state.catalogue.remove(dev, pages)?;
        zombie::bury(state, dev, record, pages)
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
            return plan::overwrite(&tree, range, pages, plan, &|_, slot| is_copied(slot));
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
            Work::Snapshot(of) => bound::snapshot(state, of, pages),
            Work::Delete(dev) => bound::delete(state, dev, pages),
            Work::Map(dev, range) => bound::change(state, dev, range, false, pages),
            Work::Unmap(dev, range) => bound::change(state, dev, range, true, pages),
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
        state.trim(&mut self.emptied, pages)?;
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
