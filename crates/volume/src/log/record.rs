//! The bytes of a record of the intent log.
//!
//! Invariant: `decode` gives back what was encoded, or nothing: no cut of its write, and no other place, pool or commit makes a record of
//! it. Byte diagram: `FORMAT.md` section 2c. Knows no pool; what entries say is not trusted by whoever replays them.

use spinney_core::{BLOCK_BYTES, DevId, Epoch, Extent, Lba, LbaRange, Pba};
use xxhash_rust::xxh3::Xxh3;

const MAGIC: &[u8; 8] = b"spinlog\0";
const VERSION: u32 = 1;
/// Bytes of the header; the last eight are the checksum.
const HEADER_BYTES: usize = 56;
const SUM_AT: usize = HEADER_BYTES - 8;
/// Bytes of an entry, without the checksums of its blocks.
const ENTRY_BYTES: usize = 32;
const MAP: u32 = 1;
const UNMAP: u32 = 2;

/// One thing that happened since the commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogEntry {
    /// Blocks were written and mapped.
    Map {
        /// In which version.
        dev: DevId,
        /// From which block of it on.
        at: Lba,
        /// To which free blocks.
        on: Extent,
        /// A checksum for each of them.
        sums: Vec<u64>,
    },
    /// Blocks became holes.
    Unmap {
        /// In which version.
        dev: DevId,
        /// Which.
        range: LbaRange,
    },
}

impl LogEntry {
    /// Bytes that it takes in a record.
    pub(super) fn bytes(&self) -> usize {
        ENTRY_BYTES + if let LogEntry::Map { sums, .. } = self { 8 * sums.len() } else { 0 }
    }

    fn put(&self, bytes: &mut Vec<u8>) {
        let (kind, blocks, words) = match self {
            LogEntry::Map { dev, at, on, .. } => (MAP, on.blocks, [dev.0, at.0, on.start.0]),
            LogEntry::Unmap { dev, range } => (UNMAP, range.blocks, [dev.0, range.start.0, 0]),
        };
        let blocks = u32::try_from(blocks).expect("a piece of a request has fewer blocks");
        [kind, blocks].iter().for_each(|half| bytes.extend_from_slice(&half.to_le_bytes()));
        words.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        if let LogEntry::Map { sums, .. } = self {
            sums.iter().for_each(|sum| bytes.extend_from_slice(&sum.to_le_bytes()));
        }
    }

    /// The entry at the front of `rest`, which then is what follows it.
    fn take(rest: &mut &[u8]) -> Option<LogEntry> {
        let (kind, blocks) = (half(rest, 0)?, u64::from(half(rest, 4)?));
        let (dev, at, start) = (DevId(word(rest, 8)?), Lba(word(rest, 16)?), word(rest, 24)?);
        *rest = rest.get(ENTRY_BYTES..)?;
        at.0.checked_add(blocks).filter(|_| blocks > 0)?;
        match kind {
            MAP => {
                let (sums, after) = rest.split_at_checked(blocks as usize * 8)?;
                *rest = after;
                let sums = sums.as_chunks().0.iter().map(|sum| u64::from_le_bytes(*sum)).collect();
                Some(LogEntry::Map { dev, at, on: Extent::checked(start, blocks)?, sums })
            }
            UNMAP if start == 0 => Some(LogEntry::Unmap { dev, range: LbaRange::new(at, blocks) }),
            _ => None,
        }
    }
}

/// What happened between one flush and the next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogRecord {
    /// The commit that it stands on.
    pub base: Epoch,
    /// The checksum of that commit's superblock ([`Superblock::seal`](crate::Superblock::seal)): another pool, or another commit of the same number, has another.
    pub seal: u64,
    /// How many records that commit has before it.
    pub sequence: u64,
    /// In the order in which they happened.
    pub entries: Vec<LogEntry>,
}

/// What the first block of a record says of it, which may be all that is left.
pub(super) struct Header {
    pub(super) base: Epoch,
    pub(super) seal: u64,
    pub(super) sequence: u64,
    bytes: u64,
}

impl Header {
    pub(super) fn decode(block: &[u8]) -> Option<Header> {
        let sound = block.get(..8)? == MAGIC && half(block, 8)? == VERSION;
        let (base, seal) = (Epoch(word(block, 16)?), word(block, 24)?);
        sound.then_some(Header { base, seal, sequence: word(block, 32)?, bytes: word(block, 40)? })
    }
}

impl LogRecord {
    /// Blocks that a record takes whose entries take so many bytes.
    pub(super) fn blocks_for(entry_bytes: usize) -> u64 {
        (HEADER_BYTES + entry_bytes).div_ceil(BLOCK_BYTES) as u64
    }

    /// The whole blocks that store it at `at`.
    #[must_use]
    pub fn encode(&self, at: Pba) -> Vec<u8> {
        let entry_bytes: usize = self.entries.iter().map(LogEntry::bytes).sum();
        let length = HEADER_BYTES + entry_bytes;
        let mut bytes = Vec::with_capacity(length.next_multiple_of(BLOCK_BYTES));
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
        for word in [self.base.0, self.seal, self.sequence, length as u64, 0] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        self.entries.iter().for_each(|entry| entry.put(&mut bytes));
        let sum = sum(at, &bytes);
        bytes[SUM_AT..HEADER_BYTES].copy_from_slice(&sum.to_le_bytes());
        bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
        bytes
    }

    /// The record that begins at the front of `bytes`, which were read from `at`, and how many blocks it takes. `None`: there is none, or not all of it.
    #[must_use]
    pub fn decode(bytes: &[u8], at: Pba) -> Option<(LogRecord, u64)> {
        let header = Header::decode(bytes)?;
        let bytes = bytes.get(..usize::try_from(header.bytes).ok()?)?;
        if word(bytes, SUM_AT)? != sum(at, bytes) {
            return None;
        }
        let mut rest = bytes.get(HEADER_BYTES..)?;
        let mut entries = Vec::new();
        for _ in 0..half(bytes, 12)? {
            entries.push(LogEntry::take(&mut rest)?);
        }
        let Header { base, seal, sequence, .. } = header;
        let record = LogRecord { base, seal, sequence, entries };
        rest.is_empty().then_some((record, bytes.len().div_ceil(BLOCK_BYTES) as u64))
    }
}

/// Of all of a record but its checksum, seeded with its place.
fn sum(at: Pba, bytes: &[u8]) -> u64 {
    let mut hash = Xxh3::with_seed(at.0);
    hash.update(&bytes[..SUM_AT]);
    hash.update(&bytes[HEADER_BYTES..]);
    hash.digest()
}

fn half(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|half| u32::from_le_bytes(*half))
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|word| u64::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Pba = Pba(77);

    fn record(blocks: u64) -> LogRecord {
        let map = |dev, blocks| LogEntry::Map {
            dev: DevId(dev),
            at: Lba(5),
            on: Extent::new(Pba(1000), blocks),
            sums: (0..blocks).map(|at| at.wrapping_mul(0x0123_4567_89AB_CDEF)).collect(),
        };
        let unmap = LogEntry::Unmap { dev: DevId(9), range: LbaRange::new(Lba(3), 4000) };
        LogRecord {
            base: Epoch(7),
            seal: 0xFEED,
            sequence: 3,
            entries: vec![map(1, 1), unmap, map(2, blocks)],
        }
    }

    #[test]
    fn a_record_comes_back_with_the_blocks_that_were_foretold() {
        for blocks in [1, 100, 492, 493, 494, 2000] {
            let record = record(blocks);
            let bytes = record.encode(AT);
            let taken = LogRecord::blocks_for(record.entries.iter().map(LogEntry::bytes).sum());
            assert_eq!(bytes.len() as u64, taken * BLOCK_BYTES as u64);
            assert_eq!(LogRecord::decode(&bytes, AT), Some((record, taken)));
        }
    }

    #[test]
    fn no_flipped_bit_and_no_other_place_makes_another_record() {
        let sound = record(3).encode(AT);
        assert_eq!(LogRecord::decode(&sound, Pba(78)), None);
        let length = word(&sound, 40).expect("a length") as usize;
        for bit in 0..length * 8 {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(LogRecord::decode(&bytes, AT), None, "bit {bit}");
        }
    }

    #[test]
    fn what_is_cut_off_or_torn_is_no_record() {
        let sound = record(900).encode(AT);
        let length = word(&sound, 40).expect("a length") as usize;
        for sector in 0..length.div_ceil(512) {
            assert_eq!(LogRecord::decode(&sound[..sector * 512], AT), None, "cut at sector {sector}");
            let mut torn = sound.clone();
            torn[sector * 512..(sector + 1) * 512].fill(0);
            assert_eq!(LogRecord::decode(&torn, AT), None, "without sector {sector}");
        }
    }
}
