//! The oracle: versions as plain maps of block contents, and every state that a crash may leave.
//!
//! Invariant: `states` holds, in order, the state after each atomic change since the last one known to be durable, so
//! a recovered pool must equal one of them, and none before `durable`. Knows no sharing and no free space.

use spinney_core::{BLOCK_BYTES, DevId};
use spinney_volume::Pool;
use std::collections::BTreeMap;
use std::sync::Arc;

type Block = Arc<[u8; BLOCK_BYTES]>;

/// A version's content; absent blocks are zeros, and blocks of zeros are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Content {
    /// Its size.
    pub blocks: u64,
    /// Whether it may be written.
    pub writable: bool,
    map: Arc<BTreeMap<u64, Block>>,
}

/// All live versions.
pub type State = BTreeMap<DevId, Content>;

/// The oracle of one life.
#[derive(Clone, Debug)]
pub struct Model {
    states: Vec<State>,
}

impl Default for Model {
    fn default() -> Model {
        Model { states: vec![State::new()] }
    }
}

impl Model {
    /// A model that knows one state, and that durable.
    #[must_use]
    pub fn at(state: State) -> Model {
        Model { states: vec![state] }
    }

    /// Every allowed state, from the last durable one to the one now.
    #[must_use]
    pub fn states(&self) -> &[State] {
        &self.states
    }

    /// No commit came since the durable state, so what follows becomes durable together: forget what lies between.
    pub fn at_once(&mut self) {
        let last = self.states.len() - 1;
        self.states.drain(1..last.max(1));
    }

    /// The state now.
    #[must_use]
    pub fn now(&self) -> &State {
        self.states.last().expect("there is always a state")
    }

    fn change(&mut self, change: impl FnOnce(&mut State)) {
        let mut next = self.now().clone();
        change(&mut next);
        self.states.push(next);
    }

    /// Everything so far is durable.
    pub fn flushed(&mut self) {
        self.states.drain(..self.states.len() - 1);
    }

    /// Everything before the last `keep` changes is durable.
    pub fn durable_but(&mut self, keep: usize) {
        let known = self.states.len().saturating_sub(keep + 1);
        self.states.drain(..known);
    }

    /// The last change did not happen.
    pub fn undo(&mut self) {
        self.states.pop();
    }

    /// How many states there are, to be given to `durable_but` as a difference.
    #[must_use]
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether only the empty start is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.now().is_empty()
    }

    /// A new volume.
    pub fn create(&mut self, dev: DevId, blocks: u64) {
        self.change(|state| {
            state.insert(dev, Content { blocks, writable: true, map: Arc::default() });
        });
    }

    /// A new version with the content of `of`.
    pub fn take(&mut self, of: DevId, dev: DevId, writable: bool) {
        self.change(|state| {
            let content = Content { writable, ..state[&of].clone() };
            state.insert(dev, content);
        });
    }

    /// A version is gone.
    pub fn delete(&mut self, dev: DevId) {
        self.change(|state| {
            state.remove(&dev);
        });
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

    /// Whole blocks become zeros, one by one for the same reason.
    pub fn discard(&mut self, dev: DevId, first: u64, end: u64) {
        for at in first..end {
            self.change(|state| {
                if let Some(content) = state.get_mut(&dev) {
                    Arc::make_mut(&mut content.map).remove(&at);
                }
            });
        }
    }

    /// Which state the pool is in, counted from the newest; older ones are forgotten. Errors: how it differs from the newest.
    pub fn recover(&mut self, pool: &Pool) -> Result<(), String> {
        let found = self.states.iter().rposition(|state| compare(state, pool).is_ok());
        match found {
            Some(at) => {
                self.states = vec![self.states[at].clone()];
                Ok(())
            }
            None => {
                let newest = compare(self.now(), pool).err().unwrap_or_default();
                let oldest = compare(&self.states[0], pool).err().unwrap_or_default();
                Err(format!(
                    "none of {} allowed states (newest: {newest}; last durable: {oldest})",
                    self.states.len()
                ))
            }
        }
    }

    /// Compare with the state now.
    pub fn audit(&self, pool: &Pool) -> Result<(), String> {
        compare(self.now(), pool)
    }
}

impl Content {
    /// Bytes inside one block.
    fn overwrite(&mut self, offset: u64, data: &[u8]) {
        let (at, skew) = (offset / BLOCK_BYTES as u64, (offset % BLOCK_BYTES as u64) as usize);
        let map = Arc::make_mut(&mut self.map);
        let block = map.entry(at).or_insert_with(|| Arc::new([0; BLOCK_BYTES]));
        Arc::make_mut(block)[skew..skew + data.len()].copy_from_slice(data);
        if block.iter().all(|byte| *byte == 0) {
            map.remove(&at);
        }
    }
}

fn compare(state: &State, pool: &Pool) -> Result<(), String> {
    let versions = pool.versions().map_err(|error| format!("list: {error}"))?;
    let found: Vec<DevId> = versions.iter().map(|version| version.dev).collect();
    let wanted: Vec<DevId> = state.keys().copied().collect();
    if found != wanted {
        return Err(format!("versions {found:?}, not {wanted:?}"));
    }
    for (dev, content) in state {
        let mut bytes = vec![0xEE; (content.blocks as usize) * BLOCK_BYTES];
        pool.read(*dev, 0, &mut bytes).map_err(|error| format!("read {dev:?}: {error}"))?;
        for (at, found) in bytes.chunks_exact(BLOCK_BYTES).enumerate() {
            let right = match content.map.get(&(at as u64)) {
                Some(block) => found == &block[..],
                None => found.iter().all(|byte| *byte == 0),
            };
            if !right {
                return Err(format!("block {at} of {dev:?} differs"));
            }
        }
    }
    Ok(())
}
