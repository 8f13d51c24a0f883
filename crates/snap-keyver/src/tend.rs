//! Background work: the keys of deleted versions, then their nodes.
//!
//! Invariant: one key is dealt with at a time, and after each every version maps what it did. What nobody sees goes; what a node says
//! that has one living side only moves down to it. A node goes when its number of keys is 0: two records that must agree before
//! anything is thrown away.

use crate::keys::{Group, Key, NodeId, Said};
use crate::planted::{Fault, planted};
use crate::reader::Living;
use crate::state::{Stage, State, Sweep};
use spinney_core::{DevId, Extent, PageTxn, Pba, Result};
use spinney_snap::{Freed, Progress};

/// At most `budget` keys and nodes.
pub(crate) fn tend(
    state: &State,
    budget: u64,
    pages: &mut dyn PageTxn,
    freed: &mut Freed,
) -> Result<Progress> {
    let mut work = Work { state: *state, budget, pages, freed, living: Living::default(), group: None };
    while work.budget > 0 {
        let Some((dev, record)) = state.sweeps.first(work.pages)? else { break };
        work.inode(Sweep::of(dev, &record)?)?;
    }
    let done = budget - work.budget;
    Ok(Progress { done, left: state.jobs(pages)? })
}

struct Work<'a> {
    state: State,
    budget: u64,
    pages: &'a mut dyn PageTxn,
    freed: &'a mut Freed,
    living: Living,
    /// All that is said of the logical block that is being looked at.
    group: Option<(u64, u64, Group)>,
}

impl Work<'_> {
    /// As much of one inode as the budget allows.
    fn inode(&mut self, mut sweep: Sweep) -> Result<()> {
        while sweep.stage != Stage::Nodes {
            if self.budget == 0 {
                return sweep.put(&self.state, self.pages);
            }
            let last = Key { inode: sweep.inode, lba: sweep.lba, node: sweep.node };
            let next = self.state.keys.next(last, self.pages)?.filter(|key| key.inode == sweep.inode);
            match next {
                Some(key) if sweep.stage == Stage::Wraps || key.lba <= sweep.until => {
                    self.budget -= 1;
                    self.key(key)?;
                    (sweep.lba, sweep.node) = (key.lba, key.node);
                }
                None if sweep.stage == Stage::Wraps => {
                    (sweep.lba, sweep.node, sweep.stage) = (0, NodeId(0), Stage::Keys);
                }
                _ => sweep.stage = Stage::Nodes,
            }
        }
        while let Some(dead) = sweep.dead {
            if self.budget == 0 {
                return sweep.put(&self.state, self.pages);
            }
            self.budget -= 1;
            sweep.dead = self.prune(dead)?;
        }
        self.state.sweeps.remove(DevId(sweep.inode), self.pages)?;
        let jobs = self.state.jobs(self.pages)?.saturating_sub(1);
        self.state.set_jobs(jobs, self.pages)
    }

    /// Keep a key, drop it, or move it to the node that speaks for its own.
    fn key(&mut self, Key { inode, lba, node }: Key) -> Result<()> {
        let mut group = match self.group.take() {
            Some((of, at, group)) if (of, at) == (inode, lba) => group,
            _ => self.state.keys.group(inode, lba, self.pages)?,
        };
        if let Some(said) = group.of(node) {
            self.said(inode, lba, &mut group, said)?;
        }
        self.group = Some((inode, lba, group));
        Ok(())
    }

    fn said(&mut self, inode: u64, lba: u64, group: &mut Group, said: Said) -> Result<()> {
        let (state, node) = (self.state, said.node);
        let reader = state.nodes.reader(self.pages);
        let idle = match said.on {
            Some(_) => false,
            None => reader.above(node, group)?.is_none_or(|above| above.on.is_none()),
        };
        let heir = match idle || !reader.is_seen(node, group, &|_| true)? {
            true => None,
            false => self.living.heir(&reader, node)?,
        };
        drop(reader);
        if heir == Some(node) {
            return Ok(());
        }
        group.remove(node);
        state.keys.remove(inode, lba, node, self.pages)?;
        state.nodes.count(node, -1, self.pages)?;
        match (heir, said.on) {
            (Some(heir), on) if !planted(Fault::HeirGetsNothing) => {
                group.put(Said { node: heir, on });
                state.keys.put(inode, lba, Said { node: heir, on }, self.pages)?;
                state.nodes.count(heir, 1, self.pages)?;
            }
            (_, Some(on)) => self.freed.push(Extent { start: Pba(on), blocks: 1 }),
            _ => {}
        }
        Ok(())
    }

    /// A dead leaf goes, and its parent with it, in whose place the other child comes. Returns the next dead leaf.
    fn prune(&mut self, id: NodeId) -> Result<Option<NodeId>> {
        let nodes = self.state.nodes;
        let leaf = nodes.get(id, self.pages)?;
        if leaf.keys > 0 || !leaf.is_dead_leaf() {
            return leaf.corrupt("a dead snapshot node with keys");
        }
        nodes.remove(id, self.pages)?;
        let Some(parent) = leaf.parent else { return Ok(leaf.next_dead) };
        let parent = nodes.get(parent, self.pages)?;
        let other = match parent.children {
            Some([one, other]) if one == id => other,
            Some([other, one]) if one == id => other,
            _ => return parent.corrupt("children of a snapshot node"),
        };
        if parent.keys > 0 {
            return parent.corrupt("a redundant snapshot node with keys");
        }
        let mut other = nodes.get(other, self.pages)?;
        other.parent = parent.parent;
        if other.jump == Some(parent.id) {
            other.jump = parent.parent;
        }
        nodes.put(&other, self.pages)?;
        if let Some(above) = parent.parent {
            let mut above = nodes.get(above, self.pages)?;
            for child in above.children.iter_mut().flatten().filter(|child| **child == parent.id) {
                *child = other.id;
            }
            nodes.put(&above, self.pages)?;
        }
        nodes.remove(parent.id, self.pages)?;
        Ok(leaf.next_dead)
    }
}
