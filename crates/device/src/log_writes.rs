//! A recorded history in the file layout of Linux' dm-log-writes, so that its tools (xfstests' `replay-log`) can step through it.
//!
//! Invariant: the log replayed from zeros up to its n-th flush gives the n-th flushed state. Layout, after
//! `drivers/md/dm-log-writes.c`: sectors of 512 bytes, little-endian words; sector 0 is `magic, version, entries` (64 bits each) and the
//! sector size (32 bits); then for each entry one sector `sector, sectors, flags, data bytes` (64 bits each) and the data it wrote.

use crate::{FlushEpoch, PendingWrite, SECTOR_BYTES};
use spinney_core::BLOCK_BYTES;
use std::io::{self, Write};

const MAGIC: u64 = 0x006A_7366_7773_6872;
const VERSION: u64 = 1;
const FLUSH: u64 = 1;
const DISCARD: u64 = 4;
const SECTORS_PER_BLOCK: u64 = (BLOCK_BYTES / SECTOR_BYTES) as u64;

/// Write epochs, from the first of a device of zeros on, as a log: each epoch's requests in order of completion, then its flush.
///
/// # Errors
/// The writer's.
pub fn write_log(epochs: &[FlushEpoch], out: &mut impl Write) -> io::Result<()> {
    let entries: usize = epochs.iter().map(|epoch| epoch.writes.len() + 1).sum();
    sector(&[MAGIC, VERSION, entries as u64, SECTOR_BYTES as u64], out)?;
    for epoch in epochs {
        epoch.writes.iter().try_for_each(|write| entry(write, out))?;
        sector(&[0, 0, FLUSH, 0], out)?;
    }
    out.flush()
}

fn entry(write: &PendingWrite, out: &mut impl Write) -> io::Result<()> {
    let (start, sectors) = (write.run.start.0 * SECTORS_PER_BLOCK, write.run.blocks * SECTORS_PER_BLOCK);
    match &write.data {
        Some(data) => {
            sector(&[start, sectors, 0, 0], out)?;
            out.write_all(data)
        }
        None => sector(&[start, sectors, DISCARD, 0], out),
    }
}

/// A sector of words, zeros behind them. The sector size of the first one is a half word, which little-endian order makes the same.
fn sector(words: &[u64], out: &mut impl Write) -> io::Result<()> {
    let mut bytes = [0; SECTOR_BYTES];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    out.write_all(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CrashDevice, MemoryDevice, tests::block};
    use spinney_core::{BlockDevice, Extent, Pba};

    fn word(log: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(log[at..at + 8].try_into().unwrap())
    }

    fn recorded() -> Vec<FlushEpoch> {
        let device = CrashDevice::new(8);
        device.record();
        device.write(Pba(2), &block(7)).unwrap();
        device.discard(Extent::new(Pba(4), 3)).unwrap();
        device.flush().unwrap();
        device.write(Pba(2), &block(8)).unwrap();
        device.flush().unwrap();
        device.take_epochs()
    }

    #[test]
    fn the_bytes_are_those_of_the_kernel_s_layout() {
        let mut log = Vec::new();
        write_log(&recorded(), &mut log).unwrap();
        let head = [
            0x72, 0x68, 0x73, 0x77, 0x66, 0x73, 0x6A, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0,
            2, 0, 0,
        ];
        assert_eq!(log[..28], head);
        assert!(log[28..512].iter().all(|byte| *byte == 0));
        let entry = |at: usize| [0, 8, 16, 24].map(|field| word(&log, at + field));
        assert_eq!(entry(512), [16, 8, 0, 0]);
        assert_eq!(log[1024..1024 + BLOCK_BYTES], block(7)[..]);
        assert_eq!(entry(5120), [32, 24, DISCARD, 0]);
        assert_eq!(entry(5632), [0, 0, FLUSH, 0]);
        assert_eq!(entry(6144), [16, 8, 0, 0]);
        assert_eq!(entry(10752), [0, 0, FLUSH, 0]);
        assert_eq!(log.len(), 11264);
    }

    #[test]
    fn replayed_to_a_flush_it_gives_that_flushed_state() {
        let epochs = recorded();
        let mut log = Vec::new();
        write_log(&epochs, &mut log).unwrap();
        let (image, mut at, mut flushes) = (MemoryDevice::new(8), SECTOR_BYTES, 0);
        while at < log.len() {
            let [start, sectors, flags] = [0, 8, 16].map(|field| word(&log, at + field));
            at += SECTOR_BYTES;
            let bytes = (sectors * SECTOR_BYTES as u64) as usize;
            match flags {
                FLUSH => {
                    flushes += 1;
                    let next = epochs.get(flushes).map(|epoch| image.first_difference(&epoch.durable));
                    assert!(matches!(next, None | Some(None)), "flush {flushes}: {next:?}");
                }
                DISCARD => image.discard(Extent::new(Pba(start / 8), sectors / 8)).unwrap(),
                _ => {
                    image.write(Pba(start / 8), &log[at..at + bytes]).unwrap();
                    at += bytes;
                }
            }
        }
        assert_eq!(flushes, 2);
        let mut last = block(0);
        image.read(Pba(2), &mut last).unwrap();
        assert_eq!(last, block(8));
    }
}
