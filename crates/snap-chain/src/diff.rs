//! Where two versions differ: the layers that only one of them has.
//!
//! Invariant: where all of these are silent both versions see the same layer, and nothing is read below; so the cost follows the
//! change. Knows that two versions may have no layer in common, and not even a size.

use crate::layer::{Sight, sight};
use crate::state::{Kin, State};
use alloc::vec::Vec;
use spinney_core::{Lba, LbaRange, PageNo, PageRead, Pba, Result};
use spinney_snap::Delta;
use spinney_snap_tree::tree::{child, clip};
use spinney_snap_tree::{Deltas, Node, Position, Shape, Slot, Tree};

/// Where the two maps differ inside `range`, in order. Errors: `Corrupt`, `OutOfRange` (past the end of both).
pub(crate) fn diff(
    state: &State,
    [old, new]: [&Kin; 2],
    range: LbaRange,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(Delta),
) -> Result<()> {
    let larger = if old.record.blocks > new.record.blocks { state.tree(old) } else { state.tree(new) };
    larger.contains(range)?;
    if range.blocks == 0 {
        return Ok(());
    }
    let stacks = stacks(state, old, new, pages)?;
    let mut walk = Walk { shape: state.shape, range, pages, deltas: Deltas::new(each) };
    walk.node(larger.root_position(), &stacks)?;
    walk.deltas.finish();
    Ok(())
}

/// What layers have at some position, the front one first.
type Stack = Vec<Side>;

/// The layers that only the old version has, those that only the new one has, and those that both have behind them.
fn stacks(state: &State, old: &Kin, new: &Kin, pages: &dyn PageRead) -> Result<[Stack; 3]> {
    let mut stacks = [Stack::new(), Stack::new(), Stack::new()];
    let (mut one, mut other) = (Some(*old), Some(*new));
    loop {
        match (one, other) {
            (Some(kin), Some(same)) if kin.dev == same.dev => {
                stacks[2] = state.chain(&kin, pages)?.iter().map(Side::of).collect();
                return Ok(stacks);
            }
            (Some(kin), beside) if beside.is_none_or(|beside| kin.layer.number > beside.layer.number) => {
                stacks[0].push(Side::of(&state.tree(&kin)));
                one = state.back(&kin, pages)?;
            }
            (_, Some(kin)) => {
                stacks[1].push(Side::of(&state.tree(&kin)));
                other = state.back(&kin, pages)?;
            }
            (_, None) => return Ok(stacks),
        }
    }
}

/// A layer at some position: a slot, and the level of the node that it points at. A tree that is lower than the walk is the first
/// slot of nodes that do not exist.
#[derive(Clone, Copy)]
struct Side {
    slot: Slot,
    level: u32,
}

impl Side {
    fn of(tree: &Tree) -> Side {
        Side { slot: tree.root_slot(), level: tree.root_position().level }
    }
    fn load(self, shape: Shape, at: Position, pages: &dyn PageRead) -> Result<Option<Node>> {
        match sight(self.slot) {
            Sight::On(page) if self.level == at.level => Node::read(pages, PageNo(page), shape, at).map(Some),
            _ => Ok(None),
        }
    }
    fn below(self, at: Position, node: Option<&Node>, index: u64) -> Side {
        if self.level < at.level {
            let slot = if index == 0 && at.first == 0 { self.slot } else { Slot::EMPTY };
            return Side { slot, level: self.level };
        }
        Side { slot: node.map_or(self.slot, |node| node.slot(index)), level: self.level.saturating_sub(1) }
    }
}

struct Walk<'a> {
    shape: Shape,
    range: LbaRange,
    pages: &'a dyn PageRead,
    deltas: Deltas<'a>,
}

impl Walk<'_> {
    fn node(&mut self, at: Position, stacks: &[Stack; 3]) -> Result<()> {
        let says = |stack: &Stack| stack.iter().any(|side| sight(side.slot) != Sight::Through);
        let maps = |stack: &Stack| stack.iter().any(|side| !side.slot.is_empty());
        if !says(&stacks[0]) && !says(&stacks[1]) || !stacks.iter().any(maps) {
            return Ok(());
        }
        let mut nodes = Vec::new();
        for side in stacks.iter().flatten() {
            nodes.push(side.load(self.shape, at, self.pages)?);
        }
        let (low, high) = self.shape.slots_of(at.level, at.first, clip(self.shape, at, self.range));
        for index in low..=high {
            let mut loaded = nodes.iter();
            let below = stacks.each_ref().map(|stack| {
                let sides = stack.iter().zip(&mut loaded);
                sides.map(|(side, node)| side.below(at, node.as_ref(), index)).collect::<Stack>()
            });
            if at.level > 0 {
                self.node(child(self.shape, at, index), &below)?;
                continue;
            }
            let seen = |own: &Stack| {
                let mut says = own.iter().chain(&below[2]).map(|side| sight(side.slot));
                match says.find(|seen| *seen != Sight::Through) {
                    Some(Sight::On(block)) => Some(Pba(block)),
                    _ => None,
                }
            };
            self.deltas.push(Lba(at.first + index), seen(&below[0]), seen(&below[1]));
        }
        Ok(())
    }
}
