//! A pool, its device and its model under way, and the crash points that they pass.
//!
//! Invariant: between operations the pool is open and equals the model. A crash point carries the states that the contract allows
//! there: what was durable before the operation, the state before it, and its own pieces.

use super::gate::Gate;
use super::operation::{Operation, Role};
use crate::content::State;
use crate::life::check;
use crate::{Model, Pair};
use spinney_core::{BLOCK_BYTES, DevId, Error};
use spinney_device::{CrashDevice, FlushEpoch, MemoryDevice};
use spinney_registry::PoolSpec;
use spinney_volume::Pool;
use std::sync::Arc;

/// Blocks of each volume.
const VOLUME_BLOCKS: u32 = 8;
const BLOCK: u64 = BLOCK_BYTES as u64;

/// How the start of every sequence is made.
const START: &[Operation] = &[
    Operation::Create(VOLUME_BLOCKS),
    Operation::Create(VOLUME_BLOCKS),
    Operation::Write(Role::First, 0, 16_384),
    Operation::Snapshot(Role::First),
    Operation::Write(Role::First, 8_192, 16_384),
    Operation::Snapshot(Role::First),
    Operation::CloneOf(Role::Newest),
    Operation::Write(Role::Last, 0, 8_192),
    Operation::Write(Role::First, 0, 4_096),
    Operation::Snapshot(Role::First),
    Operation::Write(Role::Second, 0, 12_288),
    Operation::Settle,
];

/// A flush under way, what it covers, and which states may be found if the power goes before it is done.
#[derive(Clone, Debug)]
pub(super) struct CrashPoint {
    pub(super) epoch: FlushEpoch,
    pub(super) model: Model,
}

/// What became of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Done,
    /// No version has the role, or there was nothing to do.
    Absent,
    /// No space.
    Refused,
}

pub(super) struct World<'a> {
    pair: &'a Pair,
    device: Arc<CrashDevice>,
    gate: Arc<Gate>,
    pool: Option<Pool>,
    model: Model,
    /// How many of the model's states, from the oldest, may be the durable one.
    durable: usize,
    stamp: u64,
    points: Vec<CrashPoint>,
}

/// Where every sequence starts: two volumes, three snapshots of the first and a clone of the second of these, all durable.
pub(super) fn start(pair: &Pair) -> Result<(MemoryDevice, State), String> {
    let world = World::start(pair)?;
    Ok((world.device.durable(), world.model.now().clone()))
}

impl<'a> World<'a> {
    /// A pool from its formatting to the start of every sequence.
    pub(super) fn start(pair: &'a Pair) -> Result<World<'a>, String> {
        if pair.overwrites() {
            return Err(
                "pools that overwrite in place may keep any part of an epoch; seeded lives cut those".into(),
            );
        }
        let device = Arc::new(CrashDevice::new(pair.geometry.device_blocks()));
        device.record();
        let gate = Arc::new(Gate::new((pair.device)(device.clone())));
        let parts = (pair.parts)(&pair.registry, &pair.spec());
        let pool = Pool::format(gate.clone(), parts, pair.options());
        let pool = Some(pool.map_err(|error| format!("format: {error}"))?);
        let model = Model::default();
        let mut world =
            World { pair, device, gate, pool, model, durable: 1, stamp: 1_000, points: Vec::new() };
        for operation in START {
            let outcome = world.apply(*operation).map_err(|what| format!("start: {operation}: {what}"))?;
            if outcome != Outcome::Done {
                return Err(format!("start: {operation}: {outcome:?}"));
            }
        }
        Ok(world)
    }

    /// Power on over `image`, where one of the model's states must be found.
    pub(super) fn open(pair: &'a Pair, image: MemoryDevice, model: Model) -> Result<World<'a>, String> {
        let device = Arc::new(CrashDevice::from_image(image));
        device.record();
        let gate = Arc::new(Gate::new((pair.device)(device.clone())));
        let mut world =
            World { pair, device, gate, pool: None, model, durable: 1, stamp: 0, points: Vec::new() };
        world.reopen()?;
        world.collect();
        Ok(world)
    }

    /// The blocks whose content this world has depended on so far.
    pub(super) fn first_reads(&self) -> Vec<spinney_core::Pba> {
        self.device.first_reads()
    }

    /// The crash points passed since the last call.
    pub(super) fn take_points(&mut self) -> Vec<CrashPoint> {
        std::mem::take(&mut self.points)
    }

    pub(super) fn model(&self) -> &Model {
        &self.model
    }

    /// Check and compare everything.
    pub(super) fn audit(&self) -> Result<(), String> {
        let pool = self.pool.as_ref().expect("the pool is open between operations");
        check(pool)?;
        self.model.audit(pool)
    }

    fn pool(&mut self) -> &mut Pool {
        self.pool.as_mut().expect("the pool is open between operations")
    }

    fn collect(&mut self) {
        let epochs = self.device.take_epochs().into_iter().filter(|epoch| !epoch.writes.is_empty());
        let points = epochs.map(|epoch| CrashPoint { epoch, model: self.model.clone() });
        self.points.extend(points);
    }

    /// Close without a flush and open again over the same device, whose cache stays as it is.
    fn reopen(&mut self) -> Result<(), String> {
        self.pool = None;
        self.gate = Arc::new(Gate::new((self.pair.device)(self.device.clone())));
        let (registry, plant) = (self.pair.registry.clone(), self.pair.parts);
        let build = |text: &str| {
            Ok(plant(&registry, &PoolSpec::parse(text).map_err(|_| Error::Unsupported("description"))?))
        };
        let pool = Pool::open(self.gate.clone(), self.pair.options(), &build)
            .map_err(|error| format!("open: {error}"))?;
        self.model.recover(&pool)?;
        self.durable = 1;
        self.pool = Some(pool);
        Ok(())
    }

    /// Carry out an operation on pool and model. Errors: anything that a pool must not do.
    pub(super) fn apply(&mut self, operation: Operation) -> Result<Outcome, String> {
        match operation {
            Operation::WriteThrough(role, offset, bytes) => {
                let written = self.apply(Operation::Write(role, offset, bytes))?;
                self.apply(Operation::Flush)?;
                return Ok(written);
            }
            Operation::Reopen => return self.restart(None),
            Operation::Kill(flushes) => return self.restart(Some(u64::from(flushes))),
            _ => {}
        }
        self.stamp += 1;
        self.model.at_once(self.durable);
        let (before, epoch) = (self.model.len(), self.pool().epoch());
        let outcome = match self.change(operation) {
            Ok(true) => Outcome::Done,
            Ok(false) => Outcome::Absent,
            Err(Error::NoSpace { .. } | Error::NoPages { .. }) => {
                self.model
                    .refused(before, self.pool.as_ref().expect("the pool is open between operations"))?;
                Outcome::Refused
            }
            Err(error) => return Err(error.to_string()),
        };
        self.collect();
        if matches!(operation, Operation::Flush | Operation::Settle) {
            self.model.flushed();
            self.durable = 1;
        } else if self.pool().epoch() != epoch {
            self.model.durable_but(self.model.len().saturating_sub(before));
            self.durable = self.model.len();
        }
        Ok(outcome)
    }

    /// The process ends, in the middle of a commit if `flushes` says where, and starts again.
    fn restart(&mut self, flushes: Option<u64>) -> Result<Outcome, String> {
        if let Some(flushes) = flushes
            && !self.dies(flushes)
        {
            let something = Operation::Write(Role::First, 28_672, 4_096);
            if self.apply(something)? != Outcome::Done || !self.dies(flushes) {
                return Ok(Outcome::Absent);
            }
        }
        self.model.at_once(self.durable);
        let allowed = self.model.clone();
        self.reopen()?;
        let found = std::mem::replace(&mut self.model, allowed);
        self.collect();
        self.model = found;
        Ok(Outcome::Done)
    }

    /// Whether a commit, of which only so many flushes happen, fails: it does if there is anything to commit.
    fn dies(&mut self, flushes: u64) -> bool {
        self.gate.arm(flushes);
        let dead = self.pool().flush().is_err();
        if !dead {
            self.gate.disarm();
        }
        dead
    }

    /// Whether there was anything to do.
    fn change(&mut self, operation: Operation) -> Result<bool, Error> {
        let done = match operation {
            Operation::Write(role, offset, bytes) => {
                let Some(dev) = self.role(role) else { return Ok(false) };
                let data = pattern(self.stamp, u64::from(offset), u64::from(bytes));
                self.model.write(dev, u64::from(offset), &data);
                self.pool().write(dev, u64::from(offset), &data)
            }
            Operation::Zero(role, offset, bytes) => {
                let Some(dev) = self.role(role) else { return Ok(false) };
                self.zero(dev, u64::from(offset), u64::from(bytes))
            }
            Operation::Discard(role, offset, bytes) => {
                let Some(dev) = self.role(role) else { return Ok(false) };
                let (offset, bytes) = (u64::from(offset), u64::from(bytes));
                self.model.discard(dev, offset.div_ceil(BLOCK), (offset + bytes) / BLOCK);
                self.pool().discard(dev, offset, bytes)
            }
            Operation::Create(blocks) => {
                let dev = self.pool().create(u64::from(blocks))?;
                self.model.create(dev, u64::from(blocks));
                Ok(())
            }
            Operation::Snapshot(role) => return self.take(role, false),
            Operation::CloneOf(role) => return self.take(role, true),
            Operation::Delete(role) => {
                let Some(dev) = self.role(role) else { return Ok(false) };
                self.model.delete(dev);
                self.pool().delete(dev)
            }
            Operation::Tend(budget) => return Ok(self.pool().tend(u64::from(budget))?.done > 0),
            Operation::Settle => self.pool().settle(),
            Operation::Flush => self.pool().flush(),
            Operation::WriteThrough(..) | Operation::Reopen | Operation::Kill(_) => Ok(()),
        };
        done.map(|()| true)
    }

    fn take(&mut self, role: Role, writable: bool) -> Result<bool, Error> {
        let Some(of) = self.role(role) else { return Ok(false) };
        let dev = if writable { self.pool().clone_of(of) } else { self.pool().snapshot(of) }?;
        self.model.take(of, dev, writable);
        Ok(true)
    }

    /// The model does what `Pool::zero` promises: ragged ends are written, whole blocks become holes.
    fn zero(&mut self, dev: DevId, offset: u64, bytes: u64) -> Result<(), Error> {
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

    fn role(&self, role: Role) -> Option<DevId> {
        let of_kind = |writable: bool| -> Vec<DevId> {
            let versions = self.model.now().iter().filter(|(_, content)| content.writable == writable);
            versions.map(|(dev, _)| *dev).collect()
        };
        let (writable, snapshots) = (of_kind(true), of_kind(false));
        match role {
            Role::First => writable.first(),
            Role::Second => writable.get(1),
            Role::Last => writable.last().filter(|_| writable.len() > 2),
            Role::Oldest => snapshots.first(),
            Role::Middle => snapshots.get(snapshots.len() / 2).filter(|_| snapshots.len() > 2),
            Role::Newest => snapshots.last().filter(|_| snapshots.len() > 1),
        }
        .copied()
    }
}

/// Bytes that name the operation that wrote them and their place.
fn pattern(stamp: u64, offset: u64, bytes: u64) -> Vec<u8> {
    let word = |at: u64| (stamp << 32 | at | 1).to_le_bytes();
    let (first, end) = (offset / 8, (offset + bytes).div_ceil(8));
    let whole: Vec<u8> = (first..end).flat_map(word).collect();
    let skew = (offset % 8) as usize;
    whole[skew..skew + bytes as usize].to_vec()
}
