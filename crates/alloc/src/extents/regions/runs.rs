//! The runs of one region: a sorted list while they are few, bits when a list would be larger.
//!
//! Invariant: whichever holds them, it holds the same runs; only places differ (an index of the list, a block of the bits), and
//! a place means something to the call's own region until that is changed. Never takes more than the bits, one a block.

use super::LONG;
use super::bits::Bits;
use super::list::List;
use alloc::boxed::Box;

/// A run in its region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    pub(super) place: usize,
    /// Counted from the region's first block.
    pub(super) start: u32,
    /// Its blocks, or [`LONG`] for as many or more.
    pub(super) told: u16,
}

/// Bytes that a list takes for a run.
const RUN_BYTES: usize = 4;

/// The two ways.
#[derive(Clone, Debug)]
pub(super) enum Runs {
    List(List),
    /// Boxed, so that a region takes no more than a list's 24 bytes.
    Bits(Box<Bits>),
}

impl Default for Runs {
    fn default() -> Runs {
        Runs::List(List::default())
    }
}

/// The same call of whichever it is.
macro_rules! either {
    ($self:expr, $runs:ident => $call:expr) => {
        match $self {
            Runs::List($runs) => $call,
            Runs::Bits($runs) => $call,
        }
    };
}

/// The most runs that a list of a region of so many blocks may have: with one more it would be larger than the bits.
fn listed_max(blocks: u32) -> usize {
    blocks as usize / 8 / RUN_BYTES
}

impl Runs {
    pub(super) fn is_empty(&self) -> bool {
        either!(self, runs => runs.count() == 0)
    }
    pub(super) fn bytes(&self) -> u64 {
        either!(self, runs => runs.bytes())
    }
    /// The place behind all runs that start at `low` or before.
    pub(super) fn seat(&self, low: u32) -> usize {
        either!(self, runs => runs.seat(low))
    }
    /// The first run at `place` or behind it.
    pub(super) fn from(&self, place: usize) -> Option<Run> {
        either!(self, runs => runs.from(place))
    }
    /// The last run before `place`.
    pub(super) fn before(&self, place: usize) -> Option<Run> {
        either!(self, runs => runs.before(place))
    }
    /// The first run of exactly so many told blocks at `place` or behind it.
    pub(super) fn exactly(&self, place: usize, told: u16) -> Option<Run> {
        either!(self, runs => runs.exactly(place, told))
    }
    /// The first run of at least so many told blocks at `place` or behind it.
    pub(super) fn at_least(&self, place: usize, told: u16) -> Option<Run> {
        either!(self, runs => runs.at_least(place, told))
    }
    /// The most told blocks of a run, 0 if there is none, and whether any run has `told`. `top` are the most that there were.
    pub(super) fn longest_and_any(&self, told: u16, top: u16) -> (u16, bool) {
        match self {
            Runs::List(list) => list.longest_and_any(told),
            Runs::Bits(bits) => match bits.exactly(0, told).is_some() {
                false if told == top => (bits.longest(), false),
                any => (top, any),
            },
        }
    }
    /// Runs at places `from..to`.
    pub(super) fn between(&self, from: usize, to: usize) -> usize {
        match self {
            Runs::List(list) => to.min(list.count()).saturating_sub(from),
            Runs::Bits(bits) => bits.between(from, to),
        }
    }
    /// Add a run at its seat in a region of so many blocks.
    pub(super) fn insert(&mut self, place: usize, start: u32, told: u16, blocks: u32) {
        if let Runs::List(list) = self
            && list.count() == list.room()
        {
            let most = listed_max(blocks);
            if list.count() >= most {
                *self = Runs::Bits(Box::new(bits(list, blocks)));
            } else {
                *list = list.moved((list.count() + (list.count() / 4).max(4)).min(most));
            }
        }
        match self {
            Runs::List(list) => list.insert(place, start, told),
            Runs::Bits(bits) => bits.insert(start, told),
        }
    }
    /// Take out the run at a place. Places of other runs are what they were, or one less in a list.
    pub(super) fn remove(&mut self, place: usize) {
        either!(self, runs => runs.remove(place));
    }
    /// Give the run at a place another start and count.
    pub(super) fn set(&mut self, place: usize, start: u32, told: u16) {
        match self {
            Runs::List(list) => list.set(place, start, told),
            Runs::Bits(bits) => {
                bits.remove(place);
                bits.insert(start, told);
            }
        }
    }
    /// Take less memory for fewer runs. Bits become a list only at two thirds of what made them bits, and a list gives room
    /// back only when half of it is empty, so that a region at the border is not rewritten by each change.
    pub(super) fn tidy(&mut self, blocks: u32) {
        match self {
            Runs::List(list) if list.count() + 8 < list.room() / 2 => {
                *list = list.moved(list.count() + list.count() / 4 + 4);
            }
            Runs::Bits(bits) if bits.count() <= listed_max(blocks) * 2 / 3 => *self = Runs::List(list(bits)),
            _ => {}
        }
    }
}

fn bits(list: &List, blocks: u32) -> Bits {
    let mut bits = Bits::new(blocks);
    (0..list.count()).filter_map(|place| list.from(place)).for_each(|run| bits.insert(run.start, run.told));
    bits
}

fn list(bits: &Bits) -> List {
    let mut list = List::with_room(bits.count() + bits.count() / 8);
    let mut next = bits.from(0);
    while let Some(run) = next {
        list.insert(list.count(), run.start, run.told);
        next = bits.from(run.place + 1);
    }
    list
}

const _: () = assert!(LONG == u16::MAX && size_of::<Runs>() == 24);
