//! The map of one layer: what a slot says, and finding the slot over a block.
//!
//! Invariant: a slot without a pointer is either empty (ask the layer behind) or a mark (zeros here, do not ask); a mark above the
//! leaves stands for all blocks under it. Knows one layer at a time.

use alloc::vec::Vec;
use spinney_core::{LbaRange, PageNo, PageRead, Result};
use spinney_snap_tree::tree::{child, clip};
use spinney_snap_tree::{Node, Position, Shape, Slot, Tree};

/// What a slot says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sight {
    /// Nothing: the layer behind is seen.
    Through,
    /// Zeros, whatever is behind.
    Zero,
    /// A node or a block of this layer.
    On(u64),
}

/// A mark.
pub(crate) fn mark() -> Slot {
    Slot::EMPTY.tagged(1)
}

/// What `slot` says; any tag of a slot without a pointer is a mark.
pub(crate) fn sight(slot: Slot) -> Sight {
    match slot.pointer() {
        Some(number) => Sight::On(number),
        None if slot == Slot::EMPTY => Sight::Through,
        None => Sight::Zero,
    }
}

/// What the layer says of the blocks under the slot at `level` that covers `lba` (inside the tree).
pub(crate) fn sight_at(tree: &Tree, level: u32, lba: u64, pages: &dyn PageRead) -> Result<Sight> {
    let (mut slot, mut at) = (tree.root_slot(), tree.root_position());
    while let Sight::On(page) = sight(slot) {
        let index = (lba - at.first) / tree.shape.slot_span(at.level);
        slot = Node::slot_on(pages, PageNo(page), tree.shape, at, index)?;
        if at.level <= level {
            break;
        }
        at = child(tree.shape, at, index);
    }
    Ok(sight(slot))
}

/// Every node of a layer that `range` meets, those above before those below, until `each` fails.
pub(crate) fn visit_nodes(
    tree: &Tree,
    range: LbaRange,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(Position, PageNo, &Node) -> Result<()>,
) -> Result<()> {
    if range.blocks == 0 {
        return Ok(());
    }
    Nodes { shape: tree.shape, range, pages, each }.node(tree.root_position(), tree.root_slot())
}

struct Nodes<'a> {
    shape: Shape,
    range: LbaRange,
    pages: &'a dyn PageRead,
    each: &'a mut dyn FnMut(Position, PageNo, &Node) -> Result<()>,
}

impl Nodes<'_> {
    fn node(&mut self, at: Position, slot: Slot) -> Result<()> {
        let Sight::On(page) = sight(slot) else { return Ok(()) };
        let node = Node::read(self.pages, PageNo(page), self.shape, at)?;
        (self.each)(at, PageNo(page), &node)?;
        if at.level == 0 {
            return Ok(());
        }
        let (low, high) = self.shape.slots_of(at.level, at.first, clip(self.shape, at, self.range));
        (low..)
            .zip(node.slots(low, high))
            .try_for_each(|(index, slot)| self.node(child(self.shape, at, index), slot))
    }
}

/// All of a tree, blocks past the end too, where none should be.
pub(crate) fn whole(tree: &Tree) -> LbaRange {
    LbaRange { start: spinney_core::Lba(0), blocks: tree.shape.node_span(tree.root_position().level) }
}

/// Every block of a layer, with the logical block that it is.
pub(crate) fn visit_blocks(
    tree: &Tree,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<()> {
    visit_nodes(tree, whole(tree), pages, &mut |at, _, node| {
        if at.level > 0 {
            return Ok(());
        }
        let slots = (at.first..).zip(node.slots(0, tree.shape.fanout() - 1));
        slots.filter_map(|(lba, slot)| Some((lba, slot.pointer()?))).try_for_each(|(lba, on)| each(lba, on))
    })
}

/// Layers one behind the other, as one map. Calls `each` with what is seen of each part of `range`, in order: where a layer or
/// all of them are silent, or zeros, for as many blocks as that is plain to see; else block by block.
pub(crate) fn look(
    layers: &[Tree],
    range: LbaRange,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(LbaRange, Sight) -> Result<()>,
) -> Result<()> {
    let Some(front) = layers.first() else { return each(range, Sight::Through) };
    let slots: Vec<Slot> = layers.iter().map(Tree::root_slot).collect();
    Look { shape: front.shape, range, pages, each }.node(front.root_position(), &slots)
}

struct Look<'a> {
    shape: Shape,
    range: LbaRange,
    pages: &'a dyn PageRead,
    each: &'a mut dyn FnMut(LbaRange, Sight) -> Result<()>,
}

impl Look<'_> {
    /// `slots`: what each layer has at this position, the front one first.
    fn node(&mut self, at: Position, slots: &[Slot]) -> Result<()> {
        let range = clip(self.shape, at, self.range);
        let (mut nodes, mut back) = (Vec::new(), Slot::EMPTY);
        for slot in slots {
            match sight(*slot) {
                Sight::On(page) => nodes.push(Node::read(self.pages, PageNo(page), self.shape, at)?),
                Sight::Through => {}
                Sight::Zero => {
                    back = mark();
                    break;
                }
            }
        }
        if nodes.is_empty() {
            return (self.each)(range, sight(back));
        }
        let (low, high) = self.shape.slots_of(at.level, at.first, range);
        let mut below = Vec::with_capacity(nodes.len() + 1);
        for index in low..=high {
            below.clear();
            below.extend(nodes.iter().map(|node| node.slot(index)).chain([back]));
            if at.level > 0 {
                self.node(child(self.shape, at, index), &below)?;
                continue;
            }
            let seen = below.iter().map(|slot| sight(*slot)).find(|seen| *seen != Sight::Through);
            let block = LbaRange { start: spinney_core::Lba(at.first + index), blocks: 1 };
            (self.each)(block, seen.unwrap_or(Sight::Through))?;
        }
        Ok(())
    }
}
