//! Carries a workload's operations out on a pool.
//!
//! Invariant: operations are applied in order, one at a time; a refusal for want of space is counted and the run goes
//! on; any other error voids the case. Threads, time of day and folders cannot reach what is sampled.

use super::content::Content;
use super::hollow::Hollow;
use super::latency::Latencies;
use super::load::Probe;
use super::meter::{AllocationMeter, MeteredAllocator};
use super::sampler::Sampler;
use super::scheme_meter::{MeteredScheme, SchemeMeter};
use super::stream::build_workload;
use crate::plan::Case;
use crate::table::Table;
use spinney_core::{BlockDevice, DevId, Error};
use spinney_device::{DeviceParameters, MemoryDevice, MeterDevice, TimedDevice, build};
use spinney_registry::Registry;
use spinney_volume::{Pool, Reader};
use spinney_workload::{Account, Bytes, Handle, Op, Phase};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// How far a case is, 0 to 1; called now and then.
pub type Progress<'a> = &'a (dyn Fn(f64) + Sync);

/// The tables of one case.
#[derive(Debug, Default)]
pub struct CaseOutput {
    /// One row a round.
    pub rows: Table,
    /// Free-run histogram: `case, phase, round, run_blocks, runs, blocks`.
    pub histogram: Table,
    /// Fullness by address: `case, phase, round, slot, fullness`.
    pub fullness: Table,
    /// What a trace replay left out.
    pub account: Account,
    /// What the clock on the wall said.
    pub timed: Timed,
}

/// Wall-clock times of one case; they go to `timed.csv` and nowhere else.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Timed {
    /// Nanoseconds of each allocation: median, 99th percentile (each at most 1/16 low) and maximum. The reading of the
    /// clock, some 20 to 50 ns, is in them.
    pub allocation_ns: [f64; 3],
    /// Milliseconds to tell the exact space of one version and to find its record, each the slowest of 16 versions spread over all
    /// that the workload left; 0 where they are larger than 1 GiB.
    pub ask_ms: [f64; 2],
    /// Milliseconds to open the pool as the last row left it, allocator and maps, from memory or the backing file.
    pub open_ms: f64,
}

/// Why a case is void.
#[derive(Debug)]
pub enum CaseError {
    /// The workload could not go on.
    Workload(String),
    /// The pool refused, with the operation's number.
    Pool(u64, Error),
    /// The checker found damage.
    Unsound(String),
    /// The backing could not be made.
    Backing(io::Error),
    /// The results could not be kept.
    Results(io::Error),
    /// Somebody asked to stop.
    Stopped,
}

impl fmt::Display for CaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CaseError::Workload(error) => write!(f, "workload: {error}"),
            CaseError::Pool(operation, error) => write!(f, "operation {operation}: {error}"),
            CaseError::Unsound(finding) => write!(f, "the pool is not sound at the end: {finding}"),
            CaseError::Backing(error) => write!(f, "backing: {error}"),
            CaseError::Results(error) => write!(f, "results folder: {error}"),
            CaseError::Stopped => write!(f, "stopped"),
        }
    }
}

impl std::error::Error for CaseError {}

impl CaseError {
    /// Whether the pool or a disk is too small for the case to go on.
    pub(crate) fn is_out_of_space(&self) -> bool {
        match self {
            CaseError::Pool(_, Error::NoSpace { .. } | Error::NoPages { .. }) => true,
            CaseError::Pool(_, Error::Io { code, .. }) => is_full(&io::Error::from_raw_os_error(*code)),
            CaseError::Backing(error) | CaseError::Results(error) => is_full(error),
            _ => false,
        }
    }
}

/// Whether a disk, or one's share of it, is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// What holds the modelled device's bytes; changes no row.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Backing {
    /// Memory.
    #[default]
    Memory,
    /// A file in this folder, removed afterwards.
    File(PathBuf),
}

/// A pool and what is known of it while a workload runs.
pub(crate) struct Bench {
    pub(crate) pool: Pool,
    pub(crate) device: Arc<MeterDevice<Arc<dyn TimedDevice>>>,
    pub(crate) timed: Arc<dyn TimedDevice>,
    pub(crate) probe: Probe,
    pub(crate) allocations: AllocationMeter,
    pub(crate) work: SchemeMeter,
    pub(crate) latencies: Latencies,
    pub(crate) versions: BTreeMap<Handle, DevId>,
    pub(crate) operations: u64,
    pub(crate) refused: u64,
    pub(crate) bytes_read: u64,
    reader: Option<Reader>,
    content: Content,
    scratch: Vec<u8>,
}

/// Run one case to its end.
pub fn run_case(
    case: &Case,
    registry: &Registry,
    backing: &Backing,
    progress: Progress<'_>,
    stop: &dyn Fn() -> bool,
) -> Result<CaseOutput, CaseError> {
    let file = BackingFile::make(case, backing)?;
    let mut bench = Bench::new(case, registry, hollowed(case, file.device()?))
        .map_err(|error| CaseError::Pool(0, error))?;
    let mut workload = build_workload(case).map_err(|error| CaseError::Workload(error.to_string()))?;
    let mut sampler = Sampler::new(case, &bench);
    while let Some(op) = workload.next().map_err(|error| CaseError::Workload(error.to_string()))? {
        bench.operations += 1;
        if bench.operations.is_multiple_of(256) {
            progress(workload.progress());
            if stop() {
                return Err(CaseError::Stopped);
            }
        }
        match op {
            Op::Phase(phase) => {
                if is_scan(phase) {
                    bench.pool.drop_caches(); // a scan is cold
                }
                sampler.phase(phase, &mut bench);
            }
            Op::Round(round) => {
                sampler.row(round, &mut bench).map_err(|error| CaseError::Pool(bench.operations, error))?;
            }
            op => bench.apply(op).map_err(|error| CaseError::Pool(bench.operations, error))?,
        }
    }
    let ask_ms = bench.ask().map_err(|error| CaseError::Pool(bench.operations, error))?;
    bench.finish(case.keep_data)?;
    let timed = Timed { ask_ms, allocation_ns: bench.allocations.timed(), open_ms: sampler.open_ms() };
    Ok(CaseOutput { account: workload.account(), timed, ..sampler.output() })
}

/// The backing without the bytes of data blocks, if the case keeps none.
fn hollowed(case: &Case, backing: Arc<dyn BlockDevice>) -> Arc<dyn BlockDevice> {
    match case.options.layout(case.device_blocks) {
        Ok(layout) if !case.keep_data => Arc::new(Hollow::new(backing, layout.data.start)),
        _ => backing,
    }
}

/// A backing file that goes when the case is over.
struct BackingFile {
    blocks: u64,
    path: Option<PathBuf>,
}

impl BackingFile {
    fn make(case: &Case, backing: &Backing) -> Result<BackingFile, CaseError> {
        let path = match backing {
            Backing::Memory => None,
            Backing::File(folder) => {
                std::fs::create_dir_all(folder).map_err(CaseError::Backing)?;
                let path = folder.join(format!("{}.pool", case.hash));
                match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        let message = format!("{}: {error}", path.display());
                        return Err(CaseError::Backing(io::Error::new(error.kind(), message)));
                    }
                    _ => {} // a killed run leaves its file behind
                }
                Some(path)
            }
        };
        Ok(BackingFile { blocks: case.device_blocks, path })
    }

    fn device(&self) -> Result<Arc<dyn BlockDevice>, CaseError> {
        match &self.path {
            None => Ok(Arc::new(MemoryDevice::new(self.blocks))),
            Some(path) => {
                let file = spinney_device::FileDevice::create(path, self.blocks);
                Ok(Arc::new(file.map_err(|error| CaseError::Backing(of_device(error)))?))
            }
        }
    }
}

/// The system's error behind a device's.
fn of_device(error: Error) -> io::Error {
    match error {
        Error::Io { code, .. } if code != 0 => io::Error::from_raw_os_error(code),
        error => io::Error::other(error.to_string()),
    }
}

impl Drop for BackingFile {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path); // nothing depends on its going
        }
    }
}

impl Bench {
    fn new(case: &Case, registry: &Registry, backing: Arc<dyn BlockDevice>) -> Result<Bench, Error> {
        let parameters: &DeviceParameters = &case.device;
        let timed = build(parameters, backing.clone())?;
        let device = Arc::new(MeterDevice::new(timed.clone()));
        let probe = Probe::new(case, registry, backing);
        let (mut parts, allocations) = (probe.parts()?, AllocationMeter::default());
        let work = SchemeMeter::default();
        parts.scheme = Box::new(MeteredScheme::new(parts.scheme, work.clone()));
        parts.allocator = Box::new(MeteredAllocator::new(parts.allocator, allocations.clone()));
        let mut pool = Pool::format(device.clone(), parts, case.options)?;
        if let Some(state) = &case.free_space {
            pool.import(&state.free)?;
        }
        let volume = pool.create(case.volume_blocks)?;
        pool.flush()?;
        let versions = BTreeMap::from([(Handle::VOLUME, volume)]);
        Ok(Bench {
            pool,
            device,
            timed,
            probe,
            allocations,
            work,
            latencies: Latencies::default(),
            versions,
            operations: 0,
            refused: 0,
            bytes_read: 0,
            reader: None,
            content: Content::default(),
            scratch: Vec::new(),
        })
    }

    fn version(&self, handle: Handle) -> Result<DevId, Error> {
        self.versions.get(&handle).copied().ok_or(Error::NotFound(DevId(handle.0)))
    }

    /// One operation. Want of space is counted, not an error: the rows show it.
    fn apply(&mut self, op: Op) -> Result<(), Error> {
        let began = self.timed.time_ns();
        let done = self.carry_out(op);
        self.latencies.add(op, self.timed.time_ns() - began);
        match done {
            Err(Error::NoSpace { .. } | Error::NoPages { .. }) => {
                self.refused += 1;
                Ok(())
            }
            done => done,
        }
    }

    fn carry_out(&mut self, op: Op) -> Result<(), Error> {
        match op {
            Op::Write { to, bytes } => {
                let dev = self.version(to)?;
                self.allocations.begin_write();
                pieces(bytes)
                    .try_for_each(|(offset, length)| self.pool.write(dev, offset, self.content.make(length)))
            }
            Op::Read { of, bytes } => {
                let dev = self.version(of)?;
                self.bytes_read += bytes.length;
                pieces(bytes).try_for_each(|(offset, length)| {
                    self.scratch.resize(length, 0);
                    self.pool.read(dev, offset, &mut self.scratch)
                })
            }
            Op::Discard { of, bytes } => self.pool.discard(self.version(of)?, bytes.offset, bytes.length),
            Op::Zero { of, bytes } => self.pool.zero(self.version(of)?, bytes.offset, bytes.length),
            Op::Flush => self.pool.flush(),
            Op::Settle => self.pool.settle(),
            Op::Snapshot { of, named } => {
                let dev = self.pool.snapshot(self.version(of)?)?;
                self.versions.insert(named, dev);
                Ok(())
            }
            Op::Clone { of, named } => {
                let dev = self.pool.clone_of(self.version(of)?)?;
                self.versions.insert(named, dev);
                Ok(())
            }
            Op::Delete { of } => {
                let dev = self.version(of)?;
                self.pool.delete(dev)?;
                self.versions.remove(&of);
                Ok(())
            }
            Op::OpenReader => {
                self.reader = Some(self.pool.reader());
                Ok(())
            }
            Op::CloseReader => {
                self.reader = None;
                Ok(())
            }
            Op::Phase(_) | Op::Round(_) => Ok(()),
        }
    }

    /// Ask for the space and the record of 16 versions, the oldest and the newest among them; of those up to 1 GiB, since a walk of
    /// larger ones would take longer than their case.
    fn ask(&self) -> Result<[f64; 2], Error> {
        let (mut slowest, last) = ([0.0_f64; 2], self.versions.len().saturating_sub(1));
        for number in 0..16 {
            let Some(dev) = self.versions.values().nth(last * number / 15) else { continue };
            if self.pool.version(*dev)?.blocks > ASKED_BLOCKS_MAX {
                continue;
            }
            let began = Instant::now();
            self.pool.usage(*dev)?;
            let asked = Instant::now();
            self.pool.version(*dev)?;
            for (most, time) in slowest.iter_mut().zip([asked - began, asked.elapsed()]) {
                *most = most.max(time.as_secs_f64() * 1e3);
            }
        }
        Ok(slowest)
    }

    /// The pool must be sound, or nothing that was sampled counts. Data that was kept is read as well.
    fn finish(&mut self, scrub: bool) -> Result<(), CaseError> {
        let pool = |error| CaseError::Pool(u64::MAX, error);
        self.pool.flush().map_err(pool)?;
        let report = self.pool.check(scrub).map_err(pool)?;
        match report.findings.first() {
            None => Ok(()),
            Some(first) => {
                Err(CaseError::Unsound(format!("{first} (and {} more)", report.findings.len() - 1)))
            }
        }
    }

    /// The first volume, if it is still there.
    pub(crate) fn volume(&self) -> Option<DevId> {
        self.versions.get(&Handle::VOLUME).copied()
    }
}

/// The largest version whose space is asked for on the wall's clock.
const ASKED_BLOCKS_MAX: u64 = (1 << 30) / spinney_core::BLOCK_BYTES as u64;

/// The most bytes that one call writes or reads: a trace or a unit may be larger, memory need not follow.
const PIECE_BYTES_MAX: u64 = 64 << 20;

/// Offset and length of each call that an operation takes: nearly always one.
fn pieces(bytes: Bytes) -> impl Iterator<Item = (u64, usize)> {
    let count = bytes.length.div_ceil(PIECE_BYTES_MAX);
    (0..count).map(move |piece| {
        let done = piece * PIECE_BYTES_MAX;
        (bytes.offset + done, PIECE_BYTES_MAX.min(bytes.length - done) as usize)
    })
}

/// Whether rows of a phase take read throughput.
pub(crate) fn is_scan(phase: Phase) -> bool {
    phase == Phase::Scan
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_full_pool_are_want_of_space() {
        let full = CaseError::Results(io::Error::from(ErrorKind::StorageFull));
        let refused = CaseError::Pool(3, Error::NoPages { needed: 9, free: 1 });
        let no_space = 28; // ENOSPC
        let device =
            CaseError::Pool(3, Error::Io { operation: "write", at: spinney_core::Pba(0), code: no_space });
        assert!([full, refused, device].iter().all(CaseError::is_out_of_space));
        let denied = CaseError::Backing(io::Error::from(ErrorKind::PermissionDenied));
        assert!(![denied, CaseError::Stopped].iter().any(CaseError::is_out_of_space));
    }

    #[test]
    fn pieces_cover_an_operation_and_no_more() {
        let most = PIECE_BYTES_MAX;
        for (length, lengths) in
            [(0, vec![]), (1, vec![1]), (most, vec![most]), (2 * most + 7, vec![most, most, 7])]
        {
            let made: Vec<(u64, usize)> = pieces(Bytes { offset: 5, length }).collect();
            assert_eq!(made.iter().map(|(_, length)| *length as u64).collect::<Vec<_>>(), lengths);
            let ends = made.windows(2).all(|pair| pair[0].0 + pair[0].1 as u64 == pair[1].0);
            assert!(ends && made.first().is_none_or(|first| first.0 == 5));
        }
    }
}
