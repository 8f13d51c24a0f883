//! The geometry of a map: leaves of B slots below inner nodes of about sqrt(B) pivots, whose other words are a buffer.
//!
//! Invariant: a node's range follows from its position, which is the same in every version, so nothing is ever split or merged and
//! two versions can be compared node by node. Knows no page.

use spinney_core::{Lba, LbaRange, Result};
use spinney_snap_tree::{Position, Shape};

/// How large nodes are, all from one number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Geometry {
    /// Of leaves.
    pub(crate) shape: Shape,
    /// Children of an inner node.
    pub(crate) pivots: usize,
    /// Messages that its buffer holds, those of the nodes that its GOTO leads to included.
    pub(crate) messages: usize,
    /// Messages that a foreground write leaves in it: the rest is room for what clones put in front of it.
    pub(crate) rest: usize,
}

impl Geometry {
    /// Errors: `BadSetting` for a fanout that no page holds.
    pub(crate) fn new(fanout: u64) -> Result<Geometry> {
        let shape = Shape::new(fanout)?;
        let pivots = (2..=fanout).take_while(|root| root * root <= fanout).last().unwrap_or(2);
        let messages = (fanout.saturating_sub(pivots + 1) / 2).max(2) as usize;
        Ok(Geometry { shape, pivots: pivots as usize, messages, rest: messages / 2 })
    }
    /// Blocks under a node at `level` (saturating); 0 is a leaf.
    pub(crate) fn span(&self, level: u32) -> u64 {
        (self.pivots as u64).saturating_pow(level).saturating_mul(self.shape.fanout())
    }
    /// Where the root of a volume of `blocks` stands: never a leaf, since it has a buffer.
    pub(crate) fn root(&self, blocks: u64) -> Position {
        let level = (1..).find(|level| self.span(*level) >= blocks);
        Position { level: level.expect("spans grow until they saturate"), first: 0 }
    }
    /// The child of an inner node that has the block.
    pub(crate) fn index(&self, at: Position, lba: u64) -> usize {
        ((lba.saturating_sub(at.first) / self.span(at.level - 1)) as usize).min(self.pivots - 1)
    }
    /// The child's position.
    pub(crate) fn child(&self, at: Position, index: usize) -> Position {
        let span = self.span(at.level - 1);
        Position { level: at.level - 1, first: at.first.saturating_add(span.saturating_mul(index as u64)) }
    }
    /// First block behind the node.
    pub(crate) fn end(&self, at: Position) -> u64 {
        at.first.saturating_add(self.span(at.level))
    }
    /// The part of `range` under the node, if any.
    pub(crate) fn clip(&self, at: Position, range: LbaRange) -> Option<LbaRange> {
        let start = range.start.0.max(at.first);
        let end = range.end().0.min(self.end(at));
        (start < end).then(|| LbaRange { start: Lba(start), blocks: end - start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinney_core::PAYLOAD_BYTES;
    use spinney_snap_tree::node::FANOUT_MAX;

    #[test]
    fn the_largest_inner_node_fits_its_page() {
        let large = Geometry::new(FANOUT_MAX).expect("a fanout");
        assert_eq!((large.pivots, large.messages, large.rest), (22, 241, 120));
        assert!(16 + 8 + large.pivots * 8 + large.messages * 16 <= PAYLOAD_BYTES);
    }

    #[test]
    fn the_root_covers_the_volume_and_has_a_buffer() {
        for fanout in [2, 3, 8, FANOUT_MAX] {
            let geometry = Geometry::new(fanout).expect("a fanout");
            for blocks in [0, 1, 9, 65, 1 << 40, u64::MAX] {
                let root = geometry.root(blocks);
                assert!(root.level > 0 && geometry.span(root.level) >= blocks, "{fanout} {blocks}");
                assert!(root.level == 1 || geometry.span(root.level - 1) < blocks, "{fanout} {blocks}");
            }
        }
    }
}
