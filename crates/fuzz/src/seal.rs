//! Making every checksum of a damaged page store right again, whatever its pages say now.
//!
//! Invariant: afterwards each page is what its parent's checksum says, so that what lies behind the wall of checksums is
//! reached. Follows `FORMAT.md` of the page store with its own reading of it, and ends on any bytes.

use spinney_core::{BLOCK_BYTES, BlockDevice, PAGE_HEADER_BYTES, Pba, Root};
use std::collections::BTreeSet;
use xxhash_rust::xxh3::xxh3_64;

const ENTRY_BYTES: usize = 24;
const PLACE_MASK: u64 = (1 << 56) - 1;

/// Seal the map under `root`, whose area starts at block `area`; the root with its new checksum.
pub(crate) fn store(device: &dyn BlockDevice, area: u64, root: &Root) -> Root {
    let Ok([first, place, _, epoch, live, sealed]) = root.words("root") else { return *root };
    let levels = (first >> 32) as u8;
    let mut sealer = Sealer { device, area, met: BTreeSet::new() };
    let checksum = match levels {
        0 => 0,
        _ => sealer.map(place, levels.min(6) - 1),
    };
    Root::from_words(&[first, place, checksum, epoch, live, sealed])
}

struct Sealer<'a> {
    device: &'a dyn BlockDevice,
    area: u64,
    met: BTreeSet<u64>,
}

impl Sealer<'_> {
    fn read(&self, place: u64) -> Option<(Pba, Vec<u8>)> {
        let at = Pba(self.area.checked_add(place)?);
        let mut block = vec![0; BLOCK_BYTES];
        self.device.read(at, &mut block).ok()?;
        Some((at, block))
    }
    fn sum(&self, place: u64) -> u64 {
        self.read(place).map_or(0, |(_, block)| xxh3_64(&block))
    }
    /// Seal what is below a map page, then say its checksum.
    fn map(&mut self, place: u64, level: u8) -> u64 {
        if !self.met.insert(place) {
            return self.sum(place);
        }
        let Some((at, mut block)) = self.read(place) else { return 0 };
        for entry in block[PAGE_HEADER_BYTES..].chunks_exact_mut(ENTRY_BYTES) {
            if entry.iter().all(|byte| *byte == 0) {
                continue;
            }
            let below = u64::from_le_bytes(entry[..8].try_into().expect("eight bytes")) & PLACE_MASK;
            let sum = if level == 0 { self.sum(below) } else { self.map(below, level - 1) };
            entry[8..16].copy_from_slice(&sum.to_le_bytes());
        }
        self.device.write(at, &block).expect("it was read from there");
        xxh3_64(&block)
    }
}

/// Blocks of `blocks` that hold anything.
pub(crate) fn written(device: &dyn BlockDevice, blocks: impl Iterator<Item = u64>) -> Vec<Pba> {
    let mut block = [0; BLOCK_BYTES];
    let holds = |at: &Pba| device.read(*at, &mut block).is_ok() && block.iter().any(|byte| *byte != 0);
    blocks.map(Pba).filter(holds).collect()
}
