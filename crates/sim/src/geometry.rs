//! The pool that a seed's life runs on: sizes, caches and tunables, drawn as wildly as they may be set.
//!
//! Invariant: `parse(geometry.to_string()) == geometry`; what a case does not name has its default. Knows no pair.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spinney_volume::ChecksumKind;
use std::fmt;

/// Sizes and tunables of a life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    /// Blocks of the metadata area.
    pub metadata_blocks: u64,
    /// Data blocks: few, since bugs of this kind need few operations, and so that some lives run out.
    pub data_blocks: u64,
    /// Metadata pages kept in memory.
    pub cache_pages: u64,
    /// Data blocks after which the pool commits by itself.
    pub commit_blocks: u64,
    /// Slots of background work in each commit.
    pub tend_budget: u64,
    /// Slots of an index node, where the scheme has this parameter; 0 is its default.
    pub fanout: u64,
    /// Whether blocks are overwritten in place, where the scheme has this parameter; 1 or 0.
    pub in_place: u64,
    /// Blocks between the places that steps name: wide apart, each block needs a map page of its own.
    pub stride: u64,
    /// Whether a cut may shear the superblock write under way inside its sector; 1 or 0. Outside the contract, so never drawn: the pool
    /// is then opened with `accept_unreadable_slot`, and no request fails besides (see `Life`).
    pub shears: u64,
    /// Whether metadata grows from the data's blocks and shrinks again; 1 or 0.
    pub segments: u64,
    /// Commits after which back references are merged; 0: the pool keeps none.
    pub back_references: u64,
    /// Blocks of the intent log; 0: the pool has none.
    pub log_blocks: u64,
    /// How data blocks are checksummed, unless they are overwritten in place.
    pub checksums: ChecksumKind,
}

impl Default for Geometry {
    fn default() -> Geometry {
        Geometry {
            metadata_blocks: 300,
            data_blocks: 72,
            cache_pages: 24,
            commit_blocks: 100,
            tend_budget: 6,
            fanout: 0,
            in_place: 0,
            stride: 1,
            shears: 0,
            segments: 0,
            back_references: 0,
            log_blocks: 0,
            checksums: ChecksumKind::default(),
        }
    }
}

impl Geometry {
    /// The pool of a seed. Two of three have so little metadata that writes go in small pieces or are refused; one of
    /// three spreads its blocks so that map pages are many against the pages kept in reserve.
    #[must_use]
    pub fn draw(seed: u64) -> Geometry {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        chance.set_stream(1);
        let mut one_of = |values: &[u64]| values[chance.random_range(0..values.len())];
        Geometry {
            metadata_blocks: one_of(&[300, 80, 64]),
            data_blocks: one_of(&[72, 72, 40, 160]),
            cache_pages: one_of(&[1, 2, 4, 24]),
            commit_blocks: one_of(&[100, 100, 16, 1]),
            tend_budget: one_of(&[6, 1, 40, 4096]),
            fanout: one_of(&[0, 2, 3, 8]),
            in_place: one_of(&[0, 0, 1]),
            stride: one_of(&[1, 1, 1, 1, 17, 509]),
            shears: 0,
            checksums: ChecksumKind::ALL[one_of(&[1, 1, 1, 0, 2, 3]) as usize],
            segments: one_of(&[0, 0, 1]),
            back_references: one_of(&[0, 0, 0, 1, 3]),
            // Some so short that a few flushes fill them.
            log_blocks: one_of(&[0, 3, 16]),
        }
    }

    /// Blocks of the whole device.
    pub(crate) fn device_blocks(&self) -> u64 {
        16 + self.metadata_blocks + self.log_blocks + self.data_blocks
    }

    fn fields(&mut self) -> [(&'static str, &mut u64); 12] {
        [
            ("metadata", &mut self.metadata_blocks),
            ("data", &mut self.data_blocks),
            ("cache", &mut self.cache_pages),
            ("commit", &mut self.commit_blocks),
            ("tend", &mut self.tend_budget),
            ("fanout", &mut self.fanout),
            ("in_place", &mut self.in_place),
            ("stride", &mut self.stride),
            ("shears", &mut self.shears),
            ("segments", &mut self.segments),
            ("back_references", &mut self.back_references),
            ("log", &mut self.log_blocks),
        ]
    }

    /// The same with one tunable at its default, for each that is not.
    #[must_use]
    pub fn simpler(&self) -> Vec<Geometry> {
        let mut usual = Geometry::default();
        let usual = usual.fields().map(|(_, value)| *value);
        let reset = |at: usize| {
            let mut other = *self;
            *other.fields()[at].1 = usual[at];
            other
        };
        let checksums = Geometry { checksums: ChecksumKind::default(), ..*self };
        (0..usual.len()).map(reset).chain([checksums]).filter(|other| other != self).collect()
    }

    /// Read back what `Display` wrote; `None` if a word is not `name=value`.
    #[must_use]
    pub fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Option<Geometry> {
        let mut geometry = Geometry::default();
        for word in words {
            let (wanted, value) = word.split_once('=')?;
            if wanted == "checksums" {
                geometry.checksums = ChecksumKind::named(value)?;
                continue;
            }
            let mut fields = geometry.fields();
            *fields.iter_mut().find(|(name, _)| *name == wanted)?.1 = value.parse().ok()?;
        }
        Some(geometry)
    }
}

impl fmt::Display for Geometry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut here, mut usual) = (*self, Geometry::default());
        let both = here.fields().into_iter().zip(usual.fields());
        let other = both.filter(|((_, value), (_, usual))| value != usual);
        let mut words: Vec<String> = other.map(|((name, value), _)| format!("{name}={value}")).collect();
        if self.checksums != ChecksumKind::default() {
            words.push(format!("checksums={}", self.checksums.name()));
        }
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_drawn_geometry_reads_back_from_its_text() {
        for seed in 0..200 {
            let geometry = Geometry::draw(seed);
            assert_eq!(
                Geometry::parse(geometry.to_string().split_whitespace()),
                Some(geometry),
                "seed {seed}"
            );
        }
        assert_eq!(Geometry::parse(["stride=1", "depth=2"].into_iter()), None);
    }
}
