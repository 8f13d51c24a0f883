//! Looking at everything: usage, and what is owned.
//!
//! Invariant: changes nothing. A block is in one slot of one layer, so whoever walks all layers meets it once.

use crate::layer::{Sight, sight_at, visit_blocks as blocks_of, visit_nodes, whole};
use crate::state::{Kin, State};
use crate::sweep::is_seen;
use alloc::vec::Vec;
use spinney_core::{DevId, Extent, Flow, PageNo, PageRead, Pba, Result};
use spinney_snap::Usage;
use spinney_snap_tree::Tree;

/// Space of one version: what it sees of its own layer and of the hidden ones right behind it, and nobody else sees.
pub(crate) fn usage(state: &State, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
    let own = state.live(dev, pages)?;
    let referenced_blocks = own.record.referenced_blocks;
    let alone = own.layer.back.is_none() && state.table.fronts(dev, 1, pages)?.is_empty();
    let exclusive_blocks = if alone { referenced_blocks } else { exclusive(state, &own, pages)? };
    let shared_blocks = referenced_blocks.saturating_sub(exclusive_blocks);
    Ok(Usage { referenced_blocks, exclusive_blocks, shared_blocks })
}

fn exclusive(state: &State, own: &Kin, pages: &dyn PageRead) -> Result<u64> {
    let (mut blocks, mut before, mut next) = (0, Vec::<Tree>::new(), Some(*own));
    while let Some(kin) = next.filter(|kin| kin.layer.hidden || kin.dev == own.dev) {
        let fronts = state.fronts(&kin, pages)?;
        blocks_of(&state.tree(&kin), pages, &mut |lba, _| {
            // Past the end, where only damage puts a block, no version sees it.
            let mut sees = lba < kin.record.blocks;
            for tree in &before {
                sees = sees && sight_at(tree, 0, lba, pages)? == Sight::Through;
            }
            blocks += u64::from(sees && !is_seen(state, &fronts, (0, lba), Some(own.dev), pages)?);
            Ok(())
        })?;
        before.push(state.tree(&kin));
        next = state.back(&kin, pages)?;
    }
    Ok(blocks)
}

/// Every layer, then what is still to be let go of.
fn visit_layers(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(&Kin) -> Result<()>) -> Result<()> {
    for table in [state.catalogue, state.zombies] {
        table.visit(pages, &mut |dev, record| each(&Kin::of(dev, record)?).map(|()| Flow::Continue))?;
    }
    Ok(())
}

/// Every data block that something owns, once.
pub(crate) fn visit_blocks(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
    visit_layers(state, pages, &mut |kin| {
        blocks_of(&state.tree(kin), pages, &mut |_, on| {
            each(Extent { start: Pba(on), blocks: 1 });
            Ok(())
        })
    })
}

/// Every page, once.
pub(crate) fn visit_pages(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
    each(state.anchor.0);
    state.catalogue.visit_pages(pages, each)?;
    state.zombies.visit_pages(pages, each)?;
    state.table.visit_pages(pages, each)?;
    visit_layers(state, pages, &mut |kin| {
        [state.tree(kin), state.index(kin)].iter().try_for_each(|tree| {
            visit_nodes(tree, whole(tree), pages, &mut |_, page, _| {
                each(page);
                Ok(())
            })
        })
    })
}
