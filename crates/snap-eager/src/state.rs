//! Where everything of a pool stands, and the flag of a slot.
//!
//! Invariant: constant after `format` or `open`: all that changes stands on pages ([`Emptied`] only says where to look).

use spinney_core::{DevId, LbaRange, PageRead, PageTxn, Result};
use spinney_snap_tree::catalogue::OWN_WORDS;
use spinney_snap_tree::{Anchor, Catalogue, Counts, Record, SPARSE_WORDS, Shape, Slot, Tree, counts};

/// Word of the anchor: the next id.
const NEXT_DEV: usize = 0;
/// Word of the anchor: deleted versions that are not gone yet.
const JOBS: usize = 1;
const CATALOGUE: usize = 2;
const ZOMBIES: usize = CATALOGUE + SPARSE_WORDS;
const TABLES: usize = ZOMBIES + SPARSE_WORDS;
const BLOCKS: usize = TABLES + SPARSE_WORDS;
/// Own word of a zombie's record: slots of its first table that are done with.
pub(crate) const CURSOR: usize = 0;
/// Tag of a slot: what it points at has one owner (qcow2's COPIED, bit 63 of its entries).
const COPIED: u32 = 1;

/// The places of all structures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) shape: Shape,
    pub(crate) anchor: Anchor,
    /// Live versions.
    pub(crate) catalogue: Catalogue,
    /// Deleted versions that `tend` still counts down.
    pub(crate) zombies: Catalogue,
    /// Owners beyond the first of second-level tables, by page number.
    pub(crate) tables: Counts,
    /// Owners beyond the first of data blocks.
    pub(crate) blocks: Counts,
}

/// Count pages to look at when the epoch closes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Emptied {
    pub(crate) tables: counts::Emptied,
    pub(crate) blocks: counts::Emptied,
}

impl State {
    pub(crate) fn at(anchor: Anchor, shape: Shape) -> State {
        State {
            shape,
            anchor,
            catalogue: Catalogue::at(anchor, CATALOGUE),
            zombies: Catalogue::at(anchor, ZOMBIES),
            tables: Counts::at(anchor, TABLES),
            blocks: Counts::at(anchor, BLOCKS),
        }
    }
    pub(crate) fn format(shape: Shape, pages: &mut dyn PageTxn) -> Result<State> {
        let anchor = Anchor::create(pages)?;
        anchor.set(NEXT_DEV, 1, pages)?;
        Ok(State::at(anchor, shape))
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
    pub(crate) fn jobs(&self, pages: &dyn PageRead) -> Result<u64> {
        self.anchor.get(JOBS, pages)
    }
    pub(crate) fn set_jobs(&self, jobs: u64, pages: &mut dyn PageTxn) -> Result<()> {
        self.anchor.set(JOBS, jobs, pages)
    }
    pub(crate) fn tree(&self, record: &Record) -> Tree {
        Tree { shape: self.shape, root: record.root, blocks: record.blocks }
    }
    /// A writable version's record, if `range` is inside it.
    pub(crate) fn writable(&self, dev: DevId, range: LbaRange, pages: &dyn PageRead) -> Result<Record> {
        let record = self.catalogue.writable(dev, pages)?;
        self.tree(&record).contains(range)?;
        Ok(record)
    }
    /// Give empty count pages back.
    pub(crate) fn trim(&self, emptied: &mut Emptied, pages: &mut dyn PageTxn) -> Result<()> {
        self.tables.trim(&mut emptied.tables, pages)?;
        self.blocks.trim(&mut emptied.blocks, pages)
    }
}

/// A slot that points at what has one owner.
pub(crate) fn copied(number: u64) -> Slot {
    Slot::to(number).tagged(COPIED)
}

/// Whether a slot says that what it points at has one owner. If it does not, the count says how many.
pub(crate) fn is_copied(slot: Slot) -> bool {
    !slot.is_empty() && slot.tag() == COPIED
}

/// The record of a version that begins.
pub(crate) fn new_record(blocks: u64) -> Record {
    let access = spinney_snap::Access::Writable;
    Record { access, blocks, root: None, parent: None, referenced_blocks: 0, own: [0; OWN_WORDS] }
}
