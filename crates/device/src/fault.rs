//! A device that misbehaves by script: errors, flipped bits, delays, torn writes, and writes and reads that go astray.
//!
//! Invariant: without a fault that applies, a request passes unchanged; the same script and the same requests give the same
//! misbehavior. Every request has an index (batches count one by one), so that a test can run once to count and then put a fault at each.

mod script;

pub use script::{Fault, FaultKind, Repeat};

use crate::{bounds, sync};
use spinney_core::{BLOCK_BYTES, BlockDevice, Error, Extent, Pba, Result};
use std::{collections::BTreeMap, sync::Mutex};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const SECTOR_BYTES: usize = 512;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Read,
    Write,
    Flush,
    Discard,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Operation::Read => "read",
            Operation::Write => "write",
            Operation::Flush => "flush",
            Operation::Discard => "discard",
        }
    }
}

#[derive(Default)]
struct State {
    index: u64,
    script: Vec<Fault>,
    fired: Vec<(u64, Fault)>,
    delayed_ns: u64,
    /// What blocks held before their last write; kept only while the script can ask for it.
    previous: BTreeMap<u64, Box<[u8]>>,
}

/// A device with faults.
pub struct FaultDevice<D> {
    below: D,
    state: Mutex<State>,
}

impl<D: BlockDevice> FaultDevice<D> {
    /// Put `script` between the caller and `below`.
    #[must_use]
    pub fn new(below: D, script: &[Fault]) -> FaultDevice<D> {
        FaultDevice { below, state: Mutex::new(State { script: script.to_vec(), ..State::default() }) }
    }
    /// Replace the script; indexes go on.
    pub fn set_script(&self, script: &[Fault]) {
        let mut state = sync::lock(&self.state);
        state.script = script.to_vec();
        state.previous.clear();
    }
    /// Requests so far: the index that the next one has.
    #[must_use]
    pub fn requests(&self) -> u64 {
        sync::lock(&self.state).index
    }
    /// What struck, with the index of the request. A test whose fault never struck has tested nothing.
    #[must_use]
    pub fn fired(&self) -> Vec<(u64, Fault)> {
        sync::lock(&self.state).fired.clone()
    }
    /// How much longer requests took so far. A wrapper has no clock: add it to the time of whatever has one.
    #[must_use]
    pub fn delayed_ns(&self) -> u64 {
        sync::lock(&self.state).delayed_ns
    }
    /// The device below.
    pub fn below(&self) -> &D {
        &self.below
    }

    /// Give the request its index and take the first fault that applies, having flipped bits at rest.
    fn strike(&self, operation: Operation, run: Extent) -> Result<Option<FaultKind>> {
        let mut state = sync::lock(&self.state);
        let index = state.index;
        state.index += 1;
        let mut struck = None;
        for fault in state.script.clone() {
            let at_rest = matches!(fault.kind, FaultKind::FlipAtRest { .. });
            if !state.applies(&fault, index, operation, run) || (struck.is_some() && !at_rest) {
                continue;
            }
            state.fired.push((index, fault));
            if fault.repeat == Repeat::Once {
                state.script.retain(|other| *other != fault);
            }
            match fault.kind {
                FaultKind::FlipAtRest { at, bit } => self.flip_at_rest(at, bit)?,
                kind => struck = Some(kind),
            }
        }
        if let Some(FaultKind::Slow { nanoseconds }) = struck {
            state.delayed_ns = state.delayed_ns.saturating_add(nanoseconds);
        }
        let error = |code| Err(Error::Io { operation: operation.name(), at: run.start, code });
        match struck {
            Some(
                FaultKind::ReadError | FaultKind::WriteError | FaultKind::FlushError | FaultKind::AnyError,
            ) => error(EIO),
            Some(FaultKind::NoSpace) => error(ENOSPC),
            other => Ok(other),
        }
    }
    fn flip_at_rest(&self, at: Pba, bit: u64) -> Result<()> {
        let mut content = vec![0; BLOCK_BYTES];
        self.below.read(at, &mut content)?;
        flip(&mut content, bit);
        self.below.write(at, &content)
    }
    /// Where a request lands that goes astray, still wholly on the device.
    fn astray(&self, run: Extent, shift_blocks: u64) -> Pba {
        let places = self.below.blocks() - run.blocks + 1;
        Pba((run.start.0 + shift_blocks % places) % places)
    }
    fn remember(&self, run: Extent) -> Result<()> {
        let mut state = sync::lock(&self.state);
        if state.script.iter().any(|fault| fault.kind == FaultKind::StaleRead) {
            for at in run.iter() {
                let mut content = vec![0; BLOCK_BYTES].into_boxed_slice();
                self.below.read(at, &mut content)?;
                state.previous.insert(at.0, content);
            }
        }
        Ok(())
    }
    fn write_torn(&self, at: Pba, data: &[u8], sectors: u64) -> Result<()> {
        let mut mixed = vec![0; data.len()];
        self.below.read(at, &mut mixed)?;
        let arriving = mixed.chunks_mut(SECTOR_BYTES).zip(data.chunks(SECTOR_BYTES)).zip((0..64).cycle());
        for ((old, new), _) in arriving.filter(|(_, bit)| sectors >> bit & 1 == 1) {
            old.copy_from_slice(new);
        }
        self.below.write(at, &mixed)
    }
    fn make_stale(&self, run: Extent, buffer: &mut [u8]) {
        let state = sync::lock(&self.state);
        for (at, content) in run.iter().zip(buffer.chunks_exact_mut(BLOCK_BYTES)) {
            if let Some(previous) = state.previous.get(&at.0) {
                content.copy_from_slice(previous);
            }
        }
    }
}

impl State {
    fn applies(&self, fault: &Fault, index: u64, operation: Operation, run: Extent) -> bool {
        let kind = match fault.kind {
            FaultKind::AnyError | FaultKind::FlipAtRest { .. } | FaultKind::Slow { .. } => true,
            FaultKind::ReadError | FaultKind::FlipOnRead { .. } | FaultKind::MisdirectedRead { .. } => {
                operation == Operation::Read
            }
            FaultKind::StaleRead => {
                operation == Operation::Read && self.previous.range(run.start.0..run.end().0).next().is_some()
            }
            FaultKind::WriteError
            | FaultKind::NoSpace
            | FaultKind::LostWrite
            | FaultKind::FlipOnWrite { .. }
            | FaultKind::TornWrite { .. }
            | FaultKind::MisdirectedWrite { .. } => operation == Operation::Write,
            FaultKind::FlushError => operation == Operation::Flush,
        };
        let here = fault.within.is_none_or(|within| operation == Operation::Flush || within.overlaps(run));
        kind && here && index >= fault.at && fault.drawn(index)
    }
}

fn flip(content: &mut [u8], bit: u64) {
    if !content.is_empty() {
        let bit = bit % (content.len() as u64 * 8);
        content[(bit / 8) as usize] ^= 1 << (bit % 8);
    }
}

impl<D: BlockDevice> BlockDevice for FaultDevice<D> {
    fn blocks(&self) -> u64 {
        self.below.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        let blocks = bounds::request(self.blocks(), at, buffer.len())?;
        let run = Extent { start: at, blocks };
        match self.strike(Operation::Read, run)? {
            Some(FaultKind::MisdirectedRead { shift_blocks }) => {
                self.below.read(self.astray(run, shift_blocks), buffer)?;
            }
            Some(FaultKind::FlipOnRead { bit }) => {
                self.below.read(at, buffer)?;
                flip(buffer, bit);
            }
            Some(FaultKind::StaleRead) => {
                self.below.read(at, buffer)?;
                self.make_stale(run, buffer);
            }
            _ => self.below.read(at, buffer)?,
        }
        Ok(())
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        let blocks = bounds::request(self.blocks(), at, data.len())?;
        let run = Extent { start: at, blocks };
        match self.strike(Operation::Write, run)? {
            Some(FaultKind::LostWrite) => Ok(()),
            Some(FaultKind::MisdirectedWrite { shift_blocks }) => {
                self.below.write(self.astray(run, shift_blocks), data)
            }
            Some(FaultKind::FlipOnWrite { bit }) => {
                let mut damaged = data.to_vec();
                flip(&mut damaged, bit);
                self.below.write(at, &damaged)
            }
            Some(FaultKind::TornWrite { sectors }) => self.write_torn(at, data, sectors),
            _ => {
                self.remember(run)?;
                self.below.write(at, data)
            }
        }
    }
    fn flush(&self) -> Result<()> {
        self.strike(Operation::Flush, Extent { start: Pba(0), blocks: 0 })?;
        self.below.flush()
    }
    fn discard(&self, run: Extent) -> Result<()> {
        bounds::run(self.blocks(), run)?;
        self.strike(Operation::Discard, run)?;
        self.below.discard(run)
    }
}

#[cfg(test)]
mod tests;
