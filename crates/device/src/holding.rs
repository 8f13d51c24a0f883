//! Keeps unflushed writes in this process's memory, so that a killed process loses exactly what a power cut would.
//!
//! Invariant: the device below changes only inside `flush`; reads see held writes, and zeros for held discards. For tests with
//! real processes and SIGKILL: the page cache survives a kill, this does not. Knows nothing of how its process ends.

use crate::{bounds, sync};
use spinney_core::{BLOCK_BYTES, BlockDevice, Extent, Pba, Result};
use std::{collections::BTreeMap, sync::RwLock};

/// Most blocks of one write of the flush, so that adjacent held blocks go down together without a copy of everything.
const RUN_BLOCKS: usize = 256;

/// A device that holds back what is not flushed.
#[derive(Debug)]
pub struct HoldingDevice<D> {
    below: D,
    held: RwLock<Held>,
}

/// By block; `None` is a discard.
type Held = BTreeMap<u64, Option<Box<[u8]>>>;

impl<D: BlockDevice> HoldingDevice<D> {
    /// Hold back from `below`.
    #[must_use]
    pub fn new(below: D) -> HoldingDevice<D> {
        HoldingDevice { below, held: RwLock::default() }
    }
    /// Blocks that a kill would lose now.
    #[must_use]
    pub fn held_blocks(&self) -> u64 {
        sync::read(&self.held).len() as u64
    }
    /// The device below, without what is held.
    pub fn below(&self) -> &D {
        &self.below
    }
    fn send_down(&self, held: &Held) -> Result<()> {
        let entries: Vec<(u64, Option<&[u8]>)> =
            held.iter().map(|(&at, data)| (at, data.as_deref())).collect();
        let adjacent = |a: &(u64, Option<&[u8]>), b: &(u64, Option<&[u8]>)| {
            a.0 + 1 == b.0 && a.1.is_some() == b.1.is_some()
        };
        for run in entries.chunk_by(adjacent) {
            if run[0].1.is_none() {
                self.below.discard(Extent::new(Pba(run[0].0), run.len() as u64))?;
                continue;
            }
            for part in run.chunks(RUN_BLOCKS) {
                let data: Vec<u8> = part.iter().filter_map(|entry| entry.1).flatten().copied().collect();
                self.below.write(Pba(part[0].0), &data)?;
            }
        }
        Ok(())
    }
}

impl<D: BlockDevice> BlockDevice for HoldingDevice<D> {
    fn blocks(&self) -> u64 {
        self.below.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        let held = sync::read(&self.held);
        self.below.read(at, buffer)?;
        let blocks = (buffer.len() / BLOCK_BYTES) as u64;
        for (block, data) in held.range(at.0..at.0 + blocks) {
            let start = (block - at.0) as usize * BLOCK_BYTES;
            let target = &mut buffer[start..start + BLOCK_BYTES];
            match data {
                Some(data) => target.copy_from_slice(data),
                None => target.fill(0),
            }
        }
        Ok(())
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        bounds::request(self.blocks(), at, data.len())?;
        let blocks = (at.0..).zip(data.chunks_exact(BLOCK_BYTES));
        sync::write(&self.held).extend(blocks.map(|(at, data)| (at, Some(data.into()))));
        Ok(())
    }
    fn flush(&self) -> Result<()> {
        let mut held = sync::write(&self.held);
        self.send_down(&held)?;
        self.below.flush()?;
        held.clear();
        Ok(())
    }
    fn discard(&self, run: Extent) -> Result<()> {
        bounds::run(self.blocks(), run)?;
        sync::write(&self.held).extend(run.iter().map(|at| (at.0, None)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        FileDevice, MemoryDevice,
        tests::{block, conforms, read_block},
    };

    #[test]
    fn agrees_with_an_array_model() {
        for seed in 0..4 {
            conforms(&HoldingDevice::new(MemoryDevice::new(100)), seed, 400);
        }
    }

    #[test]
    fn what_is_not_flushed_is_lost_with_the_device() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device");
        drop(FileDevice::create(&path, 8).unwrap());
        let device = FileDevice::open_holding(&path).unwrap();
        device.write(Pba(1), &block(1)).unwrap();
        device.flush().unwrap();
        device.write(Pba(1), &block(2)).unwrap();
        device.discard(Extent::new(Pba(1), 1)).unwrap();
        device.write(Pba(2), &block(3)).unwrap();
        assert_eq!(device.held_blocks(), 2);
        assert_eq!(read_block(&device, 2), block(3));
        drop(device);
        let device = FileDevice::open(&path).unwrap();
        assert_eq!(read_block(&device, 1), block(1));
        assert_eq!(read_block(&device, 2), vec![0; BLOCK_BYTES]);
    }

    #[test]
    fn the_device_below_changes_only_in_a_flush() {
        let device = HoldingDevice::new(MemoryDevice::new(1024));
        device.write(Pba(0), &block(9).repeat(600)).unwrap();
        device.write(Pba(1000), &block(8)).unwrap();
        device.discard(Extent::new(Pba(10), 20)).unwrap();
        assert_eq!(read_block(&device, 10), vec![0; BLOCK_BYTES]);
        assert_eq!(device.below().resident_bytes(), 0);
        device.flush().unwrap();
        assert_eq!(device.held_blocks(), 0);
        assert_eq!(read_block(device.below(), 9), block(9));
        assert_eq!(read_block(device.below(), 29), vec![0; BLOCK_BYTES]);
        assert_eq!(read_block(device.below(), 599), block(9));
        assert_eq!(read_block(device.below(), 1000), block(8));
    }
}
