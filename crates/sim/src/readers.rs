//! Readers that stay open over commits, each with the state that it must go on seeing.
//!
//! Invariant: what a reader sees is compared with the model alone, never with what it saw before. No reader outlives its pool.

use crate::content::{Content, State};
use spinney_core::{BLOCK_BYTES, DevId, Error};
use spinney_volume::{Pool, Reader};
use std::collections::VecDeque;

/// More are not open at once: each holds back what every commit frees.
const READERS_MAX: usize = 2;
/// Volumes up to this size are read whole, holes too; of larger ones what the model has.
const READ_WHOLE_BLOCKS: u64 = 64;

/// The open readers of a life, oldest first.
#[derive(Default)]
pub(crate) struct Readers(VecDeque<(Reader, State)>);

impl Readers {
    /// Open one more. It must see one of these states, the ones that a cut may leave. Whether there
    /// was room for it. Errors: what it sees instead.
    pub(crate) fn pin(&mut self, pool: &Pool, states: &[State]) -> Result<bool, String> {
        if self.0.len() == READERS_MAX {
            return Ok(false);
        }
        let reader = pool.reader();
        let mut first = None;
        for state in states {
            match sees(pool, &reader, state)? {
                None => {
                    self.0.push_back((reader, state.clone()));
                    return Ok(true);
                }
                different => first = first.or(different),
            }
        }
        let first = first.unwrap_or_default();
        Err(format!("a new reader sees none of {} allowed states (the oldest: {first})", states.len()))
    }

    /// Each must see what it saw when it was opened.
    pub(crate) fn audit(&self, pool: &Pool) -> Result<(), String> {
        for (reader, state) in &self.0 {
            if let Some(different) = sees(pool, reader, state)? {
                return Err(format!("the reader of epoch {}: {different}", reader.epoch()));
            }
        }
        Ok(())
    }

    /// The oldest goes.
    pub(crate) fn unpin(&mut self) {
        self.0.pop_front();
    }

    /// All go; whether there were any.
    pub(crate) fn forget(&mut self) -> bool {
        !std::mem::take(&mut self.0).is_empty()
    }
}

/// The first difference between what a reader sees and a state. Errors: of reading, in words; a pool that is closed shows nothing.
fn sees(pool: &Pool, reader: &Reader, state: &State) -> Result<Option<String>, String> {
    for (dev, content) in state {
        match differs(pool, reader, *dev, content) {
            Ok(None) | Err(Error::Closed) => {}
            Ok(different) => return Ok(different),
            Err(Error::NotFound(_)) => return Ok(Some(format!("{dev} is not there"))),
            Err(error) => return Err(format!("{dev} as of epoch {}: {error}", reader.epoch())),
        }
    }
    Ok(None)
}

fn differs(pool: &Pool, reader: &Reader, dev: DevId, content: &Content) -> Result<Option<String>, Error> {
    let places = match content.blocks <= READ_WHOLE_BLOCKS {
        true => (0..content.blocks).collect(),
        false => content.mapped(0..u64::MAX),
    };
    let mut block = vec![0xEE; BLOCK_BYTES];
    for at in places {
        pool.read_as_of(reader, dev, at * BLOCK_BYTES as u64, &mut block)?;
        if block != content.bytes(at, 0..BLOCK_BYTES) {
            return Ok(Some(format!("block {at} of {dev} differs")));
        }
    }
    Ok(None)
}
