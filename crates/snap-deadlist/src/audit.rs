//! Looking at everything: usage, and what is owned.
//!
//! Invariant: changes nothing. The tree of a hidden version with others below it is never read: what none of these holds is
//! gone from it.

use crate::held::Held;
use crate::let_go::{Holder, all_dead};
use crate::lineage::{ZOMBIE_BIRTH, ZOMBIE_FLOOR, ZOMBIE_LIST, ZOMBIE_LISTED};
use crate::state::{Line, State};
use crate::table::List;
use crate::walk;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use spinney_core::{DevId, Extent, Flow, PageNo, PageRead, Pba, Result};
use spinney_snap::Usage;

/// Space of one version.
pub(crate) fn usage(state: &State, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
    let (record, line) = state.live(dev, pages)?;
    let referenced_blocks = record.referenced_blocks;
    let holder = Holder::new(state, dev, line, pages)?;
    let below = children(state, dev, pages)?;
    let mut exclusive_blocks = 0;
    let floor = floor(state, holder, pages)?;
    let is_below_hidden = holder.above.is_some_and(|above| above.hidden);
    let mut each = |held: Held| {
        let alone =
            !held.node && all_dead(state, &below, held, pages)? && is_last(state, holder, held, pages)?;
        exclusive_blocks += u64::from(alone);
        Ok(())
    };
    match below.first() {
        None if holder.above.is_none() => exclusive_blocks = referenced_blocks,
        None if line.listed && !is_below_hidden => {
            state.table.visit_list(line.live(false), floor, pages, &mut each)?;
        }
        None => walk::visit(state, &record, line.birth_or_cursor, Some(floor), pages, &mut each)?,
        Some(first) => state.table.visit_list(first.dead(false), floor, pages, &mut each)?,
    }
    let shared_blocks = referenced_blocks.saturating_sub(exclusive_blocks);
    Ok(Usage { referenced_blocks, exclusive_blocks, shared_blocks })
}

fn children(state: &State, dev: DevId, pages: &dyn PageRead) -> Result<Vec<Line>> {
    Ok(state.below(dev, pages)?.into_iter().map(|(_, line)| line).collect())
}

/// When the nearest version above that users know was frozen: it holds all that was born before; 0 if there is none.
pub(crate) fn floor(state: &State, mut holder: Holder, pages: &dyn PageRead) -> Result<u32> {
    while let Some(above) = holder.above.filter(|above| above.hidden) {
        holder = Holder::up(state, above, pages)?;
    }
    Ok(holder.frozen_above())
}

/// Whether nobody beside and above `holder` holds what its tree does.
fn is_last(state: &State, mut holder: Holder, held: Held, pages: &dyn PageRead) -> Result<bool> {
    while let Some(above) = holder.above.filter(|above| held.birth() <= above.frozen) {
        if !above.hidden || !all_dead(state, &holder.siblings(state, above, pages)?, held, pages)? {
            return Ok(false);
        }
        holder = Holder::up(state, above, pages)?;
    }
    Ok(true)
}

/// Whether the version of whose own making it is, at the first of `path` or above, is hidden. `path` grows as far as that one.
fn maker_is_hidden(state: &State, path: &mut Vec<Holder>, held: Held, pages: &dyn PageRead) -> Result<bool> {
    let next = |path: &[Holder]| path.last()?.above.filter(|above| held.birth() <= above.frozen);
    while let Some(above) = next(path) {
        path.push(Holder::up(state, above, pages)?);
    }
    let maker = path.partition_point(|holder| holder.frozen_above() >= held.birth());
    Ok(path.get(maker).is_some_and(|maker| maker.line.hidden))
}

fn any_is_hidden(state: &State, pages: &dyn PageRead) -> Result<bool> {
    let mut any = false;
    state.catalogue.visit(pages, &mut |dev, record| {
        any = Line::of(dev, &record)?.hidden;
        Ok(if any { Flow::Stop } else { Flow::Continue })
    })?;
    Ok(any)
}

/// Every node and block that something owns, once.
fn visit_held(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(Held)) -> Result<()> {
    // What a hidden version made may be in several trees and lists; what others made is met in one tree only.
    let mut of_hidden = BTreeSet::new();
    let any_is_hidden = any_is_hidden(state, pages)?;
    let mut floors = BTreeMap::new();
    state.catalogue.visit(pages, &mut |dev, record| {
        let line = Line::of(dev, &record)?;
        let holder = Holder::new(state, dev, line, pages)?;
        let known = holder.above.filter(|above| above.hidden).and_then(|above| floors.get(&above.dev));
        let floor = known.map_or_else(|| floor(state, holder, pages), |floor| Ok(*floor))?;
        floors.insert(dev, floor);
        if !line.hidden || state.table.children(dev, 1, pages)?.is_empty() {
            walk::visit(state, &record, line.birth_or_cursor, Some(floor), pages, &mut |held| {
                if holder.owns(held.birth()) || of_hidden.insert(held) {
                    each(held);
                }
                Ok(())
            })?;
        }
        let Some(above) = holder.above.filter(|_| any_is_hidden) else { return Ok(Flow::Continue) };
        let mut path = Vec::from([Holder::up(state, above, pages)?]);
        for list in [line.dead(false), line.dead(true)] {
            state.table.visit_list(list, 0, pages, &mut |held| {
                if maker_is_hidden(state, &mut path, held, pages)? && of_hidden.insert(held) {
                    each(held);
                }
                Ok(())
            })?;
        }
        Ok(Flow::Continue)
    })?;
    state.zombies.visit(pages, &mut |_, record| {
        for list in [false, true].into_iter().filter_map(|node| List::of(record.own[ZOMBIE_LIST], node)) {
            if record.own[ZOMBIE_LISTED] != 0 {
                state.table.visit_list(list.live(), 0, pages, &mut |held| {
                    each(held);
                    Ok(())
                })?;
            }
        }
        let floor = record.own[ZOMBIE_FLOOR].try_into().unwrap_or(u32::MAX);
        walk::visit(state, &record, record.own[ZOMBIE_BIRTH], Some(floor), pages, &mut |held| {
            each(held);
            Ok(())
        })?;
        Ok(Flow::Continue)
    })
}

/// Every data block that something owns, once.
pub(crate) fn visit_blocks(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
    visit_held(state, pages, &mut |held| {
        if !held.node {
            each(Extent { start: Pba(held.number()), blocks: 1 });
        }
    })
}

/// Every page, once.
pub(crate) fn visit_pages(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
    each(state.anchor.0);
    state.catalogue.visit_pages(pages, each)?;
    state.zombies.visit_pages(pages, each)?;
    state.table.visit_pages(pages, each)?;
    visit_held(state, pages, &mut |held| {
        if held.node {
            each(PageNo(held.number()));
        }
    })
}
