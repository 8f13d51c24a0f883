//! The way of a read: look up, read, verify.
//!
//! Invariant: a read gives what was last written, or an error; never other bytes. Changes nothing but copies that
//! are not what was written, where the device has one that is.

use crate::Pool;
use spinney_core::{BLOCK_BYTES, DevId, Epoch, Extent, Lba, LbaRange, PageRead, Pba, Result};
use spinney_pages::PageView;
use spinney_snap::Run;

const BLOCK: u64 = BLOCK_BYTES as u64;

/// One committed epoch of a pool, open for reading. Cheap to clone.
#[derive(Clone)]
pub struct Reader(PageView);

impl Reader {
    /// The epoch that it reads.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.0.epoch()
    }
}

impl Pool {
    /// Fill `buffer` from byte `offset` of a volume or snapshot; holes are zeros.
    /// Errors: `OutOfRange`, `NotFound`, `Corrupt` (a checksum differs), `Io`.
    pub fn read(&self, dev: DevId, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.read_from(&self.pages, dev, offset, buffer)
    }

    /// A reader of the pool as the last commit left it. While it or a clone of it is there, nothing that it can reach is
    /// overwritten: its pages keep their places and its blocks are not allocatable again, so a reader that stays makes the pool
    /// fuller with every commit. It ends with this process; after a crash there are no readers. What the open epoch overwrote
    /// in place before is seen as it is now.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader(self.pages.view())
    }

    /// As [`Pool::read`], of the epoch that `reader` has open.
    pub fn read_as_of(&self, reader: &Reader, dev: DevId, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.read_from(&reader.0, dev, offset, buffer)
    }

    fn read_from(&self, pages: &dyn PageRead, dev: DevId, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.alive()?;
        let length = buffer.len() as u64;
        let first = offset / BLOCK;
        if offset.is_multiple_of(BLOCK) && length.is_multiple_of(BLOCK) && length > 0 {
            let range = LbaRange::new(Lba(first), length / BLOCK);
            return self
                .read_blocks(pages, dev, range, buffer)
                .map_err(|error| self.in_bytes(pages, dev, offset, length, error));
        }
        self.in_range(pages, dev, offset, length)?;
        if buffer.is_empty() {
            return Ok(());
        }
        let blocks = (offset + length).div_ceil(BLOCK) - first;
        let mut bounce = vec![0; (blocks * BLOCK) as usize];
        self.read_blocks(pages, dev, LbaRange::new(Lba(first), blocks), &mut bounce)?;
        let skew = (offset % BLOCK) as usize;
        buffer.copy_from_slice(&bounce[skew..skew + buffer.len()]);
        Ok(())
    }

    /// Whole blocks: all runs go to the device together.
    fn read_blocks(
        &self,
        pages: &dyn PageRead,
        dev: DevId,
        range: LbaRange,
        buffer: &mut [u8],
    ) -> Result<()> {
        if range.blocks == 1 {
            return self.read_block(pages, dev, range, buffer);
        }
        let mut reads: Vec<(Pba, &mut [u8])> = Vec::new();
        let (mut rest, mut seen) = (buffer, Vec::new());
        let watched = self.options.copy_budget > 0 && self.scheme.watches_reads();
        self.scheme.lookup(dev, range, pages, &mut |run @ Run { blocks, on, .. }| {
            if watched {
                seen.push(run);
            }
            let (now, later) = std::mem::take(&mut rest).split_at_mut((blocks * BLOCK) as usize);
            rest = later;
            match on {
                Some(on) => reads.push((on, now)),
                None => now.fill(0),
            }
        })?;
        assert!(rest.is_empty(), "a lookup covers its range");
        let run = |at: Pba, buffer: &[u8]| Extent { start: at, blocks: buffer.len() as u64 / BLOCK };
        reads.iter().try_for_each(|(at, buffer)| self.inside(run(*at, buffer)))?;
        if seen.len() > 1 {
            self.jumps.note(dev, &seen);
        }
        match &mut reads[..] {
            [(at, buffer)] => self.device.read(*at, buffer)?,
            many => self.device.read_many(many)?,
        }
        let device = &*self.device;
        reads
            .iter_mut()
            .try_for_each(|(at, buffer)| self.checksums.verify_or_heal(*at, buffer, device, pages))
    }

    /// The same for one block, with no list of runs.
    fn read_block(&self, pages: &dyn PageRead, dev: DevId, range: LbaRange, buffer: &mut [u8]) -> Result<()> {
        let mut found = None;
        self.scheme.lookup(dev, range, pages, &mut |run| found = run.on)?;
        let Some(on) = found else {
            buffer.fill(0);
            return Ok(());
        };
        self.inside(Extent { start: on, blocks: 1 })?;
        self.device.read(on, buffer)?;
        self.checksums.verify_or_heal(on, buffer, &*self.device, pages)
    }

    /// Forget clean metadata pages, so that what is read next comes from the device: for measuring cold reads.
    pub fn drop_caches(&self) {
        self.pages.drop_clean();
        self.checksums.forget();
    }

    /// Where the bytes of a version lie: its runs over the whole blocks that the range touches, holes included.
    pub fn runs(&self, dev: DevId, range: LbaRange, each: &mut dyn FnMut(Run)) -> Result<()> {
        self.alive()?;
        self.scheme.lookup(dev, range, &self.pages, each)
    }
}
