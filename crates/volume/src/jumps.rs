//! Where reads had to seek inside a version, for schemes that bring together what is read.
//!
//! Invariant: a hint, of bounded size: what is lost costs nothing but a later copy. The one lock of this crate guards it, held for a push.

use spinney_core::{DevId, Lba, Pba};
use spinney_snap::Run;
use std::sync::{Mutex, PoisonError};

/// So many are kept between two commits; the first ones.
const JUMPS_MAX: usize = 4096;

type Jump = (DevId, Lba, Lba);

/// Of which version, after which block, to which.
#[derive(Default)]
pub(crate) struct Jumps(Mutex<Vec<Jump>>);

impl Jumps {
    /// A read went through these runs, in order.
    pub(crate) fn note(&self, dev: DevId, runs: &[Run]) {
        let mapped: Vec<(Run, Pba)> = runs.iter().filter_map(|run| Some((*run, run.on?))).collect();
        let apart = mapped.windows(2).filter(|pair| pair[0].1.0 + pair[0].0.blocks != pair[1].1.0);
        let mut jumps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = JUMPS_MAX.saturating_sub(jumps.len());
        let jump = |pair: &[(Run, Pba)]| (dev, Lba(pair[0].0.at.0 + pair[0].0.blocks - 1), pair[1].0.at);
        jumps.extend(apart.map(jump).take(room));
    }
    /// All, which are forgotten.
    pub(crate) fn take(&self) -> Vec<Jump> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
