//! Write-buffered volume maps: Be-trees that clones share, after Zhan et al. (FAST 2020), whose copy-on-abundant-write they are.
//!
//! Invariant: a node with a second pointer at it says what it said for as long as somebody points at it. A clone's first write puts
//! a node with a GOTO in front of what it shares; a flush into a shared leaf copies it. A data block is held exactly as long as an
//! entry names it. State stands on pages only. Knows no allocator and no device.
#![doc = include_str!("../README.md")]
#![doc = include_str!("../FORMAT.md")]
#![cfg_attr(not(test), no_std)]
extern crate alloc;

mod audit;
mod bound;
mod change;
mod clean;
mod diff;
mod drop;
mod entry;
mod flush;
mod geometry;
mod inner;
mod planted;
mod state;
mod tend;
mod view;
mod writer;

pub use entry::ENTRY;

use geometry::Geometry;
use inner::DEPTH_MAX;
use spinney_core::{
    DevId, Epoch, Error, Extent, Finding, Flow, Lba, LbaRange, PageNo, PageRead, PageTxn, Place, Result, Root,
};
use spinney_snap::{
    Access, Delta, Freed, Limits, Progress, Run, SnapshotScheme, Step, Usage, Version, Work, WritePlan,
};
use spinney_snap_tree::{Anchor, Record};
use state::{Choice, State};
use view::Map;
use writer::{Emptied, Writer};

/// Marks a root of this format, version 1.
const MARK: u64 = u64::from_le_bytes(*b"betrees\x01");

/// What can be set; `spinney list schemes` says what each trades.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Slots of a leaf.
    pub fanout: u64,
    /// Nodes that a line of GOTOs may lead to.
    pub goto_max: u64,
    /// Blocks that may be hidden, in percent of those held.
    pub hidden_percent: u64,
}

/// The scheme. Make it with [`Betree::new`] or from [`ENTRY`], then `format` or `open`.
#[derive(Debug)]
pub struct Betree {
    geometry: Geometry,
    choice: Choice,
    state: Option<State>,
    emptied: Emptied,
}

impl Betree {
    /// A scheme. Errors: `BadSetting`.
    pub fn new(settings: Settings) -> Result<Betree> {
        let Settings { fanout, goto_max, hidden_percent } = settings;
        let goto_max = u8::try_from(goto_max).ok().filter(|max| *max <= DEPTH_MAX);
        let choice = Choice {
            goto_max: goto_max.ok_or(Error::BadSetting("goto_max must be at most 16"))?,
            hidden_percent: Some(hidden_percent)
                .filter(|percent| *percent <= 100)
                .ok_or(Error::BadSetting("hidden_percent must be at most 100"))?,
        };
        let geometry = Geometry::new(fanout)?;
        Ok(Betree { geometry, choice, state: None, emptied: Emptied::default() })
    }
    fn state(&self) -> &State {
        self.state.as_ref().expect("format or open comes first")
    }
    fn map_of(&self, dev: DevId, range: LbaRange, pages: &dyn PageRead) -> Result<Map> {
        self.state().inside(dev, range, pages).map(|record| Map::of(self.geometry, &record))
    }
}

impl SnapshotScheme for Betree {
    fn limits(&self) -> Limits {
        Limits {
            clones: true,
            clones_of_clones: true,
            delete_any_order: true,
            exact: self.choice.hidden_percent == 0,
            versions_max: None,
        }
    }
    fn format(&mut self, pages: &mut dyn PageTxn) -> Result<()> {
        self.state = Some(State::format(self.geometry, self.choice, pages)?);
        self.emptied = Emptied::default();
        Ok(())
    }
    fn open(&mut self, root: &Root, pages: &dyn PageRead) -> Result<()> {
        let (anchor, fanout) = Anchor::open(root, MARK)?;
        anchor.read(pages)?;
        let bad = |_| Error::Corrupt { what: "fanout in the scheme's root", place: Place::Pool };
        self.geometry = Geometry::new(fanout).map_err(bad)?;
        self.state = Some(State::at(anchor, self.geometry, self.choice));
        self.emptied = Emptied::default();
        Ok(())
    }
    fn create(&mut self, blocks: u64, pages: &mut dyn PageTxn) -> Result<DevId> {
        self.state().issue(&state::new_record(blocks), pages)
    }
    fn snapshot(&mut self, of: DevId, access: Access, pages: &mut dyn PageTxn) -> Result<DevId> {
        let state = self.state();
        let record = state.catalogue.get(of, pages)?;
        let dev = state.issue(&Record { access, parent: Some(of), ..record }, pages)?;
        if let Some(root) = record.root {
            state.nodes.raise(root.0, 1, pages)?;
        }
        Ok(dev)
    }
    fn delete(&mut self, dev: DevId, pages: &mut dyn PageTxn, freed: &mut Freed) -> Result<()> {
        let state = *self.state();
        let record = state.catalogue.get(dev, pages)?;
        state.catalogue.remove(dev, pages)?;
        drop::bury(&mut Writer::new(state, pages, &mut self.emptied, freed), dev, &record)
    }
    fn plan_write(
        &self,
        dev: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        plan: &mut WritePlan,
    ) -> Result<()> {
        let record = self.state().writable(dev, range, pages)?;
        if range.blocks > 0 {
            let near = Map::of(self.geometry, &record).behind(range.start.0, pages)?;
            plan.0.push(Step::Place { at: range.start, blocks: range.blocks, near });
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
        let state = *self.state();
        change::map(&state, dev, at, on, pages, &mut self.emptied, freed)
    }
    fn unmap(
        &mut self,
        dev: DevId,
        range: LbaRange,
        pages: &mut dyn PageTxn,
        freed: &mut Freed,
    ) -> Result<()> {
        let state = *self.state();
        change::unmap(&state, dev, range, pages, &mut self.emptied, freed)
    }
    fn lookup(
        &self,
        dev: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Run),
    ) -> Result<()> {
        self.map_of(dev, range, pages)?.lookup(range, pages, each)
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
        let map = |dev| state.catalogue.get(dev, pages).map(|record| Map::of(self.geometry, &record));
        let (old, new) = (map(old)?, map(new)?);
        let limit = old.blocks.max(new.blocks);
        if range.end().0 > limit {
            return Err(Error::OutOfRange { start: range.start.0, length: range.blocks, limit });
        }
        diff::diff([&old, &new], range, pages, each)
    }
    fn usage(&self, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
        let referenced_blocks = self.state().catalogue.get(dev, pages)?.referenced_blocks;
        let exclusive_blocks = match self.state().shares_nothing(pages)? {
            true => referenced_blocks,
            false => self.freed_by_deleting(&[dev], pages)?.min(referenced_blocks),
        };
        Ok(Usage { referenced_blocks, exclusive_blocks, shared_blocks: referenced_blocks - exclusive_blocks })
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
        tend::tend(&state, budget, pages, &mut self.emptied, freed)
    }
    fn pages_bound(&self, work: Work, pages: &dyn PageRead) -> Result<u64> {
        bound::of(self.state(), &self.emptied, work, pages).map(|bound| bound.pages)
    }
    fn frees_bound(&self, work: Work, pages: &dyn PageRead) -> Result<u64> {
        bound::of(self.state(), &self.emptied, work, pages).map(|bound| bound.frees)
    }
    fn commit(&mut self, _: Epoch, pages: &mut dyn PageTxn) -> Result<Root> {
        let state = *self.state();
        state.nodes.trim(&mut self.emptied.nodes, pages)?;
        state.blocks.trim(&mut self.emptied.blocks, pages)?;
        Ok(state.anchor.root(MARK, self.geometry.shape.fanout()))
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
