//! One life: steps on a real pool over a device whose power is cut, beside the model.
//!
//! Invariant: after each cut the pool opens without repair, its checker finds nothing, and its content is one of the
//! model's allowed states. At the end everything is deleted, and every block must be free again.

use crate::model::Model;
use crate::step::{Step, draw};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use spinney_core::{BLOCK_BYTES, BlockDevice, DevId, Error};
use spinney_device::CrashDevice;
use spinney_registry::{PoolSpec, Registry};
use spinney_volume::{ChecksumKind, Parts, Pool, PoolOptions};
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Data blocks of a life: few, since bugs of this kind need few operations, and so that some lives run out.
const DATA_BLOCKS: u64 = 72;
/// Blocks of metadata, by seed: enough for every life, or so few that many lives run out and writes go in small pieces.
const METADATA_BLOCKS: [u64; 3] = [300, 80, 64];
const BLOCK: u64 = BLOCK_BYTES as u64;
/// More versions than this are not made.
const VERSIONS_MAX: usize = 12;

/// Wraps a pool's parts, to plant a fault in them.
pub type PlantParts = fn(&Registry, &PoolSpec) -> Parts;
/// Wraps the device under a pool, to plant a fault there.
pub type PlantDevice = fn(Arc<CrashDevice>) -> Arc<dyn BlockDevice>;

/// What a life runs on.
#[derive(Clone)]
pub struct Pair {
    /// Allocator, as the registry names it.
    pub allocator: String,
    /// Scheme.
    pub scheme: String,
    /// Size of the metadata area.
    pub metadata_blocks: u64,
    /// Checksum of data blocks.
    pub checksums: ChecksumKind,
    /// Where both come from.
    pub registry: Arc<Registry>,
    /// A planted fault, or how parts are built without one.
    pub parts: PlantParts,
    /// The same for the device.
    pub device: PlantDevice,
}

impl Pair {
    /// The pair of these names, sound.
    #[must_use]
    pub fn new(registry: &Arc<Registry>, allocator: &str, scheme: &str) -> Pair {
        Pair {
            allocator: allocator.into(),
            scheme: scheme.into(),
            metadata_blocks: METADATA_BLOCKS[0],
            checksums: ChecksumKind::Xxh3,
            registry: registry.clone(),
            parts: |registry, spec| registry.parts(spec).expect("registered names build"),
            device: |device| device,
        }
    }

    /// The same on the pool that this seed's life has.
    #[must_use]
    pub fn for_seed(&self, seed: u64) -> Pair {
        let (sizes, kinds) = (METADATA_BLOCKS, ChecksumKind::ALL);
        let size = seed % sizes.len() as u64;
        let kind = seed / sizes.len() as u64 % kinds.len() as u64;
        Pair { metadata_blocks: sizes[size as usize], checksums: kinds[kind as usize], ..self.clone() }
    }

    /// The first line of a case: `pair ALLOCATOR SCHEME METADATA_BLOCKS CHECKSUMS`.
    #[must_use]
    pub fn line(&self) -> String {
        let checksums = self.checksums.name();
        format!("pair {} {} {} {checksums}", self.allocator, self.scheme, self.metadata_blocks)
    }

    /// Every pair of a registry.
    #[must_use]
    pub fn all(registry: &Arc<Registry>) -> Vec<Pair> {
        let schemes = || registry.schemes.iter().map(|scheme| scheme.name);
        let pairs = registry
            .allocator_names()
            .into_iter()
            .flat_map(|allocator| schemes().map(move |scheme| (allocator, scheme)));
        pairs.map(|(allocator, scheme)| Pair::new(registry, allocator, scheme)).collect()
    }

    pub(crate) fn spec(&self) -> PoolSpec {
        self.registry.spec(&self.allocator, &self.scheme).expect("registered names")
    }
}

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

/// What a life went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LifeStats {
    /// Steps that changed something.
    pub steps: u64,
    /// Power cuts.
    pub cuts: u64,
    /// Of these, cuts with requests that no flush covered.
    pub cuts_with_pending: u64,
    /// Of these, cuts inside a commit: metadata pages or a superblock were on their way.
    pub cuts_in_commit: u64,
    /// Requests refused for want of space.
    pub refused: u64,
}

/// A life under way.
pub struct Life {
    pair: Pair,
    device: Arc<CrashDevice>,
    pool: Option<Pool>,
    model: Model,
    fates: Option<u64>,
    stamp: u64,
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
        catch_unwind(run).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let what = format!("panic: {}", text.unwrap_or_default());
            Err(Failure { pair: format!("{} x {}", pair.allocator, pair.scheme), step: reached.get(), what })
        })
    }

    fn run_steps(pair: &Pair, steps: &[Step], reached: &Cell<usize>) -> Result<LifeStats, Failure> {
        let name = format!("{} x {}", pair.allocator, pair.scheme);
        let fail = |step, what| Failure { pair: name.clone(), step, what };
        let mut life = Life::new(pair.clone()).map_err(|what| fail(0, what))?;
        for (number, step) in steps.iter().enumerate() {
            reached.set(number);
            life.step(*step).map_err(|what| fail(number, format!("{step}: {what}")))?;
        }
        reached.set(steps.len());
        life.end().map_err(|what| fail(steps.len(), what))?;
        Ok(life.stats)
    }

    fn new(pair: Pair) -> Result<Life, String> {
        let device = Arc::new(CrashDevice::new(16 + pair.metadata_blocks + DATA_BLOCKS));
        let below = (pair.device)(device.clone());
        let parts = (pair.parts)(&pair.registry, &pair.spec());
        let pool = Pool::format(below, parts, options(&pair)).map_err(|error| format!("format: {error}"))?;
        let (model, stats) = (Model::default(), LifeStats::default());
        let mut life = Life { pair, device, pool: Some(pool), model, fates: None, stamp: 0, stats };
        life.apply(Step::Create { blocks: 40 })?;
        Ok(life)
    }

    fn pool(&mut self) -> &mut Pool {
        self.pool.as_mut().expect("the pool is open between steps")
    }

    /// A step, and recovery if the power went during it.
    fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Crash { after, fates } => {
                if self.fates.is_none() {
                    self.device.crash_after(u64::from(after));
                    self.fates = Some(fates);
                }
                Ok(())
            }
            Step::Reopen if self.fates.is_some() => Ok(()),
            Step::Reopen => {
                self.fates = Some(0);
                self.recover()
            }
            Step::Audit => self.audit(),
            _ => self.apply(step),
        }?;
        if self.device.is_dead() { self.recover() } else { Ok(()) }
    }

    /// Carry out a step on pool and model. An error is right only if the power is off or space is short.
    fn apply(&mut self, step: Step) -> Result<(), String> {
        let epoch = self.pool().epoch();
        let before = self.model.len();
        let outcome = self.change(step);
        let committed = self.pool().epoch() != epoch;
        match outcome {
            Ok(()) => {}
            Err(Error::NoSpace { .. } | Error::NoPages { .. }) => {
                self.model_refused(before);
                self.stats.refused += 1;
            }
            Err(_) if self.device.is_dead() => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
        if committed {
            self.model.durable_but(self.model.len().saturating_sub(before));
        }
        self.stats.steps += 1;
        Ok(())
    }

    /// A refused piece changed nothing, and neither did the pieces after it; find out how far the write came.
    fn model_refused(&mut self, before: usize) {
        let pool = self.pool.as_ref().expect("open");
        while self.model.len() > before && self.model.audit(pool).is_err() {
            self.model.undo();
        }
    }

    fn change(&mut self, step: Step) -> Result<(), Error> {
        match step {
            Step::Create { blocks } => self.create(u64::from(blocks)),
            Step::Flush => {
                self.pool().flush()?;
                self.model.flushed();
                Ok(())
            }
            Step::Tend { budget } => self.pool().tend(u64::from(budget)).map(|_| ()),
            Step::Snapshot { of } => self.take(of, false),
            Step::Clone { of } => self.take(of, true),
            Step::Delete { of } => match self.version(of, false) {
                Some((dev, _)) => {
                    self.model.delete(dev);
                    self.pool().delete(dev)
                }
                None => Ok(()),
            },
            Step::Write { of, at, blocks } => {
                self.write(of, u64::from(at) * BLOCK, u64::from(blocks) * BLOCK)
            }
            Step::Ragged { of, offset, bytes } => self.write(of, u64::from(offset), u64::from(bytes)),
            Step::Discard { of, at, blocks } => {
                self.discard(of, u64::from(at) * BLOCK, u64::from(blocks) * BLOCK)
            }
            Step::Zero { of, offset, bytes } => self.zero(of, u64::from(offset), u64::from(bytes)),
            Step::Audit | Step::Reopen | Step::Crash { .. } => Ok(()),
        }
    }

    fn create(&mut self, blocks: u64) -> Result<(), Error> {
        if self.model.now().len() < VERSIONS_MAX {
            let dev = self.pool().create(blocks)?;
            self.model.create(dev, blocks);
        }
        Ok(())
    }

    fn take(&mut self, of: u8, writable: bool) -> Result<(), Error> {
        let Some((of, _)) = self.version(of, false) else { return Ok(()) };
        if self.model.now().len() < VERSIONS_MAX {
            let dev = if writable { self.pool().clone_of(of) } else { self.pool().snapshot(of) }?;
            self.model.take(of, dev, writable);
        }
        Ok(())
    }

    /// The version that a number names, and its bytes.
    fn version(&self, of: u8, writable: bool) -> Option<(DevId, u64)> {
        let alive = self.model.now().iter().filter(|(_, content)| content.writable || !writable);
        let alive: Vec<_> = alive.map(|(dev, content)| (*dev, content.blocks * BLOCK)).collect();
        alive.get(usize::from(of) % alive.len().max(1)).copied()
    }

    /// A writable version, and the range moved and clipped into it.
    fn target(&self, of: u8, offset: u64, bytes: u64) -> Option<(DevId, u64, u64)> {
        let (dev, limit) = self.version(of, true)?;
        let offset = offset % limit;
        Some((dev, offset, bytes.min(limit - offset)))
    }

    fn write(&mut self, of: u8, offset: u64, bytes: u64) -> Result<(), Error> {
        let Some((dev, offset, bytes)) = self.target(of, offset, bytes) else { return Ok(()) };
        self.stamp += 1;
        let data: Vec<u8> =
            (0..bytes).map(|at| (self.stamp.wrapping_mul(0x9E37_79B9) >> (at % 4 * 8)) as u8 | 1).collect();
        self.model.write(dev, offset, &data);
        self.pool().write(dev, offset, &data)
    }

    fn discard(&mut self, of: u8, offset: u64, bytes: u64) -> Result<(), Error> {
        let Some((dev, offset, bytes)) = self.target(of, offset, bytes) else { return Ok(()) };
        self.model.discard(dev, offset / BLOCK, (offset + bytes) / BLOCK);
        self.pool().discard(dev, offset, bytes)
    }

    fn zero(&mut self, of: u8, offset: u64, bytes: u64) -> Result<(), Error> {
        let Some((dev, offset, bytes)) = self.target(of, offset, bytes) else { return Ok(()) };
        let end = offset + bytes;
        let (inner, inner_end) = (offset.next_multiple_of(BLOCK), end / BLOCK * BLOCK);
        if inner > inner_end {
            self.model.write(dev, offset, &vec![0; bytes as usize]);
        } else {
            self.model.write(dev, offset, &vec![0; (inner - offset) as usize]);
            self.model.discard(dev, inner / BLOCK, inner_end / BLOCK);
            self.model.write(dev, inner_end, &vec![0; (end - inner_end) as usize]);
        }
        self.pool().zero(dev, offset, bytes)
    }

    fn audit(&mut self) -> Result<(), String> {
        let pool = self.pool.as_ref().expect("open");
        let sound = self.model.audit(pool);
        if self.device.is_dead() { Ok(()) } else { sound.and_then(|()| check(pool)) }
    }

    /// Power off, power on, open, compare. A close without a flush loses what a cut would lose, so `Reopen` comes here too.
    fn recover(&mut self) -> Result<(), String> {
        let fates = self.fates.take().unwrap_or_default();
        self.count_cut();
        self.pool = None;
        let image = self.device.cut(&mut ChaCha8Rng::seed_from_u64(fates));
        self.device.restart(image);
        let below = (self.pair.device)(self.device.clone());
        let (registry, plant) = (self.pair.registry.clone(), self.pair.parts);
        let build = |text: &str| {
            Ok(plant(&registry, &PoolSpec::parse(text).map_err(|_| Error::Unsupported("description"))?))
        };
        let pool = Pool::open(below, options(&self.pair), &build)
            .map_err(|error| format!("open after a cut: {error}"))?;
        self.model.recover(&pool).map_err(|what| format!("after a cut: {what}"))?;
        check(&pool).map_err(|what| format!("after a cut: {what}"))?;
        self.pool = Some(pool);
        Ok(())
    }

    fn count_cut(&mut self) {
        let pending = self.device.pending();
        let data = self.pool().layout().data;
        self.stats.cuts += 1;
        self.stats.cuts_with_pending += u64::from(!pending.is_empty());
        self.stats.cuts_in_commit += u64::from(pending.iter().any(|write| write.run.start < data.start));
    }

    /// Cut once more if one is due, then delete everything: all space must come back.
    fn end(&mut self) -> Result<(), String> {
        if self.fates.is_some() {
            self.recover()?;
        }
        let all: Vec<DevId> = self.model.now().keys().copied().collect();
        let pool = self.pool();
        for dev in all {
            pool.delete(dev).map_err(|error| format!("delete {dev:?} at the end: {error}"))?;
        }
        pool.settle().map_err(|error| format!("settle at the end: {error}"))?;
        check(pool)?;
        let space = pool.space();
        let free = space.free_blocks == space.total_blocks && space.reserved_blocks == 0;
        if free { Ok(()) } else { Err(format!("space is not all back: {space:?}")) }
    }
}

fn options(pair: &Pair) -> PoolOptions {
    PoolOptions {
        metadata_blocks: Some(pair.metadata_blocks),
        checksums: pair.checksums,
        cache_pages: 24,
        commit_blocks: 100,
        tend_budget: 6,
        ..PoolOptions::default()
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
