//! How many pages a piece of work may touch, and how many blocks it may let go of, found by looking.
//!
//! Invariant: changes nothing, and reads whatever the work itself will read, so that damage shows before anything is done.

use crate::map::{Map, parts};
use crate::{State, contains};
use spinney_core::{DevId, Flow, LbaRange, PageRead, Result};
use spinney_snap_tree::{Counts, Record};
use std::collections::{BTreeMap, BTreeSet};

/// The anchor, which any change of a structure's root may touch.
const ANCHOR: u64 = 1;

/// `create`: a record, and the root of a map.
pub(crate) fn create(state: &State, pages: &dyn PageRead) -> Result<u64> {
    Ok(ANCHOR + state.catalogue.pages_bound(state.next_dev(pages)?) + 1)
}

/// `snapshot`: a record, a whole map, a count of each block.
pub(crate) fn snapshot(state: &State, of: DevId, pages: &dyn PageRead) -> Result<u64> {
    let (_, map) = state.open(of, pages)?;
    let (mut leaves, mut map_pages) = (BTreeSet::new(), 0);
    map.visit_mapped(pages, &mut |_, on| {
        leaves.insert(Counts::leaf_of(on));
        Ok(())
    })?;
    map.array.visit_pages(pages, &mut |_| map_pages += 1)?;
    let record = state.catalogue.pages_bound(state.next_dev(pages)?);
    Ok(ANCHOR + record + map_pages + Counts::pages_bound(&leaves))
}

/// `delete`: a record moves.
pub(crate) fn delete(state: &State, dev: DevId, pages: &dyn PageRead) -> Result<u64> {
    state.catalogue.get(dev, pages)?;
    Ok(ANCHOR + 2 * state.catalogue.pages_bound(dev))
}

/// `map` of the range in any pieces, or `unmap`.
pub(crate) fn change(state: &State, dev: DevId, range: LbaRange, pages: &dyn PageRead) -> Result<u64> {
    let map = Map::at(&state.catalogue.get(dev, pages)?);
    contains(map.blocks, range)?;
    let mut leaves = BTreeSet::new();
    if !state.counts.0.is_empty(pages)? {
        map.visit(range, pages, &mut |_, slot| {
            leaves.extend(slot.pointer().map(Counts::leaf_of));
            Ok(())
        })?;
    }
    let map_pages = map.array.pages_bound(parts(range).count() as u64);
    Ok(ANCHOR + state.catalogue.pages_bound(dev) + map_pages + Counts::pages_bound(&leaves))
}

/// What a `tend` would do.
pub(crate) struct Tend<'a> {
    state: &'a State,
    pages: &'a dyn PageRead,
    budget: u64,
    map_pages: u64,
    /// Count pages that change.
    leaves: BTreeSet<u64>,
    /// Owners that each block has lost.
    lost: BTreeMap<u64, u32>,
    /// Blocks whose last owner goes.
    frees: u64,
}

impl<'a> Tend<'a> {
    /// Look at what this budget reaches.
    pub(crate) fn look(state: &'a State, budget: u64, pages: &'a dyn PageRead) -> Result<Tend<'a>> {
        let (leaves, lost) = (BTreeSet::new(), BTreeMap::new());
        let mut tend = Tend { state, pages, budget, map_pages: 0, leaves, lost, frees: 0 };
        state.zombies.visit(pages, &mut |dev, record| {
            if tend.budget == 0 {
                return Ok(Flow::Stop);
            }
            tend.version(dev, &record).map(|()| Flow::Continue)
        })?;
        Ok(tend)
    }
    /// Pages that change.
    pub(crate) fn touched(&self) -> u64 {
        ANCHOR + self.map_pages + Counts::pages_bound(&self.leaves)
    }
    /// Blocks that are let go of.
    pub(crate) fn frees(&self) -> u64 {
        self.frees
    }
    fn version(&mut self, dev: DevId, record: &Record) -> Result<()> {
        let map = Map::open(record, self.pages)?;
        let mut touched = 0;
        map.visit_leaves(self.pages, &mut |index| {
            if self.budget == 0 {
                return Ok(Flow::Stop);
            }
            touched += 1;
            let part = map.mapped_part(index, self.budget, self.pages)?;
            map.visit_part(index, part, self.pages, &mut |on| self.block(on))?;
            Ok(Flow::Continue)
        })?;
        self.budget = self.budget.saturating_sub(1);
        self.map_pages += map.array.pages_bound(touched).max(1) + self.state.catalogue.pages_bound(dev);
        Ok(())
    }
    fn block(&mut self, on: u64) -> Result<()> {
        self.budget = self.budget.saturating_sub(1);
        let extra = self.state.counts.extra(on, self.pages)?;
        if extra > 0 {
            self.leaves.insert(Counts::leaf_of(on));
        }
        let lost = self.lost.entry(on).or_default();
        self.frees += u64::from(*lost >= extra);
        *lost += 1;
        Ok(())
    }
}
