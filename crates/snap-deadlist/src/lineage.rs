//! Who was taken from whom: freezing, branching, deleting.
//!
//! Invariant: in the lineage a version that can be written has none below it; a snapshot of one takes its place, and its
//! dead lists with it. A deleted version with others below it stays, hidden, until one is left below it.

use crate::let_go::Holder;
use crate::planted::{Fault, planted};
use crate::state::{Line, State};
use spinney_core::{DevId, PageTxn, Result};
use spinney_snap::Access;
use spinney_snap_tree::Record;

/// Own word of a zombie's record: what was born up to then is not its own.
pub(crate) const ZOMBIE_FLOOR: usize = 0;
/// Own word of a zombie's record: the number of its dead lists, which say nothing to anybody any more.
pub(crate) const ZOMBIE_LIST: usize = 1;
/// Own word of a zombie's record: birth of its root.
pub(crate) const ZOMBIE_BIRTH: usize = 2;
/// Own word of a zombie's record: 1 if what it made is on its live lists, and then it has no root.
pub(crate) const ZOMBIE_LISTED: usize = 3;

/// A new version with the content of `of`.
pub(crate) fn take(state: &State, of: DevId, access: Access, pages: &mut dyn PageTxn) -> Result<DevId> {
    let (_, line) = state.live(of, pages)?;
    match (line.frozen, access) {
        (0, Access::ReadOnly) => freeze(state, of, false, pages),
        (0, Access::Writable) => {
            let origin = freeze(state, of, true, pages)?;
            branch(state, origin, of, access, pages)
        }
        _ => branch(state, of, of, access, pages),
    }
}

/// Put a snapshot of `of` in its place; `of` goes on below it.
fn freeze(state: &State, of: DevId, hidden: bool, pages: &mut dyn PageTxn) -> Result<DevId> {
    let (record, line) = state.kin(of, pages)?;
    let frozen = state.end_epoch(pages)?;
    let snapshot = state.issue(pages)?;
    let birth_or_cursor = if hidden { 0 } else { line.birth_or_cursor };
    let frozen_record = Record { access: Access::ReadOnly, parent: Some(of), ..record };
    let (taken, fresh) =
        if planted(Fault::SnapshotTakesNoLists) { (snapshot.0, line.list) } else { (line.list, snapshot.0) };
    let frozen_line = Line { frozen, hidden, list: taken, birth_or_cursor, ..line };
    state.put(snapshot, frozen_record, frozen_line, pages)?;
    state.put(of, record, Line { prev: Some(snapshot), list: fresh, ..line }, pages)?;
    if let Some(prev) = line.prev {
        state.table.remove_child(prev, of, pages)?;
        state.table.put_child(prev, snapshot, pages)?;
    }
    state.table.put_child(snapshot, of, pages)?;
    Ok(snapshot)
}

/// A new version below the frozen `origin`, which holds what `of` does.
fn branch(state: &State, origin: DevId, of: DevId, access: Access, pages: &mut dyn PageTxn) -> Result<DevId> {
    let (record, line) = state.kin(of, pages)?;
    let frozen = if access == Access::ReadOnly { state.end_epoch(pages)? } else { 0 };
    let dev = state.issue(pages)?;
    let line = Line { prev: Some(origin), frozen, listed: state.livelists, list: dev.0, ..line };
    state.put(dev, Record { access, parent: Some(of), ..record }, line, pages)?;
    state.table.put_child(origin, dev, pages)?;
    Ok(dev)
}

/// Delete a version that users know.
pub(crate) fn delete(state: &State, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
    let (record, line) = state.live(dev, pages)?;
    if !state.table.children(dev, 1, pages)?.is_empty() {
        state.put(dev, record, Line { hidden: true, birth_or_cursor: 0, scan: 0, ..line }, pages)?;
        return pend(state, dev, pages);
    }
    if waits(state, line, pages)? {
        state.put(dev, record, Line { hidden: true, ..line }, pages)?;
        return pend(state, dev, pages);
    }
    detach(state, dev, record, line, pages)
}

/// Whether what hangs above a version is about to dissolve into it, so that it must stay until then.
pub(crate) fn waits(state: &State, line: Line, pages: &dyn spinney_core::PageRead) -> Result<bool> {
    let Some(prev) = line.prev else { return Ok(false) };
    Ok(state.kin(prev, pages)?.1.hidden && state.table.children(prev, 2, pages)?.len() < 2)
}

/// Take a version without others below it from the lineage: what was born since the version above was frozen is its own,
/// and what else it held that no other holds is on all the lists of the others.
pub(crate) fn detach(
    state: &State,
    dev: DevId,
    record: Record,
    line: Line,
    pages: &mut dyn PageTxn,
) -> Result<()> {
    let holder = Holder::new(state, dev, line, pages)?;
    let mut zombie = record;
    zombie.own =
        [u64::from(holder.frozen_above()), line.list, line.birth_or_cursor, u64::from(line.listed), 0];
    if line.listed {
        zombie.root = None; // the lists say it all, and no node is read
    }
    state.zombies.put(dev, &zombie, pages)?;
    state.add_job(pages)?;
    state.catalogue.remove(dev, pages)?;
    let Some(above) = holder.above else { return Ok(()) };
    state.table.remove_child(above.dev, dev, pages)?;
    if above.hidden && !planted(Fault::ComparesNothing) {
        let (record, line) = state.kin(above.dev, pages)?;
        state.put(above.dev, record, Line { birth_or_cursor: 0, scan: 0, ..line }, pages)?;
        pend(state, above.dev, pages)?;
    }
    Ok(())
}

fn pend(state: &State, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
    if state.table.put_pending(dev, pages)? { state.add_job(pages) } else { Ok(()) }
}

/// The hidden `dev`, which has let go of all, leaves the lineage: `child` takes its place and its dead lists.
pub(crate) fn splice(state: &State, dev: DevId, child: DevId, pages: &mut dyn PageTxn) -> Result<()> {
    let (_, line) = state.kin(dev, pages)?;
    let (record, below) = state.kin(child, pages)?;
    state.put(child, record, Line { prev: line.prev, list: line.list, ..below }, pages)?;
    state.table.remove_child(dev, child, pages)?;
    if let Some(prev) = line.prev {
        state.table.remove_child(prev, dev, pages)?;
        state.table.put_child(prev, child, pages)?;
    }
    state.catalogue.remove(dev, pages)?;
    settle(state, dev, pages)
}

/// There is nothing to do for `dev` any more.
pub(crate) fn settle(state: &State, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
    if state.table.remove_pending(dev, pages)? { state.remove_job(pages) } else { Ok(()) }
}
