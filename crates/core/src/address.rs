//! Addresses and ranges: one newtype for each space, so that a logical block cannot be taken for a physical one.
//!
//! Invariant: a range's end never overflows `u64` once built by `new` (which asserts) or `checked` (which refuses).
//! Knows nothing of what lives at an address.

use core::fmt;

/// Bytes in a block: the unit of every address here, of allocation and of a data checksum.
pub const BLOCK_BYTES: usize = 4096;

macro_rules! address {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u64);
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, concat!($prefix, "{}"), self.0) }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{}", self.0) }
        }
    };
}
address!(/// A physical block of the pool's device, in blocks from its start.
    Pba, "p");
address!(/// A logical block of a volume or snapshot, in blocks from its start.
    Lba, "l");
address!(/// A metadata page's stable number; where it lives is the page store's business.
    PageNo, "g");
address!(/// A version: a volume, a snapshot or a clone. Never reused within a pool.
    DevId, "v");
address!(/// A commit's number (the field also says transaction group); rises by one each commit.
    Epoch, "e");

impl Epoch {
    /// The epoch after this one.
    #[must_use]
    pub fn next(self) -> Epoch {
        Epoch(self.0 + 1)
    }
}

/// A run of physical blocks: `blocks` of them from `start`. Never empty when built by `new`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extent {
    /// First block.
    pub start: Pba,
    /// How many blocks.
    pub blocks: u64,
}

impl Extent {
    /// A run that must not be empty nor overflow; both are programmer errors. Untrusted input goes through [`Extent::checked`].
    #[must_use]
    pub fn new(start: Pba, blocks: u64) -> Extent {
        assert!(blocks > 0 && start.0.checked_add(blocks).is_some(), "bad extent {start:?}+{blocks}");
        Extent { start, blocks }
    }
    /// The same from untrusted numbers: `None` if empty or overflowing.
    #[must_use]
    pub fn checked(start: u64, blocks: u64) -> Option<Extent> {
        (blocks > 0 && start.checked_add(blocks).is_some()).then_some(Extent { start: Pba(start), blocks })
    }
    /// First block after the run.
    #[must_use]
    pub fn end(self) -> Pba {
        Pba(self.start.0 + self.blocks)
    }
    /// Whether `other` lies wholly inside.
    #[must_use]
    pub fn contains(self, other: Extent) -> bool {
        self.start <= other.start && other.end() <= self.end()
    }
    /// Whether the two share a block.
    #[must_use]
    pub fn overlaps(self, other: Extent) -> bool {
        self.start < other.end() && other.start < self.end()
    }
    /// The shared part, if any.
    #[must_use]
    pub fn intersect(self, other: Extent) -> Option<Extent> {
        let (start, end) = (self.start.max(other.start), self.end().min(other.end()));
        (start < end).then(|| Extent { start, blocks: end.0 - start.0 })
    }
    /// Each block in turn.
    pub fn iter(self) -> impl Iterator<Item = Pba> {
        (self.start.0..self.start.0 + self.blocks).map(Pba)
    }
}

impl fmt::Debug for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}+{}", self.start.0, self.blocks)
    }
}

/// A run of logical blocks.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LbaRange {
    /// First block.
    pub start: Lba,
    /// How many blocks.
    pub blocks: u64,
}

impl LbaRange {
    /// A range whose end must not overflow (a programmer error).
    #[must_use]
    pub fn new(start: Lba, blocks: u64) -> LbaRange {
        assert!(start.0.checked_add(blocks).is_some(), "bad range {start:?}+{blocks}");
        LbaRange { start, blocks }
    }
    /// First block after the range.
    #[must_use]
    pub fn end(self) -> Lba {
        Lba(self.start.0 + self.blocks)
    }
}

impl fmt::Debug for LbaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "l{}+{}", self.start.0, self.blocks)
    }
}
