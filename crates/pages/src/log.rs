//! `PageLog`: an append-only log of fixed-size records on a chain of pages.
//!
//! Invariant: the head page says how many records there are and which page is the last; whatever stands past that many
//! records is ignored, even if it would parse. Each page carries its place in the chain, so that a cycle or a stale
//! page is seen at once. Knows nothing of what a record means.

use crate::fields::{put_u16, put_u32, put_u64, u16_at, u32_at, u64_at};
use spinney_core::{Error, Flow, PAYLOAD_BYTES, PageKind, PageNo, PageRead, PageRef, PageTxn, Result};

const MAGIC: u32 = u32::from_le_bytes(*b"PLOG");
const VERSION: u16 = 1;
/// Every page: the next page's number and this page's place in the chain (the head is 0).
const NEXT: usize = 0;
const PLACE: usize = 8;
const BODY_HEADER_BYTES: usize = 16;
/// The head only.
const MAGIC_AT: usize = 16;
const VERSION_AT: usize = 20;
const RECORD_BYTES_AT: usize = 22;
const RECORDS: usize = 24;
const TAIL: usize = 32;
const HEAD_HEADER_BYTES: usize = 40;

/// A log. A handle: copies name the same log, and the head page keeps its number for life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageLog {
    root: PageNo,
    kind: PageKind,
    record_bytes: usize,
}

/// What the head says, verified against itself.
struct Head {
    records: u64,
    tail: PageNo,
}

impl PageLog {
    /// The largest record: what fits on the head page beside its header.
    pub const RECORD_BYTES_MAX: usize = PAYLOAD_BYTES - HEAD_HEADER_BYTES;

    /// A new, empty log on one page. `record_bytes` outside `1..=RECORD_BYTES_MAX` is a programmer error.
    pub fn create(kind: PageKind, record_bytes: usize, pages: &mut dyn PageTxn) -> Result<PageLog> {
        assert!((1..=Self::RECORD_BYTES_MAX).contains(&record_bytes), "a record must fit on the head page");
        let root = pages.alloc(kind)?;
        let head = pages.edit(root, kind)?;
        put_u32(head, MAGIC_AT, MAGIC);
        put_u16(head, VERSION_AT, VERSION);
        put_u16(head, RECORD_BYTES_AT, record_bytes as u16);
        put_u64(head, TAIL, root.0);
        Ok(PageLog { root, kind, record_bytes })
    }

    /// The log whose head is `root`. Errors: `Corrupt` if it is not a log of such records.
    pub fn open(root: PageNo, kind: PageKind, record_bytes: usize, pages: &dyn PageRead) -> Result<PageLog> {
        let log = PageLog { root, kind, record_bytes };
        log.head(pages).map(|_head| log)
    }

    /// The head page, for the owner's root record.
    #[must_use]
    pub fn root(&self) -> PageNo {
        self.root
    }

    fn corrupt(&self, page: PageNo) -> Error {
        Error::corrupt_page("page log", page)
    }

    fn head(&self, pages: &dyn PageRead) -> Result<Head> {
        let head = pages.read(self.root, self.kind)?;
        let sound = u32_at(&head[..], MAGIC_AT) == MAGIC
            && u16_at(&head[..], VERSION_AT) == VERSION
            && usize::from(u16_at(&head[..], RECORD_BYTES_AT)) == self.record_bytes
            && (1..=Self::RECORD_BYTES_MAX).contains(&self.record_bytes)
            && u64_at(&head[..], PLACE) == 0;
        let found = Head { records: u64_at(&head[..], RECORDS), tail: PageNo(u64_at(&head[..], TAIL)) };
        match sound && (found.tail == self.root) == (self.tail_place(found.records) == 0) {
            true => Ok(found),
            false => Err(self.corrupt(self.root)),
        }
    }

    fn header_bytes(place: u64) -> usize {
        if place == 0 { HEAD_HEADER_BYTES } else { BODY_HEADER_BYTES }
    }

    /// Records that the page at `place` of the chain can hold.
    fn capacity(&self, place: u64) -> u64 {
        ((PAYLOAD_BYTES - Self::header_bytes(place)) / self.record_bytes) as u64
    }

    /// The last page's place in a chain of so many records. A full page is followed by another only once it is needed.
    fn tail_place(&self, records: u64) -> u64 {
        records.saturating_sub(self.capacity(0)).div_ceil(self.capacity(1))
    }

    /// Records that precede the page at `place`.
    fn records_before(&self, place: u64) -> u64 {
        if place == 0 { 0 } else { self.capacity(0) + (place - 1) * self.capacity(1) }
    }

    fn page_at_place(&self, page: PageNo, place: u64, pages: &dyn PageRead) -> Result<PageRef> {
        let bytes = pages.read(page, self.kind)?;
        match u64_at(&bytes[..], PLACE) == place {
            true => Ok(bytes),
            false => Err(self.corrupt(page)),
        }
    }

    /// How many records there are. Errors: `Corrupt`.
    pub fn len_records(&self, pages: &dyn PageRead) -> Result<u64> {
        self.head(pages).map(|head| head.records)
    }

    /// Add whole records at the end (another length is a programmer error). Errors: `Corrupt`; `NoPages`, and then a
    /// prefix of the records was added.
    pub fn append(&self, records: &[u8], pages: &mut dyn PageTxn) -> Result<()> {
        assert!(records.len().is_multiple_of(self.record_bytes), "a log takes whole records");
        let Head { records: mut count, mut tail } = self.head(pages)?;
        let mut rest = records;
        while !rest.is_empty() {
            let mut place = self.tail_place(count);
            self.page_at_place(tail, place, pages)?;
            if count - self.records_before(place) == self.capacity(place) {
                tail = self.extend(tail, place, pages)?;
                place += 1;
            }
            let used = count - self.records_before(place);
            let room = (self.capacity(place) - used) as usize;
            let (now, later) = rest.split_at(rest.len().min(room * self.record_bytes));
            let at = Self::header_bytes(place) + used as usize * self.record_bytes;
            let added = (now.len() / self.record_bytes) as u64;
            count = count.checked_add(added).ok_or(self.corrupt(self.root))?;
            pages.edit(tail, self.kind)?[at..at + now.len()].copy_from_slice(now);
            let head = pages.edit(self.root, self.kind)?;
            put_u64(head, RECORDS, count);
            put_u64(head, TAIL, tail.0);
            rest = later;
        }
        Ok(())
    }

    /// Link a new page after `tail`, which stands at `place`.
    fn extend(&self, tail: PageNo, place: u64, pages: &mut dyn PageTxn) -> Result<PageNo> {
        let next = pages.alloc(self.kind)?;
        put_u64(pages.edit(next, self.kind)?, PLACE, place + 1);
        put_u64(pages.edit(tail, self.kind)?, NEXT, next.0);
        Ok(next)
    }

    /// Walk the chain: each page, its bytes and how many records it holds (0 only for the head of an empty log).
    fn walk(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo, u64, &[u8]) -> Flow) -> Result<()> {
        let head = self.head(pages)?;
        let (mut page, mut left) = (self.root, head.records);
        for place in 0..=self.tail_place(head.records) {
            let bytes = self.page_at_place(page, place, pages)?;
            let here = left.min(self.capacity(place));
            left -= here;
            if left == 0 && page != head.tail {
                return Err(self.corrupt(page));
            }
            let from = Self::header_bytes(place);
            if each(page, here, &bytes[from..from + here as usize * self.record_bytes]) == Flow::Stop {
                return Ok(());
            }
            page = PageNo(u64_at(&bytes[..], NEXT));
        }
        Ok(())
    }

    /// All records in order, those of one page at a time (never an empty slice). Errors: `Corrupt`, after what precedes
    /// the bad page was given.
    pub fn read(&self, pages: &dyn PageRead, each: &mut dyn FnMut(&[u8]) -> Flow) -> Result<()> {
        self.walk(pages, &mut |_page, here, records| if here == 0 { Flow::Continue } else { each(records) })
    }

    /// Forget all records; the head page stays.
    pub fn clear(&self, pages: &mut dyn PageTxn) -> Result<()> {
        self.free_from(1, pages)?;
        let head = pages.edit(self.root, self.kind)?;
        put_u64(head, NEXT, 0);
        put_u64(head, RECORDS, 0);
        put_u64(head, TAIL, self.root.0);
        Ok(())
    }

    fn free_from(&self, place: usize, pages: &mut dyn PageTxn) -> Result<()> {
        let mut all = Vec::new();
        self.visit_pages(pages, &mut |page| all.push(page))?;
        all.drain(place..).try_for_each(|page| pages.free(page, self.kind))
    }

    /// Every page of the log, once, the head first.
    pub fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.walk(pages, &mut |page, _here, _records| {
            each(page);
            Flow::Continue
        })
    }

    /// Free every page; every copy of the handle is dead.
    pub fn destroy(self, pages: &mut dyn PageTxn) -> Result<()> {
        self.free_from(0, pages)
    }

    /// Pages of a log of so many records.
    #[must_use]
    pub fn pages_for(&self, records: u64) -> u64 {
        self.tail_place(records) + 1
    }

    /// At most how many pages appending so many records allocates or changes: the head, the old tail and the new pages.
    #[must_use]
    pub fn pages_bound(&self, records: u64) -> u64 {
        if records == 0 { 0 } else { 2 + records.div_ceil(self.capacity(1)) }
    }
}
