//! What the planted faults do, where it takes more than leaving something out.
//!
//! Invariant: without a fault nothing here has an effect.

use crate::fault::{Fault, is};
use crate::lineage::children;
use crate::member::Stage;
use crate::state::State;
use spinney_core::{DevId, PageTxn, Result};
use std::cell::Cell;

/// The version to work on, past a guard that is missing: a waiting parent or child of the first of the queue goes first.
pub(crate) fn unguarded(state: &State, first: DevId, pages: &mut dyn PageTxn) -> Result<DevId> {
    let member = state.member(first, pages)?;
    if member.stage != Stage::Dissolve {
        return Ok(first);
    }
    let mut wanted = Vec::new();
    if is(Fault::NoParentGuard) {
        wanted.extend(member.parent);
    }
    if is(Fault::NoChildGuard) {
        wanted.extend(children(state, first, &member, pages)?.iter().map(|(dev, _)| *dev));
    }
    for dev in wanted {
        if state.member(dev, pages)?.stage == Stage::Waiting {
            state.move_to_front(first, dev, pages)?;
            return Ok(dev);
        }
    }
    Ok(first)
}

thread_local!(static HEIR: Cell<Option<(DevId, DevId)>> = const { Cell::new(None) });

/// Where a child of the dissolved `dev` goes: with the fault, all but the first below the first.
pub(crate) fn other_parent(dev: DevId, child: DevId, parent: Option<DevId>) -> Option<DevId> {
    match HEIR.get() {
        Some((of, heir)) if is(Fault::HeirAbove) && of == dev => Some(heir),
        _ => {
            HEIR.set(Some((dev, child)));
            parent
        }
    }
}
