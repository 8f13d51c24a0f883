//! The bytes: page header, map entry, root. `FORMAT.md` has the diagrams.
//!
//! Invariant: what `seal_page` stamps, `verify` accepts, and nothing else; decoding never trusts a number. Does no I/O.

use super::layout::{ENTRY_BYTES, LEVELS_MAX, Layout};
use spinney_core::{Error, PAGE_HEADER_BYTES, PageBuf, PageKind, PageNo, Place, Result, Root};
use xxhash_rust::xxh3::xxh3_64;

/// First four bytes of every page: `SPg` and the format's version.
const PAGE_MAGIC: u32 = u32::from_le_bytes(*b"SPg\x01");
/// First four bytes of the root: `SPr` and the version of the area's plan.
const ROOT_MAGIC: u32 = u32::from_le_bytes(*b"SPr\x02");

/// Who a page is: what its header must say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Identity {
    pub(super) kind: PageKind,
    /// 0 but for map pages.
    pub(super) level: u8,
    /// Page number; for a map page its index in its level.
    pub(super) number: u64,
    pub(super) epoch: u64,
}

/// What the parent knows of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    /// Where it lives, in area space.
    pub(super) place: u64,
    pub(super) kind: PageKind,
    pub(super) checksum: u64,
    /// The epoch that wrote it.
    pub(super) epoch: u64,
}

/// Where a sealed epoch's map begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct MapRoot {
    /// Levels of the map, 0 if there is none yet.
    pub(super) levels: u8,
    /// The top map page; `None` exactly when `levels` is 0.
    pub(super) top: Option<Entry>,
    /// Live pages.
    pub(super) live: u64,
    /// The epoch that was sealed.
    pub(super) epoch: u64,
}

/// Stamp a page's header and return its checksum.
pub(super) fn seal_page(page: &mut PageBuf, is: Identity) -> u64 {
    let header = &mut page.bytes_mut()[..PAGE_HEADER_BYTES];
    header.fill(0);
    header[0..4].copy_from_slice(&PAGE_MAGIC.to_le_bytes());
    header[4] = is.kind.0;
    header[5] = is.level;
    header[8..16].copy_from_slice(&is.number.to_le_bytes());
    header[16..24].copy_from_slice(&is.epoch.to_le_bytes());
    xxh3_64(page.bytes())
}

/// Whether a page is what its parent says; the text names what is wrong.
pub(super) fn verify(page: &PageBuf, is: Identity, checksum: u64) -> Result<(), &'static str> {
    if xxh3_64(page.bytes()) != checksum {
        return Err("page checksum");
    }
    (identity(page) == Some(is)).then_some(()).ok_or("page header")
}

/// Who a page says that it is; `None` if it is no page.
pub(super) fn identity(page: &PageBuf) -> Option<Identity> {
    let bytes = page.bytes();
    (word32(bytes, 0) == PAGE_MAGIC).then(|| Identity {
        kind: PageKind(bytes[4]),
        level: bytes[5],
        number: word64(bytes, 8),
        epoch: word64(bytes, 16),
    })
}

/// The kind in a page's header.
pub(super) fn kind_of(page: &PageBuf) -> PageKind {
    PageKind(page.bytes()[4])
}

/// The entry at `slot` of a map page; `None` is a hole.
pub(super) fn entry(map: &PageBuf, slot: u64) -> Option<Entry> {
    let at = slot as usize * ENTRY_BYTES;
    decode_entry(&map.payload()[at..at + ENTRY_BYTES])
}

/// Whether a map page has no entry.
pub(super) fn is_empty(map: &PageBuf) -> bool {
    map.payload().iter().all(|byte| *byte == 0)
}

/// Write an entry, or a hole.
pub(super) fn put_entry(map: &mut PageBuf, slot: u64, entry: Option<Entry>) {
    let at = slot as usize * ENTRY_BYTES;
    let bytes = &mut map.payload_mut()[at..at + ENTRY_BYTES];
    bytes.fill(0);
    let Some(entry) = entry else { return };
    bytes[0..8].copy_from_slice(&(entry.place | u64::from(entry.kind.0) << 56).to_le_bytes());
    bytes[8..16].copy_from_slice(&entry.checksum.to_le_bytes());
    bytes[16..24].copy_from_slice(&entry.epoch.to_le_bytes());
}

/// A hole is 24 zero bytes. Anything else is an entry; whether it makes sense is for [`page_entry_holds`] and the map walk.
fn decode_entry(bytes: &[u8]) -> Option<Entry> {
    if bytes.iter().all(|byte| *byte == 0) {
        return None;
    }
    let first = word64(bytes, 0);
    let (place, kind) = (first & ((1 << 56) - 1), PageKind((first >> 56) as u8));
    Some(Entry { place, kind, checksum: word64(bytes, 8), epoch: word64(bytes, 16) })
}

/// Whether a leaf's entry can be true: a place for pages, a kind that is not the map's, an epoch that has been.
pub(super) fn page_entry_holds(entry: &Entry, layout: &Layout, sealed: u64) -> bool {
    layout.is_place(entry.place)
        && entry.kind != PageKind(0)
        && entry.kind != PageKind::MAP
        && (1..=sealed).contains(&entry.epoch)
}

/// Whether a map page's entry can be true: one of its two slots, and an epoch that has been.
pub(super) fn map_entry_holds(entry: &Entry, slots: [u64; 2], sealed: u64) -> bool {
    slots.contains(&entry.place) && entry.kind == PageKind::MAP && (1..=sealed).contains(&entry.epoch)
}

/// More epochs than any store reaches: a forged one near the end of the numbers would leave none to come.
pub(super) const EPOCH_MAX: u64 = 1 << 54;

impl MapRoot {
    /// As bytes for the superblock.
    pub(super) fn encode(&self) -> Root {
        let top = self.top.unwrap_or(Entry { place: 0, kind: PageKind::MAP, checksum: 0, epoch: 0 });
        let first = u64::from(ROOT_MAGIC) | u64::from(self.levels) << 32;
        Root::from_words(&[first, top.place, top.checksum, top.epoch, self.live, self.epoch])
    }
    /// From a superblock. Errors: `Corrupt` unless every number is possible in `layout`.
    pub(super) fn decode(root: &Root, layout: &Layout) -> Result<MapRoot> {
        let [first, place, checksum, epoch_top, live, epoch] = root.words("page store root")?;
        let levels = (first >> 32) as u8;
        let top = (levels > 0).then_some(Entry { place, kind: PageKind::MAP, checksum, epoch: epoch_top });
        let top_holds = match top {
            None => place == 0 && checksum == 0 && epoch_top == 0 && live == 0,
            Some(top) => layout
                .slots(levels - 1, 0)
                .is_some_and(|slots| levels <= LEVELS_MAX && map_entry_holds(&top, slots, epoch)),
        };
        let holds = first == u64::from(ROOT_MAGIC) | u64::from(levels) << 32
            && top_holds
            && live <= layout.places()
            && epoch <= EPOCH_MAX;
        let wrong = Error::Corrupt { what: "page store root", place: Place::Pool };
        holds.then_some(MapRoot { levels, top, live, epoch }).ok_or(wrong)
    }
}

/// The error for a map page: its place is the first page number that it covers.
pub(super) fn corrupt_map(level: u8, index: u64) -> Error {
    let covers = super::layout::FANOUT.saturating_pow(u32::from(level) + 1);
    Error::corrupt_page("page map", PageNo(index.saturating_mul(covers)))
}

fn word32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn word64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
