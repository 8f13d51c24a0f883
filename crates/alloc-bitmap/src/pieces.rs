//! What forms of bits have in common: the complement of an index, runs cut at the edges of pages, and put together again.
//!
//! Invariant: runs go in and come out in address order. Knows no page.

use alloc::vec::Vec;
use spinney_alloc::{Change, FreeView};
use spinney_core::{Extent, Flow, Pba};

/// Runs that come in address order, joined where they touch.
pub(crate) struct Joined<'a> {
    run: Option<Extent>,
    each: &'a mut dyn FnMut(Extent),
}

impl<'a> Joined<'a> {
    pub(crate) fn new(each: &'a mut dyn FnMut(Extent)) -> Joined<'a> {
        Joined { run: None, each }
    }
    pub(crate) fn push(&mut self, start: u64, blocks: u64) {
        let Some(run) = Extent::checked(start, blocks) else { return };
        match &mut self.run {
            Some(last) if last.end() == run.start => last.blocks += run.blocks,
            _ => {
                self.finish();
                self.run = Some(run);
            }
        }
    }
    pub(crate) fn finish(&mut self) {
        if let Some(run) = self.run.take() {
            (self.each)(run);
        }
    }
}

/// What of `universe` is not in `free`, as takes.
pub(crate) fn taken(universe: Extent, free: &FreeView<'_>) -> Vec<Change> {
    let (mut takes, mut at) = (Vec::new(), universe.start.0);
    free.visit(universe, &mut |run| {
        takes.extend(Extent::checked(at, run.start.0 - at).map(Change::Take));
        at = run.end().0;
        Flow::Continue
    });
    takes.extend(Extent::checked(at, universe.end().0 - at).map(Change::Take));
    takes
}

/// A change of part of one page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Piece {
    pub(crate) page: u64,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) take: bool,
}

impl Piece {
    pub(crate) fn blocks(&self) -> u64 {
        (self.to - self.from) as u64
    }
}

/// Changes in address order, cut where a page of `page_blocks` ends; `base` is the first block of page 0.
pub(crate) fn pieces(base: Pba, page_blocks: u64, changes: &[Change]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for change in changes {
        let (run, take) = (change.run(), matches!(change, Change::Take(_)));
        let (mut at, end) = (run.start.0 - base.0, run.end().0 - base.0);
        while at < end {
            let (page, from) = (at / page_blocks, (at % page_blocks) as usize);
            let next = end.min((page + 1) * page_blocks);
            pieces.push(Piece { page, from, to: from + (next - at) as usize, take });
            at = next;
        }
    }
    pieces
}
