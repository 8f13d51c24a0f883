//! A version's map of blocks: one bit a block, on pages of its own.
//!
//! Invariant: a page of bits is there exactly when it has a bit set, and says how many. Knows no tree and no other version.

use spinney_core::{PAYLOAD_BYTES, PageKind, PageNo, PageRead, PageRef, PageTxn, Payload, Result, Tally};
use spinney_snap_tree::{Anchor, Sparse};

/// Bytes before the bits: how many are set.
const HEADER_BYTES: usize = 8;
/// Words of bits on a page.
const WORDS: usize = (PAYLOAD_BYTES - HEADER_BYTES) / 8;
/// Blocks on a page.
pub(crate) const BITS: u64 = (PAYLOAD_BYTES - HEADER_BYTES) as u64 * 8;

/// A map. A handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bits(Sparse);

/// Whether a page of bits has the bit.
fn has(bytes: &Payload, bit: u64) -> bool {
    bytes[HEADER_BYTES + (bit / 8) as usize] >> (bit % 8) & 1 == 1
}

fn used(bytes: &Payload) -> u64 {
    u64::from_le_bytes(*bytes.first_chunk().expect("a page has a first word"))
}

fn set_used(bytes: &mut Payload, used: u64) {
    bytes[..HEADER_BYTES].copy_from_slice(&used.to_le_bytes());
}

/// Set or clear a bit; the header follows. Whether it was otherwise.
fn put(bytes: &mut Payload, bit: u64, on: bool) -> bool {
    if has(bytes, bit) == on {
        return false;
    }
    bytes[HEADER_BYTES + (bit / 8) as usize] ^= 1 << (bit % 8);
    let before = used(bytes);
    set_used(bytes, if on { before.saturating_add(1) } else { before.saturating_sub(1) });
    true
}

fn word(page: &Payload, at: usize) -> u64 {
    u64::from_le_bytes(*page[HEADER_BYTES + at * 8..].first_chunk().expect("a word lies inside its page"))
}

/// The bits of a word, as numbers from `base` on.
fn ones(mut word: u64, base: u64) -> impl Iterator<Item = u64> {
    core::iter::from_fn(move || {
        let bit = (word != 0).then(|| base + u64::from(word.trailing_zeros()));
        word &= word.wrapping_sub(1);
        bit
    })
}

/// The bits that `take` makes of each word's place, in order.
fn bits_of(take: impl Fn(usize) -> u64) -> impl Iterator<Item = u64> {
    (0..WORDS).map(move |at| (take(at), at as u64 * 64)).flat_map(|(word, base)| ones(word, base))
}

/// The bits of `page`, without those of `others`, in order.
pub(crate) fn beyond<'a>(page: &'a Payload, others: &'a [PageRef]) -> impl Iterator<Item = u64> + 'a {
    bits_of(move |at| word(page, at) & !any_word(others, at))
}

/// The bits of any of these pages, without those of `others`, in order.
pub(crate) fn any_beyond<'a>(pages: &'a [PageRef], others: &'a [PageRef]) -> impl Iterator<Item = u64> + 'a {
    bits_of(move |at| any_word(pages, at) & !any_word(others, at))
}

fn any_word(pages: &[PageRef], at: usize) -> u64 {
    pages.iter().fold(0, |any, page| any | word(page, at))
}

/// How many bits are set.
pub(crate) fn count(page: &Payload) -> u64 {
    (0..WORDS).map(|at| u64::from(word(page, at).count_ones())).sum()
}

impl Bits {
    /// The map whose own page is `page`.
    pub(crate) fn at(page: PageNo) -> Bits {
        Bits(Sparse { anchor: Anchor(page), word: 0, kind: PageKind::SHARE })
    }
    pub(crate) fn create(pages: &mut dyn PageTxn) -> Result<Bits> {
        Ok(Bits::at(Anchor::create(pages)?.0))
    }
    /// Its own page, from which the others are found.
    pub(crate) fn page(&self) -> PageNo {
        self.0.anchor.0
    }
    /// Whether the map has the block.
    pub(crate) fn has(&self, block: u64, pages: &dyn PageRead) -> Result<bool> {
        Ok(self.0.look(block / BITS, pages, |bytes| has(bytes, block % BITS))?.unwrap_or(false))
    }
    /// A page of bits, if there is one.
    pub(crate) fn leaf(&self, leaf: u64, pages: &dyn PageRead) -> Result<Option<PageRef>> {
        self.0.read(leaf, pages)
    }
    /// Set or clear a run of bits.
    pub(crate) fn put(&self, start: u64, blocks: u64, on: bool, pages: &mut dyn PageTxn) -> Result<()> {
        let mut at = start;
        let end = start.saturating_add(blocks);
        while at < end {
            let (leaf, stop) = (at / BITS, end.min((at / BITS + 1).saturating_mul(BITS)));
            let bytes = self.0.edit(leaf, pages)?;
            let changed = (at..stop).filter(|block| put(bytes, block % BITS, on)).count();
            let empty = used(bytes) == 0;
            pages.tally(Tally::Bits, changed as u64);
            if empty {
                self.0.remove(leaf, pages)?;
            }
            at = stop;
        }
        Ok(())
    }
    /// Clear the first bits of a page, up to `end`.
    pub(crate) fn clear_to(&self, leaf: u64, end: u64, pages: &mut dyn PageTxn) -> Result<()> {
        let bytes = self.0.edit(leaf, pages)?;
        let before = count(bytes);
        let whole = HEADER_BYTES + (end / 8) as usize;
        bytes[HEADER_BYTES..whole].fill(0);
        if !end.is_multiple_of(8) {
            bytes[whole] &= u8::MAX << (end % 8);
        }
        let left = count(bytes);
        set_used(bytes, left);
        pages.tally(Tally::Bits, before - left);
        if left == 0 { self.0.remove(leaf, pages) } else { Ok(()) }
    }
    /// Every page of bits, by rising number, until told to stop.
    pub(crate) fn visit(
        &self,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(u64, &Payload) -> Result<spinney_core::Flow>,
    ) -> Result<()> {
        self.0.visit(pages, each)
    }
    /// A map with the same bits.
    pub(crate) fn copy(&self, pages: &mut dyn PageTxn) -> Result<Bits> {
        let copy = Bits::create(pages)?;
        let mut leaves = alloc::vec::Vec::new();
        self.visit(pages, &mut |leaf, _| {
            leaves.push(leaf);
            Ok(spinney_core::Flow::Continue)
        })?;
        for leaf in leaves {
            if let Some(bytes) = self.leaf(leaf, pages)? {
                *copy.0.edit(leaf, pages)? = *bytes;
            }
        }
        Ok(copy)
    }
    /// Give the own page back; the others are gone with their bits.
    pub(crate) fn destroy(self, pages: &mut dyn PageTxn) -> Result<()> {
        pages.free(self.page(), PageKind::CATALOGUE)
    }
    /// Every page, once.
    pub(crate) fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        each(self.page());
        self.0.visit_pages(pages, each)
    }
    /// Whether a page of bits counts them rightly, and has some.
    pub(crate) fn is_sound(page: &Payload) -> bool {
        used(page) == count(page) && used(page) > 0
    }
}
