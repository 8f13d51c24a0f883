//! Metadata pages: their shape in memory and the seams through which plug-ins read and change them.
//!
//! Invariant: a page keeps its number for life; a reader sees whole pages of one epoch. Plug-ins see payloads only: the
//! header (kind, number, epoch) belongs to the store, and nobody above it knows where a page lives.

use crate::{BLOCK_BYTES, PageNo, Result};
use alloc::sync::Arc;
use core::{fmt, ops::Deref};

/// Bytes of a page that the store keeps for itself.
pub const PAGE_HEADER_BYTES: usize = 32;
/// Bytes of a page that its owner may use.
pub const PAYLOAD_BYTES: usize = BLOCK_BYTES - PAGE_HEADER_BYTES;
/// A page's usable bytes.
pub type Payload = [u8; PAYLOAD_BYTES];

/// A whole page in memory: header, then payload. Meant to be shared (`Arc<PageBuf>`), with nothing between the count and the bytes: a
/// page that is not in the processor's cache is then one wait less away.
#[derive(Clone)]
pub struct PageBuf([u8; BLOCK_BYTES]);

impl PageBuf {
    /// A page of zeros.
    #[must_use]
    pub fn zeroed() -> PageBuf {
        PageBuf([0; BLOCK_BYTES])
    }
    /// All bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; BLOCK_BYTES] {
        &self.0
    }
    /// All bytes, to change.
    pub fn bytes_mut(&mut self) -> &mut [u8; BLOCK_BYTES] {
        &mut self.0
    }
    /// The owner's bytes.
    #[must_use]
    pub fn payload(&self) -> &Payload {
        self.0[PAGE_HEADER_BYTES..].first_chunk().expect("a block is a header and a payload")
    }
    /// The owner's bytes, to change.
    pub fn payload_mut(&mut self) -> &mut Payload {
        self.0[PAGE_HEADER_BYTES..].first_chunk_mut().expect("a block is a header and a payload")
    }
}

/// A page as of some moment; cheap to clone, and unchanged by later writes.
#[derive(Clone)]
pub struct PageRef(Arc<PageBuf>);

impl PageRef {
    /// Wrap a shared page.
    #[must_use]
    pub fn new(page: Arc<PageBuf>) -> PageRef {
        PageRef(page)
    }
}

impl Deref for PageRef {
    type Target = Payload;
    fn deref(&self) -> &Payload {
        self.0.payload()
    }
}

/// What a page holds and so who pays for it: costs are reported by kind. Stored as one byte in the page header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageKind(pub u8);

impl PageKind {
    /// The page store's own map.
    pub const MAP: PageKind = PageKind(1);
    /// A free-space form.
    pub const SPACE: PageKind = PageKind(2);
    /// Index nodes that map logical to physical blocks.
    pub const TREE: PageKind = PageKind(3);
    /// Sharing information: reference counts, borrowed bits, dead lists.
    pub const SHARE: PageKind = PageKind(4);
    /// The list of versions.
    pub const CATALOGUE: PageKind = PageKind(5);
    /// Data checksums.
    pub const CHECKSUM: PageKind = PageKind(6);
    /// Anything of a user's own (examples, tests).
    pub const OTHER: PageKind = PageKind(7);
    /// Back references: who refers to a data block.
    pub const BACKREF: PageKind = PageKind(8);
    /// Every kind, in order.
    pub const ALL: [PageKind; 8] = [
        Self::MAP,
        Self::SPACE,
        Self::TREE,
        Self::SHARE,
        Self::CATALOGUE,
        Self::CHECKSUM,
        Self::OTHER,
        Self::BACKREF,
    ];
    /// Its name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            1 => "map",
            2 => "space",
            3 => "tree",
            4 => "share",
            5 => "catalogue",
            6 => "checksum",
            8 => "backref",
            _ => "other",
        }
    }
}

impl fmt::Debug for PageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Read pages as of one moment.
pub trait PageRead {
    /// The page's payload. Errors: `Corrupt` if it is not there, damaged, or of another kind.
    fn read(&self, page: PageNo, kind: PageKind) -> Result<PageRef>;
    /// Show the page's payload to `see`, once, where it is: for a few bytes of a page that is not kept. Whoever has pages in
    /// memory need not count a holder then, and a look at a cold page waits for those bytes only. `see` must not read
    /// pages: it may run under a lock. Errors: as `read`, and then `see` was not called. See also [`look`].
    fn show(&self, page: PageNo, kind: PageKind, see: &mut dyn FnMut(&Payload)) -> Result<()> {
        self.read(page, kind).map(|found| see(&found))
    }
    /// These pages are about to be read: whoever has pages on a device may bring those that are not in memory by one request, where
    /// reads one by one would wait for each. A hint: what is not there or damaged is told by `read` only.
    fn prefetch(&self, pages: &[PageNo], kind: PageKind) {
        let _ = (pages, kind);
    }
}

/// What `see` makes of the page's payload, by [`PageRead::show`]: it must not read pages.
#[inline]
pub fn look<T>(pages: &dyn PageRead, page: PageNo, kind: PageKind, see: impl Fn(&Payload) -> T) -> Result<T> {
    let mut seen = None;
    pages.show(page, kind, &mut |payload| seen = Some(see(payload)))?;
    Ok(seen.expect("a page that is there is shown"))
}

/// Units of a plug-in's work that no page shows by itself: papers on snapshots count them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tally {
    /// Counts of owners, each raised or lowered by one.
    Counts,
    /// Bits that say who owns a thing: tags of slots in nodes of another version, bits of a version's map of blocks.
    Bits,
    /// Entries put on a list of what a version let go of, or taken from one.
    Entries,
}

/// Change pages inside the open epoch; a later read through the same object sees the change.
///
/// The store makes an epoch's changes atomic, so any page may be rewritten at any time. Coerces to `&dyn PageRead`.
pub trait PageTxn: PageRead {
    /// A new page of zeros. Errors: `NoPages` (cannot happen inside what was reserved).
    fn alloc(&mut self, kind: PageKind) -> Result<PageNo>;
    /// The page's bytes to change in place; the page is dirty from now on.
    fn edit(&mut self, page: PageNo, kind: PageKind) -> Result<&mut Payload>;
    /// Give the page back. Its number may be issued again in the same epoch.
    fn free(&mut self, page: PageNo, kind: PageKind) -> Result<()>;
    /// So many units of work were done on these pages: for whoever counts them. A store does not.
    fn tally(&mut self, of: Tally, units: u64) {
        let _ = (of, units);
    }
}
