//! The oracle: versions as plain maps of block contents, and every state that a crash may leave.
//!
//! Invariant: `states` holds, in order, the state after each atomic change since the last one known to be committed, so
//! a reader sees one of them; a recovered pool equals one of those from `durable` on, which a record of the log covers. Knows no
//! sharing and no free space.

use crate::content::{Content, State, Unseen, differs, read};
use spinney_core::{BLOCK_BYTES, DevId};
use spinney_volume::Pool;

/// Bytes that a device writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// The oracle of one life.
#[derive(Clone, Debug)]
pub struct Model {
    states: Vec<State>,
    /// The first that a cut may leave.
    durable: usize,
    /// Whether a cut may leave any part of what was overwritten since.
    in_place: bool,
}

impl Default for Model {
    fn default() -> Model {
        Model::new(false)
    }
}

impl Model {
    /// No versions yet. `in_place`: blocks are overwritten, so a cut may leave any sector of one old or new.
    #[must_use]
    pub fn new(in_place: bool) -> Model {
        Model { states: vec![State::new()], durable: 0, in_place }
    }

    /// Every allowed state, to complete what was not known when it was noted.
    pub(crate) fn states_mut(&mut self) -> &mut [State] {
        &mut self.states
    }

    /// A model that knows one state, and that durable.
    #[must_use]
    pub fn at(state: State) -> Model {
        Model { states: vec![state], durable: 0, in_place: false }
    }

    /// Every state from the last one known to be committed to the one now.
    #[must_use]
    pub fn states(&self) -> &[State] {
        &self.states
    }

    /// No commit came since the first `durable` states, one of which is durable, so what follows becomes durable together: forget
    /// what lies between them and the state now.
    pub fn at_once(&mut self, durable: usize) {
        let last = self.states.len() - 1;
        self.states.drain(durable.min(last)..last);
        self.durable = self.durable.min(self.states.len() - 1);
    }

    /// The state now.
    #[must_use]
    pub fn now(&self) -> &State {
        self.states.last().expect("there is always a state")
    }

    pub(crate) fn change(&mut self, change: impl FnOnce(&mut State)) {
        let mut next = self.now().clone();
        change(&mut next);
        self.states.push(next);
    }

    /// Everything so far is committed.
    pub fn flushed(&mut self) {
        self.durable_but(0);
    }

    /// Everything so far is durable by a record on the last commit.
    pub fn recorded(&mut self) {
        self.durable = self.states.len() - 1;
    }

    /// Everything before the last `keep` changes is committed.
    pub fn durable_but(&mut self, keep: usize) {
        let known = self.states.len().saturating_sub(keep + 1);
        self.states.drain(..known);
        self.durable = self.durable.saturating_sub(known);
    }

    /// How many states there are, to be given to `durable_but` as a difference.
    #[must_use]
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether there is no version.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.now().is_empty()
    }

    /// A new volume.
    pub fn create(&mut self, dev: DevId, blocks: u64) {
        self.change(|state| drop(state.insert(dev, Content::new(blocks))));
    }

    /// A new version with the content of `of`.
    pub fn take(&mut self, of: DevId, dev: DevId, writable: bool) {
        self.change(|state| drop(state.insert(dev, state[&of].taken(writable))));
    }

    /// A version is gone.
    pub fn delete(&mut self, dev: DevId) {
        self.change(|state| drop(state.remove(&dev)));
    }

    /// Bytes, block by block: a cut inside a write may leave any first part of it, since a pool short of pages commits
    /// between pieces.
    pub fn write(&mut self, dev: DevId, offset: u64, data: &[u8]) {
        let size = BLOCK_BYTES as u64;
        let (mut at, mut rest) = (offset, data);
        while !rest.is_empty() {
            let taken = rest.len().min((size - at % size) as usize);
            self.change(|state| {
                if let Some(content) = state.get_mut(&dev) {
                    content.overwrite(at, &rest[..taken]);
                }
            });
            at += taken as u64;
            rest = &rest[taken..];
        }
    }

    /// Whole blocks become zeros, one by one for the same reason; those that are zeros already change nothing.
    pub fn discard(&mut self, dev: DevId, first: u64, end: u64) {
        let mapped = self.now().get(&dev).map_or(Vec::new(), |content| content.mapped(first..end));
        for at in mapped {
            self.change(|state| {
                if let Some(content) = state.get_mut(&dev) {
                    content.clear(at);
                }
            });
        }
    }

    /// The states after `before` did not all happen: go back to the one that the pool is in. Errors: it is in none.
    pub fn refused(&mut self, before: usize, pool: &Pool) -> Result<(), String> {
        let found = read(pool)?;
        self.learn(&found);
        while self.states.len() > before && *self.now() != found {
            self.states.pop();
        }
        differs(self.now(), &found).map_or(Ok(()), Err)
    }

    /// Which state the pool is in, counted from the newest; older ones are forgotten. Errors: how it differs from the newest.
    pub fn recover(&mut self, pool: &Pool) -> Result<(), String> {
        let found = read(pool)?;
        self.learn(&found);
        let fits = |at: &usize| match self.in_place {
            true => is_mixed_of(&self.states[*at..], &found),
            false => self.states[*at] == found,
        };
        if let Some(at) = (self.durable..self.states.len()).rev().find(fits) {
            let mut found = found;
            for (dev, content) in &mut found {
                content.doomed = self.states[at].get(dev).map_or_else(Unseen::default, |known| known.doomed);
            }
            (self.states, self.durable) = (vec![found], 0);
            return Ok(());
        }
        let newest = differs(self.now(), &found).unwrap_or_default();
        let oldest = differs(&self.states[self.durable], &found).unwrap_or_default();
        let count = self.states.len() - self.durable;
        Err(format!("none of {count} allowed states (newest: {newest}; last durable: {oldest})"))
    }

    /// Compare with the state now.
    pub fn audit(&self, pool: &Pool) -> Result<(), String> {
        differs(self.now(), &read(pool)?).map_or(Ok(()), Err)
    }
}

/// Whether `found` is the first of these states, but for sectors that a later one overwrote.
fn is_mixed_of(states: &[State], found: &State) -> bool {
    let same = |dev: &DevId, content: &Content| match states[0].get(dev) {
        Some(base) => {
            let alike = (base.blocks, base.writable, &base.name, base.origin)
                == (content.blocks, content.writable, &content.name, content.origin);
            let mut places = base.mapped(0..u64::MAX);
            places.extend(content.mapped(0..u64::MAX));
            alike && places.into_iter().all(|at| is_mixed_block(states, *dev, at, content))
        }
        None => false,
    };
    states[0].len() == found.len() && found.iter().all(|(dev, content)| same(dev, content))
}

fn is_mixed_block(states: &[State], dev: DevId, at: u64, found: &Content) -> bool {
    (0..BLOCK_BYTES).step_by(SECTOR_BYTES).all(|from| {
        let sector = from..from + SECTOR_BYTES;
        let wanted = found.bytes(at, sector.clone());
        let mut versions = states.iter().filter_map(|state| state.get(&dev));
        versions.any(|content| content.bytes(at, sector.clone()) == wanted)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV: DevId = DevId(1);

    fn written(stamps: &[u8]) -> Model {
        let mut model = Model::new(true);
        model.create(DEV, 4);
        for stamp in stamps {
            model.write(DEV, 0, &[*stamp; BLOCK_BYTES]);
        }
        model
    }

    #[test]
    fn a_torn_overwrite_is_a_mixture_of_old_and_new_and_of_nothing_else() {
        let model = written(&[1, 2]);
        let mut torn = model.now().clone();
        torn.get_mut(&DEV).expect("made").overwrite(512, &[1; 512]);
        assert!(is_mixed_of(&model.states[2..], model.now()), "the newest");
        assert!(is_mixed_of(&model.states[2..], &torn), "torn");
        torn.get_mut(&DEV).expect("made").overwrite(1024, &[3; 512]);
        assert!(!is_mixed_of(&model.states[2..], &torn), "from nowhere");
    }

    #[test]
    fn a_discard_of_holes_is_no_change() {
        let mut model = written(&[1]);
        let before = model.len();
        model.discard(DEV, 1, 4);
        assert_eq!(model.len(), before);
        model.discard(DEV, 0, 4);
        assert_eq!(model.len(), before + 1);
    }
}
