//! What deleting a set of versions would give back: the delete itself, on a copy of the pages that it touches.
//!
//! Invariant: changes nothing; costs what the delete would, which reads lists and not the trees that stay.

use crate::lineage::delete;
use crate::state::State;
use crate::tend::tend;
use alloc::collections::BTreeSet;
use spinney_core::{DevId, PageRead, PageTxn, Result};
use spinney_snap::Freed;
use spinney_snap_tree::Rehearsal;

/// Units of a call of `tend`: any number does.
const BUDGET: u64 = 1 << 16;

/// Data blocks that go if these versions do, beyond what is on its way: that goes first.
pub(crate) fn freed_by_deleting(state: &State, doomed: &[DevId], pages: &dyn PageRead) -> Result<u64> {
    let (mut rehearsal, mut freed) = (Rehearsal::new(pages), Freed::default());
    settle(state, &mut rehearsal, &mut freed)?;
    let on_their_way = freed.blocks();
    for dev in doomed.iter().collect::<BTreeSet<_>>() {
        delete(state, *dev, &mut rehearsal)?;
    }
    settle(state, &mut rehearsal, &mut freed)?;
    Ok(freed.blocks() - on_their_way)
}

/// All that is to be done; a damaged count of jobs does not keep it going.
fn settle(state: &State, pages: &mut dyn PageTxn, freed: &mut Freed) -> Result<()> {
    loop {
        let progress = tend(state, BUDGET, pages, freed)?;
        if progress.left == 0 || progress.done == 0 {
            return Ok(());
        }
    }
}
