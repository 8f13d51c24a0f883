//! Where everything of a pool stands, and what was chosen for it.
//!
//! Invariant: constant after `format` or `open`: all that changes stands on pages.

use crate::geometry::Geometry;
use spinney_core::{DevId, Error, LbaRange, PageRead, PageTxn, Result};
use spinney_snap::Access;
use spinney_snap_tree::catalogue::OWN_WORDS;
use spinney_snap_tree::{Anchor, Catalogue, Counts, Record, SPARSE_WORDS};

/// Word of the anchor: the next id.
const NEXT_DEV: usize = 0;
/// Word of the anchor: deleted versions whose trees are still to be dropped.
pub(crate) const ZOMBIES_LEFT: usize = 1;
/// Word of the anchor: messages that hide a mapped block.
pub(crate) const HIDDEN: usize = 2;
/// Word of the anchor: data blocks that some entry names.
pub(crate) const HELD: usize = 3;
/// Word of the anchor: the version that cleaning has come to, then the block in it, then how often it went round in vain.
pub(crate) const CURSOR: usize = 4;
const CATALOGUE: usize = 8;
const ZOMBIES: usize = CATALOGUE + SPARSE_WORDS;
const NODES: usize = ZOMBIES + SPARSE_WORDS;
const BLOCKS: usize = NODES + SPARSE_WORDS;

/// What does not change a format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    /// How many nodes a line of GOTOs may lead to.
    pub(crate) goto_max: u8,
    /// How much of what is held may be hidden, in percent.
    pub(crate) hidden_percent: u64,
}

/// The places of all structures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) geometry: Geometry,
    pub(crate) choice: Choice,
    pub(crate) anchor: Anchor,
    /// Live versions.
    pub(crate) catalogue: Catalogue,
    /// Deleted versions whose trees `tend` still drops.
    pub(crate) zombies: Catalogue,
    /// Pointers at nodes beyond the first, by page number.
    pub(crate) nodes: Counts,
    /// Entries (messages and slots of leaves) that name a data block, beyond the first.
    pub(crate) blocks: Counts,
}

impl State {
    pub(crate) fn at(anchor: Anchor, geometry: Geometry, choice: Choice) -> State {
        State {
            geometry,
            choice,
            anchor,
            catalogue: Catalogue::at(anchor, CATALOGUE),
            zombies: Catalogue::at(anchor, ZOMBIES),
            nodes: Counts::at(anchor, NODES),
            blocks: Counts::at(anchor, BLOCKS),
        }
    }
    pub(crate) fn format(geometry: Geometry, choice: Choice, pages: &mut dyn PageTxn) -> Result<State> {
        let anchor = Anchor::create(pages)?;
        anchor.set(NEXT_DEV, 1, pages)?;
        Ok(State::at(anchor, geometry, choice))
    }
    pub(crate) fn next_dev(&self, pages: &dyn PageRead) -> Result<DevId> {
        self.anchor.get(NEXT_DEV, pages).map(DevId)
    }
    /// Store the record of a new version under the next id.
    pub(crate) fn issue(&self, record: &Record, pages: &mut dyn PageTxn) -> Result<DevId> {
        let dev = self.next_dev(pages)?;
        let Some(next) = dev.0.checked_add(1) else { return self.anchor.corrupt("next version id") };
        if self.catalogue.find(dev, pages)?.is_some() {
            return self.anchor.corrupt("next version id (there is such a version)");
        }
        self.catalogue.put(dev, record, pages)?;
        self.anchor.set(NEXT_DEV, next, pages)?;
        Ok(dev)
    }
    /// A version's record, if `range` is inside it.
    pub(crate) fn inside(&self, dev: DevId, range: LbaRange, pages: &dyn PageRead) -> Result<Record> {
        contains(self.catalogue.get(dev, pages)?, range)
    }
    /// A writable version's record, if `range` is inside it.
    pub(crate) fn writable(&self, dev: DevId, range: LbaRange, pages: &dyn PageRead) -> Result<Record> {
        contains(self.catalogue.writable(dev, pages)?, range)
    }
    /// Whether nothing has a second owner.
    pub(crate) fn shares_nothing(&self, pages: &dyn PageRead) -> Result<bool> {
        Ok(self.nodes.0.is_empty(pages)? && self.blocks.0.is_empty(pages)?)
    }
    /// Change a number of the anchor.
    pub(crate) fn add(&self, word: usize, delta: i64, pages: &mut dyn PageTxn) -> Result<()> {
        let before = self.anchor.get(word, pages)?;
        self.anchor.set(word, before.saturating_add_signed(delta), pages)
    }
    /// Messages to be landed because more is hidden than may be.
    pub(crate) fn hidden_too_many(&self, pages: &dyn PageRead) -> Result<u64> {
        let [hidden, held] = self.anchor.words::<2>(HIDDEN, pages)?;
        let allowed = held.saturating_mul(self.choice.hidden_percent) / 100;
        Ok(hidden.saturating_sub(allowed))
    }
}

fn contains(record: Record, range: LbaRange) -> Result<Record> {
    if range.end().0 <= record.blocks {
        return Ok(record);
    }
    Err(Error::OutOfRange { start: range.start.0, length: range.blocks, limit: record.blocks })
}

/// The record of a version that begins.
pub(crate) fn new_record(blocks: u64) -> Record {
    let access = Access::Writable;
    Record { access, blocks, root: None, parent: None, referenced_blocks: 0, own: [0; OWN_WORDS] }
}
