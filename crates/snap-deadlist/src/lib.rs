//! Birth epochs and dead lists (ZFS): a tree for each version, whose slots say when what they point at was made.
//!
//! Invariant: a version's dead lists name what the version above it in the lineage holds and it does not, nodes and blocks;
//! something is freed when the last version that holds it lets go, which its birth and these lists tell without a walk.
//! State stands on pages only. Knows no allocator and no device.
#![doc = include_str!("../README.md")]
#![doc = include_str!("../FORMAT.md")]
#![cfg_attr(not(test), no_std)]
extern crate alloc;

mod audit;
mod bound;
mod change;
mod check;
mod entry;
mod foretell;
mod held;
mod let_go;
mod lineage;
mod planted;
mod state;
mod table;
mod tend;
mod walk;

pub use entry::ENTRY;

use change::Change;
use let_go::Holder;
use spinney_core::{
    DevId, Epoch, Extent, Finding, Lba, LbaRange, PageNo, PageRead, PageTxn, Pba, Place, Result, Root,
};
use spinney_snap::{
    Access, Delta, Freed, Limits, Progress, Run, SnapshotScheme, Usage, Version, Work, WritePlan,
};
use spinney_snap_tree::{Anchor, Record, Shape, plan};
use state::{Line, State, root_slot};

/// Marks a root of this format, version 1.
const MARK: u64 = u64::from_le_bytes(*b"deadlst\x01");
/// Bit of the root's parameter, above the fanout: clones keep live lists.
const LISTS: u64 = 1 << 16;

/// The scheme. Make it with [`DeadList::new`] or from [`ENTRY`], then `format` or `open`.
#[derive(Debug)]
pub struct DeadList {
    shape: Shape,
    in_place: bool,
    livelists: bool,
    state: Option<State>,
}

impl DeadList {
    /// A scheme whose index nodes have `fanout` slots. `in_place`: whether plans offer blocks to overwrite.
    /// Errors: `BadSetting` for a fanout that no page holds.
    pub fn new(fanout: u64, in_place: bool) -> Result<DeadList> {
        Ok(DeadList { shape: Shape::new(fanout)?, in_place, livelists: false, state: None })
    }
    /// The same, and clones in what is formatted list what they make (what is opened says itself whether they do).
    #[must_use]
    pub fn with_livelists(self) -> DeadList {
        DeadList { livelists: true, ..self }
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
        let (record, line) = state.writable(dev, range, pages)?;
        if range.blocks == 0 {
            return Ok(());
        }
        let tree = state.tree(&record);
        let holder = Holder::new(&state, dev, line, pages)?;
        // A discard of what is a hole already would otherwise copy the path to it.
        if on.is_none() && holder.above.is_some() && !tree.maps_any(range, pages)? {
            return Ok(());
        }
        let epoch = state.epoch(pages)?;
        let mut change = Change { state, holder, epoch, range, on, pages, freed, lost_blocks: 0 };
        let root = change.node(tree.root_position(), root_slot(&record, line.birth_or_cursor))?;
        let gained = if on.is_some() { range.blocks } else { 0 };
        let referenced_blocks =
            (record.referenced_blocks.saturating_add(gained)).saturating_sub(change.lost_blocks);
        let changed = Record { root: root.pointer().map(PageNo), referenced_blocks, ..record };
        let changed = Line { birth_or_cursor: u64::from(root.tag()), ..line }.store(changed);
        if changed != record {
            state.catalogue.put(dev, &changed, pages)?;
        }
        Ok(())
    }
}

impl SnapshotScheme for DeadList {
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
        self.state = Some(State::format(self.shape, self.livelists, pages)?);
        Ok(())
    }
    fn open(&mut self, root: &Root, pages: &dyn PageRead) -> Result<()> {
        let (anchor, parameter) = Anchor::open(root, MARK)?;
        let bad =
            |_| spinney_core::Error::Corrupt { what: "fanout in the scheme's root", place: Place::Pool };
        self.livelists = parameter & LISTS != 0;
        self.shape = Shape::new(parameter & !LISTS).map_err(bad)?;
        self.state = Some(State::open(anchor, self.shape, self.livelists, pages)?);
        Ok(())
    }
    fn create(&mut self, blocks: u64, pages: &mut dyn PageTxn) -> Result<DevId> {
        let state = self.state();
        let dev = state.issue(pages)?;
        let line = Line {
            prev: None,
            frozen: 0,
            hidden: false,
            listed: false,
            list: dev.0,
            birth_or_cursor: 0,
            scan: 0,
        };
        state.put(dev, state::new_record(blocks), line, pages)?;
        Ok(dev)
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
        let state = self.state();
        let (record, line) = state.writable(dev, range, pages)?;
        let tree = state.tree(&record);
        if !self.in_place {
            return plan::redirect(&tree, range, pages, plan);
        }
        let holder = Holder::new(state, dev, line, pages)?;
        plan::overwrite(&tree, range, pages, plan, &|_, slot| holder.owns(slot.tag()))
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
        state.tree(&state.live(dev, pages)?.0).lookup(range, pages, each)
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
        let tree = |dev| state.live(dev, pages).map(|(record, _)| state.tree(&record));
        spinney_snap_tree::diff(&tree(old)?, &tree(new)?, range, pages, each)
    }
    fn usage(&self, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
        audit::usage(self.state(), dev, pages)
    }
    fn freed_by_deleting(&self, doomed: &[DevId], pages: &dyn PageRead) -> Result<u64> {
        foretell::freed_by_deleting(self.state(), doomed, pages)
    }
    fn version(&self, dev: DevId, pages: &dyn PageRead) -> Result<Version> {
        Ok(self.state().live(dev, pages)?.0.version(dev))
    }
    fn versions(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Version)) -> Result<()> {
        self.state().catalogue.visit(pages, &mut |dev, record| {
            if !Line::of(dev, &record)?.hidden {
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
    fn frees_bound(&self, work: Work, _: &dyn PageRead) -> Result<u64> {
        Ok(match work {
            Work::Map(_, range) | Work::Unmap(_, range) => range.blocks,
            Work::Tend(budget) => budget,
            Work::Create(_) | Work::Snapshot(_) | Work::Delete(_) | Work::Commit => 0,
        })
    }
    fn commit(&mut self, _: Epoch, _: &mut dyn PageTxn) -> Result<Root> {
        let state = self.state();
        let parameter = state.shape.fanout() | if state.livelists { LISTS } else { 0 };
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
