//! Index nodes as pages: sixteen bytes of header, then the slots.
//!
//! Invariant: a node says which position it is for (level, fanout, first logical block), and is never used at another:
//! so a damaged pointer is `Corrupt`, and no walk can meet a cycle. Knows no version and no sharing.

use crate::{Shape, Slot};
use spinney_core::{
    Error, PAYLOAD_BYTES, PageKind, PageNo, PageRead, PageRef, PageTxn, Payload, Result, look,
};

/// Bytes before the slots.
const HEADER_BYTES: usize = 16;
/// Slots that a page holds.
pub const FANOUT_MAX: u64 = ((PAYLOAD_BYTES - HEADER_BYTES) / 8) as u64;

/// Where a node stands: its level (0 is a leaf) and the first logical block under it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// 0 for leaves.
    pub level: u32,
    /// First logical block.
    pub first: u64,
}

/// A node as read: its position was checked.
#[derive(Clone)]
pub struct Node(PageRef);

fn header(shape: Shape, at: Position) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[0] = at.level as u8;
    bytes[2..4].copy_from_slice(&(shape.fanout() as u16).to_le_bytes());
    bytes[8..].copy_from_slice(&at.first.to_le_bytes());
    bytes
}

fn is_for(bytes: &Payload, shape: Shape, at: Position) -> bool {
    bytes[..HEADER_BYTES] == header(shape, at) && at.first < u64::MAX
}

fn misplaced(page: PageNo) -> Error {
    Error::corrupt_page("index node's position", page)
}

fn place(index: u64) -> usize {
    HEADER_BYTES + index as usize * 8
}

impl Node {
    /// The node on `page`, which must be for `at`. Errors: `Corrupt`. No node is for the last number of all, where the
    /// positions of slots past every volume's end come together.
    pub fn read(pages: &dyn PageRead, page: PageNo, shape: Shape, at: Position) -> Result<Node> {
        let found = pages.read(page, PageKind::TREE)?;
        is_for(&found, shape, at).then_some(Node(found)).ok_or(misplaced(page))
    }
    /// A slot (below the fanout) of the node on `page`, as [`Node::read`] finds it.
    pub fn slot_on(
        pages: &dyn PageRead,
        page: PageNo,
        shape: Shape,
        at: Position,
        index: u64,
    ) -> Result<Slot> {
        let see = |bytes: &Payload| is_for(bytes, shape, at).then(|| slot(bytes, index));
        look(pages, page, PageKind::TREE, see)?.ok_or(misplaced(page))
    }
    /// A slot (below the fanout).
    #[must_use]
    pub fn slot(&self, index: u64) -> Slot {
        slot(&self.0, index)
    }
    /// The slots of an index range, in order.
    pub fn slots(&self, low: u64, high: u64) -> impl Iterator<Item = Slot> + '_ {
        let bytes = &self.0[place(low)..place(high + 1)];
        bytes.chunks_exact(8).map(|word| Slot(u64::from_le_bytes(word.try_into().expect("chunks of eight"))))
    }
    /// Whether no slot of the index range points anywhere.
    #[must_use]
    pub fn is_empty(&self, low: u64, high: u64) -> bool {
        self.slots(low, high).all(Slot::is_empty)
    }
    /// All bytes, to copy.
    #[must_use]
    pub fn payload(&self) -> &Payload {
        &self.0
    }
}

/// A new, empty node.
pub fn create(pages: &mut dyn PageTxn, shape: Shape, at: Position) -> Result<PageNo> {
    let page = pages.alloc(PageKind::TREE)?;
    pages.edit(page, PageKind::TREE)?[..HEADER_BYTES].copy_from_slice(&header(shape, at));
    Ok(page)
}

/// A new page with the bytes of `node`.
pub fn copy(pages: &mut dyn PageTxn, node: &Node) -> Result<PageNo> {
    let page = pages.alloc(PageKind::TREE)?;
    *pages.edit(page, PageKind::TREE)? = *node.payload();
    Ok(page)
}

/// A slot of a node's bytes.
#[must_use]
pub fn slot(bytes: &Payload, index: u64) -> Slot {
    let word = bytes[place(index)..].first_chunk().expect("a slot lies inside its page");
    Slot(u64::from_le_bytes(*word))
}

/// Change a slot of a node's bytes.
pub fn set_slot(bytes: &mut Payload, index: u64, slot: Slot) {
    bytes[place(index)..place(index + 1)].copy_from_slice(&slot.0.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinney_testkit::MemoryPages;

    #[test]
    fn a_node_is_read_at_its_own_position_only() {
        let mut pages = MemoryPages::new();
        let shape = Shape::new(4).unwrap();
        let at = Position { level: 1, first: 32 };
        let page = create(&mut pages, shape, at).unwrap();
        assert!(Node::read(&pages, page, shape, at).unwrap().is_empty(0, 3));
        let other = Shape::new(5).unwrap();
        let below = Position { level: 0, ..at };
        let beside = Position { first: 48, ..at };
        for (shape, at) in [(shape, below), (shape, beside), (other, at)] {
            let found = Node::read(&pages, page, shape, at).map(|_| ());
            assert_eq!(found, Err(Error::corrupt_page("index node's position", page)));
        }
    }

    #[test]
    fn no_node_is_past_every_end() {
        let mut pages = MemoryPages::new();
        let shape = Shape::new(FANOUT_MAX).unwrap();
        let at = Position { level: 1, first: u64::MAX };
        let page = create(&mut pages, shape, at).unwrap();
        let found = Node::read(&pages, page, shape, at).map(|_| ());
        assert_eq!(found, Err(Error::corrupt_page("index node's position", page)));
    }

    #[test]
    fn slots_keep_what_was_set() {
        let mut pages = MemoryPages::new();
        let shape = Shape::new(FANOUT_MAX).unwrap();
        let at = Position { level: 0, first: 0 };
        let page = create(&mut pages, shape, at).unwrap();
        for index in [0, 7, FANOUT_MAX - 1] {
            let bytes = pages.edit(page, PageKind::TREE).unwrap();
            set_slot(bytes, index, Slot::to(index * 9).tagged(3));
            assert_eq!(slot(bytes, index), Slot::to(index * 9).tagged(3));
        }
        let node = Node::read(&pages, page, shape, at).unwrap();
        assert_eq!(node.slots(6, 8).collect::<Vec<_>>(), [Slot::EMPTY, Slot::to(63).tagged(3), Slot::EMPTY]);
        assert!(node.is_empty(1, 6) && !node.is_empty(1, 7));
        let twin = copy(&mut pages, &node).unwrap();
        assert_eq!(Node::read(&pages, twin, shape, at).unwrap().payload(), node.payload());
    }
}
