//! Every sequence of operations, every crash point of each, every cut of each.
//!
//! Invariant: what is tried and counted follows from pair and plan, whatever the threads do. A shorter sequence comes before a longer
//! one, so the first failure has as few operations as any.

use super::case::{Case, Cut, sequence};
use super::choices::visit_cuts;
use super::contents::Contents;
use super::judge::{Verdict, caught, hash, judge};
use super::operation::{ALPHABET, Operation};
use super::seen::Seen;
use super::world::{CrashPoint, start};
use crate::content::State;
use crate::{Geometry, Pair};
use rayon::prelude::*;
use spinney_device::MemoryDevice;
use std::collections::HashSet;
use std::ops::AddAssign;
use std::sync::{Mutex, MutexGuard, PoisonError};
use xxhash_rust::xxh3::xxh3_64;

/// Of the states found, one in so many has its recovery cut again, by how deep it lies: 5 % and 2 % of these.
const CUT_AGAIN_IN: [u64; 2] = [20, 50];

/// Of the images that are taken for a state seen before, one in so many is judged all the same, and must be that state.
const DOUBTED_IN: u64 = 500;

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The longest sequences.
    pub length: u32,
    /// Operations after each recovery.
    pub more: usize,
    /// The pool's sizes and tunables.
    pub geometry: Geometry,
}

impl Plan {
    /// Sequences of up to `length` in a pool of 224 blocks, with `more` operations after each recovery. No short sequence is short of
    /// space; the versions of the start hold some 14 blocks.
    #[must_use]
    pub fn new(length: u32, more: usize) -> Plan {
        let geometry = Geometry { metadata_blocks: 144, data_blocks: 64, ..Geometry::default() };
        Plan { length, more, geometry }
    }

    /// The same in a metadata area that has `more` blocks beyond the smallest in which the start of sequences can be made: operations
    /// commit on their way to make room, a block at a time, or are refused.
    #[must_use]
    pub fn scarce(self, pair: &Pair, more: u64) -> Plan {
        let with = |metadata_blocks| Geometry { metadata_blocks, ..self.geometry };
        let fits = |blocks: &u64| start(&pair.on(with(*blocks))).is_ok();
        let least = (32..self.geometry.metadata_blocks).find(fits);
        Plan { geometry: least.map_or(self.geometry, |least| with(least + more)), ..self }
    }
}

/// What was tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Sequences carried out.
    pub sequences: u64,
    /// Sequences left out, since an operation in them found nothing to do: a shorter one is the same.
    pub idle: u64,
    /// Sequences in which an operation was refused for want of space.
    pub refused: u64,
    /// Crash points: flushes under way.
    pub points: u64,
    /// Cuts, by depth: of the sequences, of recoveries, of recoveries of recoveries.
    pub raw: [u64; 3],
    /// Of these, cuts that left an image unlike the others of their crash point.
    pub images: [u64; 3],
    /// Of these, states that recovery can tell apart, over the whole search.
    pub distinct: [u64; 3],
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.sequences += other.sequences;
        self.idle += other.idle;
        self.refused += other.refused;
        self.points += other.points;
        let pairs = [
            (&mut self.raw, other.raw),
            (&mut self.images, other.images),
            (&mut self.distinct, other.distinct),
        ];
        for (sum, more) in pairs {
            sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
    }
}

/// A state that must not be.
#[derive(Clone, Debug)]
pub struct Finding {
    /// How it comes about, shrunk.
    pub case: Case,
    /// What is wrong with it.
    pub what: String,
}

/// A search of one pair.
pub struct Search {
    pair: Pair,
    more: usize,
    start: (MemoryDevice, State),
    seen: Mutex<Seen>,
    counts: Mutex<Counts>,
}

/// Where a crash point lies: the cuts before it.
struct Path<'a> {
    operations: &'a [Operation],
    cuts: Vec<Cut>,
}

impl Search {
    /// Make the start that all sequences have. Errors: why it could not be made.
    pub fn new(pair: &Pair, plan: Plan) -> Result<Search, String> {
        let pair = pair.on(plan.geometry);
        let start = caught(|| start(&pair))?;
        Ok(Search { pair, more: plan.more, start, seen: Mutex::default(), counts: Mutex::default() })
    }

    /// Try all sequences of exactly `length` operations; `done` is called after each. The first failure in order, shrunk.
    pub fn sequences(&self, length: u32, done: &(dyn Fn() + Sync)) -> Option<Finding> {
        let found = (0..Search::count(length)).into_par_iter().find_map_first(|number| {
            let found = self.sequence(&operations(number, length)).err();
            done();
            found
        });
        found.map(|found| {
            let (case, what) = found.case.shrunk(&self.pair, &found.what);
            Finding { case, what }
        })
    }

    /// How many sequences of this length there are.
    #[must_use]
    pub fn count(length: u32) -> u64 {
        (ALPHABET.len() as u64).pow(length)
    }

    /// What was tried so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        *lock(&self.counts)
    }

    fn sequence(&self, operations: &[Operation]) -> Result<(), Box<Finding>> {
        let path = Path { operations, cuts: Vec::new() };
        let run = caught(|| sequence(&self.pair, &self.start, operations))
            .map_err(|what| self.finding(&path, None, what))?;
        if run.idle {
            lock(&self.counts).idle += 1;
            return Ok(());
        }
        let tried = Counts { sequences: 1, refused: u64::from(run.refused), ..Counts::default() };
        *lock(&self.counts) += tried;
        self.points(&run.points, &path)
    }

    fn finding(&self, path: &Path, last: Option<Cut>, what: String) -> Box<Finding> {
        let pair = [self.pair.allocator.clone(), self.pair.scheme.clone()];
        let cuts = path.cuts.iter().cloned().chain(last).collect();
        let (geometry, operations) = (self.pair.geometry, path.operations.to_vec());
        let case = Case { pair, geometry, more: self.more, operations, cuts };
        Box::new(Finding { case, what })
    }

    fn points(&self, points: &[CrashPoint], path: &Path) -> Result<(), Box<Finding>> {
        points.iter().enumerate().try_for_each(|(number, point)| self.point(number, point, path))
    }

    /// Every cut at one crash point.
    fn point(&self, number: usize, point: &CrashPoint, path: &Path) -> Result<(), Box<Finding>> {
        let depth = path.cuts.len();
        let allowed: Vec<u64> = point.model.states().iter().map(hash).collect();
        let (mut contents, mut images) = (Contents::new(&point.epoch), HashSet::new());
        let (mut counts, mut again) = (Counts { points: 1, ..Counts::default() }, Vec::new());
        let mut failure = None;
        visit_cuts(&point.epoch.writes, |fates| {
            counts.raw[depth] += 1;
            let cut = contents.cut(fates);
            let image = hash_of_hashes(&cut);
            if failure.is_some() || !images.insert(image) {
                return;
            }
            counts.images[depth] += 1;
            let known = lock(&self.seen).find(|at| contents.hash_of(at, &cut));
            let allowed = known.filter(|state| allowed.contains(state));
            if allowed.is_some() && !image.is_multiple_of(DOUBTED_IN) {
                return;
            }
            let judged = judge(&self.pair, point.epoch.image(fates), point.model.clone(), self.more);
            match judged.and_then(|verdict| agrees(verdict, allowed)) {
                Err(what) => failure = Some((fates.to_vec(), what)),
                Ok(Verdict { reads, state, points }) => {
                    let new = lock(&self.seen).keep(&reads, |at| contents.hash_of(at, &cut), state);
                    counts.distinct[depth] += u64::from(new.is_some());
                    if new.is_some_and(|new| cut_again(new, depth)) {
                        again.push((fates.to_vec(), points));
                    }
                }
            }
        });
        *lock(&self.counts) += counts;
        if let Some((fates, what)) = failure {
            return Err(self.finding(path, Some(Cut { point: number, fates }), what));
        }
        again.into_iter().try_for_each(|(fates, points)| {
            let cuts = path.cuts.iter().cloned().chain([Cut { point: number, fates }]).collect();
            self.points(&points, &Path { cuts, ..*path })
        })
    }
}

/// Errors: an image was taken for a state, by what recovery reads, that it is not.
fn agrees(verdict: Verdict, known: Option<u64>) -> Result<Verdict, String> {
    let same = known.is_none_or(|state| state == verdict.state);
    if same { Ok(verdict) } else { Err("recovery depends on more than it reads".into()) }
}

/// Whether the recovery of a state is cut again.
fn cut_again(state: u64, depth: usize) -> bool {
    CUT_AGAIN_IN.get(depth).is_some_and(|share| (state >> 20).is_multiple_of(*share))
}

fn hash_of_hashes(hashes: &[u64]) -> u64 {
    let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect();
    xxh3_64(&bytes)
}

/// The sequence of this number: its digits name operations.
fn operations(number: u64, length: u32) -> Vec<Operation> {
    let base = ALPHABET.len() as u64;
    (0..length).rev().map(|digit| ALPHABET[(number / base.pow(digit) % base) as usize]).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Search one pair by a plan. Errors: the first finding.
pub fn enumerate(pair: &Pair, plan: Plan) -> Result<Counts, Box<Finding>> {
    let named = Case { pair: [pair.allocator.clone(), pair.scheme.clone()], ..Case::default() };
    let search = Search::new(pair, plan).map_err(|what| Finding { case: named, what })?;
    match (1..=plan.length).find_map(|length| search.sequences(length, &|| {})) {
        Some(finding) => Err(Box::new(finding)),
        None => Ok(search.counts()),
    }
}
