//! The kinds of data checksums, their names and what each is good for.
//!
//! Invariant: every kind but `None` gives each place its own sum for the same bytes, so a block at the wrong place does not
//! match. The number of a kind is on disk. Knows no table.

use spinney_core::Pba;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How a data block is checksummed. 64 bits are stored for each block, whatever the kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ChecksumKind {
    /// None: wrong bytes from the device go unseen. For measuring what checksums cost.
    None = 0,
    /// xxh3-64, seeded with the block's address.
    #[default]
    Xxh3 = 1,
    /// CRC-32C (Castagnoli) of the block's address and its bytes; the upper 32 of the 64 bits are zeros.
    Crc32c = 2,
    /// BLAKE3, keyed with [`ChecksumKey`], of the block's bytes and its address; the first 64 of its 256 bits.
    Blake3 = 3,
}

impl ChecksumKind {
    /// Every kind, by rising number.
    pub const ALL: [ChecksumKind; 4] =
        [ChecksumKind::None, ChecksumKind::Xxh3, ChecksumKind::Crc32c, ChecksumKind::Blake3];

    /// Its name in a config.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ChecksumKind::None => "none",
            ChecksumKind::Xxh3 => "xxh3",
            ChecksumKind::Crc32c => "crc32c",
            ChecksumKind::Blake3 => "blake3",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<ChecksumKind> {
        ChecksumKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// One line on what it is.
    #[must_use]
    pub fn summary(self) -> &'static str {
        match self {
            ChecksumKind::None => {
                "no table is kept and wrong bytes go unseen: the baseline for what checksums cost"
            }
            ChecksumKind::Xxh3 => "64-bit hash seeded with the block's address: the default",
            ChecksumKind::Crc32c => {
                "CRC of the block's address and bytes: any error burst of up to 32 bits is seen, others but for one in 2^32"
            }
            ChecksumKind::Blake3 => {
                "keyed hash of the block's bytes and address, cut to 64 bits: nobody without the key can forge a data block"
            }
        }
    }

    /// Who described it.
    #[must_use]
    pub fn source(self) -> &'static str {
        match self {
            ChecksumKind::None => "",
            ChecksumKind::Xxh3 => "Y. Collet, the XXH3 specification",
            ChecksumKind::Crc32c => {
                "G. Castagnoli, S. Bräuer, M. Herrmann, IEEE Trans. Communications 41(6), 1993; RFC 3720"
            }
            ChecksumKind::Blake3 => {
                "J. O'Connor, J.-P. Aumasson, S. Neves, Z. Wilcox-O'Hearn, BLAKE3, 2020, section 2.7 (keyed mode)"
            }
        }
    }

    /// The sum of `block`, which is at `at`. 0 for `None`.
    #[must_use]
    pub fn sum(self, key: &ChecksumKey, at: Pba, block: &[u8]) -> u64 {
        match self {
            ChecksumKind::None => 0,
            ChecksumKind::Xxh3 => xxh3_64_with_seed(block, at.0),
            ChecksumKind::Crc32c => {
                let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
                digest.update(&at.0.to_le_bytes());
                digest.update(block);
                digest.finalize()
            }
            ChecksumKind::Blake3 => {
                // The address last: four whole chunks of 1 KiB come first and are hashed side by side.
                let mut hasher = blake3::Hasher::new_keyed(&key.0);
                hasher.update(block).update(&at.0.to_le_bytes());
                first_word(&hasher.finalize())
            }
        }
    }

    /// The kind that a superblock means.
    pub(crate) fn from_number(number: u32) -> Option<ChecksumKind> {
        ChecksumKind::ALL.into_iter().find(|kind| *kind as u32 == number)
    }
}

/// The key of [`ChecksumKind::Blake3`]. It is the caller's: the pool never stores it, and an equal one is needed to open.
///
/// A key that only the caller knows makes data blocks tamper-evident: whoever can write the device, but has no key, cannot
/// make a block pass for another (64 bits, so one try in 2^64 does). It hides nothing, it does not keep an *old* whole image
/// from being put back, and it does not cover metadata, whose checksums (xxh3) have no key: maps can be forged.
/// With [`ChecksumKey::PUBLIC`], the default, it finds accidents only, as the other kinds do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChecksumKey([u8; 32]);

impl ChecksumKey {
    /// The key that everybody knows: zeros.
    pub const PUBLIC: ChecksumKey = ChecksumKey([0; 32]);

    /// A key of 32 bytes, which should be random.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> ChecksumKey {
        ChecksumKey(bytes)
    }

    /// What the superblock keeps of it, so that a wrong key is refused at once and not as a pool full of damage.
    pub(crate) fn check(&self) -> u64 {
        first_word(&blake3::keyed_hash(&self.0, b"spinney: key of data checksums"))
    }
}

impl Default for ChecksumKey {
    fn default() -> ChecksumKey {
        ChecksumKey::PUBLIC
    }
}

impl std::fmt::Debug for ChecksumKey {
    /// Never the key itself: options are printed into logs and provenance.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == ChecksumKey::PUBLIC { "public" } else { "secret" })
    }
}

fn first_word(hash: &blake3::Hash) -> u64 {
    let (word, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
    u64::from_le_bytes(*word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinney_core::BLOCK_BYTES;

    /// 4096 bytes that repeat the numbers 0 to 250, as BLAKE3's own test vectors do.
    fn pattern() -> Vec<u8> {
        (0..=250u8).cycle().take(BLOCK_BYTES).collect()
    }

    #[test]
    fn crc32c_is_that_of_the_address_and_the_bytes_bit_by_bit() {
        let (at, block) = (Pba(0x01_2345_6789), pattern());
        let bytes = at.0.to_le_bytes().into_iter().chain(block.iter().copied());
        let slow = !bytes.fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0x82F6_3B78 * (crc & 1)))
        });
        assert_eq!(ChecksumKind::Crc32c.sum(&ChecksumKey::PUBLIC, at, &block), u64::from(slow));
    }

    #[test]
    fn blake3_is_the_keyed_hash_of_bytes_and_address() {
        let (at, block, key) = (Pba(77), pattern(), ChecksumKey::new([5; 32]));
        let whole = [&block[..], &77u64.to_le_bytes()].concat();
        let wanted = blake3::keyed_hash(&[5; 32], &whole);
        assert_eq!(ChecksumKind::Blake3.sum(&key, at, &block).to_le_bytes(), wanted.as_bytes()[..8]);
        assert_ne!(
            ChecksumKind::Blake3.sum(&ChecksumKey::PUBLIC, at, &block),
            ChecksumKind::Blake3.sum(&key, at, &block)
        );
    }

    #[test]
    fn every_flipped_bit_and_every_other_place_changes_the_sum() {
        let (at, key) = (Pba(1000), ChecksumKey::PUBLIC);
        for kind in &ChecksumKind::ALL[1..] {
            let mut block = pattern();
            let right = kind.sum(&key, at, &block);
            for bit in 0..BLOCK_BYTES * 8 {
                block[bit / 8] ^= 1 << (bit % 8);
                assert_ne!(kind.sum(&key, at, &block), right, "{kind:?}: bit {bit}");
                block[bit / 8] ^= 1 << (bit % 8);
            }
            for other in (0..40)
                .map(|bit| Pba(at.0 ^ 1 << bit))
                .chain((0..2000).filter(|other| *other != 1000).map(Pba))
            {
                assert_ne!(kind.sum(&key, other, &block), right, "{kind:?}: at {other}");
            }
        }
    }

    #[test]
    fn names_and_numbers_lead_back_to_their_kind() {
        for kind in ChecksumKind::ALL {
            assert_eq!(ChecksumKind::named(kind.name()), Some(kind));
            assert_eq!(ChecksumKind::from_number(kind as u32), Some(kind));
        }
        assert_eq!((ChecksumKind::named("crc"), ChecksumKind::from_number(4)), (None, None));
    }

    #[test]
    fn a_key_is_never_printed() {
        assert_eq!(format!("{:?}", ChecksumKey::new([0xAB; 32])), "secret");
    }
}
