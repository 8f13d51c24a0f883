//! The cuts of one crash point: what may have become of each request that no flush covered.
//!
//! Invariant: the list follows from the requests alone (RELIABILITY section 3.2 has the bounds). Knows no content.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use spinney_device::{Fate, PendingWrite, choices, random_choices, tears};
use spinney_volume::SUPERBLOCK_SLOTS;

/// Random subsets of more requests than can be enumerated.
const RANDOM_SUBSETS: usize = 256;
/// Up to so many requests, every subset.
const ENUMERATED_MAX: usize = 10;

/// Visit every cut: all subsets of up to ten requests, or none, all, prefixes, singles, pairs and 256 random subsets of more; then each
/// request torn while the others are all there, or all lost: at each sector from the front and from the back, and every second
/// sector; a superblock in each of its 254 ways to be torn; a discard also scrambled.
pub(super) fn visit_cuts(writes: &[PendingWrite], mut each: impl FnMut(&[Fate])) {
    choices(writes.len()).for_each(|fates| each(&fates));
    if writes.len() > ENUMERATED_MAX {
        let mut chance = ChaCha8Rng::seed_from_u64(writes.len() as u64);
        random_choices(writes.len(), &mut chance, RANDOM_SUBSETS).iter().for_each(|fates| each(fates));
    }
    let others = if writes.len() > 1 { &[Fate::Kept, Fate::Lost][..] } else { &[Fate::Kept] };
    for (at, write) in writes.iter().enumerate() {
        for fate in torn(write) {
            for other in others {
                let mut fates = vec![other.clone(); writes.len()];
                fates[at] = fate.clone();
                each(&fates);
            }
        }
    }
}

fn torn(write: &PendingWrite) -> Vec<Fate> {
    let root = write.run.blocks == 1 && SUPERBLOCK_SLOTS.contains(&write.run.start);
    match (&write.data, root) {
        (None, _) => tears(write.run.blocks).into_iter().chain([Fate::Scrambled]).collect(),
        (Some(_), true) => (1..255).map(|mask| Fate::Torn(vec![mask])).collect(),
        (Some(_), false) => tears(write.run.blocks),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinney_core::{Extent, Pba};
    use std::collections::BTreeSet;

    fn write(start: u64, blocks: u64) -> PendingWrite {
        let data = vec![0; blocks as usize * spinney_core::BLOCK_BYTES];
        PendingWrite { change: 0, run: Extent::new(Pba(start), blocks), data: Some(data.into()) }
    }

    fn listed(writes: &[PendingWrite]) -> Vec<String> {
        let mut all = Vec::new();
        visit_cuts(writes, |fates| all.push(fates.iter().map(Fate::text).collect::<Vec<_>>().join(" ")));
        all
    }

    #[test]
    fn a_lone_superblock_is_cut_in_every_sector_mask_and_no_way_twice() {
        let all = listed(&[write(SUPERBLOCK_SLOTS[1].0, 1)]);
        assert_eq!(all.len(), 256);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 256);
    }

    #[test]
    fn ten_requests_are_cut_in_every_subset_and_eleven_by_the_published_bounds() {
        let writes: Vec<_> = (100..111).map(|at| write(at, 1)).collect();
        let torn = |requests: usize| requests * (7 + 7 + 2) * 2;
        assert_eq!(listed(&writes[..10]).len(), 1024 + torn(10));
        assert_eq!(listed(&writes).len(), 12 + 10 + 9 + 45 + 256 + torn(11));
    }
}
