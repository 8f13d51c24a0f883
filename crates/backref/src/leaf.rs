//! Pages of a run: a header that says what the page is and whose, then rows, entries or filter bits.
//!
//! Invariant: a page is read only as what its header says, for the run that its header names: one of another run, even an
//! older life of the same page, is `Corrupt`. Byte diagram: `FORMAT.md` section 2.

use crate::row::{Row, Table};
use spinney_core::{Error, PAYLOAD_BYTES, PageKind, PageNo, PageRead, PageRef, PageTxn, Payload, Result};

pub(crate) const KIND: PageKind = PageKind::BACKREF;
const MAGIC: u64 = u64::from_le_bytes(*b"BREFPAGE");
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 24;
/// Bytes for rows, entries or filter bits.
pub(crate) const BODY_BYTES: usize = PAYLOAD_BYTES - HEADER_BYTES;
/// Bytes of a filter on one page: whole words.
pub(crate) const FILTER_PAGE_BYTES: usize = BODY_BYTES / 8 * 8;
/// Children of an index page: 16 bytes each.
pub(crate) const FAN_OUT: usize = BODY_BYTES / 16;
const INDEX: u8 = 0x80;
const FILTER: u8 = 0x40;

/// What a page is, as its header has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// Rows of a table.
    Rows(Table),
    /// Entries of an index, so many levels above the leaves (from 1).
    Index(u8),
    /// Bits of the filter.
    Filter,
}

impl Shape {
    fn number(self) -> u8 {
        match self {
            Shape::Rows(table) => table as u8,
            Shape::Index(level) => INDEX | level,
            Shape::Filter => FILTER,
        }
    }
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

pub(crate) fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// Rows of a table that fit on a page.
pub(crate) fn rows_per_page(table: Table) -> usize {
    BODY_BYTES / table.row_bytes()
}

fn header(shape: Shape, count: usize) -> u64 {
    u64::from(VERSION) | u64::from(shape.number()) << 8 | (count as u64) << 16
}

/// A new page of the run `id` with `count` things in it, to be filled.
fn create(shape: Shape, id: u64, count: usize, pages: &mut dyn PageTxn) -> Result<(PageNo, &mut Payload)> {
    let page = pages.alloc(KIND)?;
    let bytes = pages.edit(page, KIND)?;
    put_u64(bytes, 0, MAGIC);
    put_u64(bytes, 8, header(shape, count));
    put_u64(bytes, 16, id);
    Ok((page, bytes))
}

/// The page and how many things are on it. Errors: `Corrupt` if it is not that page of that run.
fn open(shape: Shape, id: u64, page: PageNo, most: usize, pages: &dyn PageRead) -> Result<(PageRef, usize)> {
    let bytes = pages.read(page, KIND)?;
    let count = (u64_at(&bytes[..], 8) >> 16) as usize;
    let sound = u64_at(&bytes[..], 0) == MAGIC
        && count <= most
        && u64_at(&bytes[..], 8) == header(shape, count)
        && u64_at(&bytes[..], 16) == id;
    if sound { Ok((bytes, count)) } else { Err(corrupt(page)) }
}

pub(crate) fn corrupt(page: PageNo) -> Error {
    Error::corrupt_page("run of back references", page)
}

pub(crate) fn write_rows(table: Table, id: u64, rows: &[Row], pages: &mut dyn PageTxn) -> Result<PageNo> {
    let (page, bytes) = create(Shape::Rows(table), id, rows.len(), pages)?;
    for (row, place) in rows.iter().zip(bytes[HEADER_BYTES..].chunks_exact_mut(table.row_bytes())) {
        row.encode(table, place);
    }
    Ok(page)
}

/// The rows of a page, sorted. Errors: `Corrupt`.
pub(crate) fn read_rows(table: Table, id: u64, page: PageNo, pages: &dyn PageRead) -> Result<Vec<Row>> {
    let (bytes, count) = open(Shape::Rows(table), id, page, rows_per_page(table), pages)?;
    let rows = bytes[HEADER_BYTES..].chunks_exact(table.row_bytes()).take(count);
    let rows: Option<Vec<Row>> = rows.map(|place| Row::decode(table, place)).collect();
    rows.filter(|rows| !rows.is_empty() && rows.is_sorted()).ok_or(corrupt(page))
}

pub(crate) fn write_index(
    level: u8,
    id: u64,
    entries: &[(u64, PageNo)],
    pages: &mut dyn PageTxn,
) -> Result<PageNo> {
    let (page, bytes) = create(Shape::Index(level), id, entries.len(), pages)?;
    for ((key, child), place) in entries.iter().zip(bytes[HEADER_BYTES..].chunks_exact_mut(16)) {
        put_u64(place, 0, *key);
        put_u64(place, 8, child.0);
    }
    Ok(page)
}

/// The entries of an index page: first key and child, rising. Errors: `Corrupt`.
pub(crate) fn read_index(
    level: u8,
    id: u64,
    page: PageNo,
    pages: &dyn PageRead,
) -> Result<Vec<(u64, PageNo)>> {
    let (bytes, count) = open(Shape::Index(level), id, page, FAN_OUT, pages)?;
    let places = bytes[HEADER_BYTES..].chunks_exact(16).take(count);
    let entries: Vec<(u64, PageNo)> =
        places.map(|place| (u64_at(place, 0), PageNo(u64_at(place, 8)))).collect();
    let sound = !entries.is_empty() && entries.is_sorted_by_key(|(key, _)| *key);
    if sound { Ok(entries) } else { Err(corrupt(page)) }
}

pub(crate) fn write_filter(id: u64, bits: &[u8], pages: &mut dyn PageTxn) -> Result<PageNo> {
    let (page, bytes) = create(Shape::Filter, id, bits.len(), pages)?;
    bytes[HEADER_BYTES..][..bits.len()].copy_from_slice(bits);
    Ok(page)
}

/// The filter bits of a page. Errors: `Corrupt`.
pub(crate) fn read_filter(id: u64, page: PageNo, pages: &dyn PageRead) -> Result<Vec<u8>> {
    let (bytes, count) = open(Shape::Filter, id, page, FILTER_PAGE_BYTES, pages)?;
    Ok(bytes[HEADER_BYTES..][..count].to_vec())
}
