//! How many pages a piece of work may touch, and how many blocks it may free: by a rehearsal.
//!
//! Invariant: the rehearsal does what the work will do: messages are of single blocks, so in how many pieces a range is mapped changes
//! nothing. Without a flush ahead the answer needs none.

use crate::change::{map, unmap};
use crate::drop;
use crate::inner::Inner;
use crate::state::State;
use crate::tend::tend;
use crate::writer::Emptied;
use spinney_core::{DevId, Extent, LbaRange, PageRead, Pba, Result};
use spinney_snap::{Freed, Work};
use spinney_snap_tree::{Counts, Record, Rehearsal};

/// What work comes to.
#[derive(Clone, Copy, Default)]
pub(crate) struct Bound {
    pub(crate) pages: u64,
    pub(crate) frees: u64,
}

/// The anchor, which any change may touch.
const ANCHOR: u64 = 1;
/// Pages that cleaning asks for and leaves alone, since it makes a pool fuller before it gives back: a delete, or a discard below a snapshot,
/// must find some.
const RESERVE: u64 = 32;

/// Of work on maps. Errors: as the work's.
pub(crate) fn of(state: &State, emptied: &Emptied, work: Work, pages: &dyn PageRead) -> Result<Bound> {
    let only = |pages| Bound { pages, frees: 0 };
    Ok(match work {
        Work::Create(_) => only(ANCHOR + state.catalogue.pages_bound(state.next_dev(pages)?)),
        Work::Snapshot(of) => {
            let record = state.catalogue.get(of, pages)?;
            let issued = state.catalogue.pages_bound(state.next_dev(pages)?);
            only(ANCHOR + issued + root_count(&record))
        }
        Work::Delete(dev) => {
            let record = state.catalogue.get(dev, pages)?;
            only(ANCHOR + 2 * state.catalogue.pages_bound(dev) + root_count(&record))
        }
        Work::Commit => {
            let some = !emptied.nodes.is_empty() || !emptied.blocks.is_empty();
            let counts = Counts::pages_bound(&emptied.nodes) + Counts::pages_bound(&emptied.blocks);
            only(u64::from(some) * ANCHOR + counts)
        }
        Work::Map(dev, range) => change(state, emptied, dev, range, true, pages)?,
        Work::Unmap(dev, range) => change(state, emptied, dev, range, false, pages)?,
        Work::Tend(budget) => {
            let reserve = if drop::left(state, pages)? == 0 { RESERVE } else { 0 };
            let bound = rehearse(emptied, pages, &mut |pages, emptied, freed| {
                tend(state, budget, pages, emptied, freed).map(|_| ())
            })?;
            Bound { pages: bound.pages + reserve, ..bound }
        }
    })
}

fn root_count(record: &Record) -> u64 {
    Counts::pages_bound(&record.root.iter().map(|page| Counts::leaf_of(page.0)).collect())
}

fn change(
    state: &State,
    emptied: &Emptied,
    dev: DevId,
    range: LbaRange,
    maps: bool,
    pages: &dyn PageRead,
) -> Result<Bound> {
    let record = state.inside(dev, range, pages)?;
    if range.blocks == 0 {
        return Ok(Bound::default());
    }
    if maps && let Some(bound) = without_flush(state, dev, &record, range, pages)? {
        return Ok(bound);
    }
    rehearse(emptied, pages, &mut |pages, emptied, freed| match maps {
        // Any blocks do: none of them is let go of again.
        true => map(state, dev, range.start, Extent::new(Pba(0), range.blocks), pages, emptied, freed),
        false => unmap(state, dev, range, pages, emptied, freed),
    })
}

/// If the root has room for all.
fn without_flush(
    state: &State,
    dev: DevId,
    record: &Record,
    range: LbaRange,
    pages: &dyn PageRead,
) -> Result<Option<Bound>> {
    let Some(root) = record.root else { return Ok(None) };
    if state.nodes.extra(root.0, pages)? > 0 || range.blocks > state.geometry.rest as u64 {
        return Ok(None);
    }
    let inner = Inner::read(pages, root, &state.geometry, state.geometry.root(record.blocks))?;
    if inner.goto.is_some() || inner.messages.len() as u64 + range.blocks > state.geometry.rest as u64 {
        return Ok(None);
    }
    let replaced = crate::inner::between(&inner.messages, range.start.0, range.end().0);
    let leaves = replaced.iter().filter_map(|message| message.on()).map(Counts::leaf_of).collect();
    let counts = if state.blocks.0.is_empty(pages)? { 0 } else { Counts::pages_bound(&leaves) };
    let pages = ANCHOR + state.catalogue.pages_bound(dev) + 1 + counts;
    Ok(Some(Bound { pages, frees: range.blocks }))
}

fn rehearse(
    emptied: &Emptied,
    pages: &dyn PageRead,
    work: &mut dyn FnMut(&mut Rehearsal<'_>, &mut Emptied, &mut Freed) -> Result<()>,
) -> Result<Bound> {
    let (mut rehearsal, mut freed, mut emptied) = (Rehearsal::new(pages), Freed::default(), emptied.clone());
    work(&mut rehearsal, &mut emptied, &mut freed)?;
    // What evens out in one piece is put down in several: the anchor's numbers.
    Ok(Bound { pages: ANCHOR + rehearsal.touched(), frees: freed.blocks() })
}
