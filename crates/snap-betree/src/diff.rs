//! The difference of two versions: both maps in lock step, below the messages over them.
//!
//! Invariant: below a node that both have only the blocks that messages over it name can differ, so the cost follows the change. Changes
//! nothing.

use crate::geometry::Geometry;
use crate::inner::{Message, between};
use crate::view::{Map, chain, entry, merge};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use spinney_core::{Lba, LbaRange, PageNo, PageRead, Pba, Result};
use spinney_snap::Delta;
use spinney_snap_tree::{Deltas, Node, Position, Slot};

/// One of the two at some position. A map that is lower than the walk is the first child of nodes that do not exist.
#[derive(Clone)]
struct Side {
    level: u32,
    page: Option<PageNo>,
    over: Vec<Message>,
}

impl Side {
    fn of(map: &Map) -> Side {
        Side { level: map.root_at().level, page: map.root, over: Vec::new() }
    }
    /// The messages of these nodes under those that are over them.
    fn cover(&mut self, nodes: &[(PageNo, crate::inner::Inner)], range: LbaRange) {
        for (_, inner) in nodes {
            let messages = between(&inner.messages, range.start.0, range.end().0);
            self.over = merge(&self.over, messages, &mut |_| ());
        }
    }
    /// The side under child `index` of the node at `at`, which has these pivots.
    fn below(&self, geometry: &Geometry, at: Position, pivots: Option<&[Slot]>, index: usize) -> Side {
        let child = geometry.child(at, index);
        if self.level < at.level {
            let page = self.page.filter(|_| index == 0 && at.first == 0);
            return Side { level: self.level, page, over: Vec::new() };
        }
        let page = pivots.and_then(|pivots| pivots[index].pointer()).map(PageNo);
        let over = between(&self.over, child.first, geometry.end(child)).to_vec();
        Side { level: child.level, page, over }
    }
}

/// Where the two maps differ inside `range`, in order. Errors: `Corrupt`.
pub(crate) fn diff(
    maps: [&Map; 2],
    range: LbaRange,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(Delta),
) -> Result<()> {
    let larger = if maps[0].blocks > maps[1].blocks { maps[0] } else { maps[1] };
    let mut walk = Walk { geometry: larger.geometry, range, pages, deltas: Deltas::new(each) };
    walk.node(larger.root_at(), maps.map(Side::of))?;
    walk.deltas.finish();
    Ok(())
}

struct Walk<'a> {
    geometry: Geometry,
    range: LbaRange,
    pages: &'a dyn PageRead,
    deltas: Deltas<'a>,
}

impl Walk<'_> {
    fn node(&mut self, at: Position, mut sides: [Side; 2]) -> Result<()> {
        let Some(range) = self.geometry.clip(at, self.range) else { return Ok(()) };
        let nothing = sides[0].page.is_none();
        if sides[0].page == sides[1].page && (nothing || sides[0].level == sides[1].level) {
            return self.named(at, range, &sides);
        }
        if at.level == 0 {
            return self.leaf(at, range, &sides);
        }
        let mut lines = [Vec::new(), Vec::new()];
        for (side, line) in sides.iter().zip(&mut lines) {
            if let Some(page) = side.page.filter(|_| side.level == at.level) {
                *line = chain(&self.geometry, at, page, self.pages)?;
            }
        }
        // From a node on that both lines lead to they are one.
        let common = lines[0].iter().position(|(page, _)| lines[1].iter().any(|(other, _)| other == page));
        if let Some(start) = common {
            let page = lines[0][start].0;
            let end = lines[1].iter().position(|(other, _)| *other == page).unwrap_or(0);
            for (side, line) in sides.iter_mut().zip([&lines[0][..start], &lines[1][..end]]) {
                side.cover(line, range);
                side.page = Some(page);
            }
            return self.named(at, range, &sides);
        }
        for (side, line) in sides.iter_mut().zip(&lines) {
            side.cover(line, range);
        }
        let pivots = lines.each_ref().map(|line| line.last().map(|(_, inner)| &inner.pivots[..]));
        let (low, high) =
            (self.geometry.index(at, range.start.0), self.geometry.index(at, range.end().0 - 1));
        for index in low..=high {
            let below = [0, 1].map(|side| sides[side].below(&self.geometry, at, pivots[side], index));
            self.node(self.geometry.child(at, index), below)?;
        }
        Ok(())
    }

    /// Both have the same node below: blocks that a message over it names.
    fn named(&mut self, at: Position, range: LbaRange, sides: &[Side; 2]) -> Result<()> {
        let names = sides.iter().flat_map(|side| between(&side.over, range.start.0, range.end().0));
        let lbas: BTreeSet<u64> = names.map(|message| message.lba).collect();
        for lba in lbas {
            let mut on = [None, None];
            for (side, on) in sides.iter().zip(&mut on) {
                *on = match side.over.binary_search_by_key(&lba, |message| message.lba) {
                    Ok(found) => side.over[found].on(),
                    Err(_) => self.below(at, side, lba)?,
                };
            }
            self.deltas.push(Lba(lba), on[0].map(Pba), on[1].map(Pba));
        }
        Ok(())
    }

    fn below(&self, at: Position, side: &Side, lba: u64) -> Result<Option<u64>> {
        if side.level != at.level {
            return Ok(None); // messages stand at their own level or below: there is nothing here
        }
        Ok(entry(&self.geometry, at, side.page, lba, self.pages)?.flatten())
    }

    fn leaf(&mut self, at: Position, range: LbaRange, sides: &[Side; 2]) -> Result<()> {
        let mut leaves = [None, None];
        for (side, leaf) in sides.iter().zip(&mut leaves) {
            if let Some(page) = side.page.filter(|_| side.level == 0) {
                *leaf = Some(Node::read(self.pages, page, self.geometry.shape, at)?);
            }
        }
        for lba in range.start.0..range.end().0 {
            let [old, new] = [0, 1].map(|side| {
                let over = &sides[side].over;
                match over.binary_search_by_key(&lba, |message| message.lba) {
                    Ok(found) => over[found].on(),
                    Err(_) => leaves[side].as_ref().and_then(|leaf| leaf.slot(lba - at.first).pointer()),
                }
            });
            self.deltas.push(Lba(lba), old.map(Pba), new.map(Pba));
        }
        Ok(())
    }
}
