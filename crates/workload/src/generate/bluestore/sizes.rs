//! The three distributions of lengths of BlueStore's test.
//!
//! Invariant: a length is a multiple of the unit and at least one. Knows no objects.

use crate::chance::Chance;
use spinney_core::BLOCK_BYTES;

const BLOCK: u64 = BLOCK_BYTES as u64;
/// A MiB, in blocks.
pub(super) const MIB_BLOCKS: u64 = (1 << 20) / BLOCK;
/// The longest chunk of an object.
const CHUNK_BLOCKS: u64 = 8 * MIB_BLOCKS;
/// The largest object, in bytes.
const OBJECT_BYTES_MAX: u64 = 150_000_000;

enum Kind {
    Triangle,
    Either,
    Objects {
        /// Of the object under way.
        left_blocks: u64,
    },
    Carve,
}

/// A stream of lengths.
pub(super) struct Sizes {
    kind: Kind,
    unit_blocks: u64,
}

impl Sizes {
    /// By the place of its word; `None` if lengths cannot be multiples of this unit.
    pub(super) fn new(kind: usize, unit_blocks: u64) -> Option<Sizes> {
        let kind = [Kind::Triangle, Kind::Either, Kind::Objects { left_blocks: 0 }, Kind::Carve]
            .into_iter()
            .nth(kind)?;
        [1, 2, 4, 8, 16].contains(&unit_blocks).then_some(Sizes { kind, unit_blocks })
    }
    /// The longest.
    pub(super) fn blocks_max(&self) -> u64 {
        match self.kind {
            Kind::Triangle => 2 * CHUNK_BLOCKS + self.unit_blocks,
            _ => CHUNK_BLOCKS,
        }
    }
    /// The next length.
    pub(super) fn next_blocks(&mut self, chance: &mut Chance) -> u64 {
        let unit = self.unit_blocks;
        match &mut self.kind {
            Kind::Triangle => {
                let bytes = triangle(chance.real(), 1.0, (8 << 20) as f64, (16 << 20) as f64) as u64;
                (bytes / (unit * BLOCK) + 1) * unit
            }
            Kind::Either if chance.happens(0.5) => CHUNK_BLOCKS,
            Kind::Either => (64 << 10) / BLOCK,
            Kind::Objects { left_blocks } => {
                if *left_blocks == 0 {
                    *left_blocks = (chance.below(OBJECT_BYTES_MAX / (unit * BLOCK)) + 1) * unit;
                }
                let chunk = CHUNK_BLOCKS.min(*left_blocks);
                *left_blocks -= chunk;
                chunk
            }
            Kind::Carve => MIB_BLOCKS,
        }
    }
}

/// The value below which a share `u` of a triangular distribution lies.
fn triangle(u: f64, low: f64, mode: f64, high: f64) -> f64 {
    let (width, left) = (high - low, mode - low);
    if u * width < left {
        low + libm::sqrt(u * width * left)
    } else {
        high - libm::sqrt((1.0 - u) * width * (high - mode))
    }
}
