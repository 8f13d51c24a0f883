//! Where everything of a pool stands, and a scheme's constants.
//!
//! Invariant: constant after `format` or `open`: all that changes stands on pages ([`Emptied`] only says where to look).

use crate::catalogue::OWN_WORDS;
use crate::counts;
use crate::{Anchor, Catalogue, CountLog, Owners, Record, SPARSE_WORDS, Shape, Tree};
use spinney_core::{DevId, Error, LbaRange, PageRead, PageTxn, Payload, Result};

/// Word of the anchor: the next id.
const NEXT_DEV: usize = 0;
/// Word of the anchor: slots that dropped trees still have, as far as is known.
const LEFT: usize = 1;
const CATALOGUE: usize = 2;
const ZOMBIES: usize = CATALOGUE + SPARSE_WORDS;
const NODES: usize = ZOMBIES + SPARSE_WORDS;
const BLOCKS: usize = NODES + SPARSE_WORDS;
/// Word of the anchor: how many snapshots there were, where the rule has times.
const TIME: usize = BLOCKS + SPARSE_WORDS;
/// The log of block counts, where there is one.
const LOG: usize = TIME + 1;
/// Word of a version's record: the time of its last snapshot.
const SNAPSHOTTED: usize = 1;
/// Times are the tags of slots.
const TIME_LIMIT: u64 = 1 << 24;
/// Word of a zombie's record: slots that its tree still has, as far as is known.
pub(crate) const ZOMBIE_LEFT: usize = 0;

/// How counts of blocks are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Keeping {
    /// Changes that a log gathers for each region of blocks before they go to the pages of counts; 0 is no log.
    pub log_changes: u64,
    /// Steps that a page of ranges of equal counts takes; 0 is single counts.
    pub range_steps: u64,
}

/// The fanout is in the low 16 bits of a root's parameter, the steps of a page of ranges in the next, the changes of a log in the high half.
const STEPS_SHIFT: u32 = 16;
const LOG_SHIFT: u32 = 32;

impl Keeping {
    pub(crate) fn parameter(self, shape: Shape) -> u64 {
        shape.fanout() | self.range_steps << STEPS_SHIFT | self.log_changes << LOG_SHIFT
    }
    /// The fanout of a root's parameter, and the way of keeping counts.
    pub(crate) fn of_parameter(parameter: u64) -> (u64, Keeping) {
        let (log_changes, range_steps) = (parameter >> LOG_SHIFT, parameter >> STEPS_SHIFT & 0xFFFF);
        (parameter & 0xFFFF, Keeping { log_changes, range_steps })
    }
}

/// The places of all structures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) shape: Shape,
    pub(crate) anchor: Anchor,
    /// Live versions.
    pub(crate) catalogue: Catalogue,
    /// Deleted versions whose trees `tend` still drops.
    pub(crate) zombies: Catalogue,
    /// Owners beyond the first of index nodes, by page number.
    pub(crate) nodes: Owners,
    /// Owners beyond the first of data blocks.
    pub(crate) blocks: Owners,
}

/// Count pages to look at when the epoch closes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Emptied {
    pub(crate) nodes: counts::Emptied,
    pub(crate) blocks: counts::Emptied,
}

impl State {
    /// Errors: `BadSetting` for a way of keeping counts that there is not.
    pub(crate) fn at(anchor: Anchor, shape: Shape, keeping: Keeping) -> Result<State> {
        let blocks = match keeping.range_steps {
            0 => Owners::at(anchor, BLOCKS),
            steps => Owners::in_ranges(anchor, BLOCKS, steps)?,
        };
        let blocks = match keeping.log_changes {
            0 => blocks,
            changes => blocks.behind(CountLog::at(anchor, LOG, changes)?),
        };
        Ok(State {
            shape,
            anchor,
            catalogue: Catalogue::at(anchor, CATALOGUE),
            zombies: Catalogue::at(anchor, ZOMBIES),
            nodes: Owners::at(anchor, NODES),
            blocks,
        })
    }
    pub(crate) fn format(shape: Shape, keeping: Keeping, pages: &mut dyn PageTxn) -> Result<State> {
        let anchor = Anchor::create(pages)?;
        anchor.set(NEXT_DEV, 1, pages)?;
        State::at(anchor, shape, keeping)
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
    /// What is mapped now has this time. Errors: `Corrupt`.
    pub(crate) fn time(&self, pages: &dyn PageRead) -> Result<u32> {
        match self.anchor.get(TIME, pages)? {
            time if time < TIME_LIMIT => Ok(time as u32),
            _ => self.anchor.corrupt("time of the pool"),
        }
    }
    /// The time after this one. Errors: `Unsupported` after 2^24 snapshots.
    pub(crate) fn time_after(&self, pages: &dyn PageRead) -> Result<u32> {
        let time = self.time(pages)? + 1;
        if u64::from(time) == TIME_LIMIT {
            return Err(Error::Unsupported("2^24 snapshots in the life of a pool"));
        }
        Ok(time)
    }
    /// The same, which then is now.
    pub(crate) fn next_time(&self, pages: &mut dyn PageTxn) -> Result<u32> {
        let time = self.time_after(pages)?;
        self.anchor.set(TIME, u64::from(time), pages)?;
        Ok(time)
    }
    pub(crate) fn tree(&self, record: &Record) -> Tree {
        Tree { shape: self.shape, root: record.root, blocks: record.blocks }
    }
    /// A writable version's record, if `range` is inside it.
    pub(crate) fn writable(&self, dev: DevId, range: LbaRange, pages: &dyn PageRead) -> Result<Record> {
        self.writable_in(&*self.anchor.read(pages)?, dev, range, pages)
    }
    /// The same, the anchor's words being at hand.
    pub(crate) fn writable_in(
        &self,
        anchor: &Payload,
        dev: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
    ) -> Result<Record> {
        let record = self.catalogue.writable_in(anchor, dev, pages)?;
        self.tree(&record).contains(range)?;
        Ok(record)
    }
    pub(crate) fn left(&self, pages: &dyn PageRead) -> Result<u64> {
        self.anchor.get(LEFT, pages)
    }
    pub(crate) fn set_left(&self, left: u64, pages: &mut dyn PageTxn) -> Result<()> {
        self.anchor.set(LEFT, left, pages)
    }
    /// Give empty count pages back.
    pub(crate) fn trim(&self, emptied: &mut Emptied, pages: &mut dyn PageTxn) -> Result<()> {
        self.nodes.trim(&mut emptied.nodes, pages)?;
        self.blocks.trim(&mut emptied.blocks, pages)
    }
    /// The same, the anchor's words being at hand.
    pub(crate) fn shares_nothing_in(&self, anchor: &Payload) -> bool {
        self.nodes.is_empty_in(anchor) && self.blocks.is_empty_in(anchor)
    }
    /// Whether nothing has a second owner.
    pub(crate) fn shares_nothing(&self, pages: &dyn PageRead) -> Result<bool> {
        Ok(self.shares_nothing_in(&*self.anchor.read(pages)?))
    }
}

/// The record of a version that begins.
pub(crate) fn new_record(blocks: u64) -> Record {
    let access = spinney_snap::Access::Writable;
    Record { access, blocks, root: None, parent: None, referenced_blocks: 0, own: [0; OWN_WORDS] }
}

/// When the version was last snapshotted, or made as a snapshot; a damaged time is later than any.
pub(crate) fn snapshotted(record: &Record) -> u32 {
    record.own[SNAPSHOTTED].min(TIME_LIMIT) as u32
}

pub(crate) fn set_snapshotted(record: &mut Record, time: u32) {
    record.own[SNAPSHOTTED] = u64::from(time);
}
