//! What it takes to open a pool as it stands, found by opening it a second time, beside the run.
//!
//! Invariant: nothing of the run is touched: the second pool has its own model of the device over the same bytes, sees the
//! last durable epoch, and what opening writes takes its time and goes nowhere.

use super::owners::Queries;
use crate::plan::Case;
use spinney_core::{BlockDevice, Error, Extent, PageKind, Pba, Result};
use spinney_device::{DeviceParameters, build};
use spinney_registry::{PoolSpec, Registry};
use spinney_volume::{Parts, Pool, PoolOptions};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// All that a pool is opened with.
pub(crate) struct Probe {
    backing: Arc<dyn BlockDevice>,
    device: DeviceParameters,
    spec: PoolSpec,
    registry: Registry,
    options: PoolOptions,
    query_blocks: u64,
}

/// A device that can be read; what is written to it is lost.
struct ReadOnly(Arc<dyn BlockDevice>);

impl BlockDevice for ReadOnly {
    fn blocks(&self) -> u64 {
        self.0.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.0.read(at, buffer)
    }
    fn write(&self, _: Pba, _: &[u8]) -> Result<()> {
        Ok(())
    }
    fn flush(&self) -> Result<()> {
        Ok(())
    }
    fn discard(&self, _: Extent) -> Result<()> {
        Ok(())
    }
}

/// What opening took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    pages: u64,
    space_pages: u64,
    effort: u64,
    virtual_ms: f64,
    /// On the wall: for `timed.csv` only.
    pub(super) wall_ms: f64,
    /// Queries afterwards, if the pool has back references.
    pub(super) queries: Option<Queries>,
}

impl Probe {
    pub(super) fn new(case: &Case, registry: &Registry, backing: Arc<dyn BlockDevice>) -> Probe {
        let (device, spec) = (case.device.clone(), case.pool.clone());
        Probe {
            backing,
            device,
            spec,
            registry: registry.clone(),
            options: case.options,
            query_blocks: case.query_blocks,
        }
    }

    /// The plug-ins of the case.
    pub(super) fn parts(&self) -> Result<Parts> {
        let wrong = |_| Error::Unsupported("these parts (checked when planned)");
        self.registry.parts(&self.spec).map_err(wrong)
    }

    /// Open the last durable epoch on a cold device. The calls of the form that fill the index are its effort.
    pub(super) fn load(&self) -> Result<Load> {
        let device = build(&self.device, Arc::new(ReadOnly(self.backing.clone())))?;
        let began = Instant::now();
        let pool = Pool::open(device.clone(), self.options, &|_| self.parts())?;
        let wall_ms = began.elapsed().as_secs_f64() * 1e3;
        let read = pool.page_stats().read;
        let virtual_ms = device.time_ns() as f64 / 1e6;
        Ok(Load {
            queries: Queries::ask(&pool, &*device, self.query_blocks)?,
            pages: read.total(),
            space_pages: read[PageKind::SPACE],
            effort: pool.space().effort.steps,
            virtual_ms,
            wall_ms,
        })
    }
}

impl Load {
    /// The counted columns.
    pub(super) fn put(&self, values: &mut BTreeMap<String, f64>) {
        let counted = [
            ("load_pages", self.pages as f64),
            ("load_space_pages", self.space_pages as f64),
            ("load_effort", self.effort as f64),
            ("load_virtual_ms", self.virtual_ms),
        ];
        values.extend(counted.map(|(name, value)| (name.to_owned(), value)));
    }
}
