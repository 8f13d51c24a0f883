//! btrfs's free space tree: block groups, each kept as extents or as bitmaps, whichever is smaller.
//!
//! Invariant: a group's record says how many free runs it has and which of the two holds them; the other has nothing of the
//! group. It switches when it has more than `high` runs and back when it has fewer than `low`, so that a group near
//! the border does not change its form with every commit. Chooses no blocks; its groups are cut whatever the index does.
//! `FORMAT.md` of the crate has the bytes.

mod bits;
mod bound;
mod entry;
mod group;
mod open;
#[cfg(test)]
mod tests;

use crate::tree::corrupt_at;
use alloc::vec::Vec;
pub use entry::FREE_SPACE_TREE;
use group::Group;
use open::Opened;
use spinney_alloc::groups::order::Cut;
use spinney_alloc::{Change, Changes, FreeView, SpaceForm};
use spinney_core::{Error, Extent, Finding, PageNo, PageRead, PageTxn, Place, Result, Root};

const WHAT: &str = "free space tree";

/// Which records a group may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Records {
    /// Extents or bitmaps, by the number of runs.
    Switch,
    /// Extents only.
    Extents,
    /// Bitmaps only.
    Bitmaps,
}

/// The numbers of a form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// How the universe is cut into block groups.
    pub cut: Cut,
    /// Which records there may be.
    pub records: Records,
    /// Bytes of an extent record in the reckoning of the border; a bitmap has these and 256 more.
    pub item_bytes: u64,
    /// Runs between the border up and the border down.
    pub hysteresis_runs: u64,
    /// Groups that may change their records in one commit.
    pub conversions_max: u64,
}

impl Default for Shape {
    /// As btrfs has it.
    fn default() -> Shape {
        Shape {
            cut: Cut::Btrfs,
            records: Records::Switch,
            item_bytes: 25,
            hysteresis_runs: 100,
            conversions_max: 4,
        }
    }
}

impl Shape {
    /// More runs than these are kept as bitmaps, in a group of so many blocks: what all its bitmaps take, in extent records.
    #[must_use]
    pub fn high(&self, group_blocks: u64) -> u64 {
        group_blocks.div_ceil(bits::BLOCKS) * (self.item_bytes + size_of::<bits::Bits>() as u64)
            / self.item_bytes
    }
    /// Fewer runs than these are kept as extents again.
    #[must_use]
    pub fn low(&self, group_blocks: u64) -> u64 {
        self.high(group_blocks).saturating_sub(self.hysteresis_runs)
    }
    /// Whether a group of so many blocks should have bitmaps, given what it has.
    fn wants_bitmaps(&self, group: Group, blocks: u64) -> bool {
        match self.records {
            Records::Extents => false,
            Records::Bitmaps => true,
            Records::Switch if group.bitmaps => group.runs >= self.low(blocks),
            Records::Switch => group.runs > self.high(blocks),
        }
    }
}

/// The form.
#[derive(Debug, Default)]
pub struct FreeSpaceTreeForm {
    shape: Shape,
    opened: Option<Opened>,
}

impl FreeSpaceTreeForm {
    /// A form of this shape; then `format` or `open`.
    #[must_use]
    pub fn new(shape: Shape) -> FreeSpaceTreeForm {
        FreeSpaceTreeForm { shape, opened: None }
    }
    fn opened(&self) -> &Opened {
        self.opened.as_ref().expect("a form is formatted or opened before it is used")
    }
    /// Groups that are kept as bitmaps.
    #[must_use]
    pub fn bitmap_groups(&self) -> u64 {
        self.opened().groups.iter().filter(|group| group.bitmaps).count() as u64
    }
}

impl SpaceForm for FreeSpaceTreeForm {
    fn format(&mut self, universe: Extent, free: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<Root> {
        let mut opened = Opened::create(self.shape, universe, pages)?;
        for group in 0..opened.groups.len() {
            opened.fill(group, free, pages)?;
        }
        opened.nearest = opened.find_nearest();
        Ok(self.opened.insert(opened).root())
    }

    fn open(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()> {
        self.opened = Some(Opened::open(self.shape, universe, root, pages)?);
        Ok(())
    }

    fn load(&self, within: Extent, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
        let opened = self.opened();
        let Some(inside) = within.intersect(opened.universe) else { return Ok(()) };
        let mut blocks = 0;
        for (group, part) in opened.parts(inside) {
            let mut runs = 0;
            opened.walk(group, part, pages, &mut |run| {
                runs += 1;
                blocks += run.blocks;
                each(run);
            })?;
            if part == opened.extent(group) && runs != opened.groups[group].runs {
                return Err(corrupt_at(part.start.0));
            }
        }
        if inside == opened.universe && blocks != opened.blocks {
            return Err(Error::Corrupt { what: WHAT, place: Place::Pool });
        }
        Ok(())
    }

    fn pages_bound(&self, changes: u64, blocks: u64, _: u64) -> u64 {
        self.opened().pages_bound(changes, blocks)
    }

    fn commit(&mut self, changes: &Changes, _: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<Root> {
        let opened = self.opened.as_mut().expect("a form is formatted or opened before it is used");
        let mut last = None;
        for change in changes.netted() {
            let free = matches!(change, Change::Free(_));
            if !opened.universe.contains(change.run()) {
                return Err(corrupt_at(change.run().start.0));
            }
            let parts: Vec<_> = opened.parts(change.run()).collect();
            for (group, part) in parts {
                // Changes come in address order, so a group is left once.
                if let Some(left) = last.replace(group).filter(|left| *left != group) {
                    opened.put_record(left, pages)?;
                }
                opened.apply(group, part, free, pages)?;
            }
        }
        if let Some(left) = last {
            opened.put_record(left, pages)?;
            opened.convert_due(pages)?;
        }
        Ok(opened.root())
    }

    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        let opened = self.opened();
        opened.records.visit_pages(pages, each)?;
        opened.extents.visit_pages(pages, each)?;
        opened.bitmaps.visit_pages(pages, each)
    }

    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        self.opened().check(pages, found)
    }
}
