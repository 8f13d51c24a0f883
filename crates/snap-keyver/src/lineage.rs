//! Making and deleting versions: leaves of the trees of snapshot nodes.
//!
//! Invariant: nothing is copied and no key is touched. A snapshot gives the node of its origin two children, of which each of the two
//! versions takes one; a deleted version leaves a dead leaf.

use crate::nodes::Node;
use crate::state::{Head, State, Sweep, new_record};
use spinney_core::{DevId, PageTxn, Result};
use spinney_snap::Access;
use spinney_snap_tree::Record;

/// A new, empty volume, with an inode and a node of its own.
pub(crate) fn create(state: &State, blocks: u64, pages: &mut dyn PageTxn) -> Result<DevId> {
    let (dev, id) = (state.issue_dev(pages)?, state.issue_node(pages)?);
    let (inode, version) = (dev.0, Some(dev));
    let (parent, children, jump, next_dead) = (None, None, None, None);
    state
        .nodes
        .put(&Node { id, inode, parent, children, depth: 0, jump, keys: 0, version, next_dead }, pages)?;
    Head { dev, record: new_record(blocks), node: id, inode }.put(state, pages)?;
    Ok(dev)
}

/// A new version with the content of `of`.
pub(crate) fn take(state: &State, of: DevId, access: Access, pages: &mut dyn PageTxn) -> Result<DevId> {
    let mut head = state.head(of, pages)?;
    let mut node = state.nodes.get(head.node, pages)?;
    if node.children.is_some() {
        return node.corrupt("snapshot node of a version");
    }
    let dev = state.issue_dev(pages)?;
    let (taken, rest) = (state.issue_node(pages)?, state.issue_node(pages)?);
    for (id, version) in [(taken, dev), (rest, of)] {
        let leaf = state.nodes.reader(pages).below(&node, id, version)?;
        state.nodes.put(&leaf, pages)?;
    }
    (node.children, node.version) = (Some([taken, rest]), None);
    state.nodes.put(&node, pages)?;
    let record = Record { access, parent: Some(of), ..head.record };
    Head { dev, record, node: taken, ..head }.put(state, pages)?;
    head.node = rest;
    head.put(state, pages)?;
    Ok(dev)
}

/// Delete a version: its leaf is dead, and what is left of it is looked for by `tend`.
pub(crate) fn delete(state: &State, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
    let head = state.head(dev, pages)?;
    let mut node = state.nodes.get(head.node, pages)?;
    if node.children.is_some() || node.version != Some(dev) {
        return node.corrupt("snapshot node of a version");
    }
    let inode = DevId(node.inode);
    let found = state.sweeps.find(inode, pages)?.map(|record| Sweep::of(inode, &record)).transpose()?;
    node.version = None;
    node.next_dead = found.and_then(|sweep| sweep.dead);
    state.nodes.put(&node, pages)?;
    let sweep = match found {
        Some(sweep) => sweep.again(node.id),
        None => {
            let jobs = state.jobs(pages)?.saturating_add(1);
            state.set_jobs(jobs, pages)?;
            Sweep::new(node.inode, Some(node.id))
        }
    };
    sweep.put(state, pages)?;
    state.versions.remove(dev, pages)
}
