//! The superblock: the one place that a commit switches.
//!
//! Invariant: of the two slots, the whole one with the higher epoch is the pool; a commit writes the other one. All that a commit
//! changes lies in one sector, which a disk writes whole or not at all: a cut leaves the old or the new superblock, never a torn one,
//! so a slot that is neither is damaged (`slots.rs`). Byte diagram: `FORMAT.md` section 2. Knows no structure it points at.

use crate::kind::ChecksumKind;
use crate::layout::NO_LOG;
use crate::segment_table::SegmentTable;
use crate::{Layout, Placement, copies};
use spinney_core::{
    BLOCK_BYTES, BlockDevice, Epoch, Error, Extent, PageNo, Pba, Place, ROOT_BYTES_MAX, Result, Root,
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The two homes of the superblock; 32 KiB apart, so that one bad physical page of a disk does not take both.
pub const SUPERBLOCK_SLOTS: [Pba; 2] = [Pba(0), Pba(8)];
/// The most bytes of description (names and settings of allocator and scheme).
pub(crate) const DESCRIPTION_BYTES_MAX: usize = 1024;
/// What a superblock of any version begins with.
pub const SUPERBLOCK_MAGIC: &[u8; 8] = b"spinney\0";
/// A pool whose metadata area has its size for life.
const VERSION: u32 = 2;
/// Added for a pool whose area may have grown: another release would not know where its pages are.
const WITH_SEGMENTS: u32 = 1;
/// Added for a pool with back references: another release would not keep them.
const WITH_BACK_REFERENCES: u32 = 2;
/// Added for a pool with an intent log: another release would not replay it.
const WITH_LOG: u32 = 4;
/// Added for a pool in which a volume has limits: another release would not keep them.
const WITH_LIMITS: u32 = 8;
/// What a disk writes whole or not at all; the first one has all that a commit changes.
const SECTOR_BYTES: usize = 512;
const EPOCH_AGAIN_AT: usize = 488;
const SEAL_AT: usize = SECTOR_BYTES - 8;
/// More than any pool reaches; a forged epoch near the end of the numbers would leave no next one.
const EPOCH_MAX: u64 = 1 << 62;

/// A decoded superblock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Superblock {
    /// The epoch that it makes durable.
    pub epoch: Epoch,
    /// Where things lie.
    pub layout: Layout,
    /// Where metadata lives.
    pub placement: Placement,
    /// The runs by which the metadata area has grown.
    pub segments: SegmentTable,
    /// Checksum of data blocks.
    pub checksums: ChecksumKind,
    /// What must come of the checksums' key; 0 for a kind without one.
    pub key_check: u64,
    /// Root of the page store.
    pub pages: Root,
    /// Root of the allocator.
    pub allocator: Root,
    /// Root of the snapshot scheme.
    pub scheme: Root,
    /// Root of the back references; empty if the pool keeps none.
    pub back_references: Root,
    /// Root page of the data checksums.
    pub checksum_page: PageNo,
    /// Root page of the table of names; none before the first name.
    pub names_page: Option<PageNo>,
    /// Whether any volume has limits, which the table of names keeps.
    pub limits: bool,
    /// Which allocator and scheme, in the words of whoever formatted the pool.
    pub description: String,
}

impl Superblock {
    /// The slot that this epoch is written to.
    pub(crate) fn slot(&self) -> usize {
        usize::from(!self.epoch.0.is_multiple_of(2))
    }

    /// Write it to its slot. Not durable until the device is flushed.
    pub(crate) fn store(&self, device: &dyn BlockDevice) -> Result<()> {
        let slot = self.slot();
        device.write(SUPERBLOCK_SLOTS[slot], &self.encode(slot))
    }

    /// Whether the device has what was stored. Errors: `Corrupt` if it dropped, damaged or misplaced it.
    pub(crate) fn verify_stored(&self, device: &dyn BlockDevice) -> Result<()> {
        let slot = self.slot();
        let what = "superblock (the device lost or damaged the one just written)";
        let stored = copies::holds(device, SUPERBLOCK_SLOTS[slot], &self.encode(slot))?;
        if stored { Ok(()) } else { Err(Error::Corrupt { what, place: Place::Superblock(slot as u8) }) }
    }

    /// The checksum over all that it says: no other superblock has it.
    #[must_use]
    pub fn seal(&self) -> u64 {
        let block = self.encode(self.slot());
        let (_, seal) = block[..SECTOR_BYTES].split_last_chunk().expect("a sector ends with eight bytes");
        u64::from_le_bytes(*seal)
    }

    /// The block that stores it.
    #[must_use]
    pub fn encode(&self, slot: usize) -> Vec<u8> {
        assert!(
            self.description.len() <= DESCRIPTION_BYTES_MAX,
            "the description has at most {DESCRIPTION_BYTES_MAX} bytes"
        );
        let mut fields = Vec::with_capacity(BLOCK_BYTES);
        fields.extend_from_slice(SUPERBLOCK_MAGIC);
        let segments = if self.placement == Placement::Area { 0 } else { WITH_SEGMENTS };
        let references = if self.back_references.is_empty() { 0 } else { WITH_BACK_REFERENCES };
        let Layout { device_blocks, area, log, data } = self.layout;
        let with_log = if log == NO_LOG { 0 } else { WITH_LOG };
        let with_limits = if self.limits { WITH_LIMITS } else { 0 };
        let version = VERSION + segments + references + with_log + with_limits;
        fields.extend_from_slice(&version.to_le_bytes());
        fields.extend_from_slice(&(self.checksums as u32).to_le_bytes());
        let words = [
            self.epoch.0,
            device_blocks,
            area.start.0,
            area.blocks,
            data.start.0,
            data.blocks,
            self.checksum_page.0,
            self.description.len() as u64,
        ];
        words.iter().for_each(|word| fields.extend_from_slice(&word.to_le_bytes()));
        for root in [&self.pages, &self.allocator, &self.scheme] {
            put_root(&mut fields, root);
        }
        fields.extend_from_slice(&self.key_check.to_le_bytes());
        let rest = self.encode_rest();
        fields.extend_from_slice(&xxh3_64_with_seed(&rest, slot as u64).to_le_bytes());
        for word in [self.segments.at.0, self.segments.runs, self.segments.checksum] {
            fields.extend_from_slice(&word.to_le_bytes());
        }
        let names_page = self.names_page.map_or(0, |page| page.0 + 1);
        fields.extend_from_slice(&names_page.to_le_bytes());
        put_root(&mut fields, &self.back_references);
        for word in [log.start.0, log.blocks] {
            fields.extend_from_slice(&word.to_le_bytes());
        }
        fields.resize(EPOCH_AGAIN_AT, 0);
        let (seal, epoch) = (seal(&fields, slot), self.epoch.0.to_le_bytes());
        fields.extend_from_slice(&epoch);
        fields.extend_from_slice(&seal_of_epoch(&epoch, slot).to_le_bytes());
        fields.extend_from_slice(&seal.to_le_bytes());
        fields.extend_from_slice(&rest);
        fields
    }

    /// What lies behind the first sector: the same for all epochs of a pool.
    fn encode_rest(&self) -> Vec<u8> {
        let mut rest = self.description.clone().into_bytes();
        rest.resize(BLOCK_BYTES - SECTOR_BYTES, 0);
        rest
    }

    /// A slot that no superblock has been written to yet: its first sector is zeros, so that the first commits change that one only.
    pub(crate) fn blank(description: &str) -> Vec<u8> {
        let mut block = vec![0; SECTOR_BYTES];
        block.extend_from_slice(description.as_bytes());
        block.resize(BLOCK_BYTES, 0);
        block
    }

    /// Decode what was read from a slot. Nothing in it is trusted. Errors: `Corrupt`.
    pub fn decode(block: &[u8], slot: usize) -> Result<Superblock> {
        let corrupt = |what| Error::Corrupt { what, place: Place::Superblock(slot as u8) };
        let (sector, rest) = block.split_at_checked(SECTOR_BYTES).ok_or(corrupt("superblock length"))?;
        let mut reader = Reader { rest: sector, slot };
        if reader.take(8)? != SUPERBLOCK_MAGIC {
            return Err(corrupt("superblock magic (not a spinney pool, or overwritten)"));
        }
        let more = reader.half()?.wrapping_sub(VERSION);
        if more > WITH_SEGMENTS | WITH_BACK_REFERENCES | WITH_LOG | WITH_LIMITS {
            return Err(corrupt("superblock version (made by another release, or damaged)"));
        }
        let placement = if more & WITH_SEGMENTS == 0 { Placement::Area } else { Placement::Segments };
        if sector[SEAL_AT..] != seal(&sector[..EPOCH_AGAIN_AT], slot).to_le_bytes() {
            return Err(corrupt("superblock checksum"));
        }
        let checksums = ChecksumKind::from_number(reader.half()?);
        let checksums = checksums.ok_or(corrupt("checksum kind (or made by another release)"))?;
        let epoch = Epoch(reader.word()?);
        let device_blocks = reader.word()?;
        let area = reader.extent()?;
        let data = reader.extent()?;
        let checksum_page = PageNo(reader.word()?);
        let description_bytes = reader.word()?;
        let (pages, allocator, scheme) = (reader.root()?, reader.root()?, reader.root()?);
        if description_bytes > DESCRIPTION_BYTES_MAX as u64 || epoch.0 > EPOCH_MAX {
            return Err(corrupt("description length or epoch"));
        }
        let (key_check, rest_sum) = (reader.word()?, reader.word()?);
        let segments =
            SegmentTable { at: Pba(reader.word()?), runs: reader.word()?, checksum: reader.word()? };
        if placement == Placement::Area && segments != SegmentTable::default() {
            return Err(corrupt("superblock version (one without segments that names some)"));
        }
        let names_page = reader.word()?.checked_sub(1).map(PageNo);
        let back_references = reader.root()?;
        if (more & WITH_BACK_REFERENCES == 0) != back_references.is_empty() {
            return Err(corrupt("superblock version (back references that it does not have, or hides)"));
        }
        let log = match (reader.word()?, reader.word()?) {
            (0, 0) => NO_LOG,
            (start, blocks) => Extent::checked(start, blocks).ok_or(corrupt("superblock field"))?,
        };
        if (more & WITH_LOG == 0) != (log == NO_LOG) {
            return Err(corrupt("superblock version (a log that it does not have, or hides)"));
        }
        if rest.len() != BLOCK_BYTES - SECTOR_BYTES || rest_sum != xxh3_64_with_seed(rest, slot as u64) {
            return Err(corrupt("superblock checksum (of the description)"));
        }
        let description = rest.get(..description_bytes as usize).ok_or(corrupt("description length"))?;
        let description = core::str::from_utf8(description);
        let description = description.map_err(|_| corrupt("description"))?.to_owned();
        let layout = Layout { device_blocks, area, log, data };
        Ok(Superblock {
            epoch,
            layout,
            placement,
            segments,
            checksums,
            key_check,
            pages,
            allocator,
            scheme,
            back_references,
            checksum_page,
            names_page,
            limits: more & WITH_LIMITS != 0,
            description,
        })
    }
}

/// A root's length and bytes, zeros behind them.
fn put_root(fields: &mut Vec<u8>, root: &Root) {
    fields.extend_from_slice(&(root.bytes().len() as u64).to_le_bytes());
    fields.extend_from_slice(root.bytes());
    fields.resize(fields.len() + ROOT_BYTES_MAX - root.bytes().len(), 0);
}

/// Seeded with the slot, so that a superblock that lands in the other one is none there.
fn seal(fields: &[u8], slot: usize) -> u64 {
    xxh3_64_with_seed(fields, slot as u64)
}

/// Another seed, so that it is no seal of fields.
fn seal_of_epoch(epoch: &[u8], slot: usize) -> u64 {
    xxh3_64_with_seed(epoch, !(slot as u64))
}

/// The epoch of a slot that may be damaged: by the copy that is sealed apart, or 0 if it was never written. `None`: not known.
pub(crate) fn epoch_of_damaged(block: &[u8], slot: usize) -> Option<u64> {
    if block.get(..SECTOR_BYTES)?.iter().all(|byte| *byte == 0) {
        return Some(0);
    }
    let epoch = block.get(EPOCH_AGAIN_AT..EPOCH_AGAIN_AT + 8)?;
    let sealed = block.get(EPOCH_AGAIN_AT + 8..SEAL_AT)? == seal_of_epoch(epoch, slot).to_le_bytes();
    epoch.try_into().ok().filter(|_| sealed).map(u64::from_le_bytes)
}

/// Checked reading of fields in order.
struct Reader<'a> {
    rest: &'a [u8],
    slot: usize,
}

impl<'a> Reader<'a> {
    fn short(&self) -> Error {
        Error::Corrupt { what: "superblock field", place: Place::Superblock(self.slot as u8) }
    }
    fn take(&mut self, bytes: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(self.short())?;
        self.rest = rest;
        Ok(taken)
    }
    fn half(&mut self) -> Result<u32> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(self.short())?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*taken))
    }
    fn word(&mut self) -> Result<u64> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(self.short())?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*taken))
    }
    fn extent(&mut self) -> Result<Extent> {
        let (start, blocks) = (self.word()?, self.word()?);
        Extent::checked(start, blocks).ok_or(self.short())
    }
    fn root(&mut self) -> Result<Root> {
        let length = self.word()?;
        let bytes = self.take(ROOT_BYTES_MAX)?;
        let length = usize::try_from(length).map_err(|_| self.short())?;
        bytes.get(..length).map(Root::new).ok_or(self.short())
    }
}
