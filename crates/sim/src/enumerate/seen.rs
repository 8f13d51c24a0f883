//! The states that were judged, by what recovery read of them.
//!
//! Invariant: recovery is a function of the blocks that it reads, in the order in which it reads them, so two images that agree on
//! the blocks read are one state. A path here is such a reading: which block comes next follows from the content of those before.

use spinney_core::Pba;
use std::collections::HashMap;

#[derive(Clone, Copy, Debug)]
enum Next {
    Read(Pba),
    /// The hash of the model's state that was found.
    Found(u64),
}

/// Paths that share their beginnings.
#[derive(Debug, Default)]
pub(super) struct Seen {
    next: HashMap<u64, Next>,
}

fn step(path: u64, content: u64) -> u64 {
    (path.rotate_left(23) ^ content).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Seen {
    /// What recovery finds in the image whose blocks have these hashes, if an image like it was judged before.
    pub(super) fn find(&self, mut hash_of: impl FnMut(Pba) -> u64) -> Option<u64> {
        let mut path = 0;
        loop {
            match self.next.get(&path)? {
                Next::Read(at) => path = step(path, hash_of(*at)),
                Next::Found(state) => return Some(*state),
            }
        }
    }

    /// Keep what recovery read, and what it found. The state's own number if it is new.
    pub(super) fn keep(
        &mut self,
        reads: &[Pba],
        mut hash_of: impl FnMut(Pba) -> u64,
        state: u64,
    ) -> Option<u64> {
        let mut path = 0;
        for at in reads {
            self.next.insert(path, Next::Read(*at));
            path = step(path, hash_of(*at));
        }
        let new = self.next.insert(path, Next::Found(state)).is_none();
        new.then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_differ_in_what_was_never_read_are_one_state() {
        let mut seen = Seen::default();
        let image = |a: u64, b: u64, c: u64| move |at: Pba| [a, b, c][at.0 as usize];
        assert_eq!(seen.find(image(1, 2, 3)), None);
        assert!(seen.keep(&[Pba(0), Pba(2)], image(1, 2, 3), 77).is_some());
        assert_eq!(seen.find(image(1, 9, 3)), Some(77), "block 1 was not read");
        assert_eq!(seen.find(image(1, 2, 4)), None);
        assert!(seen.keep(&[Pba(0), Pba(2), Pba(1)], image(1, 2, 4), 78).is_some());
        assert_eq!(seen.find(image(1, 3, 4)), None, "after another content block 1 was read");
        assert!(seen.keep(&[Pba(0), Pba(2)], image(1, 2, 3), 77).is_none());
    }
}
