//! Where everything of a pool stands, and what the scheme keeps of a version.
//!
//! Invariant: constant after `format` or `open`: all that changes stands on pages.

use crate::held::BIRTH_LIMIT;
use crate::table::{List, Table};
use alloc::vec::Vec;
use spinney_core::{DevId, Error, LbaRange, PageRead, PageTxn, Place, Result};
use spinney_snap_tree::catalogue::OWN_WORDS;
use spinney_snap_tree::{Anchor, Catalogue, Record, SPARSE_WORDS, Shape, Slot, Tree};

/// Word of the anchor: the next id.
const NEXT_DEV: usize = 0;
/// Word of the anchor: the epoch, which rises when a version is frozen.
const EPOCH: usize = 1;
/// Word of the anchor: pending versions and zombies.
const JOBS: usize = 4;
const CATALOGUE: usize = 5;
const ZOMBIES: usize = CATALOGUE + SPARSE_WORDS;
/// Bit of a record's second own word: the version is deleted, and others still hang on it.
const HIDDEN: u64 = 1 << 32;
/// The next bit: what the version made itself is on its live list.
const LISTED: u64 = 1 << 33;

/// The places of all structures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) shape: Shape,
    /// Whether clones keep live lists.
    pub(crate) livelists: bool,
    pub(crate) anchor: Anchor,
    /// Versions of the lineage, hidden ones too.
    pub(crate) catalogue: Catalogue,
    /// Deleted versions that nobody hangs on, whose own nodes and blocks `tend` lets go.
    pub(crate) zombies: Catalogue,
    pub(crate) table: Table,
}

/// A version's place in the lineage: the own words of its record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    /// What it was taken from, in the lineage.
    pub(crate) prev: Option<DevId>,
    /// The epoch that ended when it was frozen; 0 for a version that can be written.
    pub(crate) frozen: u32,
    /// Deleted, but others hang on it.
    pub(crate) hidden: bool,
    /// What it made itself and holds is on its live lists.
    pub(crate) listed: bool,
    /// The number of its lists: the dead ones, what `prev` holds and it does not, and the live ones.
    pub(crate) list: u64,
    /// Birth of its root node; of a hidden version with children: the last entry that was looked at.
    pub(crate) birth_or_cursor: u64,
    /// Of a hidden version with children: the list that is being looked at, twice its number, and 1 for nodes.
    pub(crate) scan: u64,
}

impl Line {
    /// Errors: `Corrupt`.
    pub(crate) fn of(dev: DevId, record: &Record) -> Result<Line> {
        let [prev, flags, list, birth_or_cursor, scan] = record.own;
        let frozen = (flags & (HIDDEN - 1)).try_into().unwrap_or(BIRTH_LIMIT);
        let (hidden, listed) = (flags & HIDDEN != 0, flags & LISTED != 0);
        let known = flags < 2 * LISTED && frozen < BIRTH_LIMIT && List::of(list, false).is_some();
        if !known || !hidden && birth_or_cursor >= u64::from(BIRTH_LIMIT) {
            return Err(Error::Corrupt {
                what: "a version's place in the lineage",
                place: Place::Version(dev),
            });
        }
        let prev = (prev != 0).then_some(DevId(prev));
        Ok(Line { prev, frozen, hidden, listed, list, birth_or_cursor, scan })
    }
    /// Into a record.
    pub(crate) fn store(self, record: Record) -> Record {
        let set = |is_set, flag| if is_set { flag } else { 0 };
        let flags = u64::from(self.frozen) | set(self.hidden, HIDDEN) | set(self.listed, LISTED);
        let prev = self.prev.map_or(0, |dev| dev.0);
        Record { own: [prev, flags, self.list, self.birth_or_cursor, self.scan], ..record }
    }
    /// Its dead list of one kind.
    pub(crate) fn dead(&self, node: bool) -> List {
        List::of(self.list, node).expect("checked when the line was read")
    }
    /// Its live list of one kind.
    pub(crate) fn live(&self, node: bool) -> List {
        self.dead(node).live()
    }
}

impl State {
    fn at(anchor: Anchor, shape: Shape, livelists: bool, table: Table) -> State {
        let (catalogue, zombies) = (Catalogue::at(anchor, CATALOGUE), Catalogue::at(anchor, ZOMBIES));
        State { shape, livelists, anchor, catalogue, zombies, table }
    }
    pub(crate) fn format(shape: Shape, livelists: bool, pages: &mut dyn PageTxn) -> Result<State> {
        let anchor = Anchor::create(pages)?;
        anchor.set(NEXT_DEV, 1, pages)?;
        anchor.set(EPOCH, 1, pages)?;
        Ok(State::at(anchor, shape, livelists, Table::create(anchor, pages)?))
    }
    pub(crate) fn open(anchor: Anchor, shape: Shape, livelists: bool, pages: &dyn PageRead) -> Result<State> {
        Ok(State::at(anchor, shape, livelists, Table::open(anchor, pages)?))
    }
    pub(crate) fn next_dev(&self, pages: &dyn PageRead) -> Result<DevId> {
        self.anchor.get(NEXT_DEV, pages).map(DevId)
    }
    /// The next id, which is then taken.
    pub(crate) fn issue(&self, pages: &mut dyn PageTxn) -> Result<DevId> {
        let dev = self.next_dev(pages)?;
        let Some(next) = dev.0.checked_add(1) else { return self.anchor.corrupt("next version id") };
        if self.catalogue.find(dev, pages)?.is_some() {
            return self.anchor.corrupt("next version id (there is such a version)");
        }
        self.anchor.set(NEXT_DEV, next, pages)?;
        Ok(dev)
    }
    /// Births of now have this number. Errors: `Corrupt`.
    pub(crate) fn epoch(&self, pages: &dyn PageRead) -> Result<u32> {
        match u32::try_from(self.anchor.get(EPOCH, pages)?) {
            Ok(epoch) if (1..BIRTH_LIMIT).contains(&epoch) => Ok(epoch),
            _ => self.anchor.corrupt("epoch of the lineage"),
        }
    }
    /// The epoch, if another can follow it. Errors: `Unsupported` after 2^24.
    pub(crate) fn epoch_to_end(&self, pages: &dyn PageRead) -> Result<u32> {
        match self.epoch(pages)? {
            epoch if epoch + 1 < BIRTH_LIMIT => Ok(epoch),
            _ => Err(Error::Unsupported("2^24 snapshots in the life of a pool")),
        }
    }
    /// End the epoch: what it bore is told from what is born later. Returns it. Errors: as `epoch_to_end`.
    pub(crate) fn end_epoch(&self, pages: &mut dyn PageTxn) -> Result<u32> {
        let epoch = self.epoch_to_end(pages)?;
        self.anchor.set(EPOCH, u64::from(epoch) + 1, pages)?;
        Ok(epoch)
    }
    pub(crate) fn jobs(&self, pages: &dyn PageRead) -> Result<u64> {
        self.anchor.get(JOBS, pages)
    }
    pub(crate) fn add_job(&self, pages: &mut dyn PageTxn) -> Result<()> {
        let jobs = self.jobs(pages)?.saturating_add(1);
        self.anchor.set(JOBS, jobs, pages)
    }
    pub(crate) fn remove_job(&self, pages: &mut dyn PageTxn) -> Result<()> {
        let jobs = self.jobs(pages)?.saturating_sub(1);
        self.anchor.set(JOBS, jobs, pages)
    }
    /// Any version of the lineage.
    pub(crate) fn line(&self, dev: DevId, pages: &dyn PageRead) -> Result<(Record, Line)> {
        let record = self.catalogue.get(dev, pages)?;
        Ok((record, Line::of(dev, &record)?))
    }
    /// The same, named by another record. Errors: `Corrupt` also if it is missing.
    pub(crate) fn kin(&self, dev: DevId, pages: &dyn PageRead) -> Result<(Record, Line)> {
        match self.line(dev, pages) {
            Err(Error::NotFound(_)) => {
                Err(Error::Corrupt { what: "missing kin of a version", place: Place::Version(dev) })
            }
            found => found,
        }
    }
    /// The versions taken from `dev`. Errors: `Corrupt` also if one of them says otherwise.
    pub(crate) fn below(&self, dev: DevId, pages: &dyn PageRead) -> Result<Vec<(DevId, Line)>> {
        let below = self.table.children(dev, usize::MAX, pages)?;
        let lines = below.into_iter().map(|below| match self.kin(below, pages)?.1 {
            line if line.prev == Some(dev) => Ok((below, line)),
            _ => Err(Error::Corrupt { what: "kin of a version", place: Place::Version(below) }),
        });
        lines.collect()
    }
    /// A version that users know. Errors: `NotFound`, `Corrupt`.
    pub(crate) fn live(&self, dev: DevId, pages: &dyn PageRead) -> Result<(Record, Line)> {
        let found = self.line(dev, pages)?;
        if found.1.hidden { Err(Error::NotFound(dev)) } else { Ok(found) }
    }
    /// A version that may be written, if `range` is inside it.
    pub(crate) fn writable(
        &self,
        dev: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
    ) -> Result<(Record, Line)> {
        let found = self.live(dev, pages)?;
        if found.0.access == spinney_snap::Access::ReadOnly {
            return Err(Error::ReadOnly(dev));
        }
        self.tree(&found.0).contains(range)?;
        Ok(found)
    }
    pub(crate) fn tree(&self, record: &Record) -> Tree {
        Tree { shape: self.shape, root: record.root, blocks: record.blocks }
    }
    pub(crate) fn put(&self, dev: DevId, record: Record, line: Line, pages: &mut dyn PageTxn) -> Result<()> {
        self.catalogue.put(dev, &line.store(record), pages)
    }
}

/// A root's slot with its birth.
pub(crate) fn root_slot(record: &Record, birth: u64) -> Slot {
    record.root.map_or(Slot::EMPTY, |page| Slot::to(page.0).tagged(birth as u32 & (BIRTH_LIMIT - 1)))
}

/// The record of a version that begins.
pub(crate) fn new_record(blocks: u64) -> Record {
    let access = spinney_snap::Access::Writable;
    Record { access, blocks, root: None, parent: None, referenced_blocks: 0, own: [0; OWN_WORDS] }
}
