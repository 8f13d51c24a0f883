//! The snapshot nodes of all inodes: binary trees, whose leaves are what versions see.
//!
//! Invariant: a node has two children or none, and only a leaf has a version; a child's number is larger than its parent's, so every
//! walk ends. Knows no key, but how many there are of each node.

use crate::keys::NodeId;
use crate::reader::Reader;
use spinney_core::{DevId, Error, PageNo, PageRead, PageTxn, Place, Result};
use spinney_snap::Access;
use spinney_snap_tree::{Catalogue, Record};

/// Own words of a node's record.
const OWN: usize = 6;

/// A snapshot node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) inode: u64,
    pub(crate) parent: Option<NodeId>,
    pub(crate) children: Option<[NodeId; 2]>,
    /// How many were above it when it was made.
    pub(crate) depth: u64,
    /// One further up, to which walks jump.
    pub(crate) jump: Option<NodeId>,
    /// Keys that have its number.
    pub(crate) keys: u64,
    /// Who sees what it and those above it say.
    pub(crate) version: Option<DevId>,
    /// Of a dead leaf: the next one of the inode.
    pub(crate) next_dead: Option<NodeId>,
}

fn some(number: u64) -> Option<NodeId> {
    (number != 0).then_some(NodeId(number))
}

fn number(node: Option<NodeId>) -> u64 {
    node.map_or(0, |node| node.0)
}

impl Node {
    pub(crate) fn of(id: NodeId, record: &Record<OWN>) -> Result<Node> {
        let [one, other, depth, jump, version, next_dead] = record.own;
        let children = match (some(one), some(other)) {
            (Some(one), Some(other)) => Some([one, other]),
            (None, None) => None,
            _ => return corrupt(id, "children of a snapshot node"),
        };
        Ok(Node {
            id,
            inode: record.blocks,
            parent: record.parent.map(|dev| NodeId(dev.0)),
            children,
            depth,
            jump: some(jump),
            keys: record.referenced_blocks,
            version: (version != 0).then_some(DevId(version)),
            next_dead: some(next_dead),
        })
    }
    fn record(&self) -> Record<OWN> {
        let [one, other] = self.children.map_or([0; 2], |children| children.map(|child| child.0));
        let (version, none) = (self.version.map_or(0, |dev| dev.0), None::<PageNo>);
        Record {
            access: Access::ReadOnly,
            blocks: self.inode,
            root: none,
            parent: self.parent.map(|parent| DevId(parent.0)),
            referenced_blocks: self.keys,
            own: [one, other, self.depth, number(self.jump), version, number(self.next_dead)],
        }
    }
    /// A leaf without a version: nobody sees what it says.
    pub(crate) fn is_dead_leaf(&self) -> bool {
        self.children.is_none() && self.version.is_none()
    }
    pub(crate) fn corrupt<T>(&self, what: &'static str) -> Result<T> {
        corrupt(self.id, what)
    }
}

pub(crate) fn corrupt<T>(id: NodeId, what: &'static str) -> Result<T> {
    // A node has no place of its own; its number is told as a version's.
    Err(Error::Corrupt { what, place: Place::Version(DevId(id.0)) })
}

/// The nodes. A handle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nodes(pub(crate) Catalogue<OWN>);

impl Nodes {
    pub(crate) fn get(&self, id: NodeId, pages: &dyn PageRead) -> Result<Node> {
        match self.0.find(DevId(id.0), pages)? {
            Some(record) => Node::of(id, &record),
            None => corrupt(id, "missing snapshot node"),
        }
    }
    /// To read several of them.
    pub(crate) fn reader<'a>(&self, pages: &'a dyn PageRead) -> Reader<'a> {
        Reader::new(*self, pages)
    }
    pub(crate) fn put(&self, node: &Node, pages: &mut dyn PageTxn) -> Result<()> {
        self.0.put(DevId(node.id.0), &node.record(), pages)
    }
    pub(crate) fn remove(&self, id: NodeId, pages: &mut dyn PageTxn) -> Result<()> {
        self.0.remove(DevId(id.0), pages)
    }
    /// One key more or less has this number.
    pub(crate) fn count(&self, id: NodeId, by: i64, pages: &mut dyn PageTxn) -> Result<()> {
        if by == 0 {
            return Ok(());
        }
        let mut node = self.get(id, pages)?;
        node.keys = node.keys.saturating_add_signed(by);
        self.put(&node, pages)
    }
}
