//! Looking at everything: usage, what deleting would free, and what is owned.
//!
//! Invariant: changes nothing. All that is said of a block stands side by side, so one pass over the keys of an inode answers any
//! question about all of its versions.

use crate::state::{Head, State};
use alloc::collections::{BTreeMap, BTreeSet};
use spinney_core::{DevId, Extent, Flow, Lba, LbaRange, PageNo, PageRead, Pba, Result};
use spinney_snap::Usage;

/// All of an inode, whatever its size.
pub(crate) const WHOLE: LbaRange = LbaRange { start: Lba(0), blocks: u64::MAX };

/// Space of one version.
pub(crate) fn usage(state: &State, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
    let head = state.head(dev, pages)?;
    let referenced_blocks = head.record.referenced_blocks;
    let alone = state.nodes.get(head.node, pages)?.parent.is_none();
    let exclusive_blocks = if alone { referenced_blocks } else { exclusive(state, &head, pages)? };
    let shared_blocks = referenced_blocks.saturating_sub(exclusive_blocks);
    Ok(Usage { referenced_blocks, exclusive_blocks, shared_blocks })
}

fn exclusive(state: &State, head: &Head, pages: &dyn PageRead) -> Result<u64> {
    let (mut blocks, nodes) = (0, state.nodes.reader(pages));
    state.keys.visit(head.inode, WHOLE, pages, &mut |_, group| {
        let seen = nodes.seen_by(head.node, group)?;
        if let Some(said) = seen.filter(|said| said.on.is_some()) {
            let others = |dev| dev != head.dev;
            blocks += u64::from(!nodes.is_seen(said.node, group, &others)?);
        }
        Ok(Flow::Continue)
    })?;
    Ok(blocks)
}

/// Data blocks that go if these versions do, beyond those that nobody sees already.
pub(crate) fn freed_by_deleting(state: &State, doomed: &[DevId], pages: &dyn PageRead) -> Result<u64> {
    let mut inodes = BTreeMap::<u64, BTreeSet<DevId>>::new();
    for dev in doomed {
        inodes.entry(state.head(*dev, pages)?.inode).or_default().insert(*dev);
    }
    let (mut blocks, nodes) = (0, state.nodes.reader(pages));
    for (inode, doomed) in inodes {
        state.keys.visit(inode, WHOLE, pages, &mut |_, group| {
            for said in group.0.iter().filter(|said| said.on.is_some()) {
                let seen = |by: &dyn Fn(DevId) -> bool| nodes.is_seen(said.node, group, by);
                let goes = !seen(&|dev| !doomed.contains(&dev))? && seen(&|dev| doomed.contains(&dev))?;
                blocks += u64::from(goes);
            }
            Ok(Flow::Continue)
        })?;
    }
    Ok(blocks)
}

/// Every data block that something owns, once.
pub(crate) fn visit_blocks(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
    state.keys.visit_all(pages, &mut |_, on| {
        if let Some(on) = on {
            each(Extent { start: Pba(on), blocks: 1 });
        }
        Ok(())
    })
}

/// Every page, once.
pub(crate) fn visit_pages(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
    each(state.anchor.0);
    state.versions.visit_pages(pages, each)?;
    state.nodes.0.visit_pages(pages, each)?;
    state.sweeps.visit_pages(pages, each)?;
    state.keys.visit_pages(pages, each)
}
