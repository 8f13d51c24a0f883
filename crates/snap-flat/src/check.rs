//! Looking at everything: what is owned, and whether the counts are those that the maps imply.
//!
//! Invariant: changes nothing.

use crate::State;
use crate::map::Map;
use spinney_core::{DevId, Extent, Finding, Flow, PageNo, PageRead, Pba, Place, Result};
use spinney_snap_tree::{NumberRuns, Record};
use std::collections::{BTreeMap, BTreeSet};

/// The map of every version, then of what is still to be let go.
fn each_map(
    state: &State,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(DevId, &Record, &Map) -> Result<()>,
) -> Result<()> {
    [state.catalogue, state.zombies].iter().try_for_each(|table| {
        table.visit(pages, &mut |dev, record| {
            each(dev, &record, &Map::open(&record, pages)?)?;
            Ok(Flow::Continue)
        })
    })
}

/// Errors: `Corrupt` if a page of a map is in two places, which would make each walk over all maps the longer.
fn no_page_is_shared(state: &State, pages: &dyn PageRead) -> Result<()> {
    visit_map_pages(state, pages, &mut |_| ())
}

fn visit_map_pages(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
    let mut met = BTreeSet::new();
    each_map(state, pages, &mut |_, _, map| map.array.visit_new_pages(&mut met, pages, each))
}

/// How many maps hold each block.
fn owners(state: &State, pages: &dyn PageRead) -> Result<BTreeMap<u64, u64>> {
    let mut owners = BTreeMap::new();
    each_map(state, pages, &mut |_, _, map| {
        map.visit_mapped(pages, &mut |_, on| {
            *owners.entry(on).or_default() += 1;
            Ok(())
        })
    })?;
    Ok(owners)
}

/// Every data block that a map holds, once.
pub(crate) fn visit_blocks(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
    no_page_is_shared(state, pages)?;
    let mut runs = NumberRuns::new(|first, blocks| {
        each(Extent { start: Pba(first), blocks });
        Ok(())
    });
    owners(state, pages)?.into_keys().try_for_each(|on| runs.push(on))?;
    runs.finish()
}

/// Every page, once.
pub(crate) fn visit_pages(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
    each(state.anchor.0);
    state.catalogue.visit_pages(pages, each)?;
    state.zombies.visit_pages(pages, each)?;
    state.counts.visit_pages(pages, each)?;
    visit_map_pages(state, pages, each)
}

/// Counts, sizes and ends.
pub(crate) fn check(state: &State, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
    no_page_is_shared(state, pages)?;
    let next = state.next_dev(pages)?;
    if !state.catalogue.holds(next) {
        found(Finding { rule: "the next id can be issued", place: Place::Page(state.anchor.0) });
    }
    each_map(state, pages, &mut |dev, record, map| {
        let mut mapped = 0;
        let mut past = false;
        map.visit_mapped(pages, &mut |at, _| {
            mapped += 1;
            past |= at >= record.blocks;
            Ok(())
        })?;
        let rules = [
            (mapped != record.referenced_blocks, "a version's count of mapped blocks is that of its map"),
            (past, "nothing is mapped past the end of a version"),
            (dev >= next, "an id is below the next one"),
        ];
        let broken = rules.into_iter().filter(|(broken, _)| *broken);
        broken.for_each(|(_, rule)| found(Finding { rule, place: Place::Version(dev) }));
        Ok(())
    })?;
    let mut stored = BTreeMap::new();
    let mut bad = Vec::new();
    let each = &mut |on, extra| stored.extend([(on, u64::from(extra) + 1)]);
    state.counts.visit(pages, each, &mut |rule| bad.push(rule))?;
    bad.into_iter().for_each(|rule| found(Finding { rule, place: Place::Pool }));
    let mut right = owners(state, pages)?;
    right.retain(|_, owners| *owners > 1);
    let wrong = right.iter().filter(|(on, owners)| stored.get(on) != Some(owners)).map(|(on, _)| *on);
    let unowned = stored.keys().filter(|on| !right.contains_key(on)).copied();
    let rule = "the number of owners is that of the maps";
    wrong.chain(unowned).for_each(|on| found(Finding { rule, place: Place::Block(Pba(on)) }));
    Ok(())
}
