//! [`CountedBitmap`]: dm-thin's space map on pages: two bits of count a block, larger counts in a tree, and an index that knows
//! what is free in each page.
//!
//! Invariant: a block's count is its two bits, or where these are 3 the overflow tree's number, which is 3 or more; nothing else
//! is in that tree. A page of counts exists exactly if one of them is above 0. Chooses no blocks. Bytes in `FORMAT.md`.

mod form;
mod page;
mod table;

pub use form::{COUNTED, CountedForm};
pub use table::{BLOCK_INDEX_BLOCKS_MAX, IndexKind};

use crate::pieces::{Piece, pieces};
use page::{Counts, OVERFLOWED, PAGE_BLOCKS};
use spinney_alloc::Change;
use spinney_core::{
    Error, Extent, Finding, Flow, PageKind, PageNo, PageRead, PageTxn, Pba, Place, Result, Root,
};
use spinney_pages::TypedMap;
use table::{Entry, Table};

const WHAT: &str = "counted bitmap";
/// First word of the root: seven letters and the version.
const MAGIC: u64 = u64::from_le_bytes(*b"SPCOUNT\x01");

/// Counts of a universe of blocks, on pages. A handle: what changes it goes through `&mut`, and its root must be kept.
#[derive(Clone, Copy, Debug)]
pub struct CountedBitmap {
    universe: Extent,
    table: Table,
    overflow: Option<TypedMap<u64, u64>>,
    used_blocks: u64,
}

fn corrupt(what: &'static str, at: Pba) -> Error {
    Error::Corrupt { what, place: Place::Block(at) }
}

impl CountedBitmap {
    /// All counts 0: one page. Errors: `BadSetting` if an index of one page cannot reach so many blocks.
    pub fn create(universe: Extent, kind: IndexKind, pages: &mut dyn PageTxn) -> Result<CountedBitmap> {
        let table = Table::create(kind, universe.blocks.div_ceil(PAGE_BLOCKS), pages)?;
        Ok(CountedBitmap { universe, table, overflow: None, used_blocks: 0 })
    }
    /// The map of that root. Errors: `Corrupt`, also if it is of another universe.
    pub fn open(universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<CountedBitmap> {
        let [magic, start, blocks, kind, table, overflow, used_blocks] = root.words(WHAT)?;
        let kind = match kind {
            0 => Some(IndexKind::Block),
            1 => Some(IndexKind::Tree),
            _ => None,
        };
        let same = magic == MAGIC && (start, blocks) == (universe.start.0, universe.blocks);
        let kind = kind.filter(|_| same && used_blocks <= blocks);
        let kind = kind.ok_or(Error::Corrupt { what: WHAT, place: Place::Pool })?;
        let table = Table::open(kind, PageNo(table), blocks.div_ceil(PAGE_BLOCKS), pages)?;
        let tree = overflow.checked_sub(1).map(|page| TypedMap::open(PageNo(page), PageKind::SPACE, pages));
        Ok(CountedBitmap { universe, table, overflow: tree.transpose()?, used_blocks })
    }
    /// What `open` needs.
    #[must_use]
    pub fn root(&self) -> Root {
        let overflow = self.overflow.map_or(0, |tree| tree.root().0 + 1);
        let kind = u64::from(self.table.kind() == IndexKind::Tree);
        let Extent { start, blocks } = self.universe;
        Root::from_words(&[MAGIC, start.0, blocks, kind, self.table.root().0, overflow, self.used_blocks])
    }
    /// Blocks whose count is not 0.
    #[must_use]
    pub fn used_blocks(&self) -> u64 {
        self.used_blocks
    }
    /// The count of one block; outside the universe an error.
    pub fn count(&self, at: Pba, pages: &dyn PageRead) -> Result<u64> {
        if !self.universe.contains(Extent::new(at, 1)) {
            return Err(corrupt("count of a block outside the map", at));
        }
        let (number, place) = self.place(at);
        let Some(entry) = self.table.get(number, pages)? else { return Ok(0) };
        match self.counts(number, &entry, pages)?.get(place) {
            OVERFLOWED => self.overflowed(at, pages),
            count => Ok(u64::from(count)),
        }
    }
    /// One more for each block of the run. Errors: `Corrupt`, and the map is not to be committed.
    pub fn increment(&mut self, run: Extent, pages: &mut dyn PageTxn) -> Result<()> {
        self.change(&[Change::Take(run)], u64::MAX, pages)
    }
    /// One less for each block of the run. Errors: `Corrupt` if a count is 0.
    pub fn decrement(&mut self, run: Extent, pages: &mut dyn PageTxn) -> Result<()> {
        self.change(&[Change::Free(run)], u64::MAX, pages)
    }
    /// The first free block at `from` or after it: full pages are passed by without reading them.
    pub fn next_free(&self, from: Pba, pages: &dyn PageRead) -> Result<Option<Pba>> {
        let end = self.universe.end();
        let mut at = from.max(self.universe.start);
        while at < end {
            let (number, place) = self.place(at);
            let Some(entry) = self.table.get(number, pages)? else { return Ok(Some(at)) };
            if entry.free > 0 {
                let counts = self.counts(number, &entry, pages)?;
                let place = place.max(entry.none_free_before as usize);
                if let Some(place) = counts.next_free(place, self.blocks_of(number) as usize) {
                    return Ok(Some(Pba(self.first_block(number) + place as u64)));
                }
            }
            at = Pba(self.first_block(number) + self.blocks_of(number));
        }
        Ok(None)
    }
    /// Every free run inside `within`, clipped, in address order; runs that touch are told apart where pages meet.
    pub fn visit_free(
        &self,
        within: Extent,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Extent),
    ) -> Result<()> {
        let Some(within) = within.intersect(self.universe) else { return Ok(()) };
        let mut push = |start: u64, blocks: u64| {
            Extent::checked(start, blocks)
                .and_then(|run| run.intersect(within))
                .into_iter()
                .for_each(&mut *each);
        };
        let mut used_blocks = 0;
        self.walk(within, pages, &mut |start, blocks, counts| {
            let Some(counts) = counts else { return push(start, blocks) };
            used_blocks += counts.used().0;
            let (mut at, limit) = (0, blocks as usize);
            while let Some(from) = counts.next_free(at, limit) {
                at = counts.free_end(from, limit);
                push(start + from as u64, (at - from) as u64);
            }
        })?;
        let miscounted = within == self.universe && used_blocks != self.used_blocks;
        if miscounted { Err(Error::corrupt_page(WHAT, self.table.root())) } else { Ok(()) }
    }
    /// Every page, once.
    pub fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.table.visit_pages(pages, each)?;
        if let Some(tree) = self.overflow {
            tree.visit_pages(pages, each)?;
        }
        self.table.visit(0..0, true, pages, &mut |_, entry| {
            each(entry.page);
            Flow::Continue
        })
    }
    /// Rules that do not hold.
    pub fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        self.table.check(pages, found);
        let (mut used_blocks, mut overflowed, mut bad) = (0, 0, None);
        self.walk(self.universe, pages, &mut |start, _, counts| {
            let Some(counts) = counts else { return };
            used_blocks += counts.used().0;
            if counts.used().0 == 0 {
                found(Finding {
                    rule: "a page of counts has a count above 0",
                    place: Place::Block(Pba(start)),
                });
            }
            for at in counts.overflowed().map(|at| Pba(start + at as u64)) {
                overflowed += 1;
                if self.overflowed(at, pages).is_err() {
                    bad.get_or_insert(at);
                }
            }
        })?;
        let mut entries = 0;
        if let Some(tree) = self.overflow {
            tree.check(pages, found);
            tree.range(.., pages, &mut |_, _| {
                entries += 1;
                Flow::Continue
            })?;
        }
        if bad.is_some() || entries != overflowed {
            let place = bad.map_or(Place::Pool, Place::Block);
            found(Finding {
                rule: "the overflow tree has the counts that two bits cannot hold, and no others",
                place,
            });
        }
        if used_blocks != self.used_blocks {
            found(Finding { rule: "the counted bitmap's root counts the blocks in use", place: Place::Pool });
        }
        Ok(())
    }
    /// At most how many pages a change of so many runs of so many blocks in all touches, if no count passes 2.
    #[must_use]
    pub fn pages_bound(&self, runs: u64, blocks: u64) -> u64 {
        // A run lies on one page and on one more for each edge of a page that it crosses.
        let crossed = blocks.saturating_sub(runs).min(runs.saturating_add(blocks / PAGE_BLOCKS));
        let count_pages = self.universe.blocks.div_ceil(PAGE_BLOCKS);
        let touched = runs.saturating_add(crossed).min(count_pages);
        touched.saturating_add(self.table.pages_bound(touched, count_pages))
    }

    fn place(&self, at: Pba) -> (u64, usize) {
        let offset = at.0 - self.universe.start.0;
        (offset / PAGE_BLOCKS, (offset % PAGE_BLOCKS) as usize)
    }
    fn first_block(&self, number: u64) -> u64 {
        self.universe.start.0 + number * PAGE_BLOCKS
    }
    fn blocks_of(&self, number: u64) -> u64 {
        PAGE_BLOCKS.min(self.universe.blocks - number * PAGE_BLOCKS)
    }
    fn overflow_tree(&self, at: Pba) -> Result<TypedMap<u64, u64>> {
        self.overflow.ok_or(corrupt("count that is in no overflow tree", at))
    }
    fn overflowed(&self, at: Pba, pages: &dyn PageRead) -> Result<u64> {
        let count = self.overflow_tree(at)?.get(&at.0, pages)?;
        count.filter(|count| *count >= 3).ok_or(corrupt("count that is not in the overflow tree", at))
    }
    /// What the index should say of a page.
    fn entry(&self, number: u64, page: PageNo, counts: &Counts) -> Entry {
        let blocks = self.blocks_of(number);
        let free = (blocks - counts.used().0) as u32;
        let first = counts.next_free(0, blocks as usize).unwrap_or(blocks as usize);
        Entry { page, free, none_free_before: first as u32 }
    }
    /// A page of counts, held against its entry.
    fn counts(&self, number: u64, entry: &Entry, pages: &dyn PageRead) -> Result<Counts> {
        let payload = pages.read(entry.page, PageKind::SPACE)?;
        let counts = Counts::decode(&payload, number, self.blocks_of(number));
        let counts = counts.filter(|counts| self.entry(number, entry.page, counts) == *entry);
        counts.ok_or(Error::corrupt_page("page of counts, or its entry", entry.page))
    }
    /// Count every block of the changes up or down, page by page; none may be above `count_max` before or after.
    fn change(&mut self, changes: &[Change], count_max: u64, pages: &mut dyn PageTxn) -> Result<()> {
        if let Some(outside) = changes.iter().find(|change| !self.universe.contains(change.run())) {
            return Err(corrupt("change of counts outside the map", outside.run().start));
        }
        let pieces = pieces(self.universe.start, PAGE_BLOCKS, changes);
        pieces.chunk_by(|a, b| a.page == b.page).try_for_each(|page| self.change_page(page, count_max, pages))
    }
    fn change_page(&mut self, pieces: &[Piece], count_max: u64, pages: &mut dyn PageTxn) -> Result<()> {
        let number = pieces[0].page;
        let old = self.table.get(number, pages)?;
        let mut counts = match &old {
            Some(entry) => self.counts(number, entry, pages)?,
            None => Counts::default(),
        };
        let used_before = counts.used().0;
        for piece in pieces {
            for place in piece.from..piece.to {
                let at = Pba(self.first_block(number) + place as u64);
                let count = counts.get(place);
                if u64::from(count).max(1) > count_max || u64::from(count) == count_max && piece.take {
                    return Err(corrupt("counted bitmap: a block has a count that it should not have", at));
                }
                let count =
                    if piece.take { self.up(count, at, pages)? } else { self.down(count, at, pages)? };
                counts.set(place, count);
            }
        }
        let used = counts.used().0;
        let total = self.used_blocks.checked_add(used).and_then(|sum| sum.checked_sub(used_before));
        self.used_blocks = total.ok_or(Error::corrupt_page(WHAT, self.table.root()))?;
        self.store(number, old.as_ref(), &counts, pages)
    }
    /// The two bits after one more.
    fn up(&mut self, count: u8, at: Pba, pages: &mut dyn PageTxn) -> Result<u8> {
        let more = match count {
            0 | 1 => return Ok(count + 1),
            2 => u64::from(OVERFLOWED),
            _ => self.overflowed(at, pages)?.checked_add(1).ok_or(corrupt("count too large", at))?,
        };
        let tree = match self.overflow {
            Some(tree) => tree,
            None => *self.overflow.insert(TypedMap::create(PageKind::SPACE, pages)?),
        };
        tree.put(&at.0, &more, pages)?;
        Ok(OVERFLOWED)
    }
    /// The two bits after one less.
    fn down(&mut self, count: u8, at: Pba, pages: &mut dyn PageTxn) -> Result<u8> {
        match count {
            0 => return Err(corrupt("count of a free block goes down", at)),
            1 | 2 => return Ok(count - 1),
            _ => {}
        }
        let (less, tree) = (self.overflowed(at, pages)? - 1, self.overflow_tree(at)?);
        if less >= u64::from(OVERFLOWED) {
            tree.put(&at.0, &less, pages)?;
            return Ok(OVERFLOWED);
        }
        tree.remove(&at.0, pages)?;
        Ok(less as u8)
    }
    fn store(
        &self,
        number: u64,
        old: Option<&Entry>,
        counts: &Counts,
        pages: &mut dyn PageTxn,
    ) -> Result<()> {
        let page = match old {
            Some(entry) => entry.page,
            None => pages.alloc(PageKind::SPACE)?,
        };
        if counts.used().0 == 0 {
            pages.free(page, PageKind::SPACE)?;
            return self.table.put(number, None, pages);
        }
        counts.encode(number, pages.edit(page, PageKind::SPACE)?);
        self.table.put(number, Some(&self.entry(number, page, counts)), pages)
    }
    /// The pages that exist among those of `within`: `each(first block, blocks, counts)`, and `None` for the gaps between.
    fn walk(
        &self,
        within: Extent,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(u64, u64, Option<&Counts>),
    ) -> Result<()> {
        let whole = within == self.universe;
        let from = (within.start.0 - self.universe.start.0) / PAGE_BLOCKS;
        let to = (within.end().0 - 1 - self.universe.start.0) / PAGE_BLOCKS + 1;
        let (mut next, mut failed) = (from, Ok(()));
        self.table.visit(from..to, whole, pages, &mut |number, entry| {
            let counts = if number < to {
                self.counts(number, &entry, pages)
            } else {
                Err(Error::corrupt_page("counts outside the universe", self.table.root()))
            };
            match counts {
                Ok(counts) => {
                    each(self.first_block(next), (number - next) * PAGE_BLOCKS, None);
                    each(self.first_block(number), self.blocks_of(number), Some(&counts));
                    next = number + 1;
                    Flow::Continue
                }
                Err(error) => {
                    failed = Err(error);
                    Flow::Stop
                }
            }
        })?;
        failed?;
        if next < to {
            let end = self.first_block(to - 1) + self.blocks_of(to - 1);
            each(self.first_block(next), end - self.first_block(next), None);
        }
        Ok(())
    }
}
