//! An open tree: its three maps, what each group's record says, and the root.
//!
//! Invariant: `groups` is what the records say, for all groups of the universe, and `nearest` follows every commit. A root of another
//! universe, another cut or another count of groups is `Corrupt`.

use super::bits::Bits;
use super::bound::Nearest;
use super::group::Group;
use super::{Shape, WHAT};
use crate::tree::corrupt_at;
use alloc::vec;
use alloc::vec::Vec;
use spinney_alloc::groups::GROUPS_MAX;
use spinney_core::{
    Error, Extent, Finding, Flow, PageKind, PageNo, PageRead, PageTxn, Pba, Place, Result, Root,
};
use spinney_pages::TypedMap;

/// The first word of the root: `XFST` and the version.
const MAGIC: u64 = u32::from_le_bytes(*b"XFST") as u64 | 2 << 32;

/// The tree.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) shape: Shape,
    pub(super) universe: Extent,
    pub(super) group_blocks: u64,
    /// First block of a group: free runs, and 1 for bitmaps or 0.
    pub(super) records: TypedMap<u64, (u64, u64)>,
    pub(super) extents: TypedMap<u64, u64>,
    pub(super) bitmaps: TypedMap<u64, Bits>,
    pub(super) groups: Vec<Group>,
    /// Free blocks of all groups.
    pub(super) blocks: u64,
    pub(super) nearest: Nearest,
}

fn group_blocks(shape: Shape, universe: Extent) -> u64 {
    let least = universe.blocks.div_ceil(GROUPS_MAX);
    shape.cut.group_blocks(universe.blocks).max(least).clamp(1, universe.blocks.max(1))
}

impl Opened {
    /// A tree without records.
    pub(super) fn create(shape: Shape, universe: Extent, pages: &mut dyn PageTxn) -> Result<Opened> {
        let group_blocks = group_blocks(shape, universe);
        let count = universe.blocks.div_ceil(group_blocks) as usize;
        Ok(Opened {
            shape,
            universe,
            group_blocks,
            records: TypedMap::create(PageKind::SPACE, pages)?,
            extents: TypedMap::create(PageKind::SPACE, pages)?,
            bitmaps: TypedMap::create(PageKind::SPACE, pages)?,
            groups: vec![Group::default(); count],
            blocks: 0,
            nearest: Nearest::default(),
        })
    }

    /// Find a tree again and read its groups' records: where these start says whether the groups are those of `shape`.
    pub(super) fn open(shape: Shape, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<Opened> {
        let [magic, records, extents, bitmaps, blocks, start, length] = root.words(WHAT)?;
        let same = magic == MAGIC && (Pba(start), length) == (universe.start, universe.blocks);
        if !same || blocks > universe.blocks {
            return Err(Error::Corrupt { what: WHAT, place: Place::Pool });
        }
        let mut opened = Opened {
            shape,
            universe,
            group_blocks: group_blocks(shape, universe),
            records: TypedMap::open(PageNo(records), PageKind::SPACE, pages)?,
            extents: TypedMap::open(PageNo(extents), PageKind::SPACE, pages)?,
            bitmaps: TypedMap::open(PageNo(bitmaps), PageKind::SPACE, pages)?,
            groups: Vec::new(),
            blocks,
            nearest: Nearest::default(),
        };
        opened.read_records(pages)?;
        opened.nearest = opened.find_nearest();
        Ok(opened)
    }

    fn read_records(&mut self, pages: &dyn PageRead) -> Result<()> {
        let (mut groups, mut bad) = (Vec::new(), None);
        let count = self.universe.blocks.div_ceil(self.group_blocks) as usize;
        self.records.range(.., pages, &mut |start, (runs, kind)| {
            let extent = (groups.len() < count).then(|| self.extent(groups.len()));
            let sound = extent
                .filter(|extent| extent.start.0 == start && kind <= 1 && runs <= extent.blocks.div_ceil(2));
            if sound.is_none() {
                bad = Some(start);
                return Flow::Stop;
            }
            groups.push(Group { runs, bitmaps: kind == 1 });
            Flow::Continue
        })?;
        if let Some(start) = bad {
            return Err(corrupt_at(start));
        }
        if groups.len() < count {
            return Err(corrupt_at(self.extent(groups.len()).start.0));
        }
        self.groups = groups;
        Ok(())
    }

    pub(super) fn root(&self) -> Root {
        Root::from_words(&[
            MAGIC,
            self.records.root().0,
            self.extents.root().0,
            self.bitmaps.root().0,
            self.blocks,
            self.universe.start.0,
            self.universe.blocks,
        ])
    }

    /// The parts of a run inside the universe, by group.
    pub(super) fn parts(&self, run: Extent) -> impl Iterator<Item = (usize, Extent)> + '_ {
        let group = |at: u64| ((at - self.universe.start.0) / self.group_blocks) as usize;
        (group(run.start.0)..=group(run.end().0 - 1))
            .filter_map(move |group| Some((group, run.intersect(self.extent(group))?)))
    }

    /// Rules that do not hold.
    pub(super) fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        self.records.check(pages, found);
        self.extents.check(pages, found);
        self.bitmaps.check(pages, found);
        match self.count(pages) {
            Ok(true) => {}
            Ok(false) => {
                let rule =
                    "block groups hold as many runs, records and free blocks as theirs and the root say";
                found(Finding { rule, place: Place::Page(self.records.root()) });
            }
            Err(Error::Corrupt { place, .. }) => {
                found(Finding { rule: "free runs of a block group lie inside it and do not touch", place });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether all counts are right.
    fn count(&self, pages: &dyn PageRead) -> Result<bool> {
        let (mut blocks, mut right) = (0u64, true);
        let (mut extents, mut bitmaps) = (0, 0);
        for (number, group) in self.groups.iter().enumerate() {
            let (extent, mut runs) = (self.extent(number), 0);
            self.walk(number, extent, pages, &mut |run| {
                runs += 1;
                blocks += run.blocks;
            })?;
            right &= runs == group.runs;
            if group.bitmaps {
                bitmaps += extent.blocks.div_ceil(super::bits::BLOCKS);
            } else {
                extents += runs;
            }
        }
        // Whatever is left over belongs to no group, or to one that has the other kind.
        self.extents.range(.., pages, &mut |_, _| step(&mut extents))?;
        self.bitmaps.range(.., pages, &mut |_, _| step(&mut bitmaps))?;
        Ok(right && blocks == self.blocks && extents == 0 && bitmaps == 0)
    }
}

/// One record less to come; one too many stops the count where it does not look right.
fn step(left: &mut u64) -> Flow {
    match left.checked_sub(1) {
        Some(fewer) => {
            *left = fewer;
            Flow::Continue
        }
        None => {
            *left = u64::MAX;
            Flow::Stop
        }
    }
}
