//! Hierarchical lazy reference counts (Rodeh 2006), which two schemes stand on: a tree for each version, whose nodes are
//! shared until they are written; and, if the rule says so, the times of dm-thin beside them.
//!
//! Invariant: a node's or block's stored count is the number of pointers at it beyond the first. A node with a second
//! owner is never changed. With times: a block that was mapped since its version was last snapshotted has one owner.
//! State stands on pages only. Knows no allocator, no device, and no scheme's name.

mod audit;
mod bound;
mod change;
mod foretell;
mod plan;
mod state;
mod times;
mod zombie;

use crate::{Anchor, Record, Shape};
use change::Change;
use core::marker::PhantomData;
use spinney_core::{
    DevId, Epoch, Extent, Finding, Lba, LbaRange, PageNo, PageRead, PageTxn, Pba, Place, Result, Root,
};
use spinney_snap::{
    Access, Delta, Freed, Limits, Progress, Run, SnapshotScheme, Usage, Version, Work, WritePlan,
};
pub use state::Keeping;
use state::{Emptied, State};

/// What tells the schemes over this machine apart.
pub trait Rule: core::fmt::Debug + Send + Sync + 'static {
    /// Marks a root of the scheme's format.
    const MARK: u64;
    /// Whether leaf slots carry the time of their mapping, and each version the time of its last snapshot.
    const STAMPS: bool;
}

/// A scheme. Make it with [`Counted::new`], then `format` or `open`.
#[derive(Debug)]
pub struct Counted<R: Rule> {
    shape: Shape,
    in_place: bool,
    keeping: Keeping,
    state: Option<State>,
    emptied: Emptied,
    rule: PhantomData<R>,
}

impl<R: Rule> Counted<R> {
    /// A scheme whose index nodes have `fanout` slots. `in_place`: whether plans offer blocks to overwrite.
    /// Errors: `BadSetting` for a fanout that no page holds.
    pub fn new(fanout: u64, in_place: bool) -> Result<Counted<R>> {
        let (shape, emptied) = (Shape::new(fanout)?, Emptied::default());
        let keeping = Keeping::default();
        Ok(Counted { shape, in_place, keeping, state: None, emptied, rule: PhantomData })
    }
    /// The same, which keeps its counts in another way if it is formatted; what is opened says itself how. Errors: `BadSetting`.
    pub fn keeping(self, keeping: Keeping) -> Result<Counted<R>> {
        State::at(Anchor(PageNo(0)), self.shape, keeping)?;
        Ok(Counted { keeping, ..self })
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
        let anchor = state.anchor.read(pages)?;
        let record = state.writable_in(&anchor, dev, range, pages)?;
        let (no_node_shared, nothing_shared) =
            (state.nodes.is_empty_in(&anchor), state.shares_nothing_in(&anchor));
        drop(anchor);
        if range.blocks == 0 {
            return Ok(());
        }
        let tree = state.tree(&record);
        // A discard of what is a hole already would otherwise copy the path to it.
        if on.is_none() && !no_node_shared && !tree.maps_any(range, pages)? {
            return Ok(());
        }
        let (emptied, lost_blocks) = (&mut self.emptied, 0);
        let (stamp, alone_from) = match R::STAMPS {
            true => (state.time(pages)?, Some(state::snapshotted(&record))),
            false => (0, None),
        };
        let mut change = Change {
            state,
            range,
            on,
            pages,
            freed,
            emptied,
            no_node_shared,
            nothing_shared,
            lost_blocks,
            stamp,
            alone_from,
        };
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

impl<R: Rule> SnapshotScheme for Counted<R> {
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
        self.state = Some(State::format(self.shape, self.keeping, pages)?);
        self.emptied = Emptied::default();
        Ok(())
    }
    fn open(&mut self, root: &Root, pages: &dyn PageRead) -> Result<()> {
        let (anchor, parameter) = Anchor::open(root, R::MARK)?;
        anchor.read(pages)?;
        let (fanout, keeping) = Keeping::of_parameter(parameter);
        let bad =
            |_| spinney_core::Error::Corrupt { what: "parameter in the scheme's root", place: Place::Pool };
        let shape = Shape::new(fanout).map_err(bad)?;
        self.state = Some(State::at(anchor, shape, keeping).map_err(bad)?);
        (self.shape, self.keeping) = (shape, keeping);
        self.emptied = Emptied::default();
        Ok(())
    }
    fn create(&mut self, blocks: u64, pages: &mut dyn PageTxn) -> Result<DevId> {
        self.state().issue(&state::new_record(blocks), pages)
    }
    fn snapshot(&mut self, of: DevId, access: Access, pages: &mut dyn PageTxn) -> Result<DevId> {
        let state = *self.state();
        let mut record = state.catalogue.get(of, pages)?;
        if R::STAMPS {
            state::set_snapshotted(&mut record, state.next_time(pages)?);
            state.catalogue.put(of, &record, pages)?;
        }
        let dev = state.issue(&Record { access, parent: Some(of), ..record }, pages)?;
        if let Some(root) = record.root {
            state.nodes.raise(root.0, 1, pages, &mut self.emptied.nodes)?;
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
        if self.in_place && !R::STAMPS {
            return plan::overwrite(state, dev, range, pages, plan);
        }
        let record = state.writable(dev, range, pages)?;
        let (tree, since) = (state.tree(&record), u64::from(state::snapshotted(&record)));
        if self.in_place {
            return crate::plan::overwrite(&tree, range, pages, plan, &|_, slot| {
                u64::from(slot.tag()) >= since
            });
        }
        crate::plan::redirect(&tree, range, pages, plan)
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
        crate::diff(&tree(old)?, &tree(new)?, range, pages, each)
    }
    fn usage(&self, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
        audit::usage(self.state(), dev, pages)
    }
    fn freed_by_deleting(&self, doomed: &[DevId], pages: &dyn PageRead) -> Result<u64> {
        foretell::freed_by_deleting(self.state(), doomed, pages)
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
            Work::Snapshot(of) => bound::snapshot(state, of, R::STAMPS, pages),
            Work::Delete(dev) => bound::delete(state, dev, pages),
            Work::Map(dev, range) => bound::change(state, dev, range, false, pages),
            Work::Unmap(dev, range) => bound::change(state, dev, range, true, pages),
            Work::Tend(budget) => bound::tend(state, budget, pages),
            Work::Commit => bound::commit(state, &self.emptied, pages),
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
        Ok(state.anchor.root(R::MARK, self.keeping.parameter(state.shape)))
    }
    fn visit_blocks(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
        audit::visit_blocks(self.state(), pages, each)
    }
    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        audit::visit_pages(self.state(), pages, each)
    }
    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        audit::check(self.state(), pages, found)?;
        if R::STAMPS { times::check(self.state(), pages, found) } else { Ok(()) }
    }
}
