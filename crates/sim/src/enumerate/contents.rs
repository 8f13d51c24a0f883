//! What each block of a crash image holds, by hash, without making the image.
//!
//! Invariant: two images of one epoch have the same content hashes exactly when their bytes agree (but for collisions of 64 bits).

use spinney_core::{BLOCK_BYTES, BlockDevice, Pba};
use spinney_device::{Fate, FlushEpoch, MemoryDevice, PendingWrite, SECTOR_BYTES};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// One request's part in a block: which, and which of its blocks.
type Writer = (usize, usize);

pub(super) struct Contents<'a> {
    epoch: &'a FlushEpoch,
    /// Blocks that pending requests cover, each with these in order of issue.
    uncertain: Vec<(Pba, Vec<Writer>)>,
    /// Hashes of flushed content, as far as anybody asked.
    flushed: BTreeMap<Pba, u64>,
    /// Hashes of whole blocks as written.
    written: BTreeMap<Writer, u64>,
}

fn hash(at: Pba, content: &[u8]) -> u64 {
    xxh3_64_with_seed(content, at.0)
}

fn read(image: &MemoryDevice, at: Pba) -> Vec<u8> {
    let mut block = vec![0; BLOCK_BYTES];
    image.read(at, &mut block).expect("a block of the device, which memory holds");
    block
}

impl<'a> Contents<'a> {
    pub(super) fn new(epoch: &'a FlushEpoch) -> Contents<'a> {
        let mut uncertain: BTreeMap<Pba, Vec<Writer>> = BTreeMap::new();
        for (number, write) in epoch.writes.iter().enumerate() {
            for (block, at) in write.run.iter().enumerate() {
                uncertain.entry(at).or_default().push((number, block));
            }
        }
        let uncertain = uncertain.into_iter().collect();
        Contents { epoch, uncertain, flushed: BTreeMap::new(), written: BTreeMap::new() }
    }

    /// The hashes of all uncertain blocks after these fates, in order of address.
    pub(super) fn cut(&mut self, fates: &[Fate]) -> Vec<u64> {
        let uncertain = std::mem::take(&mut self.uncertain);
        let hashes = uncertain.iter().map(|(at, writers)| self.uncertain_hash(*at, writers, fates)).collect();
        self.uncertain = uncertain;
        hashes
    }

    /// The hash of any block of the image with these uncertain ones.
    pub(super) fn hash_of(&mut self, at: Pba, cut: &[u64]) -> u64 {
        match self.uncertain.binary_search_by_key(&at, |(at, _)| *at) {
            Ok(found) => cut[found],
            Err(_) => self.flushed_hash(at),
        }
    }

    fn flushed_hash(&mut self, at: Pba) -> u64 {
        let durable = &self.epoch.durable;
        *self.flushed.entry(at).or_insert_with(|| hash(at, &read(durable, at)))
    }

    fn uncertain_hash(&mut self, at: Pba, writers: &[Writer], fates: &[Fate]) -> u64 {
        let plain = |writer: &&Writer| {
            let write = &self.epoch.writes[writer.0];
            write.data.is_some() && matches!(fates[writer.0], Fate::Kept | Fate::Lost)
        };
        if writers.iter().filter(plain).count() < writers.len() {
            return hash(at, &self.mixed(at, writers, fates));
        }
        match writers.iter().rfind(|writer| fates[writer.0] == Fate::Kept) {
            None => self.flushed_hash(at),
            Some(&writer) => {
                let writes = &self.epoch.writes;
                *self.written.entry(writer).or_insert_with(|| hash(at, block_of(&writes[writer.0], writer.1)))
            }
        }
    }

    /// The bytes of a block that a tear or a discard had a part in.
    fn mixed(&self, at: Pba, writers: &[Writer], fates: &[Fate]) -> Vec<u8> {
        let by_sectors = |writer: &Writer| {
            let shorn = matches!(fates[writer.0], Fate::Shorn(_));
            self.epoch.writes[writer.0].data.is_some() && !shorn
        };
        if !writers.iter().all(by_sectors) {
            return read(&self.epoch.image(fates), at);
        }
        let mut content = read(&self.epoch.durable, at);
        for writer in writers {
            let mask = match &fates[writer.0] {
                Fate::Lost | Fate::Shorn(_) => 0,
                Fate::Kept | Fate::Scrambled => 0xFF,
                Fate::Torn(sectors) => sectors.get(writer.1).copied().unwrap_or(0),
            };
            let written = block_of(&self.epoch.writes[writer.0], writer.1).chunks_exact(SECTOR_BYTES);
            for (sector, (old, new)) in content.chunks_exact_mut(SECTOR_BYTES).zip(written).enumerate() {
                if mask >> sector & 1 == 1 {
                    old.copy_from_slice(new);
                }
            }
        }
        content
    }
}

/// One block of a request that is a write.
fn block_of(write: &PendingWrite, block: usize) -> &[u8] {
    let data = write.data.as_deref().unwrap_or_default();
    &data[block * BLOCK_BYTES..(block + 1) * BLOCK_BYTES]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use spinney_core::Extent;
    use spinney_device::CrashDevice;

    #[test]
    fn hashes_are_those_of_the_image_for_writes_tears_and_discards() {
        let device = CrashDevice::new(16);
        device.write(Pba(0), &[7; 8 * BLOCK_BYTES]).expect("inside");
        device.flush().expect("no fault");
        device.write(Pba(2), &[1; 2 * BLOCK_BYTES]).expect("inside");
        device.write(Pba(3), &[2; 2 * BLOCK_BYTES]).expect("inside");
        device.discard(Extent::new(Pba(1), 2)).expect("inside");
        device.write(Pba(9), &[3; BLOCK_BYTES]).expect("inside");
        let epoch = device.open_epoch();
        let mut contents = Contents::new(&epoch);
        for seed in 0..300 {
            let fates = device.draw(&mut ChaCha8Rng::seed_from_u64(seed));
            let (image, cut) = (epoch.image(&fates), contents.cut(&fates));
            for at in (0..16).map(Pba) {
                let wanted = hash(at, &read(&image, at));
                assert_eq!(contents.hash_of(at, &cut), wanted, "seed {seed}, block {at}, {fates:?}");
            }
        }
    }
}
