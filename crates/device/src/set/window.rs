//! A part of a device as a device of its own: what lies behind a member's label.
//!
//! Invariant: nothing outside the part is reached. Knows nothing of labels.

use crate::bounds;
use spinney_core::{BlockDevice, Error, Extent, Healed, Pba, Result};
use std::sync::Arc;

/// The blocks of `within` of another device.
#[derive(Clone)]
pub struct Window {
    below: Arc<dyn BlockDevice>,
    within: Extent,
}

impl Window {
    /// Errors: `OutOfRange` if the device is too short.
    pub fn new(below: Arc<dyn BlockDevice>, within: Extent) -> Result<Window> {
        bounds::run(below.blocks(), within)?;
        Ok(Window { below, within })
    }
    fn place(&self, at: Pba, bytes: usize) -> Result<Pba> {
        bounds::request(self.within.blocks, at, bytes).map(|_| Pba(self.within.start.0 + at.0))
    }
    /// An error's place as the caller knows it.
    fn inside(&self, error: Error) -> Error {
        match error {
            Error::Io { operation, at, code } => {
                Error::Io { operation, at: Pba(at.0.saturating_sub(self.within.start.0)), code }
            }
            other => other,
        }
    }
}

impl BlockDevice for Window {
    fn blocks(&self) -> u64 {
        self.within.blocks
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.below.read(self.place(at, buffer.len())?, buffer).map_err(|error| self.inside(error))
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        self.below.write(self.place(at, data.len())?, data).map_err(|error| self.inside(error))
    }
    fn flush(&self) -> Result<()> {
        self.below.flush()
    }
    fn discard(&self, run: Extent) -> Result<()> {
        bounds::run(self.within.blocks, run)?;
        let run = Extent { start: Pba(self.within.start.0 + run.start.0), ..run };
        self.below.discard(run).map_err(|error| self.inside(error))
    }
    fn read_many(&self, reads: &mut [(Pba, &mut [u8])]) -> Result<()> {
        let placed = reads.iter_mut().map(|(at, buffer)| Ok((self.place(*at, buffer.len())?, &mut **buffer)));
        let mut placed = placed.collect::<Result<Vec<_>>>()?;
        self.below.read_many(&mut placed).map_err(|error| self.inside(error))
    }
    fn write_many(&self, writes: &[(Pba, &[u8])]) -> Result<()> {
        let placed = writes.iter().map(|(at, data)| Ok((self.place(*at, data.len())?, *data)));
        let placed = placed.collect::<Result<Vec<_>>>()?;
        self.below.write_many(&placed).map_err(|error| self.inside(error))
    }
    fn copies(&self) -> usize {
        self.below.copies()
    }
    fn read_copy(&self, copy: usize, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.below.read_copy(copy, self.place(at, buffer.len())?, buffer).map_err(|error| self.inside(error))
    }
    fn heal(&self, at: Pba, buffer: &mut [u8], is_sound: &mut dyn FnMut(&[u8]) -> bool) -> Result<Healed> {
        self.below.heal(self.place(at, buffer.len())?, buffer, is_sound).map_err(|error| self.inside(error))
    }
}
