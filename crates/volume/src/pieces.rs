//! Where the blocks of fresh runs belong, as pieces of a version that follow each other in no particular way.
//!
//! Invariant: each block of each piece is given out once, in order. Knows neither what is written there nor who maps it.

use spinney_core::{Extent, Lba, LbaRange, Pba, Result};

/// Pieces, taken from the front.
pub(crate) struct Pieces<'a> {
    rest: &'a [LbaRange],
    /// Blocks of the first that are taken.
    taken: u64,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(pieces: &'a [LbaRange]) -> Pieces<'a> {
        Pieces { rest: pieces, taken: 0 }
    }

    /// Give `on` to the next blocks; `each` gets every part of it with its place. More than there are is a programmer error.
    pub(crate) fn take(&mut self, on: Extent, mut each: impl FnMut(Lba, Extent) -> Result<()>) -> Result<()> {
        let (mut start, end) = (on.start, on.end());
        while start < end {
            let (first, later) = self.rest.split_first().expect("a run has a place for each of its blocks");
            let blocks = (end.0 - start.0).min(first.blocks - self.taken);
            each(Lba(first.start.0 + self.taken), Extent { start, blocks })?;
            start = Pba(start.0 + blocks);
            self.taken += blocks;
            if self.taken == first.blocks {
                (self.rest, self.taken) = (later, 0);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_any_length_fill_the_pieces_in_order() {
        let pieces = [(10, 3), (20, 1), (5, 4)].map(|(at, blocks)| LbaRange::new(Lba(at), blocks));
        for lengths in [vec![8], vec![1; 8], vec![2, 5, 1], vec![3, 5]] {
            let (mut rest, mut next, mut got) = (Pieces::new(&pieces), 100, Vec::new());
            for blocks in lengths {
                let each = |at: Lba, on: Extent| {
                    got.extend((at.0..).zip(on.iter().map(|on| on.0)));
                    Ok(())
                };
                rest.take(Extent::new(Pba(next), blocks), each).expect("nothing fails");
                next += blocks;
            }
            let places = [10, 11, 12, 20, 5, 6, 7, 8];
            assert_eq!(got, places.into_iter().zip(100..).collect::<Vec<_>>());
        }
    }
}
