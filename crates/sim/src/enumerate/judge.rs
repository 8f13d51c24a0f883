//! One crash state on trial: open, check, compare, work on, close, open, check.
//!
//! Invariant: all that it does follows from the blocks that it reads of the image, so that states can be told by these. Knows
//! nothing of how the image came about.

use super::operation::{ALPHABET, Operation, Role};
use super::world::{CrashPoint, World};
use crate::content::State;
use crate::{Model, Pair};
use spinney_core::Pba;
use spinney_device::MemoryDevice;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use xxhash_rust::xxh3::Xxh3;

/// A state that passed.
pub(super) struct Verdict {
    /// What it depended on, in order.
    pub(super) reads: Vec<Pba>,
    /// The hash of the state found.
    pub(super) state: u64,
    /// The crash points of its recovery, and of the first commit after it.
    pub(super) points: Vec<CrashPoint>,
}

/// The hash of a state of the model.
pub(super) fn hash(state: &State) -> u64 {
    let mut hasher = Xxh3::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// Try the image, with `more` operations after its recovery. Errors: what was wrong; a panic is wrong too.
pub(super) fn judge(pair: &Pair, image: MemoryDevice, model: Model, more: usize) -> Result<Verdict, String> {
    caught(|| trial(pair, image, model, more))
}

/// Run it; a panic is an error with its message.
pub(super) fn caught<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

fn trial(pair: &Pair, image: MemoryDevice, model: Model, more: usize) -> Result<Verdict, String> {
    let mut world = World::open(pair, image, model)?;
    world.audit()?;
    let state = hash(world.model().now());
    let first = Operation::WriteThrough(Role::First, 12_288, 4_096);
    let wrong = |operation: Operation, what: String| format!("after recovery, {operation}: {what}");
    world.apply(first).map_err(|what| wrong(first, what))?;
    let points = world.take_points();
    let start = (state % ALPHABET.len() as u64) as usize;
    for operation in ALPHABET.iter().cycle().skip(start).take(more) {
        world.apply(*operation).map_err(|what| wrong(*operation, what))?;
    }
    for last in [Operation::Flush, Operation::Reopen] {
        world.apply(last).map_err(|what| wrong(last, what))?;
    }
    world.audit().map_err(|what| format!("after recovery, work and reopening: {what}"))?;
    Ok(Verdict { reads: world.first_reads(), state, points })
}
