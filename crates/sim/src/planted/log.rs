//! Devices that stand for a pool which believes its intent log too easily, or answers for a record too soon.
//!
//! Invariant: all but the log passes unchanged (or, data before a flush, later than it came, as a device may have it); a record that is read
//! with another content is whole all the same, so that only what the pool should have asked of it can tell.

use spinney_core::{BLOCK_BYTES, BlockDevice, Extent, Pba, Result};
use spinney_volume::{ChecksumKey, ChecksumKind, LogEntry, LogRecord, SUPERBLOCK_SLOTS, Superblock};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Twist {
    /// A record is replayed whether or not its data is there: its checksums are those of whatever is. Data is sent at the flush, behind
    /// the record, so that it often is not.
    DataNotAsked,
    /// Records of an older commit are replayed on the newest.
    BaseNotAsked,
    /// The flush after a record is left out.
    NotFlushed,
}

pub(super) struct LogMedium {
    device: Arc<dyn BlockDevice>,
    twist: Twist,
    /// The last write was a record.
    after_record: AtomicBool,
    /// Data that waits for the flush.
    held: Mutex<BTreeMap<Pba, Vec<u8>>>,
    /// Where data begins.
    data: OnceLock<Pba>,
}

impl LogMedium {
    pub(super) fn plant(device: Arc<dyn BlockDevice>, twist: Twist) -> Arc<dyn BlockDevice> {
        let (after_record, held) = (AtomicBool::new(false), Mutex::default());
        Arc::new(LogMedium { device, twist, after_record, held, data: OnceLock::new() })
    }

    /// Whether the write waits for the flush.
    fn holds(&self, at: Pba) -> bool {
        if self.twist != Twist::DataNotAsked {
            return false;
        }
        if self.data.get().is_none()
            && let Ok(superblock) = Superblock::load(&*self.device, true)
        {
            let _ = self.data.set(superblock.layout.data.start);
        }
        self.data.get().is_some_and(|data| at >= *data)
    }

    /// The superblock that counts, if the block is of its log.
    fn superblock_of(&self, at: Pba) -> Option<Superblock> {
        if SUPERBLOCK_SLOTS.contains(&at) {
            return None;
        }
        let superblock = Superblock::load(&*self.device, true).ok()?;
        superblock.layout.log.iter().any(|block| block == at).then_some(superblock)
    }

    /// What the pool takes the record for.
    fn twisted(&self, record: LogRecord, superblock: &Superblock) -> Result<LogRecord> {
        match self.twist {
            Twist::BaseNotAsked => {
                Ok(LogRecord { base: superblock.epoch, seal: superblock.seal(), ..record })
            }
            Twist::DataNotAsked => {
                let entries = record
                    .entries
                    .into_iter()
                    .map(|entry| self.with_sums_of_what_is_there(entry, superblock));
                Ok(LogRecord { entries: entries.collect::<Result<_>>()?, ..record })
            }
            Twist::NotFlushed => Ok(record),
        }
    }

    fn with_sums_of_what_is_there(&self, entry: LogEntry, superblock: &Superblock) -> Result<LogEntry> {
        let LogEntry::Map { dev, at, on, .. } = entry else { return Ok(entry) };
        let kind = match superblock.checksums {
            ChecksumKind::None => ChecksumKind::Xxh3,
            kind => kind,
        };
        let sum = |at| {
            let mut block = [0; BLOCK_BYTES];
            self.read(at, &mut block).map(|()| kind.sum(&ChecksumKey::PUBLIC, at, &block))
        };
        Ok(LogEntry::Map { dev, at, on, sums: on.iter().map(sum).collect::<Result<_>>()? })
    }
}

impl BlockDevice for LogMedium {
    fn blocks(&self) -> u64 {
        self.device.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.device.read(at, buffer)?;
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for (at, block) in (at.0..).map(Pba).zip(buffer.chunks_exact_mut(BLOCK_BYTES)) {
            held.get(&at).into_iter().for_each(|late| block.copy_from_slice(late));
        }
        drop(held);
        let Some(superblock) = self.superblock_of(at) else { return Ok(()) };
        let mut done = 0;
        while let Some((record, blocks)) =
            LogRecord::decode(&buffer[done * BLOCK_BYTES..], Pba(at.0 + done as u64))
        {
            let bytes = self.twisted(record, &superblock)?.encode(Pba(at.0 + done as u64));
            buffer[done * BLOCK_BYTES..][..bytes.len()].copy_from_slice(&bytes);
            done += blocks as usize;
        }
        Ok(())
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        let record = self.twist == Twist::NotFlushed && LogRecord::decode(data, at).is_some();
        self.after_record.store(record, Ordering::Relaxed);
        if self.holds(at) {
            let blocks = (at.0..).map(Pba).zip(data.chunks_exact(BLOCK_BYTES).map(<[u8]>::to_vec));
            self.held.lock().unwrap_or_else(PoisonError::into_inner).extend(blocks);
            return Ok(());
        }
        self.device.write(at, data)
    }
    fn flush(&self) -> Result<()> {
        let held = std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner));
        held.iter().try_for_each(|(at, block)| self.device.write(*at, block))?;
        if self.after_record.swap(false, Ordering::Relaxed) { Ok(()) } else { self.device.flush() }
    }
    fn discard(&self, run: Extent) -> Result<()> {
        self.device.discard(run)
    }
}
