//! Where everything of a pool stands, and what the scheme keeps of a layer.
//!
//! Invariant: constant after `format` or `open`: all that changes stands on pages. A layer's number is larger than that of the one
//! behind it, so no chain is a circle; all of a chain are of one size.

use crate::table::Table;
use alloc::vec::Vec;
use spinney_core::{DevId, Error, LbaRange, PageNo, PageRead, PageTxn, Place, Result};
use spinney_snap::Access;
use spinney_snap_tree::catalogue::OWN_WORDS;
use spinney_snap_tree::slot::POINTER_LIMIT;
use spinney_snap_tree::{Anchor, Catalogue, Record, SPARSE_WORDS, Shape, Tree};

/// Word of the anchor: the next id.
const NEXT_DEV: usize = 0;
/// Word of the anchor: pending layers and zombies.
const JOBS: usize = 3;
const CATALOGUE: usize = 4;
const ZOMBIES: usize = CATALOGUE + SPARSE_WORDS;
const HIDDEN: u64 = 1;
const MARKED: u64 = 2;
const INDEX_WHOLE: u64 = 4;
const LEAVING: u64 = 8;
/// Own words of a record, as `Layer` has them.
pub(crate) const INDEX: usize = 3;

/// The places of all structures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) shape: Shape,
    /// Whether versions that can be written have an index.
    pub(crate) indexed: bool,
    pub(crate) anchor: Anchor,
    /// Versions, hidden layers too.
    pub(crate) catalogue: Catalogue,
    /// Deleted layers that nothing lies on, whose nodes and blocks `tend` lets go.
    pub(crate) zombies: Catalogue,
    pub(crate) table: Table,
}

/// A version's place in its chain: the own words of its record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Layer {
    /// The layer behind.
    pub(crate) back: Option<DevId>,
    /// Deleted, but others lie on it.
    pub(crate) hidden: bool,
    /// There may be marks in its tree.
    pub(crate) marked: bool,
    /// The index has all that the version maps: it was made empty, and not taken from another.
    pub(crate) index_whole: bool,
    /// On its way out of its chain: what it sees of others is being copied.
    pub(crate) leaving: bool,
    /// Rises from back to front.
    pub(crate) number: u64,
    /// The root of its index.
    pub(crate) index: Option<PageNo>,
    /// The logical block from which a sweep, or the way out, goes on.
    pub(crate) cursor: u64,
}

/// A layer with its id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kin {
    pub(crate) dev: DevId,
    pub(crate) record: Record,
    pub(crate) layer: Layer,
}

impl Layer {
    /// Errors: `Corrupt`.
    pub(crate) fn of(dev: DevId, record: &Record) -> Result<Layer> {
        let [back, flags, number, index, cursor] = record.own;
        if flags >= 2 * LEAVING || index >= POINTER_LIMIT {
            return Err(Error::Corrupt { what: "a layer's record", place: Place::Version(dev) });
        }
        let set = |flag| flags & flag != 0;
        Ok(Layer {
            back: (back != 0).then_some(DevId(back)),
            hidden: set(HIDDEN),
            marked: set(MARKED),
            index_whole: set(INDEX_WHOLE),
            leaving: set(LEAVING),
            number,
            index: (index != 0).then_some(PageNo(index)),
            cursor,
        })
    }
    /// Into a record.
    pub(crate) fn store(self, record: Record) -> Record {
        let flag = |set, flag| if set { flag } else { 0 };
        let flags = flag(self.hidden, HIDDEN)
            | flag(self.marked, MARKED)
            | flag(self.index_whole, INDEX_WHOLE)
            | flag(self.leaving, LEAVING);
        let (back, index) = (self.back.map_or(0, |dev| dev.0), self.index.map_or(0, |page| page.0));
        Record { own: [back, flags, self.number, index, self.cursor], ..record }
    }
}

impl Kin {
    /// Errors: `Corrupt`.
    pub(crate) fn of(dev: DevId, record: Record) -> Result<Kin> {
        Ok(Kin { dev, record, layer: Layer::of(dev, &record)? })
    }
    pub(crate) fn corrupt<T>(&self, what: &'static str) -> Result<T> {
        Err(Error::Corrupt { what, place: Place::Version(self.dev) })
    }
    /// Store the record.
    pub(crate) fn put(&self, state: &State, pages: &mut dyn PageTxn) -> Result<()> {
        state.catalogue.put(self.dev, &self.layer.store(self.record), pages)
    }
}

impl State {
    fn at(anchor: Anchor, shape: Shape, indexed: bool, table: Table) -> State {
        let (catalogue, zombies) = (Catalogue::at(anchor, CATALOGUE), Catalogue::at(anchor, ZOMBIES));
        State { shape, indexed, anchor, catalogue, zombies, table }
    }
    pub(crate) fn format(shape: Shape, indexed: bool, pages: &mut dyn PageTxn) -> Result<State> {
        let anchor = Anchor::create(pages)?;
        anchor.set(NEXT_DEV, 1, pages)?;
        Ok(State::at(anchor, shape, indexed, Table::create(anchor, pages)?))
    }
    pub(crate) fn open(anchor: Anchor, shape: Shape, indexed: bool, pages: &dyn PageRead) -> Result<State> {
        Ok(State::at(anchor, shape, indexed, Table::open(anchor, pages)?))
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
    /// A layer named by another record. Errors: `Corrupt` also if it is missing.
    pub(crate) fn kin(&self, dev: DevId, pages: &dyn PageRead) -> Result<Kin> {
        match self.catalogue.find(dev, pages)? {
            Some(record) => Kin::of(dev, record),
            None => Err(Error::Corrupt { what: "missing layer of a chain", place: Place::Version(dev) }),
        }
    }
    /// A version that users know. Errors: `NotFound`, `Corrupt`.
    pub(crate) fn live(&self, dev: DevId, pages: &dyn PageRead) -> Result<Kin> {
        let kin = Kin::of(dev, self.catalogue.get(dev, pages)?)?;
        if kin.layer.hidden { Err(Error::NotFound(dev)) } else { Ok(kin) }
    }
    /// A version that may be written, if `range` is inside it.
    pub(crate) fn writable(&self, dev: DevId, range: LbaRange, pages: &dyn PageRead) -> Result<Kin> {
        let kin = self.live(dev, pages)?;
        if kin.record.access == Access::ReadOnly {
            return Err(Error::ReadOnly(dev));
        }
        self.tree(&kin).contains(range)?;
        Ok(kin)
    }
    /// The layer behind. Errors: `Corrupt`.
    pub(crate) fn back(&self, kin: &Kin, pages: &dyn PageRead) -> Result<Option<Kin>> {
        let Some(back) = kin.layer.back else { return Ok(None) };
        let back = self.kin(back, pages)?;
        follows(&back, kin)?;
        Ok(Some(back))
    }
    /// The layers that lie on `kin`. Errors: `Corrupt` also if one of them says otherwise.
    pub(crate) fn fronts(&self, kin: &Kin, pages: &dyn PageRead) -> Result<Vec<Kin>> {
        let fronts = self.table.fronts(kin.dev, usize::MAX, pages)?;
        let fronts = fronts.into_iter().map(|dev| {
            let front = self.kin(dev, pages)?;
            if front.layer.back != Some(kin.dev) {
                return front.corrupt("a layer that lies on another");
            }
            follows(kin, &front).map(|()| front)
        });
        fronts.collect()
    }
    /// What the layer itself maps.
    pub(crate) fn tree(&self, kin: &Kin) -> Tree {
        Tree { shape: self.shape, root: kin.record.root, blocks: kin.record.blocks }
    }
    /// Its index.
    pub(crate) fn index(&self, kin: &Kin) -> Tree {
        Tree { root: kin.layer.index, ..self.tree(kin) }
    }
    /// The maps of all layers of which a version is made, its own first.
    pub(crate) fn chain(&self, kin: &Kin, pages: &dyn PageRead) -> Result<Vec<Tree>> {
        let mut chain = Vec::new();
        let mut next = Some(*kin);
        while let Some(kin) = next {
            chain.push(self.tree(&kin));
            next = self.back(&kin, pages)?;
        }
        Ok(chain)
    }
}

fn follows(back: &Kin, front: &Kin) -> Result<()> {
    if back.layer.number < front.layer.number && back.record.blocks == front.record.blocks {
        return Ok(());
    }
    front.corrupt("a layer's number or size")
}

/// The record of a version that begins.
pub(crate) fn new_record(blocks: u64) -> Record {
    let access = Access::Writable;
    Record { access, blocks, root: None, parent: None, referenced_blocks: 0, own: [0; OWN_WORDS] }
}
