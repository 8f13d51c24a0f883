//! Cleaning: messages that hide blocks are brought to their leaves, once more is hidden than may be.
//!
//! Invariant: changes no content, so it works on nodes where they are, shared or not. The cursor goes round all versions; what it
//! has passed holds nothing hidden but for what was written since. Each step is one unit or more, and a bounded look.

use crate::inner::{Inner, hiding};
use crate::state::CURSOR;
use crate::view::{chain, follows};
use crate::writer::{Held, Writer};
use spinney_core::{DevId, PageNo, PageRead, Result};
use spinney_snap_tree::{Catalogue, Position, Record};

/// Rounds in which nothing is found, although something should be: the number of what is hidden is damaged.
pub(crate) const VAIN_ROUNDS_MAX: u64 = 4;

/// Where cleaning has come to.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Cursor {
    dev: u64,
    lba: u64,
    /// Times that it went round since it last found something.
    vain: u64,
}

impl Cursor {
    fn next_version(&mut self) {
        (self.dev, self.lba) = (self.dev.saturating_add(1), 0);
    }
}

/// Land at most `budget` messages, as long as too many hide something. How many units it took.
pub(crate) fn tend(writer: &mut Writer<'_>, budget: u64) -> Result<u64> {
    let anchor = writer.state.anchor;
    let [dev, lba, vain] = anchor.words::<3>(CURSOR, writer.pages)?;
    let before = Cursor { dev, lba, vain };
    let mut cursor = before;
    let mut left = budget;
    while left > 0 {
        writer.close()?;
        if writer.state.hidden_too_many(writer.pages)? == 0 {
            break;
        }
        let done = step(writer, &mut cursor, left)?;
        left = left.saturating_sub(done);
    }
    for (word, value) in (CURSOR..).zip([cursor.dev, cursor.lba, cursor.vain]) {
        anchor.set(word, value, writer.pages)?;
    }
    Ok(budget - left)
}

/// One node, or one version that has none. Units that it took.
fn step(writer: &mut Writer<'_>, cursor: &mut Cursor, budget: u64) -> Result<u64> {
    let Some(record) = version(writer, cursor)? else { return Ok(1) };
    let geometry = writer.geometry();
    let (mut at, mut next) = (geometry.root(record.blocks), record.root);
    if cursor.lba >= record.blocks {
        next = None;
    }
    let mut depth_before = None;
    while let Some(page) = next {
        let inner = Inner::read(writer.pages, page, &geometry, at)?;
        follows(page, inner.depth, depth_before)?;
        if hiding(&inner.messages) > 0 {
            cursor.vain = 0;
            return clean(writer, at, page, budget);
        }
        if inner.goto.is_some() {
            (next, depth_before) = (inner.goto, Some(inner.depth));
            continue;
        }
        let index = geometry.index(at, cursor.lba);
        let child = geometry.child(at, index);
        depth_before = None;
        next = inner.pivots[index].pointer().map(PageNo).filter(|_| child.level > 0);
        if next.is_none() {
            // A node above leaves is done with; elsewhere nothing is below.
            let passed = if at.level == 1 { at } else { child };
            cursor.lba = geometry.end(passed);
            if cursor.lba >= record.blocks {
                cursor.next_version();
            }
            return Ok(1);
        }
        at = child;
    }
    cursor.next_version();
    Ok(1)
}

/// Flush what hides something from one node towards one child.
fn clean(writer: &mut Writer<'_>, at: Position, page: PageNo, budget: u64) -> Result<u64> {
    let geometry = writer.geometry();
    let line = chain(&geometry, at, page, writer.pages)?;
    let beyond = line[1..].iter().map(|(_, inner)| inner.messages.len()).sum();
    let (_, inner) = line.into_iter().next().expect("a line has a first node");
    let mut node = Held { page, inner, beyond };
    let done = if node.inner.goto.is_some() {
        writer.take_over(&mut node)?;
        1
    } else {
        let first = node.inner.messages.iter().find(|message| message.hides());
        let index = first.map_or(0, |message| geometry.index(at, message.lba));
        writer.flush(&mut node, index, usize::try_from(budget).unwrap_or(usize::MAX))? as u64
    };
    writer.store(&node)?;
    Ok(done.max(1))
}

/// The version at the cursor, which moves on if there is none. Errors: `Corrupt` if it went round in vain too often.
fn version(writer: &Writer<'_>, cursor: &mut Cursor) -> Result<Option<Record>> {
    let state = writer.state;
    let pages: &dyn PageRead = writer.pages;
    if DevId(cursor.dev) >= state.next_dev(pages)? {
        cursor.vain = cursor.vain.saturating_add(1);
        if cursor.vain > VAIN_ROUNDS_MAX {
            return state.anchor.corrupt("number of hidden blocks");
        }
        (cursor.dev, cursor.lba) = (0, 0);
        return Ok(None);
    }
    let found = state.catalogue.find(DevId(cursor.dev), pages)?;
    if found.is_none() {
        let per_page = <Catalogue>::PER_PAGE;
        let leaf = cursor.dev / per_page;
        cursor.next_version();
        if state.catalogue.0.read(leaf, pages)?.is_none() {
            cursor.dev = leaf.saturating_add(1).saturating_mul(per_page);
        }
    }
    Ok(found)
}
