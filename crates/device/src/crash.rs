//! A device whose power can be cut: it knows what is durable and what is merely written, and makes the images that a cut may leave.
//!
//! Invariant: an image differs from the last flushed state only in sectors that a pending request covers, and each such sector is
//! as flushed or as some pending request left it (noise, for a discard); of one that a caller lets be shorn, each byte is. The request
//! under way when the device dies is pending too: it failed, and may yet have reached the medium. Reads see every write until the cut. Knows nothing of what blocks mean.

use crate::{
    MemoryDevice, bounds,
    fate::{Fate, SECTOR_BYTES, draw_all},
    sync,
};
use rand::Rng;
use spinney_core::{BLOCK_BYTES, BlockDevice, Error, Extent, Pba, Result};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// A request that completed (or was under way at the cut) and that no flush has made durable.
#[derive(Clone, Debug)]
pub struct PendingWrite {
    /// Which change of the device it was, counted from its making or last restart.
    pub change: u64,
    /// The blocks it covers.
    pub run: Extent,
    /// What was written; `None` for a discard.
    pub data: Option<Arc<[u8]>>,
}

/// What lies between two completed flushes: a flushed state and the requests after it. Each cut inside it leaves one of its images.
///
/// The device is synchronous: a request completes before the next is issued, so a flush covers every request issued before it, and
/// the order of issue is the order of completion. That a device may store them in another order is what fates are for.
#[derive(Clone, Debug)]
pub struct FlushEpoch {
    /// The last flushed state.
    pub durable: MemoryDevice,
    /// The requests that no flush covers, in order of issue.
    pub writes: Vec<PendingWrite>,
}

impl FlushEpoch {
    /// What a cut leaves when the requests meet these fates, one for each (otherwise a programmer error).
    #[must_use]
    pub fn image(&self, fates: &[Fate]) -> MemoryDevice {
        assert_eq!(fates.len(), self.writes.len(), "one fate for each pending request");
        let image = self.durable.clone();
        for (write, fate) in self.writes.iter().zip(fates) {
            apply(&image, write, fate).expect("pending requests were inside the device when issued");
        }
        image
    }
}

/// What [`CrashDevice::record`] notes.
#[derive(Debug, Default)]
struct Record {
    epochs: Vec<FlushEpoch>,
    /// Blocks in order of their first read, if that came before any change of them.
    first_reads: Vec<Pba>,
    /// Blocks read or changed.
    touched: BTreeSet<u64>,
}

#[derive(Debug)]
struct State {
    durable: MemoryDevice,
    current: MemoryDevice,
    pending: Vec<PendingWrite>,
    record: Option<Record>,
    changes: u64,
    /// How many more changes and flushes succeed.
    allowed: Option<u64>,
    dead: bool,
}

/// A memory device whose power can be cut.
#[derive(Debug)]
pub struct CrashDevice {
    blocks: u64,
    state: Mutex<State>,
}

impl CrashDevice {
    /// A device of `blocks` blocks of durable zeros.
    #[must_use]
    pub fn new(blocks: u64) -> CrashDevice {
        CrashDevice::from_image(MemoryDevice::new(blocks))
    }
    /// A device that holds `image`, durably.
    #[must_use]
    pub fn from_image(image: MemoryDevice) -> CrashDevice {
        CrashDevice { blocks: image.blocks(), state: Mutex::new(State::new(image)) }
    }
    /// What no flush has covered, in order of issue.
    #[must_use]
    pub fn pending(&self) -> Vec<PendingWrite> {
        sync::lock(&self.state).pending.clone()
    }
    /// The last flushed state: what is left when every pending request is lost.
    #[must_use]
    pub fn durable(&self) -> MemoryDevice {
        sync::lock(&self.state).durable.clone()
    }
    /// The image left by a cut now, when the pending requests meet these fates, one for each (otherwise a programmer error).
    #[must_use]
    pub fn image(&self, fates: &[Fate]) -> MemoryDevice {
        self.open_epoch().image(fates)
    }
    /// The last flushed state and what is pending.
    #[must_use]
    pub fn open_epoch(&self) -> FlushEpoch {
        let state = sync::lock(&self.state);
        FlushEpoch { durable: state.durable.clone(), writes: state.pending.clone() }
    }
    /// From now until a restart, note each completed flush with what it covered, and which blocks are read. Forgets earlier notes.
    pub fn record(&self) {
        sync::lock(&self.state).record = Some(Record::default());
    }
    /// The flushes noted since the last call, each as the epoch that it ended: a cut before it completed leaves one of its images.
    #[must_use]
    pub fn take_epochs(&self) -> Vec<FlushEpoch> {
        let mut state = sync::lock(&self.state);
        state.record.as_mut().map_or_else(Vec::new, |record| std::mem::take(&mut record.epochs))
    }
    /// The blocks read since `record`, each once, in order, without those changed before they were read: a reader that does the same
    /// after the same bytes cannot tell two images apart that agree on these.
    #[must_use]
    pub fn first_reads(&self) -> Vec<Pba> {
        let state = sync::lock(&self.state);
        state.record.as_ref().map_or_else(Vec::new, |record| record.first_reads.clone())
    }
    /// A fate for each pending request, to be given to [`CrashDevice::image`] and printed when a test fails.
    pub fn draw(&self, rng: &mut impl Rng) -> Vec<Fate> {
        let state = sync::lock(&self.state);
        let requests: Vec<_> = state.pending.iter().map(|p| (p.run.blocks, p.data.is_none())).collect();
        draw_all(rng, &requests)
    }
    /// An image of a random cut now.
    pub fn cut(&self, rng: &mut impl Rng) -> MemoryDevice {
        let fates = self.draw(rng);
        self.image(&fates)
    }
    /// Let `count` more writes, discards and flushes succeed; then everything, reads too, fails with `Io` until
    /// [`CrashDevice::restart`]. So a cut can fall inside a commit.
    pub fn crash_after(&self, count: u64) {
        sync::lock(&self.state).allowed = Some(count);
    }
    /// Writes, discards and flushes so far: run once to count them, then once for each with `crash_after`.
    #[must_use]
    pub fn changes(&self) -> u64 {
        sync::lock(&self.state).changes
    }
    /// Whether `crash_after` has struck.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        sync::lock(&self.state).dead
    }
    /// Power on again over `image`, which is durable then; counts start anew.
    pub fn restart(&self, image: MemoryDevice) {
        assert_eq!(image.blocks(), self.blocks, "an image of this device");
        *sync::lock(&self.state) = State::new(image);
    }
}

impl State {
    fn new(image: MemoryDevice) -> State {
        State {
            durable: image.clone(),
            current: image,
            pending: Vec::new(),
            record: None,
            changes: 0,
            allowed: None,
            dead: false,
        }
    }
    fn alive(&self, operation: &'static str, at: Pba) -> Result<()> {
        if self.dead { Err(Error::Io { operation, at, code: 5 }) } else { Ok(()) }
    }
    /// Count a change; the one that finds no allowance left kills the device.
    fn change(&mut self, operation: &'static str, at: Pba) -> Result<()> {
        self.changes += 1;
        match &mut self.allowed {
            Some(0) => self.dead = true,
            Some(left) => *left -= 1,
            None => {}
        }
        self.alive(operation, at)
    }
    fn issue(&mut self, operation: &'static str, run: Extent, data: Option<Arc<[u8]>>) -> Result<()> {
        self.alive(operation, run.start)?;
        let write = PendingWrite { change: self.changes, run, data };
        apply(&self.current, &write, &Fate::Kept)?;
        self.pending.push(write);
        if let Some(record) = &mut self.record {
            record.touched.extend(run.iter().map(|at| at.0));
        }
        self.change(operation, run.start)
    }
}

impl Record {
    fn read(&mut self, at: Pba, bytes: usize) {
        for block in at.0..at.0 + (bytes / BLOCK_BYTES) as u64 {
            if self.touched.insert(block) {
                self.first_reads.push(Pba(block));
            }
        }
    }
}

/// Do to `image` what is left of `write` after its fate.
fn apply(image: &MemoryDevice, write: &PendingWrite, fate: &Fate) -> Result<()> {
    match (fate, &write.data) {
        (Fate::Lost, _) => Ok(()),
        (Fate::Kept | Fate::Scrambled, Some(data)) => image.write(write.run.start, data),
        (Fate::Kept, None) => image.discard(write.run),
        (Fate::Scrambled, None) => image.write(write.run.start, &noise(write.run)),
        (Fate::Torn(sectors), data) => {
            let mut content = vec![0; write.run.blocks as usize * BLOCK_BYTES];
            image.read(write.run.start, &mut content)?;
            for (sector, part) in content.chunks_exact_mut(SECTOR_BYTES).enumerate() {
                if sectors.get(sector / 8).is_some_and(|byte| byte >> (sector % 8) & 1 == 1) {
                    store(part, data.as_deref(), sector * SECTOR_BYTES);
                }
            }
            image.write(write.run.start, &content)
        }
        (Fate::Shorn(kept), data) => {
            let mut content = vec![0; write.run.blocks as usize * BLOCK_BYTES];
            image.read(write.run.start, &mut content)?;
            if let Some(part) = content.get_mut(kept.clone()) {
                store(part, data.as_deref(), kept.start);
            }
            image.write(write.run.start, &content)
        }
    }
}

/// Put what a request brings from byte `from` on into `part`: its data, or a discard's zeros.
fn store(part: &mut [u8], data: Option<&[u8]>, from: usize) {
    match data {
        Some(data) => part.copy_from_slice(&data[from..from + part.len()]),
        None => part.fill(0),
    }
}

/// Bytes that no structure would take for its own, different in each block.
fn noise(run: Extent) -> Vec<u8> {
    let word = |at: u64| (at ^ 0xD15C_A2DE_D15C_A2DE).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes();
    run.iter().flat_map(|at| word(at.0).repeat(BLOCK_BYTES / 8)).collect()
}

impl BlockDevice for CrashDevice {
    fn blocks(&self) -> u64 {
        self.blocks
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        let mut state = sync::lock(&self.state);
        state.alive("read", at)?;
        state.current.read(at, buffer)?;
        if let Some(record) = &mut state.record {
            record.read(at, buffer.len());
        }
        Ok(())
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        let blocks = bounds::request(self.blocks, at, data.len())?;
        let run = Extent { start: at, blocks };
        sync::lock(&self.state).issue("write", run, Some(data.into()))
    }
    fn flush(&self) -> Result<()> {
        let mut state = sync::lock(&self.state);
        state.alive("flush", Pba(0))?;
        state.change("flush", Pba(0))?;
        let writes = std::mem::take(&mut state.pending);
        let before = state.record.is_some().then(|| state.durable.clone());
        for write in &writes {
            apply(&state.durable, write, &Fate::Kept)?;
        }
        if let (Some(record), Some(durable)) = (&mut state.record, before) {
            record.epochs.push(FlushEpoch { durable, writes });
        }
        Ok(())
    }
    fn discard(&self, run: Extent) -> Result<()> {
        bounds::run(self.blocks, run)?;
        sync::lock(&self.state).issue("discard", run, None)
    }
}

#[cfg(test)]
mod tests;
