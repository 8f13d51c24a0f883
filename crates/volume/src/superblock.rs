//! The superblock: the one place that a commit switches.
//!
//! Invariant: of the two slots, the valid one with the higher epoch is the pool; a commit writes the other one, so a torn
//! superblock write leaves the last epoch readable. Byte diagram: `FORMAT.md` section 2. Knows no structure it points at.

use crate::Layout;
use crate::kind::ChecksumKind;
use spinney_core::{
    BLOCK_BYTES, BlockDevice, Epoch, Error, Extent, PageNo, Pba, Place, ROOT_BYTES_MAX, Result, Root,
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The two homes of the superblock; 32 KiB apart, so that one bad physical page of a disk does not take both.
pub const SUPERBLOCK_SLOTS: [Pba; 2] = [Pba(0), Pba(8)];
/// The most bytes of description (names and settings of allocator and scheme).
pub(crate) const DESCRIPTION_BYTES_MAX: usize = 1024;
const MAGIC: &[u8; 8] = b"spinney\0";
const VERSION: u32 = 1;
const CHECKSUM_AT: usize = BLOCK_BYTES - 8;
const KEY_CHECK_AT: usize = CHECKSUM_AT - 8;
/// What is said of a slot that cannot be read, as against one that was torn.
const UNREADABLE: &str = "read of a superblock slot (try again; if it stays unreadable, the option accept_unreadable_slot \
     opens the pool with the other one, which may be a commit older)";
/// More than any pool reaches; a forged epoch near the end of the numbers would leave no next one.
const EPOCH_MAX: u64 = 1 << 62;

/// A decoded superblock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Superblock {
    /// The epoch that it makes durable.
    pub epoch: Epoch,
    /// Where things lie.
    pub layout: Layout,
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
    /// Root page of the data checksums.
    pub checksum_page: PageNo,
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

    /// The newest valid superblock of a device. A slot with wrong bytes is what a cut leaves, and the other one is right; one
    /// that cannot be *read* may hold the newest epoch, so the other is taken only if `accept_unreadable_slot`.
    /// Errors: `Corrupt` if neither slot holds one, `Io`.
    pub fn load(device: &dyn BlockDevice, accept_unreadable_slot: bool) -> Result<Superblock> {
        Found::on(device, accept_unreadable_slot).map(|found| found.superblock)
    }

    /// The block that stores it.
    #[must_use]
    pub fn encode(&self, slot: usize) -> Vec<u8> {
        assert!(
            self.description.len() <= DESCRIPTION_BYTES_MAX,
            "the description has at most {DESCRIPTION_BYTES_MAX} bytes"
        );
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        block.extend_from_slice(MAGIC);
        block.extend_from_slice(&VERSION.to_le_bytes());
        block.extend_from_slice(&(self.checksums as u32).to_le_bytes());
        let Layout { device_blocks, area, data } = self.layout;
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
        words.iter().for_each(|word| block.extend_from_slice(&word.to_le_bytes()));
        for root in [&self.pages, &self.allocator, &self.scheme] {
            block.extend_from_slice(&(root.bytes().len() as u64).to_le_bytes());
            block.extend_from_slice(root.bytes());
            block.resize(block.len() + ROOT_BYTES_MAX - root.bytes().len(), 0);
        }
        block.extend_from_slice(self.description.as_bytes());
        block.resize(KEY_CHECK_AT, 0);
        block.extend_from_slice(&self.key_check.to_le_bytes());
        let sum = xxh3_64_with_seed(&block, slot as u64);
        block.extend_from_slice(&sum.to_le_bytes());
        block
    }

    /// Decode what was read from a slot. Nothing in it is trusted. Errors: `Corrupt`.
    pub fn decode(block: &[u8], slot: usize) -> Result<Superblock> {
        let corrupt = |what| Error::Corrupt { what, place: Place::Superblock(slot as u8) };
        let mut reader = Reader { rest: block, slot };
        if reader.take(8)? != MAGIC {
            return Err(corrupt("superblock magic (not a spinney pool, or overwritten)"));
        }
        let stored = block.get(CHECKSUM_AT..BLOCK_BYTES).ok_or(corrupt("superblock length"))?;
        if stored != xxh3_64_with_seed(&block[..CHECKSUM_AT], slot as u64).to_le_bytes() {
            return Err(corrupt("superblock checksum"));
        }
        if reader.half()? != VERSION {
            return Err(corrupt("superblock version (made by another release)"));
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
        let description = core::str::from_utf8(reader.take(description_bytes as usize)?);
        let description = description.map_err(|_| corrupt("description"))?.to_owned();
        let layout = Layout { device_blocks, area, data };
        let key_check = Reader { rest: &block[KEY_CHECK_AT..], slot }.word()?;
        Ok(Superblock {
            epoch,
            layout,
            checksums,
            key_check,
            pages,
            allocator,
            scheme,
            checksum_page,
            description,
        })
    }
}

/// The newest valid superblock, as it was read.
pub(crate) struct Found {
    pub(crate) superblock: Superblock,
    at: Pba,
    block: Vec<u8>,
}

impl Found {
    /// As [`Superblock::load`].
    pub(crate) fn on(device: &dyn BlockDevice, accept_unreadable_slot: bool) -> Result<Found> {
        let mut newest: Option<Found> = None;
        let mut failure = Error::Corrupt { what: "superblock", place: Place::Superblock(0) };
        for (slot, at) in SUPERBLOCK_SLOTS.into_iter().enumerate() {
            let mut block = vec![0; BLOCK_BYTES];
            match device.read(at, &mut block).and_then(|()| Superblock::decode(&block, slot)) {
                Ok(found) if newest.as_ref().is_none_or(|newest| newest.superblock.epoch < found.epoch) => {
                    newest = Some(Found { superblock: found, at, block });
                }
                Ok(_) => {}
                Err(Error::Io { at, code, .. }) if !accept_unreadable_slot => {
                    return Err(Error::Io { operation: UNREADABLE, at, code });
                }
                Err(error) => failure = error,
            }
        }
        let found = newest.ok_or(failure)?;
        found.superblock.layout.verify(device.blocks())?;
        Ok(found)
    }

    /// Write the same bytes to the same slot once more. Not durable until the device is flushed.
    pub(crate) fn store_again(&self, device: &dyn BlockDevice) -> Result<()> {
        device.write(self.at, &self.block)
    }
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
