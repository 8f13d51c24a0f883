//! [`BitmapForm`]: free space as bitmap pages, in the manner of WAFL's activemap.
//!
//! Invariant: a block is taken exactly if its bit is set; a page without a set bit does not exist; the root counts the set
//! bits. Bytes in `FORMAT.md`. Chooses no blocks, and knows neither device nor index.

mod page;

use crate::form::page::{PAGE_BLOCKS, PageBits};
use crate::pieces::{Joined, Piece, pieces, taken};
use spinney_alloc::{Changes, FreeView, SpaceForm};
use spinney_core::{
    Error, Extent, Finding, Flow, PageKind, PageNo, PageRead, PageTxn, Pba, Place, Result, Root,
};
use spinney_pages::RadixArray;

/// First word of the root: seven letters and the version.
const MAGIC: u64 = u64::from_le_bytes(*b"SPBITMP\x01");
const NO_STATE: &str = "format or open comes first";

#[derive(Clone, Copy, Debug)]
struct State {
    universe: Extent,
    array: RadixArray,
    taken_blocks: u64,
}

/// Bitmap pages: a commit rewrites the pages whose blocks changed state, and no others.
#[derive(Clone, Debug, Default)]
pub struct BitmapForm {
    state: Option<State>,
}

fn bad_root() -> Error {
    Error::Corrupt { what: "bitmap root", place: Place::Pool }
}

impl State {
    fn root(&self) -> Root {
        let State { universe, array, taken_blocks } = self;
        Root::from_words(&[MAGIC, universe.start.0, universe.blocks, array.root().0, *taken_blocks])
    }
    /// Change one page; all `pieces` are of it. Errors: `Corrupt` if a bit has the state already that it should get.
    fn apply(&mut self, pieces: &[Piece], pages: &mut dyn PageTxn) -> Result<()> {
        let index = pieces[0].page;
        let mut bits = self.page(index, pages)?.unwrap_or_default();
        for piece in pieces {
            if !bits.change(piece) {
                return Err(Error::Corrupt {
                    what: "bitmap: a block changes to the state it has",
                    place: Place::Block(Pba(self.first_block(index) + piece.from as u64)),
                });
            }
            let (taken, blocks) = (self.taken_blocks, piece.blocks());
            let taken = if piece.take { taken.checked_add(blocks) } else { taken.checked_sub(blocks) };
            self.taken_blocks = taken.ok_or(self.miscounted())?;
        }
        if bits.taken_blocks() == 0 {
            return self.array.remove(index, pages);
        }
        bits.encode(index, self.array.edit(index, pages)?);
        Ok(())
    }
    fn miscounted(&self) -> Error {
        Error::corrupt_page("bitmap root (its count of taken blocks)", self.array.root())
    }
    fn first_block(&self, page: u64) -> u64 {
        self.universe.start.0 + page * PAGE_BLOCKS
    }
    /// Blocks of a page: all but the last have as many as fit.
    fn blocks_of(&self, page: u64) -> u64 {
        PAGE_BLOCKS.min(self.universe.blocks - page * PAGE_BLOCKS)
    }
    fn page(&self, index: u64, pages: &dyn PageRead) -> Result<Option<PageBits>> {
        let Some(page) = self.array.leaf(index, pages)? else { return Ok(None) };
        self.decode(index, page, pages).map(Some)
    }
    fn decode(&self, index: u64, page: PageNo, pages: &dyn PageRead) -> Result<PageBits> {
        let payload = pages.read(page, PageKind::SPACE)?;
        PageBits::decode(&payload, index, self.blocks_of(index))
            .ok_or(Error::corrupt_page("bitmap page", page))
    }
    /// The pages that exist among those of `within`, decoded: `each(first block, blocks, bits)`, and for the gaps between
    /// them, of which all is free, `None` for the bits.
    fn walk(
        &self,
        within: Extent,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(u64, u64, Option<&PageBits>),
    ) -> Result<()> {
        let from = (within.start.0 - self.universe.start.0) / PAGE_BLOCKS;
        let to = (within.end().0 - 1 - self.universe.start.0) / PAGE_BLOCKS + 1;
        let (mut next, mut failed) = (from, Ok(()));
        self.array.visit(from..to, pages, &mut |index, page| match self.decode(index, page, pages) {
            Ok(bits) => {
                each(self.first_block(next), (index - next) * PAGE_BLOCKS, None);
                each(self.first_block(index), self.blocks_of(index), Some(&bits));
                next = index + 1;
                Flow::Continue
            }
            Err(error) => {
                failed = Err(error);
                Flow::Stop
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

impl BitmapForm {
    /// Not formatted and not open.
    #[must_use]
    pub fn new() -> BitmapForm {
        BitmapForm::default()
    }
    fn state(&self) -> &State {
        self.state.as_ref().expect(NO_STATE)
    }
}

impl SpaceForm for BitmapForm {
    fn format(&mut self, universe: Extent, free: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<Root> {
        let array = RadixArray::create(PageKind::SPACE, universe.blocks.div_ceil(PAGE_BLOCKS), pages)?;
        let mut state = State { universe, array, taken_blocks: 0 };
        let pieces = pieces(universe.start, PAGE_BLOCKS, &taken(universe, free));
        pieces.chunk_by(|a, b| a.page == b.page).try_for_each(|page| state.apply(page, pages))?;
        self.state = Some(state);
        Ok(state.root())
    }

    fn open(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()> {
        let [magic, start, blocks, array, taken_blocks] = root.words("bitmap root")?;
        if magic != MAGIC || (start, blocks) != (universe.start.0, universe.blocks) || taken_blocks > blocks {
            return Err(bad_root());
        }
        let leaves = universe.blocks.div_ceil(PAGE_BLOCKS);
        let array = RadixArray::open(PageNo(array), PageKind::SPACE, leaves, pages)?;
        self.state = Some(State { universe, array, taken_blocks });
        Ok(())
    }

    fn load(&self, within: Extent, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
        let state = self.state();
        let Some(within) = within.intersect(state.universe) else { return Ok(()) };
        let mut joined = Joined::new(each);
        let mut push = |start: u64, blocks: u64| {
            if let Some(run) = Extent::checked(start, blocks).and_then(|run| run.intersect(within)) {
                joined.push(run.start.0, run.blocks);
            }
        };
        let mut taken_blocks = 0;
        state.walk(within, pages, &mut |start, blocks, bits| match bits {
            None => push(start, blocks),
            Some(bits) => {
                taken_blocks += bits.taken_blocks();
                bits.free_runs(blocks, &mut |from, count| push(start + from, count));
            }
        })?;
        joined.finish();
        let miscounted = within == state.universe && taken_blocks != state.taken_blocks;
        if miscounted { Err(state.miscounted()) } else { Ok(()) }
    }

    fn pages_bound(&self, changes: u64, blocks: u64, _: u64) -> u64 {
        // A run lies on one page and on one more for each edge of a page that it crosses: fewer edges than it has blocks,
        // and at most one more than it has pages' worth of blocks.
        let crossed = blocks.saturating_sub(changes).min(changes.saturating_add(blocks / PAGE_BLOCKS));
        self.state().array.pages_bound(changes.saturating_add(crossed))
    }

    fn commit(&mut self, changes: &Changes, _: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<Root> {
        let state = self.state.as_mut().expect(NO_STATE);
        let pieces = pieces(state.universe.start, PAGE_BLOCKS, &changes.netted());
        pieces.chunk_by(|a, b| a.page == b.page).try_for_each(|page| state.apply(page, pages))?;
        Ok(state.root())
    }

    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.state().array.visit_pages(pages, each)
    }

    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        let state = self.state();
        let mut taken_blocks = 0;
        state.walk(state.universe, pages, &mut |start, _, bits| {
            let Some(bits) = bits else { return };
            taken_blocks += bits.taken_blocks();
            if bits.taken_blocks() == 0 {
                found(Finding {
                    rule: "a bitmap page has a block that is taken",
                    place: Place::Block(Pba(start)),
                });
            }
        })?;
        if taken_blocks != state.taken_blocks {
            found(Finding { rule: "the bitmap's root counts the blocks taken", place: Place::Pool });
        }
        Ok(())
    }
}
