//! What a version maps: its layer over those behind it, or its index where it has one.
//!
//! Invariant: the front layer that says something of a block decides. An index says the same as the layers, for what it knows.

use crate::layer::{Sight, look, sight_at};
use crate::state::{Kin, State};
use spinney_core::{Lba, LbaRange, PageRead, Pba, Result};
use spinney_snap::Run;
use spinney_snap_tree::Runs;

/// The range's runs in order, holes included, each as long as it can be. Errors: `Corrupt`, `OutOfRange`.
pub(crate) fn lookup(
    state: &State,
    kin: &Kin,
    range: LbaRange,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(Run),
) -> Result<()> {
    state.tree(kin).contains(range)?;
    let mut runs = Runs::new(each);
    visit(state, kin, range, pages, &mut |part, on| {
        runs.push(part.start, part.blocks, on);
        Ok(())
    })?;
    runs.finish();
    Ok(())
}

/// How many blocks of the range are mapped.
pub(crate) fn mapped(state: &State, kin: &Kin, range: LbaRange, pages: &dyn PageRead) -> Result<u64> {
    let mut mapped = 0;
    visit(state, kin, range, pages, &mut |part, on| {
        mapped += if on.is_some() { part.blocks } else { 0 };
        Ok(())
    })?;
    Ok(mapped)
}

/// Each part of a range inside the version, and where it is.
pub(crate) fn visit(
    state: &State,
    kin: &Kin,
    range: LbaRange,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(LbaRange, Option<Pba>) -> Result<()>,
) -> Result<()> {
    if range.blocks == 0 {
        return Ok(());
    }
    if kin.layer.index.is_none() && !kin.layer.index_whole {
        return layers(state, kin, range, pages, each);
    }
    look(&[state.index(kin)], range, pages, &mut |part, seen| match seen {
        Sight::Through if !kin.layer.index_whole => layers(state, kin, part, pages, each),
        seen => each(part, on(seen)),
    })
}

/// The same by the layers alone.
pub(crate) fn layers(
    state: &State,
    kin: &Kin,
    range: LbaRange,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(LbaRange, Option<Pba>) -> Result<()>,
) -> Result<()> {
    if range.blocks == 1 {
        return each(range, one(state, kin, range.start, pages)?);
    }
    look(&state.chain(kin, pages)?, range, pages, &mut |part, seen| each(part, on(seen)))
}

fn on(seen: Sight) -> Option<Pba> {
    match seen {
        Sight::On(block) => Some(Pba(block)),
        Sight::Through | Sight::Zero => None,
    }
}

/// Where one block is: no layer behind the one that knows is read.
fn one(state: &State, kin: &Kin, at: Lba, pages: &dyn PageRead) -> Result<Option<Pba>> {
    let mut next = Some(*kin);
    while let Some(kin) = next {
        match sight_at(&state.tree(&kin), 0, at.0, pages)? {
            Sight::Through => next = state.back(&kin, pages)?,
            seen => return Ok(on(seen)),
        }
    }
    Ok(None)
}
