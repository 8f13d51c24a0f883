//! Gangs: a request that no run holds, put together from few pieces instead of whatever comes (ZFS's fall-back).
//!
//! Invariant: a gang has at most `children` pieces, unless one of these is a gang itself; each is at least its share of what is
//! missing. No block is asked for twice, and a gang that cannot be finished says so before anything else is tried. Knows no index: it
//! says what to ask for next and is told what came, so it serves any allocator, over as many calls as that likes.
//!
//! ```text
//!   12 blocks, 3 children           ranges                     fixed
//!   missing 12, 3 left to ask    >= 4, best all 12  -> 9    exactly 4 -> 4
//!   missing  3, 2 left           >= 2, best all  3  -> 3            4 -> 4
//!                                                                   4 -> none: a gang of 4, children of 2, 1, 1
//! ```

use crate::Want;
use alloc::vec::Vec;
use spinney_core::Extent;

/// How large a child may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Children {
    /// From its share to all that is missing (OpenZFS since 2025).
    #[default]
    Ranges,
    /// Its share, no more (before).
    Fixed,
}

/// Children of a gang: what fits beside the checksum into a block of 512 bytes, at 128 bytes a pointer.
pub const CHILDREN_MAX: u64 = 3;

/// A gang, or a child that is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Level {
    blocks: u64,
    missing: u64,
    asked: u64,
}

/// A gang under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gang {
    children: Children,
    levels: Vec<Level>,
    headers: u64,
}

impl Gang {
    /// A gang of `blocks` blocks, at least 1.
    #[must_use]
    pub fn new(blocks: u64, children: Children) -> Gang {
        let level = Level { blocks, missing: blocks, asked: 0 };
        Gang { children, levels: alloc::vec![level], headers: 1 }
    }
    /// Blocks that are missing.
    #[must_use]
    pub fn missing(&self) -> u64 {
        let inner: u64 = self.levels.iter().skip(1).map(|level| level.blocks - level.missing).sum();
        self.levels.first().map_or(0, |level| level.missing) - inner
    }
    /// Gangs in it, itself counted: so many headers ZFS writes.
    #[must_use]
    pub fn headers(&self) -> u64 {
        self.headers
    }
    /// The fewest and the most blocks of the next child; `None` when nothing is missing.
    #[must_use]
    pub fn next(&self) -> Option<(u64, u64)> {
        let level = self.levels.last()?;
        let share = level.missing.div_ceil(CHILDREN_MAX - level.asked);
        Some((share, if self.children == Children::Fixed { share } else { level.missing }))
    }
    /// A child of so many blocks came.
    pub fn took(&mut self, blocks: u64) {
        let mut blocks = blocks;
        while let Some(level) = self.levels.last_mut() {
            level.asked += 1;
            level.missing =
                level.missing.checked_sub(blocks).expect("a child is no larger than what is missing");
            if level.missing > 0 {
                return;
            }
            blocks = level.blocks;
            self.levels.pop();
        }
    }
    /// No child came: it is to be a gang itself. `false` if it is a single block, of which there is none.
    pub fn missed(&mut self) -> bool {
        let Some((share, _)) = self.next().filter(|(share, _)| *share > 1) else { return false };
        self.levels.push(Level { blocks: share, missing: share, asked: 0 });
        self.headers += 1;
        true
    }
    /// All pieces at once, by what `take` has for each want. What was taken is in `pieces` also if the gang cannot be finished, to
    /// be given back; then `false`.
    pub fn assemble(
        mut self,
        want: &Want,
        take: &mut dyn FnMut(&Want) -> Option<Extent>,
        pieces: &mut Vec<Extent>,
    ) -> bool {
        while let Some((blocks_min, blocks_max)) = self.next() {
            match take(&Want { blocks_min, blocks_max, ..*want }) {
                Some(piece) => {
                    self.took(piece.blocks);
                    pieces.push(piece);
                }
                None if self.missed() => {}
                None => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ExtentSet;
    use spinney_core::Pba;
    use spinney_testkit::Dice;

    fn set(runs: &[u64]) -> ExtentSet {
        let mut set = ExtentSet::new(Extent::new(Pba(0), 1 << 20));
        runs.iter()
            .enumerate()
            .for_each(|(at, blocks)| set.insert(Extent::new(Pba(at as u64 * 100), *blocks)));
        set
    }
    /// Sizes of the pieces, and whether they are all.
    fn pieces(runs: &[u64], blocks: u64, children: Children) -> (Vec<u64>, bool) {
        let (mut set, mut pieces) = (set(runs), Vec::new());
        let mut take = |want: &Want| set.take_best(want);
        let whole = Gang::new(blocks, children).assemble(&Want::exactly(blocks), &mut take, &mut pieces);
        (pieces.iter().map(|piece| piece.blocks).collect(), whole)
    }

    #[test]
    fn ranges_take_what_is_there_and_fixed_shares_do_not() {
        assert_eq!(pieces(&[9, 9, 9], 12, Children::Ranges), (alloc::vec![9, 3], true));
        assert_eq!(pieces(&[9, 9, 9], 12, Children::Fixed), (alloc::vec![4, 4, 4], true));
    }

    #[test]
    fn a_child_that_has_no_run_is_a_gang_itself() {
        assert_eq!(pieces(&[3, 3, 2, 2, 2], 12, Children::Ranges), (alloc::vec![3, 1, 3, 1, 2, 2], true));
        let mut gang = Gang::new(12, Children::Ranges);
        assert!(gang.missed());
        assert_eq!((gang.next(), gang.headers(), gang.missing()), (Some((2, 4)), 2, 12));
        gang.took(3);
        gang.took(1);
        assert_eq!((gang.next(), gang.missing()), (Some((4, 8)), 8), "one child of the outer gang is there");
    }

    #[test]
    fn a_gang_that_cannot_be_finished_says_so_and_names_what_it_took() {
        assert_eq!(pieces(&[3, 1], 6, Children::Ranges), (alloc::vec![3, 1], false));
        assert_eq!(pieces(&[], 1, Children::Ranges), (Vec::new(), false));
    }

    /// R16: of runs that are uniform up to the record, ranges make gangs of about two pieces where fixed shares make three.
    #[test]
    fn ranges_need_two_pieces_where_fixed_shares_need_three() {
        let mean = |children| {
            let mut dice = Dice::new("gang", 16);
            let runs: Vec<u64> = (0..4000).map(|_| dice.between(1, 31)).collect();
            let (mut set, mut count) = (set(&runs), 0);
            let gangs = 500;
            for _ in 0..gangs {
                let (mut pieces, mut from) = (Vec::new(), dice.below(1 << 18));
                // The first run from anywhere that is in the range, as a walk of a fragmented space finds it.
                let mut take = |want: &Want| {
                    let reach = crate::extents::Reach { blocks: u64::MAX, runs: u64::MAX };
                    let shortest = Want { blocks_max: want.blocks_min, ..*want };
                    let piece = set.take_first(&shortest, Pba(from), reach)?;
                    set.insert(piece);
                    let run = set.run_at(piece.start)?;
                    let piece =
                        want.fit(Extent { start: piece.start, blocks: run.end().0 - piece.start.0 })?;
                    set.remove(piece);
                    from = piece.end().0;
                    Some(piece)
                };
                assert!(Gang::new(32, children).assemble(&Want::exactly(32), &mut take, &mut pieces));
                count += pieces.len();
            }
            count as f64 / f64::from(gangs)
        };
        let (ranges, fixed) = (mean(Children::Ranges), mean(Children::Fixed));
        assert!((2.0..2.4).contains(&ranges) && (2.99..3.3).contains(&fixed), "{ranges} and {fixed}");
    }
}
