//! Checksums of data blocks, by physical address, on pages of their own.
//!
//! Invariant: a committed block is never overwritten while a durable superblock reaches it, so block and checksum cannot
//! disagree. Kept by place, not by owner: sharing and moving blocks needs no scheme's help. Knows no scheme.

use crate::PoolOptions;
use crate::kind::{ChecksumKey, ChecksumKind};
use spinney_core::{
    BLOCK_BYTES, BlockDevice, Epoch, Error, Extent, Finding, Healed, PAYLOAD_BYTES, PageKind, PageNo,
    PageRead, PageTxn, Pba, Place, Result, look,
};
use spinney_pages::{PageStore, RadixArray};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// Checksums on a page: 8 bytes each.
const PER_PAGE: u64 = (PAYLOAD_BYTES / 8) as u64;

/// Leaves whose numbers are remembered at most: those of 2 TiB of data, in 8 MiB.
const KNOWN_MAX: u64 = 1 << 20;

/// Where block `block` of a buffer begins.
fn byte(block: u64) -> usize {
    block as usize * BLOCK_BYTES
}

fn differs(at: Pba) -> Error {
    Error::Corrupt { what: "data block (checksum differs)", place: Place::Block(at) }
}

/// The checksum table of a pool.
pub(crate) struct Checksums {
    kind: ChecksumKind,
    key: ChecksumKey,
    data: Extent,
    table: RadixArray,
    /// Numbers of leaves that were met, 0 if not. A leaf keeps its number for life, so none of these is ever wrong, and a
    /// sum is found by one page and not by a descent.
    known: Box<[AtomicU64]>,
}

impl Checksums {
    fn leaves(data: Extent) -> u64 {
        data.blocks.div_ceil(PER_PAGE)
    }

    pub(crate) fn create(options: &PoolOptions, data: Extent, pages: &mut dyn PageTxn) -> Result<Checksums> {
        let table = RadixArray::create(PageKind::CHECKSUM, Self::leaves(data), pages)?;
        Ok(Self::new(options, data, table))
    }

    fn new(options: &PoolOptions, data: Extent, table: RadixArray) -> Checksums {
        let known = (0..table.leaves().min(KNOWN_MAX)).map(|_| AtomicU64::new(0)).collect();
        Checksums { kind: options.checksums, key: options.checksum_key, data, table, known }
    }

    pub(crate) fn open(
        options: &PoolOptions,
        data: Extent,
        root: PageNo,
        pages: &dyn PageRead,
    ) -> Result<Checksums> {
        let table = RadixArray::open(root, PageKind::CHECKSUM, Self::leaves(data), pages)?;
        Ok(Self::new(options, data, table))
    }

    /// Forget the numbers of leaves, so that what is read next is found by a descent.
    pub(crate) fn forget(&self) {
        self.known.iter().for_each(|number| number.store(0, Ordering::Relaxed));
    }

    /// The page of a leaf, if it exists.
    fn leaf(&self, index: u64, pages: &dyn PageRead) -> Result<Option<PageNo>> {
        let known = self.known.get(index as usize);
        match known.map_or(0, |number| number.load(Ordering::Relaxed)) {
            0 => {}
            number => return Ok(Some(PageNo(number))),
        }
        let found = self.table.leaf(index, pages)?;
        if let (Some(known), Some(page)) = (known, found) {
            known.store(page.0, Ordering::Relaxed);
        }
        Ok(found)
    }

    /// Whether none are kept.
    pub(crate) fn is_off(&self) -> bool {
        self.kind == ChecksumKind::None
    }

    pub(crate) fn root(&self) -> PageNo {
        self.table.root()
    }

    /// At most how many pages `set` for `blocks` blocks changes, however they are scattered.
    pub(crate) fn pages_bound(&self, blocks: u64) -> u64 {
        match self.kind {
            ChecksumKind::None => 0,
            _ => self.table.pages_bound(blocks.min(Self::leaves(self.data))),
        }
    }

    /// The leaf with the sum of a block of the data.
    fn leaf_of(&self, at: Pba) -> u64 {
        (at.0 - self.data.start.0) / PER_PAGE
    }

    /// Where in its leaf the sum is.
    fn slot_of(&self, at: Pba) -> Range<usize> {
        let slot = ((at.0 - self.data.start.0) % PER_PAGE) as usize * 8;
        slot..slot + 8
    }

    fn sum(&self, at: Pba, block: &[u8]) -> u64 {
        self.kind.sum(&self.key, at, block)
    }

    /// The checksums of `data`, which is at `at`, for the intent log: also where the pool keeps none, since a record and what it maps
    /// become durable together and reach the device in any order.
    pub(crate) fn sums<'a>(&'a self, at: Pba, data: &'a [u8]) -> impl Iterator<Item = u64> + 'a {
        let kind = if self.kind == ChecksumKind::None { ChecksumKind::Xxh3 } else { self.kind };
        let blocks = (at.0..).map(Pba).zip(data.chunks_exact(BLOCK_BYTES));
        blocks.map(move |(at, block)| kind.sum(&self.key, at, block))
    }

    /// Remember the checksums of `data`, which was written at `at`.
    pub(crate) fn set(&self, at: Pba, data: &[u8], pages: &mut dyn PageTxn) -> Result<()> {
        self.put(at, self.sums(at, data), pages)
    }

    /// Remember these checksums of the blocks from `at` on.
    pub(crate) fn put(
        &self,
        at: Pba,
        sums: impl Iterator<Item = u64>,
        pages: &mut dyn PageTxn,
    ) -> Result<()> {
        if self.kind == ChecksumKind::None {
            return Ok(());
        }
        let mut blocks = (at.0..).map(Pba).zip(sums).peekable();
        while let Some((first, _)) = blocks.peek() {
            let leaf = self.leaf_of(*first);
            let page = match self.leaf(leaf, pages)? {
                Some(page) => pages.edit(page, PageKind::CHECKSUM)?,
                None => self.table.edit(leaf, pages)?,
            };
            while let Some((at, sum)) = blocks.next_if(|(at, _)| self.leaf_of(*at) == leaf) {
                page[self.slot_of(at)].copy_from_slice(&sum.to_le_bytes());
            }
        }
        Ok(())
    }

    /// Whether `data`, read from `at`, is what was written there. Errors: `Corrupt` at the first block that is not.
    pub(crate) fn verify(&self, at: Pba, data: &[u8], pages: &dyn PageRead) -> Result<()> {
        if self.kind == ChecksumKind::None {
            return Ok(());
        }
        let mut blocks = (at.0..).map(Pba).zip(data.chunks_exact(BLOCK_BYTES));
        if data.len() == BLOCK_BYTES {
            return blocks.try_for_each(|(at, block)| self.verify_one(at, block, pages));
        }
        let mut blocks = blocks.peekable();
        while let Some((first, _)) = blocks.peek() {
            let leaf = self.leaf_of(*first);
            let page = self.leaf(leaf, pages)?.ok_or(differs(*first))?;
            let page = pages.read(page, PageKind::CHECKSUM)?;
            while let Some((at, block)) = blocks.next_if(|(at, _)| self.leaf_of(*at) == leaf) {
                if page[self.slot_of(at)] != self.sum(at, block).to_le_bytes() {
                    return Err(differs(at));
                }
            }
        }
        Ok(())
    }

    /// The same; a block that differs is taken from another copy where the device has one, and repaired.
    pub(crate) fn verify_or_heal(
        &self,
        at: Pba,
        data: &mut [u8],
        device: &dyn BlockDevice,
        pages: &dyn PageRead,
    ) -> Result<()> {
        let mut verified = 0;
        loop {
            let wrong = match self.verify(Pba(at.0 + verified), &data[byte(verified)..], pages) {
                Err(Error::Corrupt { place: Place::Block(wrong), .. }) if device.copies() > 1 => wrong,
                done => return done,
            };
            let first = wrong.0 - at.0;
            verified = first + 1;
            let healed = self.heal(wrong, &mut data[byte(first)..byte(verified)], device, pages)?;
            if healed.sound == 0 {
                return Err(differs(wrong));
            }
        }
    }

    /// Look at every copy of the block at `at`, and repair those that are not what was written. Errors: `Io`; what the table's pages meet.
    pub(crate) fn heal(
        &self,
        at: Pba,
        block: &mut [u8],
        device: &dyn BlockDevice,
        pages: &dyn PageRead,
    ) -> Result<Healed> {
        if self.kind == ChecksumKind::None {
            return device.heal(at, block, &mut |_| true);
        }
        let page = self.leaf(self.leaf_of(at), pages)?.ok_or(differs(at))?;
        let page = pages.read(page, PageKind::CHECKSUM)?;
        let sum = &page[self.slot_of(at)];
        device.heal(at, block, &mut |copy| self.sum(at, copy).to_le_bytes() == sum)
    }

    /// Whether `data`, read from `at`, or other copies of its blocks, has these checksums. Errors: `Io`.
    pub(crate) fn hold(
        &self,
        sums: &[u64],
        at: Pba,
        data: &mut [u8],
        device: &dyn BlockDevice,
    ) -> Result<bool> {
        if self.sums(at, data).eq(sums.iter().copied()) || device.copies() == 1 {
            return Ok(self.sums(at, data).eq(sums.iter().copied()));
        }
        for ((at, block), sum) in (at.0..).map(Pba).zip(data.chunks_exact_mut(BLOCK_BYTES)).zip(sums) {
            let healed = device.heal(at, block, &mut |copy| self.sums(at, copy).eq([*sum]))?;
            if healed.sound == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The parts of `run` whose sums were written after `since`: nothing else of it was written since then.
    pub(crate) fn younger(
        &self,
        run: Extent,
        since: Epoch,
        pages: &PageStore,
        each: &mut dyn FnMut(Extent),
    ) -> Result<()> {
        let (mut at, end) = (run.start, run.end());
        while at < end {
            let leaf = self.leaf_of(at);
            let next = Pba(end.0.min(self.data.start.0 + (leaf + 1) * PER_PAGE));
            let written = match self.leaf(leaf, pages)? {
                _ if since == Epoch(0) || self.kind == ChecksumKind::None => true,
                Some(page) => pages.written_in(page)? > since,
                None => true,
            };
            if written {
                each(Extent { start: at, blocks: next.0 - at.0 });
            }
            at = next;
        }
        Ok(())
    }

    /// The same for one block, whose page is not worth holding.
    fn verify_one(&self, at: Pba, block: &[u8], pages: &dyn PageRead) -> Result<()> {
        let sum = self.sum(at, block).to_le_bytes();
        let page = self.leaf(self.leaf_of(at), pages)?.ok_or(differs(at))?;
        let same = look(pages, page, PageKind::CHECKSUM, |page| page[self.slot_of(at)] == sum)?;
        if same { Ok(()) } else { Err(differs(at)) }
    }

    pub(crate) fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.table.visit_pages(pages, each)
    }

    /// Read `run` and report each block that is not what was written.
    pub(crate) fn scrub(
        &self,
        run: Extent,
        block: &mut [u8],
        device: &dyn BlockDevice,
        pages: &dyn PageRead,
        found: &mut dyn FnMut(Finding),
    ) {
        // A forged map may name blocks outside the data; the tiling of the checker finds those.
        for at in run.intersect(self.data).into_iter().flat_map(|run| run.iter()) {
            let sound = device.read(at, block).and_then(|()| self.verify_or_heal(at, block, device, pages));
            if sound.is_err() {
                found(Finding { rule: "a data block reads back as it was written", place: Place::Block(at) });
            }
        }
    }
}
