//! Where everything of a pool stands.
//!
//! Invariant: constant after `format` or `open`: all that changes stands on pages.

use crate::keys::{Keys, NodeId};
use crate::nodes::Nodes;
use spinney_core::{DevId, Error, LbaRange, PageRead, PageTxn, Place, Result};
use spinney_snap::Access;
use spinney_snap_tree::catalogue::OWN_WORDS;
use spinney_snap_tree::{Anchor, Catalogue, Record, SPARSE_WORDS};

/// Word of the anchor: the next version's id.
const NEXT_DEV: usize = 0;
/// Word of the anchor: the next snapshot node's number.
const NEXT_NODE: usize = 1;
/// Word of the anchor: inodes that are to be swept.
const JOBS: usize = 3;
const VERSIONS: usize = 4;
const NODES: usize = VERSIONS + SPARSE_WORDS;
const SWEEPS: usize = NODES + SPARSE_WORDS;
/// Own words of a version's record.
const NODE: usize = 0;
const INODE: usize = 1;

/// The places of all structures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) anchor: Anchor,
    pub(crate) keys: Keys,
    pub(crate) versions: Catalogue,
    pub(crate) nodes: Nodes,
    /// Inodes of which a version was deleted, by number.
    pub(crate) sweeps: Catalogue,
}

/// A version: what it is, and the node through which it sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    pub(crate) dev: DevId,
    pub(crate) record: Record,
    pub(crate) node: NodeId,
    pub(crate) inode: u64,
}

impl Head {
    pub(crate) fn of(dev: DevId, record: Record) -> Head {
        Head { dev, record, node: NodeId(record.own[NODE]), inode: record.own[INODE] }
    }
    pub(crate) fn put(&self, state: &State, pages: &mut dyn PageTxn) -> Result<()> {
        let mut own = [0; OWN_WORDS];
        (own[NODE], own[INODE]) = (self.node.0, self.inode);
        state.versions.put(self.dev, &Record { own, ..self.record }, pages)
    }
    /// Errors: `OutOfRange` if `range` passes the end.
    pub(crate) fn contains(&self, range: LbaRange) -> Result<()> {
        if range.end().0 <= self.record.blocks {
            return Ok(());
        }
        Err(Error::OutOfRange { start: range.start.0, length: range.blocks, limit: self.record.blocks })
    }
}

/// The sweep of one inode: what deleted versions leave is looked for from the cursor on to the end, and then, if a version was deleted
/// meanwhile, from the front to where the cursor was then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sweep {
    pub(crate) inode: u64,
    /// The key that was looked at last.
    pub(crate) lba: u64,
    pub(crate) node: NodeId,
    /// The last logical block to look at, after the end of the inode if it `wraps`.
    pub(crate) until: u64,
    pub(crate) stage: Stage,
    /// The first of the dead leaves.
    pub(crate) dead: Option<NodeId>,
}

/// How far a sweep is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// On its way to `until`.
    Keys,
    /// On its way to the end, and then from the front to `until`.
    Wraps,
    /// No key of a dead node is left: the nodes go.
    Nodes,
}

impl Sweep {
    pub(crate) fn new(inode: u64, dead: Option<NodeId>) -> Sweep {
        Sweep { inode, lba: 0, node: NodeId(0), until: u64::MAX, stage: Stage::Keys, dead }
    }
    /// Errors: `Corrupt`.
    pub(crate) fn of(dev: DevId, record: &Record) -> Result<Sweep> {
        let [lba, node, until, stage, dead] = record.own;
        let stage = match stage {
            0 => Stage::Keys,
            1 => Stage::Wraps,
            2 => Stage::Nodes,
            _ => return Err(Error::Corrupt { what: "sweep of an inode", place: Place::Version(dev) }),
        };
        let dead = (dead != 0).then_some(NodeId(dead));
        Ok(Sweep { inode: dev.0, lba, node: NodeId(node), until, stage, dead })
    }
    pub(crate) fn put(&self, state: &State, pages: &mut dyn PageTxn) -> Result<()> {
        let stage = match self.stage {
            Stage::Keys => 0,
            Stage::Wraps => 1,
            Stage::Nodes => 2,
        };
        let own = [self.lba, self.node.0, self.until, stage, self.dead.map_or(0, |node| node.0)];
        state.sweeps.put(DevId(self.inode), &Record { own, ..new_record(0) }, pages)
    }
    /// Whether keys of that logical block are still to be looked at.
    pub(crate) fn awaits(&self, lba: u64) -> bool {
        match self.stage {
            Stage::Keys => self.lba <= lba && lba <= self.until,
            Stage::Wraps => self.lba <= lba || lba <= self.until,
            Stage::Nodes => false,
        }
    }
    /// There is one dead leaf more, of whose keys some may stand before the cursor.
    pub(crate) fn again(self, dead: NodeId) -> Sweep {
        match self.stage {
            Stage::Nodes => Sweep::new(self.inode, Some(dead)),
            Stage::Keys if self.node == NodeId(0) => Sweep { until: u64::MAX, dead: Some(dead), ..self },
            Stage::Keys | Stage::Wraps => {
                Sweep { until: self.lba, stage: Stage::Wraps, dead: Some(dead), ..self }
            }
        }
    }
}

impl State {
    fn at(anchor: Anchor, keys: Keys) -> State {
        State {
            anchor,
            keys,
            versions: Catalogue::at(anchor, VERSIONS),
            nodes: Nodes(Catalogue::at(anchor, NODES)),
            sweeps: Catalogue::at(anchor, SWEEPS),
        }
    }
    pub(crate) fn format(pages: &mut dyn PageTxn) -> Result<State> {
        let anchor = Anchor::create(pages)?;
        anchor.set(NEXT_DEV, 1, pages)?;
        anchor.set(NEXT_NODE, 1, pages)?;
        Ok(State::at(anchor, Keys::create(anchor, pages)?))
    }
    pub(crate) fn open(anchor: Anchor, pages: &dyn PageRead) -> Result<State> {
        Ok(State::at(anchor, Keys::open(anchor, pages)?))
    }
    pub(crate) fn next_dev(&self, pages: &dyn PageRead) -> Result<DevId> {
        self.anchor.get(NEXT_DEV, pages).map(DevId)
    }
    pub(crate) fn next_node(&self, pages: &dyn PageRead) -> Result<NodeId> {
        self.anchor.get(NEXT_NODE, pages).map(NodeId)
    }
    /// The next id, which is then taken.
    pub(crate) fn issue_dev(&self, pages: &mut dyn PageTxn) -> Result<DevId> {
        let dev = self.next_dev(pages)?;
        if self.versions.find(dev, pages)?.is_some() {
            return self.anchor.corrupt("next version id (there is such a version)");
        }
        self.issue(NEXT_DEV, pages).map(DevId)
    }
    /// The next node's number, which is then taken.
    pub(crate) fn issue_node(&self, pages: &mut dyn PageTxn) -> Result<NodeId> {
        let node = self.next_node(pages)?;
        if self.nodes.0.find(DevId(node.0), pages)?.is_some() {
            return self.anchor.corrupt("next snapshot node (there is such a node)");
        }
        self.issue(NEXT_NODE, pages).map(NodeId)
    }
    fn issue(&self, word: usize, pages: &mut dyn PageTxn) -> Result<u64> {
        let number = self.anchor.get(word, pages)?;
        let Some(next) = number.checked_add(1) else { return self.anchor.corrupt("next number") };
        self.anchor.set(word, next, pages)?;
        Ok(number)
    }
    pub(crate) fn jobs(&self, pages: &dyn PageRead) -> Result<u64> {
        self.anchor.get(JOBS, pages)
    }
    pub(crate) fn set_jobs(&self, jobs: u64, pages: &mut dyn PageTxn) -> Result<()> {
        self.anchor.set(JOBS, jobs, pages)
    }
    /// A version. Errors: `NotFound`, `Corrupt`.
    pub(crate) fn head(&self, dev: DevId, pages: &dyn PageRead) -> Result<Head> {
        Ok(Head::of(dev, self.versions.get(dev, pages)?))
    }
    /// A version that may be written, if `range` is inside it.
    pub(crate) fn writable(&self, dev: DevId, range: LbaRange, pages: &dyn PageRead) -> Result<Head> {
        let head = self.head(dev, pages)?;
        if head.record.access == Access::ReadOnly {
            return Err(Error::ReadOnly(dev));
        }
        head.contains(range)?;
        Ok(head)
    }
}

/// A record without anything.
pub(crate) fn new_record(blocks: u64) -> Record {
    let access = Access::Writable;
    Record { access, blocks, root: None, parent: None, referenced_blocks: 0, own: [0; OWN_WORDS] }
}
