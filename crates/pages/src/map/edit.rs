//! Changes of one node in place: start it, insert, overwrite, remove.
//!
//! Invariant: a call that returns `false` changed nothing. The node was parsed from these very bytes just before; what
//! `parse` did not vouch for is checked again here. Knows nothing of other pages.

use super::node::{Node, corrupt};
use super::run::Run;
use super::shape::*;
use crate::fields::{put_u16, put_u32, u16_at};
use spinney_core::{PageNo, Payload, Result};

/// An empty node.
pub(super) fn init(bytes: &mut Payload, shape: Shape) {
    put_u32(bytes, MAGIC_AT, MAGIC);
    bytes[VERSION_AT] = VERSION;
    bytes[LEVEL_AT] = shape.level;
    bytes[LEVEL_AT + 1] = 0;
    put_u16(bytes, COUNT_AT, 0);
    put_u16(bytes, VALUE_BYTES_AT + 2, 0);
    match shape.layout {
        Layout::Fixed { key_bytes, value_bytes } => {
            bytes[LAYOUT_AT] = 1;
            put_u16(bytes, KEY_BYTES_AT, key_bytes);
            put_u16(bytes, VALUE_BYTES_AT, value_bytes);
        }
        Layout::Variable => {
            bytes[LAYOUT_AT] = 0;
            let end = bytes.len() as u16;
            put_u16(bytes, HEAP_AT, end);
            put_u16(bytes, LIVE_AT, 0);
        }
    }
}

/// Put a cell before number `at`, if there is room. Errors: `Corrupt`.
pub(super) fn insert(
    bytes: &mut Payload,
    layout: Layout,
    page: PageNo,
    at: usize,
    key: &[u8],
    value: &[u8],
) -> Result<bool> {
    let node = Node::parse(layout, page, bytes)?;
    let (shape, count) = (node.shape, node.count);
    if node.cost() + shape.cost(key.len(), value.len()) > shape.capacity() {
        return Ok(false);
    }
    match shape.widths() {
        Some((key_bytes, value_bytes)) => {
            let values = HEADER_BYTES + shape.capacity() * key_bytes;
            open_gap(&mut bytes[HEADER_BYTES..values], at, count, key);
            open_gap(&mut bytes[values..values + shape.capacity() * value_bytes], at, count, value);
        }
        None => insert_slotted(bytes, page, at, key, value)?,
    }
    put_u16(bytes, COUNT_AT, count as u16 + 1);
    Ok(true)
}

/// Insert `item` as element `at` of an array of `count` elements of its width.
fn open_gap(array: &mut [u8], at: usize, count: usize, item: &[u8]) {
    let width = item.len();
    array.copy_within(at * width..count * width, (at + 1) * width);
    array[at * width..(at + 1) * width].copy_from_slice(item);
}

/// There is room by the node's account; make it contiguous if it is not, then write cell and slot (the count is the caller's).
fn insert_slotted(bytes: &mut Payload, page: PageNo, at: usize, key: &[u8], value: &[u8]) -> Result<()> {
    let length = LENGTHS_BYTES + key.len() + value.len();
    let room = |bytes: &Payload| {
        let slots_end = HEADER_BYTES + (usize::from(u16_at(bytes, COUNT_AT)) + 1) * SLOT_BYTES;
        usize::from(u16_at(bytes, HEAP_AT)).checked_sub(slots_end).is_some_and(|gap| gap >= length)
    };
    if !room(bytes) {
        compact(bytes, page)?;
    }
    if !room(bytes) {
        return Err(corrupt(page));
    }
    let count = usize::from(u16_at(bytes, COUNT_AT));
    let cell = usize::from(u16_at(bytes, HEAP_AT)) - length;
    put_u16(bytes, cell, key.len() as u16);
    put_u16(bytes, cell + 2, value.len() as u16);
    bytes[cell + LENGTHS_BYTES..][..key.len()].copy_from_slice(key);
    bytes[cell + LENGTHS_BYTES + key.len()..][..value.len()].copy_from_slice(value);
    open_gap(&mut bytes[HEADER_BYTES..], at, count, &(cell as u16).to_le_bytes());
    put_u16(bytes, HEAP_AT, cell as u16);
    let live = u16_at(bytes, LIVE_AT).checked_add(length as u16).ok_or(corrupt(page))?;
    put_u16(bytes, LIVE_AT, live);
    Ok(())
}

/// Squeeze out the holes that removed cells left.
fn compact(bytes: &mut Payload, page: PageNo) -> Result<()> {
    let node = Node::parse(Layout::Variable, page, bytes)?;
    let mut run = Run::new(node.shape);
    run.append_node(&node, 0..node.count)?;
    if run.cost() > node.shape.capacity() {
        return Err(corrupt(page));
    }
    run.write(0..run.len(), bytes);
    Ok(())
}

/// Give cell `at` another value, if it fits where the old one is. Errors: `Corrupt`.
pub(super) fn overwrite(
    bytes: &mut Payload,
    layout: Layout,
    page: PageNo,
    at: usize,
    value: &[u8],
) -> Result<bool> {
    let node = Node::parse(layout, page, bytes)?;
    let (key, old) = node.cell(at)?;
    if old.len() != value.len() {
        return Ok(false);
    }
    let from = match node.shape.widths() {
        Some((key, width)) => HEADER_BYTES + node.shape.capacity() * key + at * width,
        None => usize::from(u16_at(bytes, HEADER_BYTES + at * SLOT_BYTES)) + LENGTHS_BYTES + key.len(),
    };
    bytes[from..from + value.len()].copy_from_slice(value);
    Ok(true)
}

/// Take cell `at` away. Errors: `Corrupt`.
pub(super) fn remove(bytes: &mut Payload, layout: Layout, page: PageNo, at: usize) -> Result<()> {
    let node = Node::parse(layout, page, bytes)?;
    let (shape, count, (key, value)) = (node.shape, node.count, node.cell(at)?);
    match shape.widths() {
        Some((key_bytes, value_bytes)) => {
            let values = HEADER_BYTES + shape.capacity() * key_bytes;
            close_gap(&mut bytes[HEADER_BYTES..values], at, count, key_bytes);
            close_gap(&mut bytes[values..], at, count, value_bytes);
        }
        None => {
            let length = (LENGTHS_BYTES + key.len() + value.len()) as u16;
            let live = u16_at(bytes, LIVE_AT).checked_sub(length).ok_or(corrupt(page))?;
            put_u16(bytes, LIVE_AT, live);
            close_gap(&mut bytes[HEADER_BYTES..], at, count, SLOT_BYTES);
        }
    }
    put_u16(bytes, COUNT_AT, count as u16 - 1);
    Ok(())
}

fn close_gap(array: &mut [u8], at: usize, count: usize, width: usize) {
    array.copy_within((at + 1) * width..count * width, at * width);
}
