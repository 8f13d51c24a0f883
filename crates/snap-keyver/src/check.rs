//! Whether what is stored hangs together: trees of nodes, versions, numbers of keys, and what keys are still there.
//!
//! Invariant: changes nothing. Versions' counts of mapped blocks are summed down the trees of nodes, one pass over the keys for all.

use crate::audit::WHOLE;
use crate::keys::{Group, NodeId};
use crate::nodes::Node;
use crate::reader::{Living, Reader};
use crate::state::{Head, State, Sweep};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use spinney_core::{DevId, Finding, Flow, PageRead, Place, Result};

/// All of it.
pub(crate) fn check(state: &State, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
    state.keys.check(pages, found);
    let (mut nodes, mut heads, mut sweeps) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    state.nodes.0.visit(pages, &mut |dev, record| {
        nodes.insert(NodeId(dev.0), Node::of(NodeId(dev.0), &record)?);
        Ok(Flow::Continue)
    })?;
    state.versions.visit(pages, &mut |dev, record| {
        heads.insert(dev, Head::of(dev, record));
        Ok(Flow::Continue)
    })?;
    state.sweeps.visit(pages, &mut |dev, record| {
        sweeps.insert(dev.0, Sweep::of(dev, &record)?);
        Ok(Flow::Continue)
    })?;
    let mut check = Check { state, pages, nodes, heads, sweeps, found };
    check.numbers()?;
    check.trees();
    check.versions();
    check.dead_leaves();
    check.keys()
}

struct Check<'a> {
    state: &'a State,
    pages: &'a dyn PageRead,
    nodes: BTreeMap<NodeId, Node>,
    heads: BTreeMap<DevId, Head>,
    sweeps: BTreeMap<u64, Sweep>,
    found: &'a mut dyn FnMut(Finding),
}

impl Check<'_> {
    fn report(&mut self, broken: bool, rule: &'static str, dev: DevId) {
        if broken {
            (self.found)(Finding { rule, place: Place::Version(dev) });
        }
    }

    fn numbers(&mut self) -> Result<()> {
        let (dev, node) = (self.state.next_dev(self.pages)?, self.state.next_node(self.pages)?);
        let last_dev = self.heads.keys().next_back().copied().unwrap_or(DevId(0));
        let last_node = self.nodes.keys().next_back().map_or(0, |node| node.0);
        let inodes = self.nodes.values().map(|node| node.inode).max().unwrap_or(0);
        let room = |next: u64| self.state.versions.holds(DevId(next.saturating_add(2)));
        let sound = room(dev.0) && room(node.0) && self.state.nodes.0.holds(DevId(node.0.saturating_add(2)));
        self.report(!sound, "the next numbers can be issued", dev);
        let below = last_dev < dev && last_node < node.0 && inodes < dev.0;
        self.report(!below, "an id is below the next one", dev);
        let jobs = self.sweeps.len() as u64;
        self.report(jobs != self.state.jobs(self.pages)?, "the number of jobs is that of the sweeps", dev);
        Ok(())
    }

    /// Parents and children know each other, and a jump goes to a node above.
    fn trees(&mut self) {
        let spans = self.spans();
        let mut broken = Vec::new();
        for node in self.nodes.values() {
            let is_child =
                |parent: &Node| parent.children.is_some_and(|children| children.contains(&node.id));
            let parent = node.parent.and_then(|parent| self.nodes.get(&parent));
            let hangs = parent.is_some_and(|parent| is_child(parent) && parent.inode == node.inode);
            let above = node.parent.is_none() || hangs && node.parent < Some(node.id);
            let below = node.children.into_iter().flatten().all(|child| {
                self.nodes
                    .get(&child)
                    .is_some_and(|child| child.parent == Some(node.id) && child.id > node.id)
            });
            let twins = node.children.is_some_and(|[one, other]| one == other);
            let jump = node.jump.and_then(|jump| spans.get(&jump)).zip(spans.get(&node.id));
            let jumps = jump.is_none_or(|(from, at)| from.0 < at.0 && at.1 <= from.1);
            if !(above && below && jumps) || twins || node.children.is_some() && node.version.is_some() {
                broken.push(node.id);
            }
        }
        for id in broken {
            self.report(true, "snapshot nodes are trees, and jumps go up", DevId(id.0));
        }
    }

    /// When a walk down the trees comes to each node, and when it leaves it.
    fn spans(&self) -> BTreeMap<NodeId, (u64, u64)> {
        let (mut spans, mut clock) = (BTreeMap::new(), 0);
        let roots = self.nodes.values().filter(|node| node.parent.is_none());
        let mut left: Vec<(NodeId, bool)> = roots.map(|node| (node.id, false)).collect();
        while let Some((id, done)) = left.pop() {
            clock += 1;
            if done {
                spans.entry(id).and_modify(|span: &mut (u64, u64)| span.1 = clock);
            } else if let Some(node) = self.nodes.get(&id).filter(|_| !spans.contains_key(&id)) {
                spans.insert(id, (clock, clock));
                left.push((id, true));
                left.extend(node.children.into_iter().flatten().map(|child| (child, false)));
            }
        }
        spans
    }

    fn versions(&mut self) {
        let sizes: BTreeSet<(u64, u64)> =
            self.heads.values().map(|head| (head.inode, head.record.blocks)).collect();
        let one_size = sizes.iter().zip(sizes.iter().skip(1)).all(|(one, other)| one.0 != other.0);
        self.report(!one_size, "versions of one inode are of one size", DevId(0));
        let sees = |head: &Head| {
            let node = self.nodes.get(&head.node);
            node.is_some_and(|node| node.version == Some(head.dev) && node.inode == head.inode)
        };
        let blind: Vec<DevId> = self.heads.values().filter(|head| !sees(head)).map(|head| head.dev).collect();
        let known = |node: &&Node| node.version.is_some_and(|dev| !self.heads.contains_key(&dev));
        let stray: Vec<NodeId> = self.nodes.values().filter(known).map(|node| node.id).collect();
        blind.into_iter().for_each(|dev| self.report(true, "a version has a node", dev));
        stray.into_iter().for_each(|id| self.report(true, "a node's version is there", DevId(id.0)));
    }

    /// The dead leaves of an inode are just those that its sweep lists.
    fn dead_leaves(&mut self) {
        let dead = self.nodes.values().filter(|node| node.is_dead_leaf());
        let right: BTreeSet<(u64, NodeId)> = dead.map(|node| (node.inode, node.id)).collect();
        let (mut listed, mut once) = (BTreeSet::new(), true);
        for sweep in self.sweeps.values() {
            let mut next = sweep.dead;
            while let Some(id) = next {
                let node = self.nodes.get(&id).filter(|_| listed.insert((sweep.inode, id)));
                once &= node.is_some();
                next = node.and_then(|node| node.next_dead);
            }
        }
        self.report(!once || listed != right, "sweeps list the dead leaves", DevId(0));
    }

    fn keys(&mut self) -> Result<()> {
        let (mut counts, mut deltas) = (BTreeMap::<NodeId, u64>::new(), BTreeMap::<NodeId, i64>::new());
        let inodes: BTreeSet<u64> = self.nodes.values().map(|node| node.inode).collect();
        let sizes: BTreeMap<u64, u64> =
            self.heads.values().map(|head| (head.inode, head.record.blocks)).collect();
        let (mut all, nodes) = (0u64, self.state.nodes.reader(self.pages));
        for inode in inodes {
            let (mut living, mut groups) = (Living::default(), 0);
            let (mut past, mut stray, mut rest) = (false, false, false);
            let size = sizes.get(&inode).copied().unwrap_or(u64::MAX);
            let sweep = self.sweeps.get(&inode).copied();
            self.state.keys.visit(inode, WHOLE, self.pages, &mut |lba, group| {
                groups += group.0.len() as u64;
                past |= lba >= size;
                for said in &group.0 {
                    stray |= self.nodes.get(&said.node).is_none_or(|node| node.inode != inode);
                    *counts.entry(said.node).or_default() += 1;
                }
                if stray {
                    return Ok(Flow::Stop);
                }
                sum(&nodes, group, &mut deltas)?;
                let awaited = sweep.is_some_and(|sweep| sweep.awaits(lba));
                rest = rest || !awaited && !is_needed(&nodes, group, &mut living)?;
                Ok(Flow::Continue)
            })?;
            all += groups;
            self.report(past, "nothing is mapped past the end of a version", DevId(inode));
            self.report(stray, "a key's node is one of its inode", DevId(inode));
            self.report(rest, "a key is needed where it stands", DevId(inode));
        }
        let mut keys = 0u64;
        self.state.keys.visit_all(self.pages, &mut |_, _| {
            keys += 1;
            Ok(())
        })?;
        self.report(keys != all, "a key's inode is there", DevId(0));
        let wrong: Vec<NodeId> = self
            .nodes
            .values()
            .filter(|node| node.keys != counts.get(&node.id).copied().unwrap_or(0))
            .map(|node| node.id)
            .collect();
        wrong.into_iter().for_each(|id| self.report(true, "a node counts its keys", DevId(id.0)));
        self.referenced(deltas);
        Ok(())
    }

    fn referenced(&mut self, deltas: BTreeMap<NodeId, i64>) {
        let mut sums = BTreeMap::<NodeId, i64>::new();
        // Parents have smaller numbers, so they are there before their children.
        for node in self.nodes.values() {
            let above = node.parent.and_then(|parent| sums.get(&parent)).copied().unwrap_or(0);
            sums.insert(node.id, above + deltas.get(&node.id).copied().unwrap_or(0));
        }
        let right = |head: &Head| {
            let sum = sums.get(&head.node).copied().unwrap_or(0);
            u64::try_from(sum) == Ok(head.record.referenced_blocks)
        };
        let wrong: Vec<DevId> =
            self.heads.values().filter(|head| !right(head)).map(|head| head.dev).collect();
        let rule = "a version's count of mapped blocks is that of its keys";
        wrong.into_iter().for_each(|dev| self.report(true, rule, dev));
    }
}

/// What each node adds to what those below it map, or takes from it.
fn sum(nodes: &Reader<'_>, group: &Group, deltas: &mut BTreeMap<NodeId, i64>) -> Result<()> {
    for said in &group.0 {
        let before = nodes.above(said.node, group)?.is_some_and(|above| above.on.is_some());
        *deltas.entry(said.node).or_default() += i64::from(said.on.is_some()) - i64::from(before);
    }
    Ok(())
}

/// Whether each key is seen, stands at the node that speaks for its own, and says or hides something.
fn is_needed(nodes: &Reader<'_>, group: &Group, living: &mut Living) -> Result<bool> {
    for said in &group.0 {
        let seen = nodes.is_seen(said.node, group, &|_| true)?;
        let heir = living.heir(nodes, said.node)?;
        let hides =
            said.on.is_some() || nodes.above(said.node, group)?.is_some_and(|above| above.on.is_some());
        if !seen || heir != Some(said.node) || !hides {
            return Ok(false);
        }
    }
    Ok(true)
}
