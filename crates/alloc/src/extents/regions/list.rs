//! The runs of one region as a sorted list: for a region with few of them.
//!
//! Invariant: starts rise, and a run's start and its told blocks stand at the same place of the two halves; behind the last run
//! stand starts that are above every other and lengths of 0. Knows no region number and no true length.
//!
//! A search looks at whole groups of eight numbers, whatever the count: the compiler compares a group at once, memory that is in
//! no cache comes in one stream, and the only branches are the turns of the loop. That, rather than memory, is what most of
//! a free in a small space costs: with a remainder looked at one by one it took a quarter longer.

use super::runs::Run;
use alloc::boxed::Box;
use alloc::vec;

/// Numbers that are compared at once.
const GROUP: usize = 16;

/// A sorted list with room for more.
#[derive(Clone, Debug, Default)]
pub(super) struct List {
    /// Starts in the first half, lengths in the second.
    words: Box<[u16]>,
    count: u32,
}

impl List {
    /// An empty list with room for `room` runs or a few more.
    pub(super) fn with_room(room: usize) -> List {
        let room = room.next_multiple_of(GROUP);
        let mut words = vec![0; room * 2].into_boxed_slice();
        words[..room].fill(u16::MAX);
        List { words, count: 0 }
    }
    pub(super) fn count(&self) -> usize {
        self.count as usize
    }
    pub(super) fn room(&self) -> usize {
        self.words.len() / 2
    }
    pub(super) fn bytes(&self) -> u64 {
        self.words.len() as u64 * 2
    }
    /// As many numbers as whole groups hold.
    fn padded(&self) -> usize {
        self.count().next_multiple_of(GROUP)
    }
    fn starts(&self) -> &[u16] {
        &self.words[..self.padded()]
    }
    fn lengths(&self) -> &[u16] {
        &self.words[self.room()..self.room() + self.padded()]
    }
    fn get(&self, place: usize) -> Option<Run> {
        let told = || self.words[self.room() + place];
        (place < self.count()).then(|| Run { place, start: self.words[place].into(), told: told() })
    }
    /// The run at a place.
    pub(super) fn from(&self, place: usize) -> Option<Run> {
        self.get(place)
    }
    /// The last run before a place.
    pub(super) fn before(&self, place: usize) -> Option<Run> {
        self.get(place.min(self.count()).checked_sub(1)?)
    }
    /// How many runs start at or before `low`.
    pub(super) fn seat(&self, low: u32) -> usize {
        let low = low as u16;
        let count = |count: u16, start: &u16| count.wrapping_add(u16::from(*start <= low));
        // What stands behind the last run may be as low as the last block of the largest region.
        usize::from(self.starts().iter().fold(0, count)).min(self.count())
    }
    /// The first run of exactly so many told blocks from a place on.
    pub(super) fn exactly(&self, place: usize, told: u16) -> Option<Run> {
        self.get(position(self.lengths(), place, |length| length == told)?)
    }
    /// The first run of at least so many told blocks from a place on.
    pub(super) fn at_least(&self, place: usize, told: u16) -> Option<Run> {
        self.get(position(self.lengths(), place, |length| length >= told)?)
    }
    /// The most told blocks of a run, 0 if there is none; and whether any run has `told`.
    pub(super) fn longest_and_any(&self, told: u16) -> (u16, bool) {
        let each = |(longest, any): (u16, u16), length: &u16| {
            (longest.max(*length), any | u16::from(*length == told))
        };
        let (longest, any) = self.lengths().iter().fold((0, 0), each);
        (longest, any != 0)
    }
    /// Add a run at a place; there is room.
    pub(super) fn insert(&mut self, place: usize, start: u32, told: u16) {
        let (room, count) = (self.room(), self.count());
        self.words.copy_within(place..count, place + 1);
        self.words.copy_within(room + place..room + count, room + place + 1);
        self.count += 1;
        self.set(place, start, told);
    }
    pub(super) fn remove(&mut self, place: usize) {
        let (room, count) = (self.room(), self.count());
        self.words.copy_within(place + 1..count, place);
        self.words.copy_within(room + place + 1..room + count, room + place);
        self.count -= 1;
        self.words[count - 1] = u16::MAX;
        self.words[room + count - 1] = 0;
    }
    pub(super) fn set(&mut self, place: usize, start: u32, told: u16) {
        let room = self.room();
        self.words[place] = start as u16;
        self.words[room + place] = told;
    }
    /// The same runs in a list with room for `room` of them.
    pub(super) fn moved(&self, room: usize) -> List {
        let (old, count) = (self.room(), self.count());
        let mut list = List { count: self.count, ..List::with_room(room) };
        let room = list.room();
        list.words[..count].copy_from_slice(&self.words[..count]);
        list.words[room..room + count].copy_from_slice(&self.words[old..old + count]);
        list
    }
}

/// The first place at `from` or behind it whose length will do.
fn position(lengths: &[u16], from: usize, will_do: impl Fn(u16) -> bool) -> Option<usize> {
    let first = from - from % GROUP;
    for (at, group) in lengths.get(first..)?.as_chunks::<GROUP>().0.iter().enumerate() {
        if group.iter().fold(false, |any, length| any | will_do(*length)) {
            let skip = if at == 0 { from % GROUP } else { 0 };
            if let Some(step) = group[skip..].iter().position(|length| will_do(*length)) {
                return Some(first + at * GROUP + skip + step);
            }
        }
    }
    None
}
