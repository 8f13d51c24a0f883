//! One life: steps on a real pool over a device whose power is cut, beside the model.
//!
//! Invariant: after each cut the pool opens without repair, its checker finds nothing, and its content is one of the
//! model's allowed states. At the end everything is deleted, and every block must be free again.

use crate::bench::Bench;
use crate::readers::Readers;
use crate::step::Step;
use crate::{LifeStats, Model, Pair, audit, draw};
use spinney_core::{DevId, Error};
use spinney_registry::PoolSpec;
use spinney_volume::Pool;
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Fewer free blocks than this may be left when metadata that grows runs out.
const SPARE_BLOCKS: u64 = 8;

/// How a life failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The pair.
    pub pair: String,
    /// Index of the step at which it showed; the number of steps if at the end.
    pub step: usize,
    /// What was wrong.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at step {}: {}", self.pair, self.step, self.what)
    }
}

/// A life under way.
pub struct Life {
    pub(crate) pair: Pair,
    bench: Bench,
    pool: Option<Pool>,
    pub(crate) model: Model,
    readers: Readers,
    /// Each write has bytes of its own.
    pub(crate) stamp: u64,
    stats: LifeStats,
}

impl Life {
    /// Run the life of a seed.
    pub fn of_seed(pair: &Pair, seed: u64, steps: usize) -> Result<LifeStats, Failure> {
        Life::run(&pair.for_seed(seed), &draw(seed, steps))
    }

    /// Run these steps, then delete everything and check that all space is back. A panic is a failure like any other.
    pub fn run(pair: &Pair, steps: &[Step]) -> Result<LifeStats, Failure> {
        let reached = Cell::new(0);
        let run = AssertUnwindSafe(|| Life::run_steps(pair, steps, &reached));
        let ended = catch_unwind(run).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(format!("panic: {}", text.unwrap_or_default()))
        });
        ended.map_err(|what| Failure { pair: pair.to_string(), step: reached.get(), what })
    }

    fn run_steps(pair: &Pair, steps: &[Step], reached: &Cell<usize>) -> Result<LifeStats, String> {
        let Some(mut life) = Life::new(pair.clone())? else { return Ok(LifeStats::default()) };
        for (number, step) in steps.iter().enumerate() {
            reached.set(number);
            life.step(*step).map_err(|what| format!("{step}: {what}"))?;
        }
        reached.set(steps.len());
        life.end()?;
        Ok(LifeStats { trace: life.bench.hash(), ..life.stats })
    }

    /// A new pool with a volume; none if even that does not fit.
    fn new(pair: Pair) -> Result<Option<Life>, String> {
        let shears = pair.geometry.shears > 0;
        let bench = Bench::new(pair.geometry.device_blocks(), pair.device, shears);
        let parts = (pair.parts)(&pair.registry, &pair.spec());
        let pool = match Pool::format(bench.device(), parts, pair.options()) {
            Err(Error::NoPages { .. } | Error::NoSpace { .. }) => return Ok(None),
            pool => pool.map_err(|error| format!("format: {error}"))?,
        };
        let model = Model::new(pair.overwrites());
        let (readers, stats) = (Readers::default(), LifeStats::default());
        let mut life = Life { pair, bench, pool: Some(pool), model, readers, stamp: 0, stats };
        life.apply(Step::Create { blocks: 40 })?;
        Ok(Some(life))
    }

    pub(crate) fn pool(&mut self) -> &mut Pool {
        self.pool.as_mut().expect("the pool is open between steps")
    }

    /// Look at the pool while no error strikes.
    pub(crate) fn quietly<T>(&mut self, look: impl FnOnce(&mut Model, &mut Pool) -> T) -> T {
        self.bench.pause_faults();
        let seen = look(&mut self.model, self.pool.as_mut().expect("open"));
        self.bench.resume_faults();
        seen
    }

    /// Flush the pool. Whether by a commit, and not by a record in the log, which readers of the last commit do not see.
    pub(crate) fn flush_pool(&mut self) -> Result<bool, Error> {
        let logs = self.pair.geometry.log_blocks > 0;
        let (epoch, records) = (self.pool().epoch(), self.pool().stats().log_records);
        self.pool().flush()?;
        self.stats.records += self.pool().stats().log_records - records;
        Ok(!logs || self.pool().epoch() != epoch)
    }

    /// A step, and recovery if the power went during it.
    fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Crash { after, fates } => self.bench.cut_after(u64::from(after), fates),
            // Who accepts an unreadable slot asks for a read error there to open one commit back, which the model calls lost.
            Step::Fail { .. } if self.pair.geometry.shears > 0 => {}
            Step::Fail { kind, after, then_cut } => self.bench.fail_after(kind, u64::from(after), then_cut),
            Step::Pin => self.pin()?,
            Step::Unpin => self.unpin()?,
            Step::Reopen => self.reopen()?,
            Step::Audit => self.audit()?,
            _ => self.apply(step)?,
        }
        if self.bench.is_dead() { self.recover() } else { Ok(()) }
    }

    /// Carry out a step on pool and model. An error is right only if the power is off, a request failed or space is short.
    fn apply(&mut self, step: Step) -> Result<(), String> {
        let (epoch, mut before) = (self.pool().epoch(), self.model.len());
        let outcome = self.change(step);
        let struck = self.bench.struck();
        if self.pool().epoch() != epoch {
            self.model.durable_but(self.model.len().saturating_sub(before));
            before = 1;
        }
        self.stats.steps += 1;
        let reserved = self.pool().space().reserved_blocks;
        match (outcome, struck) {
            _ if reserved > 0 => Err(format!("{reserved} blocks are still set aside")),
            (Ok(()), _) => Ok(()),
            (Err(_), _) if self.bench.is_dead() => Ok(()),
            (Err(_), Some(then_cut)) => self.after_failure(before, then_cut),
            (Err(error @ (Error::NoSpace { .. } | Error::NoPages { .. })), None) => {
                self.stats.refused += 1;
                self.quietly(|model, pool| model.refused(before, pool))?;
                self.blocks_are_short_too(&error)?;
                match step {
                    Step::Delete { .. } | Step::Destroy { .. } => self.delete_again(step, error),
                    _ => Ok(()),
                }
            }
            (Err(error), None) if step.is_named() => self.named_refusal(before, &error),
            (Err(error), None) => Err(error.to_string()),
        }
    }

    /// A step by name may be refused for what the names are; then nothing has happened.
    fn named_refusal(&mut self, before: usize, error: &Error) -> Result<(), String> {
        self.stats.refused += 1;
        match error {
            Error::Busy(_) | Error::Unsupported(_) => self.quietly(|model, pool| model.refused(before, pool)),
            _ => Err(error.to_string()),
        }
    }

    /// Metadata that grows runs out only where the blocks have.
    fn blocks_are_short_too(&mut self, refused: &Error) -> Result<(), String> {
        let grows = self.pair.geometry.segments > 0 && matches!(refused, Error::NoPages { .. });
        let free = self.pool().space().free_blocks;
        if grows && free >= SPARE_BLOCKS {
            Err(format!("{refused}, and {free} blocks are free"))
        } else {
            Ok(())
        }
    }

    /// A delete was refused. Only a reader excuses that, and once it is gone the delete must work.
    fn delete_again(&mut self, step: Step, error: Error) -> Result<(), String> {
        match self.readers.forget() {
            true => self.apply(step),
            false => Err(format!("a delete must always work: {error}")),
        }
    }

    /// A reader of the last commit. In-place writes since would change what it sees.
    fn pin(&mut self) -> Result<(), String> {
        if self.pair.overwrites() && self.model.states().len() > 1 {
            return Ok(());
        }
        self.bench.pause_faults();
        let pinned = self.readers.pin(self.pool.as_ref().expect("open"), self.model.states());
        self.bench.resume_faults();
        self.stats.readers += u64::from(pinned?);
        Ok(())
    }

    fn unpin(&mut self) -> Result<(), String> {
        self.audit_readers()?;
        self.readers.unpin();
        Ok(())
    }

    fn audit_readers(&mut self) -> Result<(), String> {
        self.bench.pause_faults();
        let seen = self.readers.audit(self.pool.as_ref().expect("open"));
        self.bench.resume_faults();
        if self.bench.is_dead() { Ok(()) } else { seen }
    }

    /// The device failed a request and the pool said so: it goes on, or is closed and opened again.
    fn after_failure(&mut self, before: usize, then_cut: bool) -> Result<(), String> {
        self.stats.failed += 1;
        if self.quietly(|_, pool| pool.versions()) != Err(Error::Closed) {
            return self.quietly(|model, pool| model.refused(before, pool));
        }
        if then_cut { self.recover() } else { self.reopen() }
    }

    fn audit(&mut self) -> Result<(), String> {
        self.audit_readers()?;
        let audited = self.quietly(|model, pool| {
            model.audit(pool)?;
            let idle = pool.tend(0).map_err(|error| error.to_string())?.left == 0;
            audit::audit(pool, idle)?;
            check(pool)
        });
        if self.bench.is_dead() { Ok(()) } else { audited }
    }

    /// Power off, power on, open, compare.
    fn recover(&mut self) -> Result<(), String> {
        let data = self.pool.as_ref().map(|pool| pool.layout().data);
        self.count_cut(data);
        self.readers.forget();
        self.pool = None;
        self.bench.cut();
        self.open("after a cut").map(|_| ())
    }

    /// Close without a flush, open, compare. Opening flushes, and so may fall into a cut.
    fn reopen(&mut self) -> Result<(), String> {
        self.stats.reopened += 1;
        self.audit_readers()?;
        self.readers.forget();
        let data = self.pool.take().map(|pool| pool.layout().data);
        match self.open("after closing") {
            Err(_) if self.bench.is_dead() => {
                self.count_cut(data);
                self.bench.cut();
                self.open("after a cut")
            }
            opened => opened,
        }
    }

    /// Open the pool in the state that it must be in. An error that strikes meanwhile is reported, and a second try succeeds.
    fn open(&mut self, when: &str) -> Result<(), String> {
        let mut pool = self.try_open();
        if self.bench.struck().is_some() && pool.is_err() && !self.bench.is_dead() {
            pool = self.try_open();
        }
        self.pool = Some(pool.map_err(|error| format!("open {when}: {error}"))?);
        self.stats.replayed += self.pool().stats().log_records_replayed;
        let seen = self.quietly(|model, pool| model.recover(pool).and_then(|()| check(pool)));
        seen.map_err(|what| format!("{when}: {what}"))
    }

    fn try_open(&self) -> Result<Pool, Error> {
        let (registry, plant) = (&self.pair.registry, self.pair.parts);
        let build = |text: &str| {
            Ok(plant(registry, &PoolSpec::parse(text).map_err(|_| Error::Unsupported("description"))?))
        };
        Pool::open(self.bench.device(), self.pair.options(), &build)
    }

    fn count_cut(&mut self, data: Option<spinney_core::Extent>) {
        let (any, metadata) = data.map_or((false, false), |data| self.bench.pending(data));
        self.stats.cuts += 1;
        self.stats.shears += u64::from(self.bench.will_shear());
        self.stats.cuts_with_pending += u64::from(any);
        self.stats.cuts_in_commit += u64::from(metadata);
    }

    /// Cut once more if one is due, then delete everything: all space must come back.
    fn end(&mut self) -> Result<(), String> {
        self.bench.end_faults();
        if self.bench.cut_is_due() {
            self.stats.late_cuts += 1;
            self.recover()?;
        }
        self.audit()?;
        self.readers.forget();
        self.destroy_all()?;
        let all: Vec<DevId> = self.unnamed().collect();
        let pool = self.pool();
        for dev in all {
            pool.delete(dev).map_err(|error| format!("delete {dev:?} at the end: {error}"))?;
        }
        pool.settle().map_err(|error| format!("settle at the end: {error}"))?;
        check(pool)?;
        let space = pool.space();
        let free =
            space.free_blocks + pool.segment_blocks() == space.total_blocks && space.reserved_blocks == 0;
        if free { Ok(()) } else { Err(format!("space is not all back: {space:?}")) }
    }
}

/// Errors: what the checker found first, data scrubbed.
pub(crate) fn check(pool: &Pool) -> Result<(), String> {
    let report = pool.check(true).map_err(|error| format!("check: {error}"))?;
    match report.findings.first() {
        None => Ok(()),
        Some(first) => Err(format!("check: {} findings, the first: {first}", report.findings.len())),
    }
}
