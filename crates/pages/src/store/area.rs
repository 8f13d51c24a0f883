//! The area: a list of device runs that read as one space of blocks, and the plan of that space.
//!
//! Invariant: a block of area space never moves on the device; growing and shrinking happen at the end. Knows no page's content.

use super::format::{self, Identity};
use super::layout::{AREA_BLOCKS_MAX, Layout};
use spinney_core::{BLOCK_BYTES, BlockDevice, Error, Extent, Healed, PageBuf, Pba, Result};

/// The longest single write: 1 MiB, beyond which no device gains.
const RUN_BLOCKS_MAX: usize = 256;

/// Runs of the device, in the order of area space, and the layout over all of them.
#[derive(Clone, Debug)]
pub(super) struct Area {
    /// Each run with its first block in area space.
    segments: Vec<(u64, Extent)>,
    blocks: u64,
    pub(super) layout: Layout,
}

impl Area {
    /// An area of one or more runs. Errors: `BadSetting` if they overlap or leave no place for a page,
    /// `OutOfRange` if one passes the device's end.
    pub(super) fn new(runs: &[Extent], device_blocks: u64) -> Result<Area> {
        let mut area = Area { segments: Vec::new(), blocks: 0, layout: Layout::new(0) };
        for run in runs {
            area.append(*run, device_blocks)?;
        }
        area.layout = Layout::new(area.blocks);
        if area.layout.places() == 0 {
            return Err(Error::BadSetting("page area: at least 13 blocks are needed"));
        }
        Ok(area)
    }
    /// The same with one more run at the end.
    pub(super) fn grown(&self, run: Extent, device_blocks: u64) -> Result<Area> {
        let mut area = self.clone();
        area.append(run, device_blocks)?;
        area.layout = Layout::new(area.blocks);
        Ok(area)
    }
    /// The same without what lies from `blocks` on.
    pub(super) fn cut(&self, blocks: u64) -> Area {
        let kept = |(first, run): &(u64, Extent)| {
            let length = blocks.saturating_sub(*first).min(run.blocks);
            (length > 0).then_some((*first, Extent { blocks: length, ..*run }))
        };
        let segments = self.segments.iter().filter_map(kept).collect();
        Area { segments, blocks: blocks.min(self.blocks), layout: Layout::new(blocks.min(self.blocks)) }
    }
    /// Blocks of all runs.
    pub(super) fn blocks(&self) -> u64 {
        self.blocks
    }
    fn append(&mut self, run: Extent, device_blocks: u64) -> Result<()> {
        if run.end().0 > device_blocks {
            return Err(Error::OutOfRange { start: run.start.0, length: run.blocks, limit: device_blocks });
        }
        if self.segments.iter().any(|(_, other)| other.overlaps(run)) {
            return Err(Error::BadSetting("page area: its runs must not overlap"));
        }
        if self.blocks + run.blocks > AREA_BLOCKS_MAX {
            return Err(Error::BadSetting("page area: at most 2^44 blocks"));
        }
        self.segments.push((self.blocks, run));
        self.blocks += run.blocks;
        Ok(())
    }
    /// The device block of a block of area space. The caller has checked it against the layout.
    pub(super) fn locate(&self, block: u64) -> Pba {
        let after = self.segments.partition_point(|(first, _)| *first <= block);
        let (first, run) = self.segments[after - 1];
        assert!(block - first < run.blocks, "block {block} is outside the area");
        Pba(run.start.0 + (block - first))
    }
    /// Read the page at `block`, unverified.
    pub(super) fn read(&self, device: &dyn BlockDevice, block: u64) -> Result<PageBuf> {
        let mut page = PageBuf::zeroed();
        device.read(self.locate(block), page.bytes_mut())?;
        Ok(page)
    }
    /// Read the page at `block` if it is what its parent says; or another copy that is, where the device has several. `Err` inside: what is
    /// wrong with it.
    pub(super) fn read_verified(
        &self,
        device: &dyn BlockDevice,
        block: u64,
        is: Identity,
        checksum: u64,
    ) -> Result<Result<PageBuf, &'static str>> {
        let page = self.read(device, block)?;
        self.or_healed(device, page, block, is, checksum)
    }
    /// A page that was read from `block`, or a copy that is what its parent says.
    pub(super) fn or_healed(
        &self,
        device: &dyn BlockDevice,
        mut page: PageBuf,
        block: u64,
        is: Identity,
        checksum: u64,
    ) -> Result<Result<PageBuf, &'static str>> {
        match format::verify(&page, is, checksum) {
            Err(_) if device.copies() > 1 && self.heal(device, &mut page, block, is, checksum)?.sound > 0 => {
                Ok(Ok(page))
            }
            verified => Ok(verified.map(|()| page)),
        }
    }
    /// Look at every copy of the page at `block`, and repair those that are not what its parent says from one that is.
    pub(super) fn heal(
        &self,
        device: &dyn BlockDevice,
        page: &mut PageBuf,
        block: u64,
        is: Identity,
        checksum: u64,
    ) -> Result<Healed> {
        let mut copy = PageBuf::zeroed();
        device.heal(self.locate(block), page.bytes_mut(), &mut |bytes| {
            copy.bytes_mut().copy_from_slice(bytes);
            format::verify(&copy, is, checksum).is_ok()
        })
    }
    /// Read the pages at `blocks`, unverified, in one request of the device.
    pub(super) fn read_many(&self, device: &dyn BlockDevice, blocks: &[u64]) -> Result<Vec<PageBuf>> {
        let mut pages: Vec<PageBuf> = blocks.iter().map(|_| PageBuf::zeroed()).collect();
        let mut reads: Vec<(Pba, &mut [u8])> = Vec::with_capacity(blocks.len());
        for (block, page) in blocks.iter().zip(&mut pages) {
            reads.push((self.locate(*block), &mut page.bytes_mut()[..]));
        }
        device.read_many(&mut reads)?;
        Ok(pages)
    }
    /// Write pages in one request of the device, sorted by address, neighbors joined. `staging` is memory to reuse.
    pub(super) fn write_many(
        &self,
        device: &dyn BlockDevice,
        pages: &[(u64, &PageBuf)],
        staging: &mut Vec<u8>,
    ) -> Result<()> {
        let mut located: Vec<(Pba, &PageBuf)> =
            pages.iter().map(|(block, page)| (self.locate(*block), *page)).collect();
        located.sort_unstable_by_key(|(at, _)| *at);
        // One copy, so that a long run is one write: without a queue, or with direct I/O, each write costs a round trip. It
        // starts at a whole block of memory, as direct I/O wants it.
        staging.resize(staging.len().max((located.len() + 1) * BLOCK_BYTES), 0);
        let offset = staging.as_ptr().addr().next_multiple_of(BLOCK_BYTES) - staging.as_ptr().addr();
        let buffer = &mut staging[offset..offset + located.len() * BLOCK_BYTES];
        for (block, (_, page)) in buffer.chunks_exact_mut(BLOCK_BYTES).zip(&located) {
            block.copy_from_slice(page.bytes());
        }
        let (mut rest, mut writes) = (&*buffer, Vec::new());
        for run in located.chunk_by(|(a, _), (b, _)| a.0 + 1 == b.0) {
            for part in run.chunks(RUN_BLOCKS_MAX) {
                let (data, after) = rest.split_at(part.len() * BLOCK_BYTES);
                writes.push((part[0].0, data));
                rest = after;
            }
        }
        device.write_many(&writes)
    }
}
