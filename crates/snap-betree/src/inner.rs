//! Inner nodes as pages: a header, a GOTO or pivots, and a buffer of messages.
//!
//! Invariant: a node that is read is for its position, its messages rise and lie inside it, and its GOTO leads to a node of
//! smaller depth: so no walk can go in a circle. Knows no version and no sharing.

use crate::geometry::Geometry;
use alloc::vec;
use alloc::vec::Vec;
use spinney_core::{Error, PageKind, PageNo, PageRead, PageTxn, Payload, Result, look};
use spinney_snap_tree::{Position, Slot};

/// Nodes that a line of GOTOs may have beyond the first.
pub(crate) const DEPTH_MAX: u8 = 16;
/// Bytes before the words.
const HEADER_BYTES: usize = 16;
/// A message's tag: the entry below it is a mapped block.
const HIDES: u32 = 1;

/// A block's place from now on (none: a hole), on its way to the leaf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Message {
    pub(crate) lba: u64,
    slot: Slot,
}

impl Message {
    pub(crate) fn new(lba: u64, on: Option<u64>, hides: bool) -> Message {
        let slot = on.map_or(Slot::EMPTY, Slot::to);
        Message { lba, slot: slot.tagged(if hides { HIDES } else { 0 }) }
    }
    pub(crate) fn on(&self) -> Option<u64> {
        self.slot.pointer()
    }
    /// Whether a mapped block lies right below: one that is let go of when this message lands.
    pub(crate) fn hides(&self) -> bool {
        self.slot.tag() == HIDES
    }
    /// The same over what `older`, which it replaces, lay over; nothing if it then says nothing.
    pub(crate) fn instead_of(&self, older: &Message) -> Option<Message> {
        let message = Message::new(self.lba, self.on(), older.hides());
        (message.on().is_some() || message.hides()).then_some(message)
    }
}

/// Messages that hide something.
pub(crate) fn hiding(messages: &[Message]) -> i64 {
    messages.iter().filter(|message| message.hides()).count() as i64
}

/// The messages from `start` on and below `end`.
pub(crate) fn between(messages: &[Message], start: u64, end: u64) -> &[Message] {
    let low = messages.partition_point(|message| message.lba < start);
    let high = messages.partition_point(|message| message.lba < end);
    &messages[low..high.max(low)]
}

/// An inner node.
#[derive(Clone, Debug)]
pub(crate) struct Inner {
    pub(crate) at: Position,
    /// How many nodes its line of GOTOs leads to at most.
    pub(crate) depth: u8,
    /// What does not stand here stands there, at the same position; then there are no pivots.
    pub(crate) goto: Option<PageNo>,
    pub(crate) pivots: Vec<Slot>,
    pub(crate) messages: Vec<Message>,
}

/// What a node says about one block.
pub(crate) enum Said {
    /// A message: mapped there, or a hole.
    Message(Option<u64>),
    /// Ask that node, whose depth is smaller than this.
    Goto(PageNo, u8),
    /// Ask that child, if there is one.
    Child(Option<u64>),
}

fn word(bytes: &Payload, index: usize) -> u64 {
    let at = HEADER_BYTES + index * 8;
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("a word lies inside its page"))
}

fn set_word(bytes: &mut Payload, index: usize, value: u64) {
    let at = HEADER_BYTES + index * 8;
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn header(geometry: &Geometry, at: Position, depth: u8, messages: usize) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[0] = at.level as u8;
    bytes[1] = depth;
    bytes[2..4].copy_from_slice(&(geometry.shape.fanout() as u16).to_le_bytes());
    bytes[4..6].copy_from_slice(&(messages as u16).to_le_bytes());
    bytes[8..].copy_from_slice(&at.first.to_le_bytes());
    bytes
}

/// Depth and number of messages, if the page is a node for `at`.
fn opened(bytes: &Payload, geometry: &Geometry, at: Position) -> Option<(u8, usize)> {
    let (depth, messages) = (bytes[1], usize::from(u16::from_le_bytes([bytes[4], bytes[5]])));
    let right = bytes[..HEADER_BYTES] == header(geometry, at, depth, messages);
    let goto = word(bytes, 0) != 0;
    (right && messages <= geometry.messages && depth <= DEPTH_MAX && goto == (depth > 0))
        .then_some((depth, messages))
}

impl Inner {
    /// A node without anything.
    pub(crate) fn empty(geometry: &Geometry, at: Position) -> Inner {
        Inner { at, depth: 0, goto: None, pivots: vec![Slot::EMPTY; geometry.pivots], messages: Vec::new() }
    }
    /// Whether it maps nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.goto.is_none() && self.messages.is_empty() && self.pivots.iter().all(|pivot| pivot.is_empty())
    }
    fn decode(bytes: &Payload, geometry: &Geometry, at: Position) -> Option<Inner> {
        let (depth, count) = opened(bytes, geometry, at)?;
        let goto = Some(PageNo(word(bytes, 0))).filter(|page| page.0 != 0);
        let pivots: Vec<Slot> = (1..=geometry.pivots).map(|index| Slot(word(bytes, index))).collect();
        let first = geometry.pivots + 1;
        let messages: Vec<Message> = (0..count)
            .map(|index| first + 2 * index)
            .map(|index| Message { lba: word(bytes, index), slot: Slot(word(bytes, index + 1)) })
            .collect();
        let plain = messages.iter().all(|message| message.slot.tag() <= HIDES)
            && pivots.iter().all(|pivot| pivot.tag() == 0 && (goto.is_none() || pivot.is_empty()));
        let rise = messages.windows(2).all(|pair| pair[0].lba < pair[1].lba);
        let inside = messages.iter().all(|message| (at.first..geometry.end(at)).contains(&message.lba));
        (plain && rise && inside).then_some(Inner { at, depth, goto, pivots, messages })
    }
    /// The node on `page`, which must be for `at`. Errors: `Corrupt`.
    pub(crate) fn read(
        pages: &dyn PageRead,
        page: PageNo,
        geometry: &Geometry,
        at: Position,
    ) -> Result<Inner> {
        let bytes = pages.read(page, PageKind::TREE)?;
        Inner::decode(&bytes, geometry, at).ok_or(Error::corrupt_page("buffered node", page))
    }
    /// What the node on `page` says about one block, without a look at the others. Errors: `Corrupt`.
    pub(crate) fn ask(
        pages: &dyn PageRead,
        page: PageNo,
        geometry: &Geometry,
        at: Position,
        lba: u64,
    ) -> Result<Said> {
        let see = |bytes: &Payload| -> Option<Said> {
            let (depth, count) = opened(bytes, geometry, at)?;
            let first = geometry.pivots + 1;
            let (mut low, mut high) = (0, count);
            while low < high {
                let middle = usize::midpoint(low, high);
                match word(bytes, first + 2 * middle) {
                    found if found == lba => {
                        return Some(Said::Message(Slot(word(bytes, first + 2 * middle + 1)).pointer()));
                    }
                    found if found < lba => low = middle + 1,
                    _ => high = middle,
                }
            }
            Some(match word(bytes, 0) {
                0 => Said::Child(Slot(word(bytes, 1 + geometry.index(at, lba))).pointer()),
                goto => Said::Goto(PageNo(goto), depth),
            })
        };
        look(pages, page, PageKind::TREE, see)?.ok_or(Error::corrupt_page("buffered node", page))
    }
    /// Put it on `page`.
    pub(crate) fn store(&self, geometry: &Geometry, page: PageNo, pages: &mut dyn PageTxn) -> Result<()> {
        let bytes = pages.edit(page, PageKind::TREE)?;
        let (_, before) = opened(bytes, geometry, self.at).unwrap_or((0, geometry.messages));
        bytes[..HEADER_BYTES].copy_from_slice(&header(geometry, self.at, self.depth, self.messages.len()));
        set_word(bytes, 0, self.goto.map_or(0, |page| page.0));
        (1..).zip(&self.pivots).for_each(|(index, pivot)| set_word(bytes, index, pivot.0));
        let first = geometry.pivots + 1;
        for (index, message) in self.messages.iter().enumerate() {
            set_word(bytes, first + 2 * index, message.lba);
            set_word(bytes, first + 2 * index + 1, message.slot.0);
        }
        let (low, high) = (first + 2 * self.messages.len(), first + 2 * before);
        (low..high).for_each(|index| set_word(bytes, index, 0));
        Ok(())
    }
}
