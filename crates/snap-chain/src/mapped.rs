//! How many blocks each version maps, told by one walk over all layers: for the checker.
//!
//! Invariant: each layer is read once, however many lie on it; what it changes of the map before it is undone before a sibling's turn.
//! In memory are a bit for each mapped block of one chain and what its layers changed. Knows no block's place.

use crate::layer::{Sight, sight, visit_nodes};
use crate::state::{Kin, State};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use spinney_core::{DevId, Lba, LbaRange, PageRead, Result};
use spinney_snap_tree::Slot;

/// Of every layer that a chain without a circle reaches: how many blocks are mapped as seen from it.
pub(crate) fn count(
    state: &State,
    layers: &BTreeMap<DevId, Kin>,
    pages: &dyn PageRead,
) -> Result<BTreeMap<DevId, u64>> {
    let mut fronts = BTreeMap::<Option<DevId>, Vec<DevId>>::new();
    layers.values().for_each(|kin| fronts.entry(kin.layer.back).or_default().push(kin.dev));
    let (mut bits, mut counts) = (Bits::default(), BTreeMap::new());
    // Not by recursion: chains may be thousands of layers long.
    let mut left: Vec<Turn> = fronts.get(&None).into_iter().flatten().map(|dev| Turn::Enter(*dev)).collect();
    while let Some(turn) = left.pop() {
        match turn {
            Turn::Leave(changes) => bits.undo(changes),
            Turn::Enter(dev) => {
                left.push(Turn::Leave(bits.changes.len()));
                bits.lay(state, &layers[&dev], pages)?;
                counts.insert(dev, bits.blocks);
                left.extend(fronts.get(&Some(dev)).into_iter().flatten().map(|dev| Turn::Enter(*dev)));
            }
        }
    }
    Ok(counts)
}

enum Turn {
    Enter(DevId),
    /// Back to so many changes.
    Leave(usize),
}

/// What is mapped, in words of 64 blocks.
#[derive(Default)]
struct Bits {
    words: BTreeMap<u64, u64>,
    blocks: u64,
    /// Words with what they were before.
    changes: Vec<(u64, u64)>,
}

impl Bits {
    /// Put a layer before those that are there.
    fn lay(&mut self, state: &State, kin: &Kin, pages: &dyn PageRead) -> Result<()> {
        let (tree, end) = (state.tree(kin), kin.record.blocks);
        visit_nodes(&tree, LbaRange { start: Lba(0), blocks: end }, pages, &mut |at, _, node| {
            let span = tree.shape.slot_span(at.level);
            let mut first = at.first;
            let slots: Vec<Slot> = node.slots(0, tree.shape.fanout() - 1).collect();
            for alike in slots.chunk_by(|one, next| kind(*one) == kind(*next)) {
                let after = first.saturating_add(span.saturating_mul(alike.len() as u64));
                match kind(alike[0]) {
                    Kind::Mark => self.change(first, after.min(end), false),
                    Kind::Pointer if at.level == 0 => self.change(first, after.min(end), true),
                    Kind::Pointer | Kind::Silent => {}
                }
                first = after;
            }
            Ok(())
        })
    }
    fn change(&mut self, from: u64, end: u64, is_mapped: bool) {
        if from >= end {
            return;
        }
        let (low, high) = (from / 64, (end - 1) / 64);
        let words: Vec<u64> = match is_mapped {
            true => (low..=high).collect(), // a leaf's
            false => self.words.range(low..=high).map(|(word, _)| *word).collect(),
        };
        for word in words {
            let (first, last) = (from.max(word * 64) % 64, (end - 1).min(word * 64 + 63) % 64);
            let mask = (u64::MAX >> (63 - (last - first))) << first;
            let old = self.words.get(&word).copied().unwrap_or_default();
            self.changes.push((word, old));
            self.put(word, if is_mapped { old | mask } else { old & !mask });
        }
    }
    fn put(&mut self, word: u64, bits: u64) {
        let old = if bits == 0 { self.words.remove(&word) } else { self.words.insert(word, bits) };
        self.blocks += u64::from(bits.count_ones());
        self.blocks -= u64::from(old.unwrap_or_default().count_ones());
    }
    fn undo(&mut self, changes: usize) {
        while self.changes.len() > changes
            && let Some((word, old)) = self.changes.pop()
        {
            self.put(word, old);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Silent,
    Mark,
    Pointer,
}

fn kind(slot: Slot) -> Kind {
    match sight(slot) {
        Sight::Through => Kind::Silent,
        Sight::Zero => Kind::Mark,
        Sight::On(_) => Kind::Pointer,
    }
}
