//! The way of a read: look up, read, verify.
//!
//! Invariant: a read gives what was last written, or an error; never other bytes. Changes nothing.

use crate::Pool;
use spinney_core::{BLOCK_BYTES, DevId, Extent, Lba, LbaRange, Pba, Result};
use spinney_snap::Run;

const BLOCK: u64 = BLOCK_BYTES as u64;

impl Pool {
    /// Fill `buffer` from byte `offset` of a volume or snapshot; holes are zeros.
    /// Errors: `OutOfRange`, `NotFound`, `Corrupt` (a checksum differs), `Io`.
    pub fn read(&self, dev: DevId, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.alive()?;
        let length = buffer.len() as u64;
        let first = offset / BLOCK;
        if offset.is_multiple_of(BLOCK) && length.is_multiple_of(BLOCK) && length > 0 {
            let range = LbaRange::new(Lba(first), length / BLOCK);
            return self
                .read_blocks(dev, range, buffer)
                .map_err(|error| self.in_bytes(dev, offset, length, error));
        }
        self.in_range(dev, offset, length)?;
        if buffer.is_empty() {
            return Ok(());
        }
        let blocks = (offset + length).div_ceil(BLOCK) - first;
        let mut bounce = vec![0; (blocks * BLOCK) as usize];
        self.read_blocks(dev, LbaRange::new(Lba(first), blocks), &mut bounce)?;
        let skew = (offset % BLOCK) as usize;
        buffer.copy_from_slice(&bounce[skew..skew + buffer.len()]);
        Ok(())
    }

    /// Whole blocks: all runs go to the device together.
    fn read_blocks(&self, dev: DevId, range: LbaRange, buffer: &mut [u8]) -> Result<()> {
        let mut reads: Vec<(Pba, &mut [u8])> = Vec::new();
        let mut rest = buffer;
        self.scheme.lookup(dev, range, &self.pages, &mut |Run { blocks, on, .. }| {
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
        match &mut reads[..] {
            [(at, buffer)] => self.device.read(*at, buffer)?,
            many => self.device.read_many(many)?,
        }
        reads.iter().try_for_each(|(at, buffer)| self.checksums.verify(*at, buffer, &self.pages))
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
