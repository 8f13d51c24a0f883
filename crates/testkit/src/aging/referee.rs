//! A candidate under supervision: was its refusal right, and was what it handed out free?
//!
//! Invariant: the referee's pair of trees holds exactly the blocks that the candidate should hold. Too slow to be timed.

use super::space::{Place, Space, TreePair};

/// A candidate and its referee.
pub struct Refereed<S> {
    space: S,
    truth: TreePair,
    /// Refused although a run that fits was free.
    pub refused_wrongly: u64,
}

impl<S: Space> Refereed<S> {
    /// All `blocks` are free in `space`.
    pub fn new(space: S, blocks: u64) -> Refereed<S> {
        Refereed { space, truth: TreePair::new(blocks), refused_wrongly: 0 }
    }
}

impl<S: Space> Space for Refereed<S> {
    fn take(&mut self, blocks: u64) -> Option<Place> {
        let place = self.space.take(blocks);
        match place {
            Some(Place { start, .. }) => {
                assert!(self.truth.claim(start, blocks), "{start}+{blocks} was handed out and is not free");
            }
            None => self.refused_wrongly += u64::from(self.truth.longest() >= blocks),
        }
        place
    }
    fn give(&mut self, place: Place, blocks: u64) {
        self.truth.give(place, blocks);
        self.space.give(place, blocks);
    }
    fn settle(&mut self) -> bool {
        self.space.settle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out the last block of eight for ever, and refuses more than two.
    struct Liar;
    impl Space for Liar {
        fn take(&mut self, blocks: u64) -> Option<Place> {
            (blocks <= 2).then_some(7.into())
        }
        fn give(&mut self, _: Place, _: u64) {}
    }

    #[test]
    fn a_refusal_counts_only_while_a_run_fits() {
        let mut space = Refereed::new(Liar, 8);
        assert_eq!((space.take(8), space.take(9)), (None, None));
        assert_eq!(space.refused_wrongly, 1);
    }

    #[test]
    #[should_panic(expected = "7+1 was handed out and is not free")]
    fn a_block_handed_out_twice_is_seen() {
        let mut space = Refereed::new(Liar, 8);
        space.take(1);
        space.take(1);
    }
}
