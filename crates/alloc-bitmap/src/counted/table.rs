//! Where the pages of counts are, and what is free in each: one page of entries, or a tree of them.
//!
//! Invariant: an entry exists exactly for each page of counts that exists, which is one with a count above 0. Reads no page
//! of counts.

use super::page::PAGE_BLOCKS;
use core::ops::Range;
use spinney_core::{
    Error, Finding, Flow, PAYLOAD_BYTES, PageKind, PageNo, PageRead, PageTxn, Payload, Result,
};
use spinney_pages::{TypedMap, map::Fixed};

const HEADER_BYTES: usize = 16;
const ENTRY_BYTES: usize = 16;
/// Entries of the one page.
const ENTRIES: u64 = ((PAYLOAD_BYTES - HEADER_BYTES) / ENTRY_BYTES) as u64;
/// The most blocks that an index of one page reaches.
pub const BLOCK_INDEX_BLOCKS_MAX: u64 = ENTRIES * PAGE_BLOCKS;
const MAGIC: [u8; 4] = *b"SPci";
const VERSION: u32 = 1;
const WHAT: &str = "index of counted bitmap";

/// What is known of a page of counts without reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) page: PageNo,
    /// Blocks of it that are free.
    pub(crate) free: u32,
    /// Its first free block; how many blocks it has if none is free.
    pub(crate) none_free_before: u32,
}

impl Fixed for Entry {
    type Bytes = [u8; ENTRY_BYTES];
    const WIDTH: u16 = ENTRY_BYTES as u16;
    fn to_bytes(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..8].copy_from_slice(&self.page.0.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.free.to_le_bytes());
        bytes[12..].copy_from_slice(&self.none_free_before.to_le_bytes());
        bytes
    }
    fn from_bytes(bytes: &[u8; ENTRY_BYTES]) -> Entry {
        let part = |at: usize| *bytes[at..].first_chunk().expect("inside the entry");
        let page = *bytes.first_chunk().expect("inside the entry");
        Entry {
            page: PageNo(u64::from_le_bytes(page)),
            free: u32::from_le_bytes(part(8)),
            none_free_before: u32::from_le_bytes(part(12)),
        }
    }
}

/// How the entries are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IndexKind {
    /// In one page: dm-thin's metadata map. Reaches [`BLOCK_INDEX_BLOCKS_MAX`] blocks.
    Block,
    /// In an ordered map: dm-thin's data map.
    #[default]
    Tree,
}

/// The entries.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Table {
    Block(PageNo),
    Tree(TypedMap<u64, Entry>),
}

/// All zeros is no entry: a page of counts that exists has at least one block that is not free.
const VACANT: [u8; ENTRY_BYTES] = [0; ENTRY_BYTES];

fn place(number: u64) -> Range<usize> {
    let at = HEADER_BYTES + number as usize * ENTRY_BYTES;
    at..at + ENTRY_BYTES
}

fn entry_of(payload: &Payload, number: u64) -> Option<Entry> {
    let bytes: [u8; ENTRY_BYTES] = payload[place(number)].try_into().expect("an entry's bytes");
    (bytes != VACANT).then(|| Entry::from_bytes(&bytes))
}

fn block(page: PageNo, payload: &Payload) -> Result<()> {
    let head = payload[..4] == MAGIC && payload[4..8] == VERSION.to_le_bytes() && payload[8..16] == [0; 8];
    if head { Ok(()) } else { Err(Error::corrupt_page(WHAT, page)) }
}

impl Table {
    pub(crate) fn create(kind: IndexKind, count_pages: u64, pages: &mut dyn PageTxn) -> Result<Table> {
        match kind {
            IndexKind::Tree => TypedMap::create(PageKind::SPACE, pages).map(Table::Tree),
            IndexKind::Block if count_pages > ENTRIES => {
                Err(Error::BadSetting("index = `block` reaches 4,096,576 blocks; `tree` has no such bound"))
            }
            IndexKind::Block => {
                let page = pages.alloc(PageKind::SPACE)?;
                let payload = pages.edit(page, PageKind::SPACE)?;
                payload.fill(0);
                payload[..4].copy_from_slice(&MAGIC);
                payload[4..8].copy_from_slice(&VERSION.to_le_bytes());
                Ok(Table::Block(page))
            }
        }
    }
    pub(crate) fn open(
        kind: IndexKind,
        root: PageNo,
        count_pages: u64,
        pages: &dyn PageRead,
    ) -> Result<Table> {
        match kind {
            IndexKind::Tree => TypedMap::open(root, PageKind::SPACE, pages).map(Table::Tree),
            IndexKind::Block if count_pages > ENTRIES => Err(Error::corrupt_page(WHAT, root)),
            IndexKind::Block => {
                block(root, &*pages.read(root, PageKind::SPACE)?).map(|()| Table::Block(root))
            }
        }
    }
    pub(crate) fn root(&self) -> PageNo {
        match self {
            Table::Block(page) => *page,
            Table::Tree(tree) => tree.root(),
        }
    }
    pub(crate) fn kind(&self) -> IndexKind {
        match self {
            Table::Block(_) => IndexKind::Block,
            Table::Tree(_) => IndexKind::Tree,
        }
    }
    pub(crate) fn get(&self, number: u64, pages: &dyn PageRead) -> Result<Option<Entry>> {
        match self {
            Table::Tree(tree) => tree.get(&number, pages),
            Table::Block(page) => Ok(entry_of(&*pages.read(*page, PageKind::SPACE)?, number)),
        }
    }
    pub(crate) fn put(&self, number: u64, entry: Option<&Entry>, pages: &mut dyn PageTxn) -> Result<()> {
        match (self, entry) {
            (Table::Tree(tree), Some(entry)) => tree.put(&number, entry, pages).map(drop),
            (Table::Tree(tree), None) => tree.remove(&number, pages).map(drop),
            (Table::Block(page), entry) => {
                let bytes = entry.map_or(VACANT, Entry::to_bytes);
                pages.edit(*page, PageKind::SPACE)?[place(number)].copy_from_slice(&bytes);
                Ok(())
            }
        }
    }
    /// The entries of these pages of counts; all there are if `numbers` is all there should be. In order.
    pub(crate) fn visit(
        &self,
        numbers: Range<u64>,
        whole: bool,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(u64, Entry) -> Flow,
    ) -> Result<()> {
        match self {
            Table::Tree(tree) if whole => tree.range(.., pages, each),
            Table::Tree(tree) => tree.range(numbers, pages, each),
            Table::Block(page) => {
                let payload = pages.read(*page, PageKind::SPACE)?;
                block(*page, &payload)?;
                for number in if whole { 0..ENTRIES } else { numbers } {
                    if let Some(entry) = entry_of(&payload, number)
                        && each(number, entry) == Flow::Stop
                    {
                        break;
                    }
                }
                Ok(())
            }
        }
    }
    pub(crate) fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        match self {
            Table::Tree(tree) => tree.visit_pages(pages, each),
            Table::Block(page) => {
                each(*page);
                Ok(())
            }
        }
    }
    pub(crate) fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) {
        if let Table::Tree(tree) = self {
            tree.check(pages, found);
        }
    }
    pub(crate) fn pages_bound(&self, changes: u64, entries_max: u64) -> u64 {
        match self {
            Table::Tree(tree) => tree.pages_bound(changes, entries_max),
            Table::Block(_) => changes.min(1),
        }
    }
}
