//! Who is above whom, who sees what, and who speaks for whom: questions about the trees of nodes.
//!
//! Invariant: changes nothing, and reads each node once, so that a pass over many keys is not many walks over the same pages. A reader
//! is of one moment: whoever changes nodes makes a new one.

use crate::keys::{Group, NodeId, Said};
use crate::nodes::{Node, Nodes, corrupt};
use crate::planted::{Fault, planted};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cell::RefCell;
use spinney_core::{DevId, PageRead, Result};

/// Nodes as they are now, each read from its page once.
pub(crate) struct Reader<'a> {
    nodes: Nodes,
    pages: &'a dyn PageRead,
    read: RefCell<BTreeMap<NodeId, Option<Node>>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(nodes: Nodes, pages: &'a dyn PageRead) -> Reader<'a> {
        Reader { nodes, pages, read: RefCell::default() }
    }
    fn find(&self, id: NodeId) -> Result<Option<Node>> {
        if let Some(found) = self.read.borrow().get(&id) {
            return Ok(*found);
        }
        let found = self.nodes.0.find(DevId(id.0), self.pages)?;
        let found = found.map(|record| Node::of(id, &record)).transpose()?;
        self.read.borrow_mut().insert(id, found);
        Ok(found)
    }
    fn get(&self, id: NodeId) -> Result<Node> {
        self.find(id)?.map_or_else(|| corrupt(id, "missing snapshot node"), Ok)
    }
    /// A new leaf below `parent`. Where its jump goes follows from the depths (skew-binary numbers: a walk to any node above takes a
    /// number of steps that is the logarithm of the depth), so no chance is needed.
    pub(crate) fn below(&self, parent: &Node, id: NodeId, version: DevId) -> Result<Node> {
        let jump = self.jump_of(parent)?;
        Ok(Node {
            id,
            parent: Some(parent.id),
            children: None,
            depth: parent.depth.saturating_add(1),
            jump: Some(jump),
            keys: 0,
            version: Some(version),
            next_dead: None,
            inode: parent.inode,
        })
    }
    fn jump_of(&self, parent: &Node) -> Result<NodeId> {
        let Some(near) = self.reached(parent.jump)? else { return Ok(parent.id) };
        let Some(far) = self.reached(near.jump)? else { return Ok(parent.id) };
        let equal = parent.depth.checked_sub(near.depth) == near.depth.checked_sub(far.depth);
        Ok(if equal { far.id } else { parent.id })
    }
    /// Where a jump goes, if that node is still there.
    fn reached(&self, jump: Option<NodeId>) -> Result<Option<Node>> {
        let Some(id) = jump else { return Ok(None) };
        self.find(id)
    }
    /// Whether `above` is `id` or above it.
    pub(crate) fn is_above(&self, above: NodeId, id: NodeId) -> Result<bool> {
        let mut at = id;
        while at > above {
            let node = self.get(at)?;
            let next = match node.jump.filter(|jump| *jump >= above && *jump < at) {
                Some(jump) if self.reached(Some(jump))?.is_some() => Some(jump),
                _ => node.parent,
            };
            match next {
                Some(next) if next < at => at = next,
                Some(_) => return node.corrupt("parent of a snapshot node"),
                None => return Ok(false),
            }
        }
        Ok(at == above)
    }
    /// What `id` sees: what the nearest node says that is it or above it.
    pub(crate) fn seen_by(&self, id: NodeId, group: &Group) -> Result<Option<Said>> {
        if planted(Fault::FarthestKey) {
            return self.nearest(id, group.0.iter());
        }
        self.nearest(id, group.0.iter().rev())
    }
    /// The same without what `id` itself says.
    pub(crate) fn above(&self, id: NodeId, group: &Group) -> Result<Option<Said>> {
        self.nearest(id, group.0.iter().rev().filter(|said| said.node != id))
    }
    fn nearest<'b>(&self, id: NodeId, group: impl Iterator<Item = &'b Said>) -> Result<Option<Said>> {
        for said in group {
            if said.node <= id && self.is_above(said.node, id)? {
                return Ok(Some(*said));
            }
        }
        Ok(None)
    }
    /// Whether a version that counts sees what `id` says.
    pub(crate) fn is_seen(&self, id: NodeId, group: &Group, counts: &dyn Fn(DevId) -> bool) -> Result<bool> {
        self.reaches(id, &|below| group.of(below).is_none(), counts)
    }
    /// Whether from `id` down, through nodes that are `open`, there is a version that counts.
    fn reaches(
        &self,
        id: NodeId,
        open: &dyn Fn(NodeId) -> bool,
        counts: &dyn Fn(DevId) -> bool,
    ) -> Result<bool> {
        let mut left = Vec::from([id]);
        while let Some(id) = left.pop() {
            let node = self.get(id)?;
            if node.version.is_some_and(counts) {
                return Ok(true);
            }
            let Some(mut children) = node.children else { continue };
            if children.iter().any(|child| *child <= id) {
                return node.corrupt("child of a snapshot node");
            }
            // The smaller is the one that was taken, and so a leaf if the other went on being written: it is looked at first.
            children.sort_unstable_by_key(|child| core::cmp::Reverse(*child));
            let asked = if planted(Fault::HeirDecides) { &children[1..] } else { &children[..] };
            left.extend(asked.iter().copied().filter(|child| open(*child)));
        }
        Ok(false)
    }
}

/// Which nodes have versions at or below them, as far as it was asked. Right until the next snapshot or delete.
#[derive(Debug, Default)]
pub(crate) struct Living(BTreeMap<NodeId, bool>);

impl Living {
    fn is_alive(&mut self, nodes: &Reader<'_>, id: NodeId) -> Result<bool> {
        if let Some(alive) = self.0.get(&id) {
            return Ok(*alive);
        }
        let alive = nodes.reaches(id, &|_| true, &|_| true)?;
        self.0.insert(id, alive);
        Ok(alive)
    }
    /// The node that speaks for `id`: itself, or what is below it while only one side of it lives. None if no side does.
    pub(crate) fn heir(&mut self, nodes: &Reader<'_>, id: NodeId) -> Result<Option<NodeId>> {
        let mut at = id;
        loop {
            let node = nodes.get(at)?;
            let Some([one, other]) = node.children else {
                return Ok(node.version.map(|_| at));
            };
            if one <= at || other <= at {
                return node.corrupt("child of a snapshot node");
            }
            at = match (self.is_alive(nodes, one)?, self.is_alive(nodes, other)?) {
                (true, true) => return Ok(Some(at)),
                (true, false) => one,
                (false, true) => other,
                (false, false) => return Ok(None),
            };
        }
    }
}
