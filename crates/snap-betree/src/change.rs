//! Changing a version's map.
//!
//! Invariant: one message a block, in order, so a range is the same work however it is cut. A map without a block has no node.

use crate::drop;
use crate::planted::{Fault, planted};
use crate::state::State;
use crate::view::Map;
use crate::writer::{Emptied, Held, Writer};
use spinney_core::{DevId, Extent, Lba, LbaRange, PageTxn, Result};
use spinney_snap::Freed;
use spinney_snap_tree::Record;

/// Logical blocks from `at` now lie on `on`.
pub(crate) fn map(
    state: &State,
    dev: DevId,
    at: Lba,
    on: Extent,
    pages: &mut dyn PageTxn,
    emptied: &mut Emptied,
    freed: &mut Freed,
) -> Result<()> {
    let range = LbaRange::new(at, on.blocks);
    let record = state.writable(dev, range, pages)?;
    if range.blocks == 0 {
        return Ok(());
    }
    let map = Map::of(state.geometry, &record);
    let mapped = map.mapped(range, pages)?;
    let mut writer = Writer::new(*state, pages, emptied, freed);
    let mut root = writer.own(map.root_at(), record.root, 1)?;
    if planted(Fault::LetGoAtOnce) {
        let before = mapped.iter().filter_map(|lba| map.get(*lba, writer.pages).ok().flatten());
        let before: alloc::vec::Vec<u64> = before.collect();
        writer.release_blocks(before.into_iter())?;
    }
    for (lba, on) in (at.0..).zip(on.iter()) {
        writer.insert(&mut root, lba, Some(on.0), mapped.binary_search(&lba).is_ok())?;
    }
    writer.held += range.blocks as i64;
    let gained = range.blocks - mapped.len() as u64;
    let referenced_blocks = record.referenced_blocks.saturating_add(gained);
    finish(&mut writer, dev, &record, &root, referenced_blocks)
}

/// The range becomes a hole.
pub(crate) fn unmap(
    state: &State,
    dev: DevId,
    range: LbaRange,
    pages: &mut dyn PageTxn,
    emptied: &mut Emptied,
    freed: &mut Freed,
) -> Result<()> {
    let record = state.writable(dev, range, pages)?;
    let map = Map::of(state.geometry, &record);
    let mapped = map.mapped(range, pages)?;
    if mapped.is_empty() {
        return Ok(());
    }
    let mut writer = Writer::new(*state, pages, emptied, freed);
    let referenced_blocks = record.referenced_blocks.saturating_sub(mapped.len() as u64);
    if referenced_blocks == 0 {
        // Nothing is left to be mapped: no message needs to say so.
        drop::all(&mut writer, &record)?;
        writer.close()?;
        return state.catalogue.put(dev, &Record { root: None, referenced_blocks: 0, ..record }, pages);
    }
    let mut root = writer.own(map.root_at(), record.root, 1)?;
    for lba in mapped {
        writer.insert(&mut root, lba, None, true)?;
    }
    finish(&mut writer, dev, &record, &root, referenced_blocks)
}

/// Put down the root and what the record says of it.
fn finish(
    writer: &mut Writer<'_>,
    dev: DevId,
    record: &Record,
    root: &Held,
    referenced_blocks: u64,
) -> Result<()> {
    writer.store(root)?;
    writer.close()?;
    let changed = Record { root: Some(root.page), referenced_blocks, ..*record };
    if changed != *record {
        writer.state.catalogue.put(dev, &changed, writer.pages)?;
    }
    Ok(())
}
