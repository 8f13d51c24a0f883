//! Which layer lies on which: freezing, branching, deleting, leaving.
//!
//! Invariant: nothing lies on a version that can be written; a snapshot of one takes its place and its map, and the version goes on
//! with an empty layer. A deleted layer on which others lie stays, hidden, until it is merged into the one that is left.

use crate::apart;
use crate::planted::{Fault, planted};
use crate::state::{Kin, Layer, State};
use spinney_core::{DevId, PageTxn, Result};
use spinney_snap::Access;
use spinney_snap_tree::Record;

/// A new version with the content of `of`.
pub(crate) fn take(state: &State, of: DevId, access: Access, pages: &mut dyn PageTxn) -> Result<DevId> {
    let kin = state.live(of, pages)?;
    match (kin.record.access, access) {
        (Access::Writable, Access::ReadOnly) => freeze(state, kin, false, pages),
        (Access::Writable, Access::Writable) => {
            let back = freeze(state, kin, true, pages)?;
            branch(state, back, &kin, access, pages)
        }
        (Access::ReadOnly, _) => branch(state, of, &kin, access, pages),
    }
}

/// Put a snapshot in the place of `kin`, with its map; `kin` goes on in front of it.
fn freeze(state: &State, mut kin: Kin, hidden: bool, pages: &mut dyn PageTxn) -> Result<DevId> {
    let dev = state.issue(pages)?;
    let record = Record { access: Access::ReadOnly, parent: Some(kin.dev), ..kin.record };
    // What has a layer behind it is not swept: its cursor is that of the way out, which the snapshot does not go.
    let cursor = if kin.layer.leaving { 0 } else { kin.layer.cursor };
    let layer = Layer { hidden, index: None, index_whole: false, leaving: false, cursor, ..kin.layer };
    Kin { dev, record, layer }.put(state, pages)?;
    kin.record.root = None;
    kin.layer = Layer { back: Some(dev), marked: false, number: dev.0, cursor: 0, ..kin.layer };
    kin.put(state, pages)?;
    if let Some(back) = layer.back {
        state.table.remove_front(back, kin.dev, pages)?;
        state.table.put_front(back, dev, pages)?;
    } else if layer.marked {
        pend(state, dev, pages)?;
    }
    state.table.put_front(dev, kin.dev, pages)?;
    Ok(dev)
}

/// A new, empty layer on the frozen `back`, which holds what `of` does.
fn branch(state: &State, back: DevId, of: &Kin, access: Access, pages: &mut dyn PageTxn) -> Result<DevId> {
    let dev = state.issue(pages)?;
    let record = Record { access, parent: Some(of.dev), root: None, ..of.record };
    let layer = Layer {
        back: Some(back),
        hidden: false,
        marked: false,
        index_whole: false,
        leaving: false,
        number: dev.0,
        index: None,
        cursor: 0,
    };
    Kin { dev, record, layer }.put(state, pages)?;
    state.table.put_front(back, dev, pages)?;
    Ok(dev)
}

/// Delete a version that users know.
pub(crate) fn delete(state: &State, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
    let mut kin = state.live(dev, pages)?;
    if state.table.fronts(dev, 1, pages)?.is_empty() {
        settle(state, dev, pages)?;
        apart::end(state, dev, pages)?;
        return detach(state, &kin, pages);
    }
    kin.layer.hidden = true;
    kin.record.access = Access::ReadOnly;
    kin.layer.cursor = 0;
    kin.put(state, pages)?;
    pend(state, dev, pages)
}

/// Take a layer on which nothing lies from its chain: all that its tree has is to be let go.
pub(crate) fn detach(state: &State, kin: &Kin, pages: &mut dyn PageTxn) -> Result<()> {
    state.catalogue.remove(kin.dev, pages)?;
    if kin.record.root.is_some() || kin.layer.index.is_some() {
        state.zombies.put(kin.dev, &kin.layer.store(kin.record), pages)?;
        state.add_job(pages)?;
    }
    let Some(back) = state.back(kin, pages)? else { return Ok(()) };
    state.table.remove_front(back.dev, kin.dev, pages)?;
    if planted(Fault::AsksNobodyBehind) {
        return Ok(());
    }
    again(state, back, pages)
}

/// The merged `back` leaves the chain; `front` takes its place.
pub(crate) fn splice(state: &State, back: &Kin, mut front: Kin, pages: &mut dyn PageTxn) -> Result<()> {
    front.layer.back = back.layer.back;
    front.put(state, pages)?;
    state.table.remove_front(back.dev, front.dev, pages)?;
    state.catalogue.remove(back.dev, pages)?;
    settle(state, back.dev, pages)?;
    match state.back(back, pages)? {
        Some(behind) => {
            state.table.remove_front(behind.dev, back.dev, pages)?;
            state.table.put_front(behind.dev, front.dev, pages)?;
            again(state, behind, pages)?;
        }
        None if front.layer.marked && !front.layer.hidden => {
            front.layer.cursor = 0;
            front.put(state, pages)?;
            pend(state, front.dev, pages)?;
        }
        None => {}
    }
    again(state, front, pages)
}

/// If `kin` is hidden, look at all of it once more: who sees what of it has changed.
pub(crate) fn again(state: &State, mut kin: Kin, pages: &mut dyn PageTxn) -> Result<()> {
    if !kin.layer.hidden {
        return Ok(());
    }
    if kin.layer.cursor != 0 {
        kin.layer.cursor = 0;
        kin.put(state, pages)?;
    }
    pend(state, kin.dev, pages)
}

/// There is something to do for `dev`.
pub(crate) fn pend(state: &State, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
    if state.table.put_pending(dev, pages)? { state.add_job(pages) } else { Ok(()) }
}

/// There is nothing to do for `dev` any more.
pub(crate) fn settle(state: &State, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
    if state.table.remove_pending(dev, pages)? { state.remove_job(pages) } else { Ok(()) }
}
