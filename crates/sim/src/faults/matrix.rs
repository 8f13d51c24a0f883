//! One run: a history on a pool whose device has one fault, compared at every step with what must be there.
//!
//! Invariant: whatever a read returns with success is right, or the run fails at once, whatever the fault. A run is a function of
//! pair, seed and fault.

use super::oracle::Agreement;
use super::script::{self, DEVICE_BLOCKS, History, OPTIONS};
use super::table::{After, Answer, Row};
use spinney_core::{BLOCK_BYTES, BlockDevice, Error, Pba};
use spinney_device::{Fault, FaultDevice, MemoryDevice, RecorderDevice, Repeat, RequestKind, RequestRecord};
use spinney_registry::Registry;
use spinney_volume::{Pool, PoolOptions};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Changes in a run.
const CHANGES: u64 = 14;
const FLUSH_EVERY: u64 = 4;
const LOOK_EVERY: u64 = 6;
/// Where the pool is closed and opened again, unflushed changes lost.
const REOPEN_AT: u64 = 9;

/// A fresh pool to start runs from, and what a run without a fault does.
pub struct Bench {
    registry: Registry,
    pair: [String; 2],
    seed: u64,
    options: PoolOptions,
    fresh: MemoryDevice,
    /// Requests of a calm run.
    pub requests: u64,
    /// Blocks that a calm run writes.
    pub written: Vec<Pba>,
}

/// How a run went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How often the fault struck.
    pub strikes: usize,
    /// Requests that the device saw while the fault was there.
    pub requests: u64,
    /// The errors that operations gave.
    pub answers: BTreeSet<Answer>,
    /// Whether any operation gave one, or `check` found something.
    pub told: bool,
    /// What was left.
    pub after: After,
    /// Flushed epochs that opening did not bring back without a word.
    pub older: bool,
}

impl Bench {
    /// For a pair, and a seed of the history. Errors: in words.
    pub fn new(pair: [&str; 2], seed: u64) -> Result<Bench, String> {
        Bench::with(pair, seed, OPTIONS)
    }

    /// The same on pools with other options.
    pub fn with(pair: [&str; 2], seed: u64, options: PoolOptions) -> Result<Bench, String> {
        let registry = Registry::standard();
        let device = Arc::new(MemoryDevice::new(DEVICE_BLOCKS));
        drop(script::format(&registry, pair, options, device.clone()).map_err(|error| error.to_string())?);
        let fresh = MemoryDevice::clone(&device);
        let pair = pair.map(str::to_owned);
        let mut bench = Bench { registry, pair, seed, options, fresh, requests: 0, written: Vec::new() };
        let written: Arc<Mutex<BTreeSet<Pba>>> = Arc::default();
        let sink = {
            let written = written.clone();
            move |record: RequestRecord| {
                if record.kind == RequestKind::Write {
                    written.lock().expect("no panic under it").extend(blocks_of(&record));
                }
            }
        };
        let recorder = RecorderDevice::new(bench.fresh.clone(), || 0, sink);
        let calm = Arc::new(FaultDevice::new(recorder, &[]));
        let outcome = bench.run_on(&calm)?;
        if outcome.after != After::Kept || outcome.older || !outcome.answers.is_empty() {
            return Err(format!("a run without a fault: {outcome:?}"));
        }
        bench.requests = outcome.requests;
        bench.written = written.lock().expect("no panic under it").iter().copied().collect();
        Ok(bench)
    }

    /// A trial of a row: the fault struck from request `n` on. Errors: a wrong byte, or more than the table allows.
    pub fn trial(&self, row: &Row, n: u64, repeat: Repeat) -> Result<Outcome, String> {
        let fault = Fault { kind: (row.kind)(n, &self.written), at: n, repeat, within: None };
        let outcome = self.run(fault)?;
        let beyond = row.beyond(&outcome).map(|what| {
            let [allocator, scheme] = &self.pair;
            format!("{allocator} x {scheme}, seed {}, {} {fault:?}: {what}: {outcome:?}", self.seed, row.name)
        });
        beyond.map_or(Ok(outcome), Err)
    }

    /// Run with `fault`. Errors: a wrong byte, a version too many or too few.
    pub fn run(&self, fault: Fault) -> Result<Outcome, String> {
        let device = Arc::new(FaultDevice::new(self.fresh.clone(), &[fault]));
        self.run_on(&device).map_err(|what| {
            format!("{} x {}, seed {}, {fault:?}: {what}", self.pair[0], self.pair[1], self.seed)
        })
    }

    fn run_on<D: BlockDevice + 'static>(&self, device: &Arc<FaultDevice<D>>) -> Result<Outcome, String> {
        let mut run = Run::new(self, device.clone())?;
        for number in 0..CHANGES {
            if run.pool.is_none() {
                break; // it did not open: the device must be mended first
            }
            if number == REOPEN_AT {
                run.open()?;
            }
            run.change()?;
            if number % FLUSH_EVERY == 0 {
                run.flush()?;
            }
            if number % LOOK_EVERY == 0 {
                run.look()?;
            }
        }
        run.flush()?;
        run.look()?;
        let told = !run.check() || !run.answers.is_empty();
        let (strikes, requests) = (device.fired().len(), device.requests());
        device.set_script(&[]);
        let after = run.aftermath()?;
        Ok(Outcome { strikes, requests, told, answers: run.answers, after, older: run.older })
    }
}

fn blocks_of(record: &RequestRecord) -> impl Iterator<Item = Pba> + use<> {
    let (start, bytes) = (record.offset_bytes, record.length_bytes);
    (start / BLOCK_BYTES as u64..(start + bytes) / BLOCK_BYTES as u64).map(Pba)
}

struct Run<'a> {
    bench: &'a Bench,
    device: Arc<dyn BlockDevice>,
    pool: Option<Pool>,
    history: History,
    /// The newest epoch whose flush succeeded.
    durable: u64,
    answers: BTreeSet<Answer>,
    older: bool,
}

impl<'a> Run<'a> {
    fn new(bench: &'a Bench, device: Arc<dyn BlockDevice>) -> Result<Run<'a>, String> {
        let fresh = script::open(&bench.registry, bench.options, Arc::new(bench.fresh.clone()));
        let fresh = fresh.map_err(|error| format!("open the fresh pool: {error}"))?;
        let history = History::new(bench.seed, &fresh);
        let durable = fresh.epoch().0 - 1;
        let mut run =
            Run { bench, device, pool: None, history, durable, answers: BTreeSet::new(), older: false };
        run.open()?;
        Ok(run)
    }

    fn note(&mut self, error: Error) {
        self.answers.insert(Answer::of(&error));
    }

    fn open(&mut self) -> Result<(), String> {
        self.pool = None;
        match script::open(&self.bench.registry, self.bench.options, self.device.clone()) {
            Ok(pool) => {
                let newest = pool.epoch().0 - 1;
                let epoch =
                    self.history.resume(&pool).ok_or(format!("epoch {newest} was never under way"))?;
                self.older |= epoch < self.durable;
                self.durable = epoch;
                self.pool = Some(pool);
            }
            Err(error) => self.note(error),
        }
        Ok(())
    }

    /// Note an answer; a pool that closed itself is opened again.
    fn answered(&mut self, answer: Result<(), Error>) -> Result<(), String> {
        let Err(error) = answer else { return Ok(()) };
        self.note(error);
        let closed = self.pool.as_ref().is_some_and(|pool| pool.versions() == Err(Error::Closed));
        if closed { self.open() } else { Ok(()) }
    }

    fn change(&mut self) -> Result<(), String> {
        let Some(pool) = &mut self.pool else { return Ok(()) };
        let change = self.history.draw();
        let answer = self.history.apply(pool, change).map_err(|what| format!("{change:?}: {what}"))?;
        self.answered(answer)
    }

    fn flush(&mut self) -> Result<(), String> {
        let Some(pool) = &mut self.pool else { return Ok(()) };
        let answer = self.history.flush(pool);
        if answer.is_ok() {
            self.durable = pool.epoch().0 - 1;
        }
        self.answered(answer)
    }

    /// Read everything, from the device.
    fn look(&mut self) -> Result<Option<Agreement>, String> {
        let Some(pool) = &self.pool else { return Ok(None) };
        pool.drop_caches();
        let agreement = self.history.state.compare(pool)?;
        if let Agreement::Partly(error) = agreement {
            self.note(error);
        }
        Ok(Some(agreement))
    }

    /// Whether the checker finds nothing.
    fn check(&mut self) -> bool {
        let Some(pool) = &self.pool else { return false };
        match pool.check(true) {
            Ok(report) => report.is_sound(),
            Err(error) => {
                self.note(error);
                false
            }
        }
    }

    /// With the fault gone: open, read everything, check.
    fn aftermath(&mut self) -> Result<After, String> {
        let during = std::mem::take(&mut self.answers);
        self.open()?;
        let looked = self.look()?;
        let sound = self.check();
        self.answers = during;
        match looked {
            Some(Agreement::Whole) if sound => Ok(After::Kept),
            Some(Agreement::Partly(error)) if sound => {
                Err(format!("unreadable ({error}), and check finds nothing"))
            }
            _ => Ok(After::Told),
        }
    }
}
