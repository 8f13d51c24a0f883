//! The lineage tree of versions: who was taken from whom, hidden versions included.
//!
//! Invariant: a version is in its parent's list of children exactly once, and the list is linked both ways. Links are read
//! as untrusted: a walk that meets a wrong back link ends as `Corrupt`, so none can loop. Knows no block.

use crate::member::{Member, Stage};
use crate::state::State;
use spinney_core::{DevId, Error, PageRead, PageTxn, Place, Result};
use spinney_snap::Access;

/// A version's children, in the order of their list.
pub(crate) fn children(
    state: &State,
    dev: DevId,
    member: &Member,
    pages: &dyn PageRead,
) -> Result<Vec<(DevId, Member)>> {
    let (mut found, mut previous, mut next) = (Vec::new(), None, member.first_child);
    while let Some(child) = next {
        let record = state.member(child, pages)?;
        if record.parent != Some(dev) || record.previous != previous || record.blocks != member.blocks {
            return Err(Error::Corrupt { what: "list of children", place: Place::Version(child) });
        }
        (previous, next) = (Some(child), record.next);
        found.push((child, record));
    }
    Ok(found)
}

/// The parent's record, if there is one.
pub(crate) fn parent(
    state: &State,
    member: &Member,
    pages: &dyn PageRead,
) -> Result<Option<(DevId, Member)>> {
    match member.parent {
        Some(dev) => Ok(Some((dev, state.member(dev, pages)?))),
        None => Ok(None),
    }
}

/// Put `dev` in front of the children of `parent`.
pub(crate) fn adopt(state: &State, dev: DevId, parent: Option<DevId>, pages: &mut dyn PageTxn) -> Result<()> {
    let mut next = None;
    if let Some(parent) = parent {
        state.update(parent, pages, |parent| next = parent.first_child.replace(dev))?;
    }
    if let Some(next) = next {
        state.update(next, pages, |next| next.previous = Some(dev))?;
    }
    state.update(dev, pages, |member| {
        (member.parent, member.previous, member.next) = (parent, None, next);
    })
}

/// Take `dev` out of its parent's children.
pub(crate) fn orphan(state: &State, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
    let member = state.member(dev, pages)?;
    replace(state, &member, member.next, member.previous, pages)?;
    state.update(dev, pages, |member| {
        (member.parent, member.previous, member.next) = (None, None, None);
    })
}

/// What stands where `member` stood: `next` for what is before it, `previous` for what is behind it.
fn replace(
    state: &State,
    member: &Member,
    next: Option<DevId>,
    previous: Option<DevId>,
    pages: &mut dyn PageTxn,
) -> Result<()> {
    match (member.previous, member.parent) {
        (Some(before), _) => state.update(before, pages, |before| before.next = next)?,
        (None, Some(parent)) => state.update(parent, pages, |parent| parent.first_child = next)?,
        (None, None) => {}
    }
    match member.next {
        Some(after) => state.update(after, pages, |after| after.previous = previous),
        None => Ok(()),
    }
}

/// Freeze head `dev` under the id `snapshot`: the frozen version takes its place in the lineage, and the head becomes its
/// child. No node is read or written: both have the same root, which the head borrows from now on.
pub(crate) fn freeze(
    state: &State,
    (dev, head): (DevId, Member),
    snapshot: DevId,
    pages: &mut dyn PageTxn,
) -> Result<()> {
    let frozen = state.freeze(pages)?;
    let origin = Some(dev);
    let stage = Stage::Snapshot;
    let taken = Member { stage, frozen, origin, first_child: Some(dev), dropped_blocks: 0, ..head };
    replace(state, &head, Some(snapshot), Some(snapshot), pages)?;
    state.put(snapshot, &taken, pages)?;
    let root = state.encoding.borrowed(head.root);
    let (parent, previous, next, owned_blocks) = (Some(snapshot), None, None, 0);
    state.put(dev, &Member { parent, previous, next, owned_blocks, root, ..head }, pages)
}

/// A new child of the frozen version `of`, under the id `child`.
pub(crate) fn branch(
    state: &State,
    (of, frozen): (DevId, &Member),
    (child, origin): (DevId, DevId),
    access: Access,
    pages: &mut dyn PageTxn,
) -> Result<()> {
    let stage = if access == Access::Writable { Stage::Head } else { Stage::Snapshot };
    let epoch = if access == Access::Writable { 0 } else { state.freeze(pages)? };
    let taken = Member {
        origin: Some(origin),
        root: state.encoding.borrowed(frozen.root),
        referenced_blocks: frozen.referenced_blocks,
        frozen: epoch,
        ..Member::new(stage, frozen.blocks)
    };
    state.put(child, &taken, pages)?;
    adopt(state, child, Some(of), pages)
}
