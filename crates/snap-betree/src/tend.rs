//! Background work: what deletes left, then what is hidden too much.
//!
//! Invariant: bounded by its budget. A map that is being dropped holds hidden blocks too, so it goes first, in calls of its own: that
//! only gives back, while cleaning copies leaves, which a pool without room is to leave alone.

use crate::state::State;
use crate::writer::{Emptied, Writer};
use crate::{clean, drop};
use spinney_core::{PageTxn, Result};
use spinney_snap::{Freed, Progress};

/// At most `budget` entries and nodes let go of, or messages landed.
pub(crate) fn tend(
    state: &State,
    budget: u64,
    pages: &mut dyn PageTxn,
    emptied: &mut Emptied,
    freed: &mut Freed,
) -> Result<Progress> {
    let mut writer = Writer::new(*state, pages, emptied, freed);
    let done = match (budget, drop::left(state, writer.pages)?) {
        (0, _) => 0,
        (_, 0) => clean::tend(&mut writer, budget)?,
        _ => drop::tend(&mut writer, budget)?,
    };
    writer.close()?;
    let left = drop::left(state, writer.pages)?.saturating_add(state.hidden_too_many(writer.pages)?);
    Ok(Progress { done, left })
}
