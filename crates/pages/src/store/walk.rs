//! The whole map from the device, page by page: for opening, checking and listing.
//!
//! Invariant: each map page is visited at most once, parents first, and only after it was verified against its parent;
//! since a map page's slots follow from its index, a damaged map can neither loop nor alias. Knows no free space.

use super::format::{self, Entry};
use super::layout::FANOUT;
use super::shared::{Snapshot, identity_of_map};
use spinney_core::{Error, PageBuf, PageKind, Result};

/// What a walk tells.
pub(super) trait MapVisitor {
    /// A verified leaf.
    fn leaf(&mut self, index: u64, page: &PageBuf) -> Result<()>;
    /// A part of the map cannot be read; an error ends the walk.
    fn damaged(&mut self, error: Error) -> Result<()>;
}

/// Visit every leaf of the snapshot's map, in order. Children of one map page are read in one request.
pub(super) fn walk(snapshot: Snapshot<'_>, visitor: &mut dyn MapVisitor) -> Result<()> {
    let Some(top) = snapshot.root.top else { return Ok(()) };
    visit_pages(snapshot, snapshot.root.levels - 1, &[(0, top)], visitor)
}

fn visit_pages(
    snapshot: Snapshot<'_>,
    level: u8,
    entries: &[(u64, Entry)],
    visitor: &mut dyn MapVisitor,
) -> Result<()> {
    let blocks: Vec<u64> = entries.iter().map(|(_, entry)| entry.place).collect();
    let pages = snapshot.shared.area().read_many(&*snapshot.shared.device, &blocks)?;
    snapshot.shared.count_reads(PageKind::MAP, pages.len() as u64);
    let (area, device) = (snapshot.shared.area(), &*snapshot.shared.device);
    for ((index, entry), page) in entries.iter().zip(pages) {
        let is = identity_of_map(level, *index, entry);
        match area.or_healed(device, page, entry.place, is, entry.checksum)? {
            Err(_) => visitor.damaged(format::corrupt_map(level, *index))?,
            Ok(page) if level == 0 => visitor.leaf(*index, &page)?,
            Ok(page) => {
                let below = children(snapshot, level, *index, &page, visitor)?;
                visit_pages(snapshot, level - 1, &below, visitor)?;
            }
        }
    }
    Ok(())
}

fn children(
    snapshot: Snapshot<'_>,
    level: u8,
    index: u64,
    page: &PageBuf,
    visitor: &mut dyn MapVisitor,
) -> Result<Vec<(u64, Entry)>> {
    let area = snapshot.shared.area();
    let mut found = Vec::new();
    for slot in 0..FANOUT {
        let Some(entry) = format::entry(page, slot) else { continue };
        let child = index * FANOUT + slot;
        let slots = area.layout.slots(level - 1, child);
        if slots.is_some_and(|slots| format::map_entry_holds(&entry, slots, snapshot.root.epoch)) {
            found.push((child, entry));
        } else {
            visitor.damaged(format::corrupt_map(level, index))?;
        }
    }
    Ok(found)
}
