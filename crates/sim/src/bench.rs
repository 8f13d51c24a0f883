//! The device under a life: power that can be cut, errors on order, and a hash of all that passed.
//!
//! Invariant: two runs of one life show the same hash; what is hashed is every request, what it
//! writes, and its outcome. What it reads follows from these.

use crate::pair::PlantDevice;
use crate::step::Bad;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use spinney_core::{BlockDevice, Extent, Pba, Result};
use spinney_device::{CrashDevice, Fate, Fault, FaultDevice, FaultKind, PendingWrite};
use spinney_volume::SUPERBLOCK_SLOTS;
use std::sync::{Arc, Mutex, PoisonError};
use xxhash_rust::xxh3::Xxh3;

/// Hashes what passes.
struct TraceDevice {
    below: Arc<CrashDevice>,
    hash: Mutex<Xxh3>,
}

impl TraceDevice {
    fn note(&self, operation: u8, at: Pba, data: &[u8], done: bool) {
        let mut hash = self.hash.lock().unwrap_or_else(PoisonError::into_inner);
        hash.update(&[operation, u8::from(done)]);
        hash.update(&at.0.to_le_bytes());
        hash.update(data);
    }
}

impl BlockDevice for TraceDevice {
    fn blocks(&self) -> u64 {
        self.below.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        let done = self.below.read(at, buffer);
        self.note(b'r', at, &(buffer.len() as u64).to_le_bytes(), done.is_ok());
        done
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        let done = self.below.write(at, data);
        self.note(b'w', at, data, done.is_ok());
        done
    }
    fn flush(&self) -> Result<()> {
        let done = self.below.flush();
        self.note(b'f', Pba(0), &[], done.is_ok());
        done
    }
    fn discard(&self, run: Extent) -> Result<()> {
        let done = self.below.discard(run);
        self.note(b'd', run.start, &run.blocks.to_le_bytes(), done.is_ok());
        done
    }
}

/// An error that is to come.
#[derive(Clone, Copy, Debug)]
struct Armed {
    fault: Fault,
    then_cut: bool,
}

/// The device of a life.
pub(crate) struct Bench {
    power: Arc<CrashDevice>,
    trace: Arc<TraceDevice>,
    faults: Arc<FaultDevice<Arc<TraceDevice>>>,
    plant: PlantDevice,
    /// The planted device since power came on: what it holds back outlives a pool that is closed, but no cut.
    planted: Arc<dyn BlockDevice>,
    /// Whether a cut shears a superblock that is not flushed.
    shears: bool,
    /// What the next cut does to unflushed requests, if one is due.
    fates: Option<u64>,
    armed: Option<Armed>,
}

impl Bench {
    pub(crate) fn new(blocks: u64, plant: PlantDevice, shears: bool) -> Bench {
        let power = Arc::new(CrashDevice::new(blocks));
        let trace = Arc::new(TraceDevice { below: power.clone(), hash: Mutex::new(Xxh3::new()) });
        let faults = Arc::new(FaultDevice::new(trace.clone(), &[]));
        let planted = plant(faults.clone());
        Bench { power, trace, faults, plant, planted, shears, fates: None, armed: None }
    }
    /// What a pool is opened on.
    pub(crate) fn device(&self) -> Arc<dyn BlockDevice> {
        self.planted.clone()
    }
    pub(crate) fn is_dead(&self) -> bool {
        self.power.is_dead()
    }
    /// Whether requests wait for a flush, and whether one of them is not data.
    pub(crate) fn pending(&self, data: Extent) -> (bool, bool) {
        let pending = self.power.pending();
        (!pending.is_empty(), pending.iter().any(|write| write.run.start < data.start))
    }
    /// Cut the power after so many changes, unless a cut is due.
    pub(crate) fn cut_after(&mut self, changes: u64, fates: u64) {
        if self.fates.is_none() {
            self.power.crash_after(changes);
            self.fates = Some(fates);
        }
    }
    pub(crate) fn cut_is_due(&self) -> bool {
        self.fates.is_some()
    }
    /// The power goes and comes.
    pub(crate) fn cut(&mut self) {
        let fates = self.fates.take().unwrap_or_default();
        let mut chance = ChaCha8Rng::seed_from_u64(fates);
        let mut fates = self.power.draw(&mut chance);
        if self.shears {
            for (fate, write) in fates.iter_mut().zip(self.power.pending()) {
                if SUPERBLOCK_SLOTS.contains(&write.run.start) {
                    *fate = Fate::shear(&mut chance, write.run.blocks, 0);
                }
            }
        }
        let image = self.power.image(&fates);
        self.power.restart(image);
        self.planted = (self.plant)(self.faults.clone());
    }
    /// Whether a cut now shears a superblock: in its first sector, the only one that a commit changes.
    pub(crate) fn will_shear(&self) -> bool {
        let root = |write: &PendingWrite| SUPERBLOCK_SLOTS.contains(&write.run.start);
        self.shears && self.power.pending().iter().any(root)
    }
    /// Let a request fail, this many requests from now.
    pub(crate) fn fail_after(&mut self, kind: Bad, after: u64, then_cut: bool) {
        let kind = match kind {
            Bad::Read => FaultKind::ReadError,
            Bad::Write => FaultKind::WriteError,
            Bad::Flush => FaultKind::FlushError,
        };
        let fault = Fault::once(kind, self.faults.requests() + after);
        self.armed = Some(Armed { fault, then_cut });
        self.faults.set_script(&[fault]);
    }
    /// Whether the error has struck; then it is over, and says whether the power goes too.
    pub(crate) fn struck(&mut self) -> Option<bool> {
        let armed = self.armed?;
        let struck = self.faults.fired().last().is_some_and(|(_, fault)| *fault == armed.fault);
        struck.then(|| {
            self.armed = None;
            armed.then_cut
        })
    }
    /// No errors while something is looked at.
    pub(crate) fn pause_faults(&self) {
        self.faults.set_script(&[]);
    }
    pub(crate) fn resume_faults(&self) {
        let script: Vec<Fault> = self.armed.iter().map(|armed| armed.fault).collect();
        self.faults.set_script(&script);
    }
    /// The errors that were still to come do not.
    pub(crate) fn end_faults(&mut self) {
        self.armed = None;
        self.pause_faults();
    }
    /// Of everything so far.
    pub(crate) fn hash(&self) -> u64 {
        self.trace.hash.lock().unwrap_or_else(PoisonError::into_inner).digest()
    }
}
