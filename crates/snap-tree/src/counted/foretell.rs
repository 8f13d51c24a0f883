//! What deleting a set of versions would give back: Rodeh's "drop", rehearsed.
//!
//! Invariant: changes nothing; a node is entered once its last owner has let go of it, as the real drop would, so the cost
//! follows what would go and not what there is.

use super::state::State;
use crate::owners::OwnerReader;
use crate::tree::child;
use crate::{Node, Position, Record, Slot};
use spinney_core::{DevId, Flow, PageNo, PageRead, Result};
use std::collections::{BTreeMap, BTreeSet};

/// Data blocks that go if these versions do. Versions whose drop is under way go first: what only they share with the doomed
/// ones is the doomed ones' to free.
pub(crate) fn freed_by_deleting(state: &State, doomed: &[DevId], pages: &dyn PageRead) -> Result<u64> {
    let counts = state.blocks.reader(pages);
    let (nodes, blocks) = (BTreeMap::new(), BTreeMap::new());
    let mut drop = Rehearsal { state: *state, pages, counts, nodes, blocks, freed_blocks: 0 };
    state.zombies.visit(pages, &mut |_, record| drop.root(&record).map(|()| Flow::Continue))?;
    let on_their_way = drop.freed_blocks;
    for dev in doomed.iter().collect::<BTreeSet<_>>() {
        drop.root(&state.catalogue.get(*dev, pages)?)?;
    }
    Ok(drop.freed_blocks - on_their_way)
}

struct Rehearsal<'a> {
    state: State,
    pages: &'a dyn PageRead,
    counts: OwnerReader<'a>,
    /// Owners beyond the first that have let go, by page.
    nodes: BTreeMap<u64, u32>,
    /// The same, by block.
    blocks: BTreeMap<u64, u32>,
    freed_blocks: u64,
}

/// Whether the last owner lets go now, of `extra` beyond the first.
fn is_last(gone: &mut BTreeMap<u64, u32>, number: u64, extra: u32) -> bool {
    if extra == 0 {
        return true;
    }
    let gone = gone.entry(number).or_insert(0);
    let last = *gone >= extra;
    *gone += u32::from(!last);
    last
}

impl Rehearsal<'_> {
    fn root(&mut self, record: &Record) -> Result<()> {
        let tree = self.state.tree(record);
        self.node(tree.root_position(), tree.root_slot())
    }

    fn node(&mut self, at: Position, slot: Slot) -> Result<()> {
        let Some(page) = slot.pointer() else { return Ok(()) };
        let extra = self.state.nodes.extra(page, self.pages)?;
        if !is_last(&mut self.nodes, page, extra) {
            return Ok(());
        }
        let shape = self.state.shape;
        let node = Node::read(self.pages, PageNo(page), shape, at)?;
        for (index, slot) in (0..).zip(node.slots(0, shape.fanout() - 1)) {
            match slot.pointer() {
                Some(on) if at.level == 0 => {
                    let extra = self.counts.extra(on)?;
                    self.freed_blocks += u64::from(is_last(&mut self.blocks, on, extra));
                }
                Some(_) => self.node(child(shape, at, index), slot)?,
                None => {}
            }
        }
        Ok(())
    }
}
