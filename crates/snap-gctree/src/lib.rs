//! GCTrees (Dragga and Santry, MSST 2015; ACM TOS 2016) with writable clones: who owns a block follows from its lineage
//! across versions, so nothing is counted (sections 2.1 to 2.7 of the notes).
//!
//! Invariant: every node and block has exactly one owner; all others that hold it borrow it, which means that their parent
//! in the lineage tree holds it at the same place. State stands on pages only. Knows no allocator and no device.
#![doc = include_str!("../README.md")]
#![doc = include_str!("../FORMAT.md")]

mod audit;
mod bound;
mod change;
mod counted;
mod entry;
mod fault;
mod job;
mod lineage;
mod member;
mod ownership;
#[cfg(test)]
mod planted;
mod sharing;
mod state;
#[cfg(test)]
mod tests;
mod usage;
mod walk;

pub use entry::{BITS, COUNTED, EPOCHS};
pub use state::Encoding;

use member::{Member, Stage};
use ownership::Ownership;
use sharing::Sharing;
use spinney_core::{
    DevId, Epoch, Error, Extent, Finding, Flow, Lba, LbaRange, PageNo, PageRead, PageTxn, Pba, Place, Result,
    Root,
};
use spinney_snap::{
    Access, Delta, Freed, Limits, Progress, Run, SnapshotScheme, Usage, Version, Work, WritePlan,
};
use spinney_snap_tree::{Anchor, Shape};
use state::State;

/// The scheme. Make it with [`GcTree::new`] or from an entry, then `format` or `open`.
#[derive(Debug)]
pub struct GcTree {
    encoding: Encoding,
    shape: Shape,
    sweep_percent: u64,
    in_place: bool,
    state: Option<State>,
    sharing: Sharing,
}

impl GcTree {
    /// A scheme whose index nodes have `fanout` slots, and that looks an anchor through once `sweep_percent` of what it
    /// owns was dropped. Errors: `BadSetting` for a fanout that no page holds.
    pub fn new(encoding: Encoding, fanout: u64, sweep_percent: u64) -> Result<GcTree> {
        let (shape, sharing) = (Shape::new(fanout)?, Sharing::default());
        Ok(GcTree { encoding, shape, sweep_percent, in_place: false, state: None, sharing })
    }
    /// The same, its plans offering to overwrite what a head owns. Of the encodings epochs alone tell that by a slot: a bit speaks for
    /// the version that owns the node.
    #[must_use]
    pub fn offering_in_place(self) -> GcTree {
        GcTree { in_place: self.encoding == Encoding::Epochs, ..self }
    }
    /// How many hidden versions there are: anchors, and those that `tend` has still to look at.
    pub fn hidden_versions(&self, pages: &dyn PageRead) -> Result<u64> {
        let mut hidden = 0;
        self.state().catalogue.visit(pages, &mut |dev, record| {
            hidden += u64::from(!Member::decode(dev, &record)?.stage.is_live());
            Ok(Flow::Continue)
        })?;
        Ok(hidden)
    }
    fn state(&self) -> &State {
        self.state.as_ref().expect("format or open comes first")
    }
    /// Marks a root of this format, version 1.
    fn mark(&self) -> u64 {
        u64::from_le_bytes(*match self.encoding {
            Encoding::Epochs => b"gct-e\0\x01\0",
            Encoding::Bits => b"gct\0\0\0\x01\0",
            Encoding::Counted => b"gct-c\0\x01\0",
        })
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
        change::change(&state, dev, (range, on), pages, &mut self.sharing, freed)
    }
}

impl SnapshotScheme for GcTree {
    fn limits(&self) -> Limits {
        Limits {
            clones: true,
            clones_of_clones: true,
            delete_any_order: true,
            // What is looked through after every drop holds nothing for nobody.
            exact: self.encoding == Encoding::Counted || self.sweep_percent == 0,
            versions_max: None,
        }
    }
    fn format(&mut self, pages: &mut dyn PageTxn) -> Result<()> {
        let state = State::at(Anchor::create(pages)?, self.encoding, self.shape, self.sweep_percent);
        state.begin(pages)?;
        self.state = Some(state);
        self.sharing = Sharing::default();
        Ok(())
    }
    fn open(&mut self, root: &Root, pages: &dyn PageRead) -> Result<()> {
        let (anchor, fanout) = Anchor::open(root, self.mark())?;
        anchor.read(pages)?;
        let bad = |_| Error::Corrupt { what: "fanout in the scheme's root", place: Place::Pool };
        self.shape = Shape::new(fanout).map_err(bad)?;
        self.state = Some(State::at(anchor, self.encoding, self.shape, self.sweep_percent));
        self.sharing = Sharing::default();
        Ok(())
    }
    fn create(&mut self, blocks: u64, pages: &mut dyn PageTxn) -> Result<DevId> {
        let state = self.state();
        let dev = state.issue(1, pages)?;
        state.put(dev, &Member::new(Stage::Head, blocks), pages)?;
        Ok(dev)
    }
    fn snapshot(&mut self, of: DevId, access: Access, pages: &mut dyn PageTxn) -> Result<DevId> {
        let state = self.state();
        let member = state.live(of, pages)?;
        if member.stage == Stage::Snapshot {
            let dev = state.issue(1, pages)?;
            lineage::branch(state, (of, &member), (dev, of), access, pages)?;
            return Ok(dev);
        }
        if access == Access::ReadOnly {
            let dev = state.issue(1, pages)?;
            lineage::freeze(state, (of, member), dev, pages)?;
            return Ok(dev);
        }
        // R1: a head never has children, so a clone of one hangs below a snapshot that is deleted at once.
        let base = state.issue(2, pages)?;
        let dev = DevId(base.0 + 1);
        lineage::freeze(state, (of, member), base, pages)?;
        lineage::branch(state, (base, &state.member(base, pages)?), (dev, of), access, pages)?;
        state.enqueue(base, pages)?;
        Ok(dev)
    }
    fn delete(&mut self, dev: DevId, pages: &mut dyn PageTxn, _: &mut Freed) -> Result<()> {
        self.state().live(dev, pages)?;
        self.state().enqueue(dev, pages)
    }
    fn plan_write(
        &self,
        dev: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        plan: &mut WritePlan,
    ) -> Result<()> {
        let state = self.state();
        let head = state.head(dev, range, pages)?;
        let tree = state.tree(&head);
        if !self.in_place {
            return spinney_snap_tree::plan::redirect(&tree, range, pages, plan);
        }
        let ownership = Ownership::of(state, &head, pages)?;
        spinney_snap_tree::plan::overwrite(&tree, range, pages, plan, &|at, slot| {
            ownership.owns(slot, at.0 + 1)
        })
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
        state.tree(&state.live(dev, pages)?).lookup(range, pages, each)
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
        let tree = |dev| state.live(dev, pages).map(|member| state.tree(&member));
        spinney_snap_tree::diff(&tree(old)?, &tree(new)?, range, pages, each)
    }
    fn usage(&self, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
        usage::usage(self.state(), dev, pages)
    }
    fn version(&self, dev: DevId, pages: &dyn PageRead) -> Result<Version> {
        Ok(self.state().live(dev, pages)?.version(dev))
    }
    fn versions(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Version)) -> Result<()> {
        self.state().catalogue.visit(pages, &mut |dev, record| {
            let member = Member::decode(dev, &record)?;
            if member.stage.is_live() {
                each(member.version(dev));
            }
            Ok(Flow::Continue)
        })
    }
    fn tend(&mut self, budget: u64, pages: &mut dyn PageTxn, freed: &mut Freed) -> Result<Progress> {
        let state = *self.state();
        job::tend(&state, budget, pages, &mut self.sharing, freed)
    }
    fn pages_bound(&self, work: Work, pages: &dyn PageRead) -> Result<u64> {
        let state = self.state();
        match work {
            Work::Create(_) => bound::create(state, pages),
            Work::Snapshot(of) => bound::snapshot(state, of, pages),
            Work::Delete(dev) => bound::delete(state, dev, pages),
            Work::Map(dev, range) => bound::map(state, dev, range, false, pages),
            Work::Unmap(dev, range) => bound::map(state, dev, range, true, pages),
            Work::Tend(budget) => bound::tend(state, budget, pages),
            Work::Commit => Ok(self.sharing.trim_bound()),
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
        self.sharing.trim(&state, pages)?;
        Ok(self.state().anchor.root(self.mark(), self.shape.fanout()))
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
