//! The rule of the scheme: who is the last to hold something.
//!
//! Invariant: what a version's tree held and no longer holds is freed if it was born after the version above was frozen;
//! otherwise that one holds it too, and it goes on the dead list. (In ZFS: `dsl_dataset_block_kill`.) Where the version
//! above is hidden, nobody reads it, so it holds only what some child holds: what all children have on their lists goes
//! from it too, and so on upward.

use crate::held::Held;
use crate::planted::{Fault, planted};
use crate::state::{Line, State};
use alloc::vec::Vec;
use spinney_core::{DevId, Error, Extent, PageKind, PageNo, PageRead, PageTxn, Pba, Place, Result};
use spinney_snap::Freed;
use spinney_snap_tree::Slot;

/// The version above another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Above {
    pub(crate) dev: DevId,
    pub(crate) frozen: u32,
    pub(crate) hidden: bool,
}

/// A version, as one that lets go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder {
    pub(crate) dev: DevId,
    pub(crate) line: Line,
    pub(crate) above: Option<Above>,
}

impl Holder {
    /// Errors: `Corrupt`.
    pub(crate) fn new(state: &State, dev: DevId, line: Line, pages: &dyn PageRead) -> Result<Holder> {
        let above = match line.prev {
            None => None,
            Some(prev) => {
                let (_, above) = state.kin(prev, pages)?;
                // Each version was frozen before those below it, so no walk upward can go in a circle.
                let earlier = above.frozen > 0 && (line.frozen == 0 || above.frozen < line.frozen);
                if !earlier {
                    let what = "a version that was frozen before it was made";
                    return Err(Error::Corrupt { what, place: Place::Version(dev) });
                }
                Some(Above { dev: prev, frozen: above.frozen, hidden: above.hidden })
            }
        };
        Ok(Holder { dev, line, above })
    }
    /// The version above, as one that lets go.
    pub(crate) fn up(state: &State, above: Above, pages: &dyn PageRead) -> Result<Holder> {
        let (_, line) = state.kin(above.dev, pages)?;
        Holder::new(state, above.dev, line, pages)
    }
    /// Whether no version above can hold what was born then.
    pub(crate) fn owns(&self, birth: u32) -> bool {
        birth > self.frozen_above() || planted(Fault::BirthOffByOne) && birth == self.frozen_above()
    }
    /// When the version above was frozen; 0 if there is none.
    pub(crate) fn frozen_above(&self) -> u32 {
        self.above.map_or(0, |above| above.frozen)
    }
    /// The other versions taken from the one above.
    pub(crate) fn siblings(&self, state: &State, above: Above, pages: &dyn PageRead) -> Result<Vec<Line>> {
        let all = state.below(above.dev, pages)?;
        Ok(all.into_iter().filter(|(dev, _)| *dev != self.dev).map(|(_, line)| line).collect())
    }
}

/// Whether all of these have it on their lists.
pub(crate) fn all_dead(state: &State, lines: &[Line], held: Held, pages: &dyn PageRead) -> Result<bool> {
    for line in lines {
        if !state.table.has_held(line.dead(held.node), held, pages)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Take it from all of their lists.
pub(crate) fn forget_dead(state: &State, lines: &[Line], held: Held, pages: &mut dyn PageTxn) -> Result<()> {
    lines.iter().try_for_each(|line| state.table.remove_held(line.dead(held.node), held, pages))
}

/// `holder`'s tree, and all trees below it, no longer hold `held`.
pub(crate) fn let_go(
    state: &State,
    holder: &Holder,
    held: Held,
    pages: &mut dyn PageTxn,
    freed: &mut Freed,
) -> Result<()> {
    let mut holder = *holder;
    loop {
        let Some(above) = holder.above.filter(|above| held.birth() <= above.frozen) else {
            unlist(state, &holder, held, pages)?;
            return free(held, pages, freed);
        };
        if !above.hidden {
            return state.table.put_held(holder.line.dead(held.node), held, pages);
        }
        let siblings = holder.siblings(state, above, pages)?;
        if !planted(Fault::AsksNoSibling) && !all_dead(state, &siblings, held, pages)? {
            return state.table.put_held(holder.line.dead(held.node), held, pages);
        }
        forget_dead(state, &siblings, held, pages)?;
        holder = Holder::up(state, above, pages)?;
    }
}

/// `holder` makes it now.
pub(crate) fn list(
    state: &State,
    holder: &Holder,
    made: Slot,
    node: bool,
    pages: &mut dyn PageTxn,
) -> Result<()> {
    match Held::of(node, made.0).filter(|_| holder.line.listed) {
        Some(held) => state.table.put_held(holder.line.live(node), held, pages),
        None => Ok(()),
    }
}

/// What `holder` made is freed.
pub(crate) fn unlist(state: &State, holder: &Holder, held: Held, pages: &mut dyn PageTxn) -> Result<()> {
    if !holder.line.listed || planted(Fault::KeepsWhatIsFreedListed) {
        return Ok(());
    }
    state.table.remove_held(holder.line.live(held.node), held, pages)
}

/// Free a page or a block.
pub(crate) fn free(held: Held, pages: &mut dyn PageTxn, freed: &mut Freed) -> Result<()> {
    if held.node {
        return pages.free(PageNo(held.number()), PageKind::TREE);
    }
    freed.push(Extent { start: Pba(held.number()), blocks: 1 });
    Ok(())
}
