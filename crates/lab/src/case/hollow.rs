//! A device that keeps metadata only: pools far larger than memory, for studies in which no data is looked at.
//!
//! Invariant: blocks below `data_from` are those of the device below; all others read as zeros and forget what is written.
//! Sound only without data checksums (the planner sees to that). Changes no count: what passes is the same.

use spinney_core::{BLOCK_BYTES, BlockDevice, Extent, Pba, Result};

/// The device.
pub(super) struct Hollow<D> {
    below: D,
    data_from: Pba,
}

impl<D: BlockDevice> Hollow<D> {
    pub(super) fn new(below: D, data_from: Pba) -> Hollow<D> {
        Hollow { below, data_from }
    }

    /// How many of the bytes of a request at `at` lie before the data.
    fn kept(&self, at: Pba, bytes: usize) -> usize {
        let blocks = self.data_from.0.saturating_sub(at.0);
        usize::try_from(blocks).map_or(bytes, |blocks| bytes.min(blocks.saturating_mul(BLOCK_BYTES)))
    }
}

impl<D: BlockDevice> BlockDevice for Hollow<D> {
    fn blocks(&self) -> u64 {
        self.below.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        let kept = self.kept(at, buffer.len());
        let (metadata, data) = buffer.split_at_mut(kept);
        data.fill(0);
        if metadata.is_empty() { Ok(()) } else { self.below.read(at, metadata) }
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        let kept = self.kept(at, data.len());
        if kept == 0 { Ok(()) } else { self.below.write(at, &data[..kept]) }
    }
    fn flush(&self) -> Result<()> {
        self.below.flush()
    }
    fn discard(&self, run: Extent) -> Result<()> {
        self.below.discard(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinney_device::MemoryDevice;

    #[test]
    fn metadata_stays_and_data_is_forgotten() {
        let device = Hollow::new(MemoryDevice::new(8), Pba(3));
        let written = vec![7; 4 * BLOCK_BYTES];
        device.write(Pba(1), &written).unwrap();
        let mut read = vec![1; 4 * BLOCK_BYTES];
        device.read(Pba(1), &mut read).unwrap();
        assert!(read[..2 * BLOCK_BYTES] == written[..2 * BLOCK_BYTES], "blocks 1 and 2 are metadata");
        assert!(read[2 * BLOCK_BYTES..].iter().all(|byte| *byte == 0), "blocks 3 and 4 are data");
        device.write(Pba(5), &written[..BLOCK_BYTES]).unwrap();
        device.read(Pba(5), &mut read[..BLOCK_BYTES]).unwrap();
        assert!(read[..BLOCK_BYTES].iter().all(|byte| *byte == 0));
    }
}
