//! The geometry of a fixed-fanout radix tree: levels, spans and positions.
//!
//! Invariant: a position (level, first logical block) is the same in every version of one volume, so versions can be
//! compared slot by slot. Knows no page.

use crate::node::FANOUT_MAX;
use spinney_core::{Error, LbaRange, Result};

/// The fanout, and what follows from it. Level 0 is a leaf, whose slots are data blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    fanout: u64,
}

impl Shape {
    /// Errors: `BadSetting` unless the fanout is 2 up to what a page holds.
    pub fn new(fanout: u64) -> Result<Shape> {
        if (2..=FANOUT_MAX).contains(&fanout) {
            Ok(Shape { fanout })
        } else {
            Err(Error::BadSetting("fanout must be at least 2 and at most 506"))
        }
    }
    /// Slots of a node.
    #[must_use]
    pub fn fanout(self) -> u64 {
        self.fanout
    }
    /// Logical blocks under one slot of a node at `level` (saturating).
    #[must_use]
    pub fn slot_span(self, level: u32) -> u64 {
        self.fanout.saturating_pow(level)
    }
    /// Logical blocks under a node at `level` (saturating).
    #[must_use]
    pub fn node_span(self, level: u32) -> u64 {
        self.slot_span(level + 1)
    }
    /// The level of the root of a volume of `blocks`: the lowest whose node covers all.
    #[must_use]
    pub fn root_level(self, blocks: u64) -> u32 {
        let mut level = 0;
        while self.node_span(level) < blocks {
            level += 1;
        }
        level
    }
    /// The slots of the node at (`level`, `first`) that `range` (not empty, touching the node) covers in part: first and
    /// last index.
    #[must_use]
    pub fn slots_of(self, level: u32, first: u64, range: LbaRange) -> (u64, u64) {
        let span = self.slot_span(level);
        let low = range.start.0.saturating_sub(first) / span;
        let high = (range.end().0 - 1 - first) / span;
        (low, high.min(self.fanout - 1))
    }
    /// First logical block under slot `index`; only meaningful for slots inside a volume.
    #[must_use]
    pub fn slot_first(self, level: u32, first: u64, index: u64) -> u64 {
        first.saturating_add(index.saturating_mul(self.slot_span(level)))
    }
    /// Nodes from the root's level down that `range` touches in a volume of `blocks`.
    #[must_use]
    pub fn nodes_touched(self, blocks: u64, range: LbaRange) -> u64 {
        if range.blocks == 0 {
            return 0;
        }
        self.nodes_below(self.root_level(blocks), range)
    }
    /// Nodes at `level` and below that `range` touches (`range` not empty).
    #[must_use]
    pub fn nodes_below(self, level: u32, range: LbaRange) -> u64 {
        let at =
            |level| (range.end().0 - 1) / self.node_span(level) - range.start.0 / self.node_span(level) + 1;
        (0..=level).map(at).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinney_core::Lba;

    #[test]
    fn the_root_covers_the_volume_and_no_lower_level_does() {
        for fanout in [2, 3, 8, FANOUT_MAX] {
            let shape = Shape::new(fanout).unwrap();
            for blocks in [0, 1, 2, 3, 64, 65, 262_144, 1 << 40, u64::MAX] {
                let level = shape.root_level(blocks);
                assert!(shape.node_span(level) >= blocks, "{fanout} {blocks}");
                assert!(level == 0 || shape.node_span(level - 1) < blocks, "{fanout} {blocks}");
            }
        }
    }

    #[test]
    fn nodes_touched_equals_a_count_by_position() {
        let shape = Shape::new(3).unwrap();
        for start in 0..20u64 {
            for blocks in 1..20u64 {
                let mut seen = std::collections::BTreeSet::new();
                for lba in start..start + blocks {
                    seen.extend(
                        (0..=shape.root_level(50)).map(|level| (level, lba / shape.node_span(level))),
                    );
                }
                let range = LbaRange::new(Lba(start), blocks);
                assert_eq!(shape.nodes_touched(50, range), seen.len() as u64);
            }
        }
    }

    #[test]
    fn a_fanout_that_no_page_holds_is_refused() {
        assert!(Shape::new(1).is_err() && Shape::new(FANOUT_MAX + 1).is_err());
    }
}
