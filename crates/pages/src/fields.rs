//! Little-endian numbers inside a byte slice: the only way in which structures here read and write fields.
//!
//! Invariant: an offset past the slice is a programmer error (layouts are constants); values are untrusted, offsets are
//! not. Knows no page and no structure.

use spinney_core::PageNo;

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes"))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

pub(crate) fn put_u16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// The page number in slot `slot` of an array of numbers; 0 is "none" (no store issues page 0).
pub(crate) fn page_at(bytes: &[u8], slot: usize) -> Option<PageNo> {
    Some(u64_at(bytes, slot * 8)).filter(|number| *number != 0).map(PageNo)
}
