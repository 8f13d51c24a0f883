//! What a pool must hold while things go wrong: for each block of each version, the stamps that it may show.
//!
//! Invariant: a block has one possible stamp unless a write to it failed, and then that write's stamp and those before it.
//! Knows no sharing, no device and no commit.

use spinney_core::{BLOCK_BYTES, DevId, Error};
use spinney_volume::Pool;
use std::collections::BTreeMap;

/// The stamp of a block that was never written, or discarded.
pub const ZEROS: u64 = 0;

/// A version, block by block.
#[derive(Clone, Debug)]
pub struct Version {
    /// Whether it may be written.
    pub writable: bool,
    /// The stamps that each block may show.
    pub blocks: Vec<Vec<u64>>,
}

/// All live versions.
#[derive(Clone, Debug, Default)]
pub struct State(pub BTreeMap<DevId, Version>);

/// The words that a write with `stamp` puts into block `at`: each differs from every word of another stamp or block.
fn words(stamp: u64, at: u64) -> impl Iterator<Item = [u8; 8]> {
    let first = (stamp << 40 | at << 12).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let word = move |number: u64| if stamp == ZEROS { 0 } else { first ^ number << 1 };
    (0..BLOCK_BYTES as u64 / 8).map(move |number| word(number).to_le_bytes())
}

/// The bytes that a write with `stamp` puts into block `at`.
#[must_use]
pub fn content(stamp: u64, at: u64) -> Vec<u8> {
    words(stamp, at).flatten().collect()
}

fn is_content(bytes: &[u8], stamp: u64, at: u64) -> bool {
    let (found, _) = bytes.as_chunks::<8>();
    found.iter().copied().eq(words(stamp, at))
}

/// How a comparison ended that found no wrong byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Agreement {
    /// All of it could be read, and is right.
    Whole,
    /// Something could not be read; the first error. The rest is right.
    Partly(Error),
}

impl State {
    /// Read every block of every version. Errors: a version too many or too few, or a block that was read and is wrong.
    pub fn compare(&self, pool: &Pool) -> Result<Agreement, String> {
        let found = match pool.versions() {
            Ok(versions) => versions.iter().map(|version| version.dev).collect::<Vec<_>>(),
            Err(error) => return Ok(Agreement::Partly(error)),
        };
        let wanted: Vec<DevId> = self.0.keys().copied().collect();
        if found != wanted {
            return Err(format!("versions {found:?}, not {wanted:?}"));
        }
        let mut agreement = Agreement::Whole;
        for (dev, version) in &self.0 {
            let mut bytes = vec![0xEE; version.blocks.len() * BLOCK_BYTES];
            let read = pool.read(*dev, 0, &mut bytes);
            if read.is_ok() {
                let found = bytes.chunks_exact(BLOCK_BYTES);
                (0..).zip(found).try_for_each(|(at, found)| self.shown(*dev, at, found).map(drop))?;
            }
            if let Err(error) = read {
                // Block by block, so that what can be read is compared.
                agreement = Agreement::Partly(error);
                (0..version.blocks.len() as u64).try_for_each(|at| self.look(pool, *dev, at).map(drop))?;
            }
        }
        Ok(agreement)
    }

    /// Read one block: the stamp that it shows, or the error that the pool gave. Errors: it shows another one.
    pub fn look(&self, pool: &Pool, dev: DevId, at: u64) -> Result<Result<u64, Error>, String> {
        let mut bytes = vec![0xEE; BLOCK_BYTES];
        if let Err(error) = pool.read(dev, at * BLOCK_BYTES as u64, &mut bytes) {
            return Ok(Err(error));
        }
        self.shown(dev, at, &bytes).map(Ok)
    }

    /// The stamp of a block that was read. Errors: none that it may show.
    fn shown(&self, dev: DevId, at: u64, bytes: &[u8]) -> Result<u64, String> {
        let allowed = &self.0[&dev].blocks[at as usize];
        let shown = allowed.iter().find(|stamp| is_content(bytes, **stamp, at));
        shown.copied().ok_or_else(|| format!("WRONG BYTES: block {at} of {dev} shows none of {allowed:?}"))
    }

    /// After a write that failed: block by block it happened or not. What can be read is certain again.
    pub fn settle(&mut self, pool: &Pool, dev: DevId, blocks: std::ops::Range<u64>) -> Result<(), String> {
        for at in blocks {
            if let Ok(stamp) = self.look(pool, dev, at)? {
                self.0.get_mut(&dev).expect("it was read").blocks[at as usize] = vec![stamp];
            }
        }
        Ok(())
    }
}
