//! Letting go of what deleted versions map, in steps as small as asked for.
//!
//! Invariant: a zombie's map holds exactly what is still to be let go: a slot is emptied in the step that lets its block
//! go. The first slot that is not empty is the cursor, so cursor and map cannot disagree after a crash.

use crate::State;
use crate::map::Map;
use spinney_core::{DevId, Flow, PageRead, PageTxn, Result};
use spinney_snap::{Freed, Progress};
use spinney_snap_tree::Record;
use spinney_snap_tree::counts::Emptied;

/// Let go at most `budget` slots and maps.
pub(crate) fn tend(
    state: &State,
    budget: u64,
    pages: &mut dyn PageTxn,
    emptied: &mut Emptied,
    freed: &mut Freed,
) -> Result<Progress> {
    let mut drop = Drop { state, budget, pages, emptied, freed };
    while drop.budget > 0 {
        let Some((dev, record)) = state.zombies.first(drop.pages)? else { break };
        drop.version(dev, record)?;
    }
    let done = budget - drop.budget;
    Ok(Progress { done, left: left(state, pages)? })
}

/// Slots and maps that are still to be let go.
fn left(state: &State, pages: &dyn PageRead) -> Result<u64> {
    let mut left = 0u64;
    state.zombies.visit(pages, &mut |_, record| {
        left = left.saturating_add(record.referenced_blocks).saturating_add(1);
        Ok(Flow::Continue)
    })?;
    Ok(left)
}

struct Drop<'a> {
    state: &'a State,
    budget: u64,
    pages: &'a mut dyn PageTxn,
    emptied: &'a mut Emptied,
    freed: &'a mut Freed,
}

impl Drop<'_> {
    /// As much of one version as the budget allows.
    fn version(&mut self, dev: DevId, mut record: Record) -> Result<()> {
        let map = Map::open(&record, self.pages)?;
        while self.budget > 0 {
            let Some(index) = map.first_leaf(self.pages)? else {
                self.budget -= 1;
                map.array.destroy(self.pages)?;
                return self.state.zombies.remove(dev, self.pages);
            };
            let gone = self.leaf(&map, index)?;
            record.referenced_blocks = record.referenced_blocks.saturating_sub(gone);
        }
        self.state.zombies.put(dev, &record, self.pages)
    }

    /// The first mapped slots of a leaf; the leaf goes with its last one. How many blocks were let go.
    fn leaf(&mut self, map: &Map, index: u64) -> Result<u64> {
        let part = map.mapped_part(index, self.budget, self.pages)?;
        let before = map.change(index, part, None, self.pages)?;
        self.state.release(&before, self.pages, self.emptied, self.freed)?;
        let gone = before.len() as u64;
        self.budget -= gone;
        Ok(gone)
    }
}
