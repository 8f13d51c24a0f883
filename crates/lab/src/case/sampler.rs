//! Takes a row at the end of a round: what the pool looks like now, and what the round cost.
//!
//! Invariant: costs are differences of counters read at the seams (device, page store, pool); nothing is reported by a
//! plug-in about itself but its index's effort and memory.

use super::latency::Latencies;
use super::load::Load;
use super::metric::{KINDS, METRICS, base_columns};
use super::runner::{Bench, CaseOutput, is_scan};
use super::{layout, places, work};
use crate::plan::Case;
use crate::table::{Table, print_number};
use spinney_alloc::metrics::{FreeSpace, ZfsTable};
use spinney_backref::{BackReferences, BackrefStats};
use spinney_core::{BLOCK_BYTES, Extent, Flow, PageKind, Result};
use spinney_device::IoCounts;
use spinney_pages::StoreStats;
use spinney_volume::PoolStats;
use spinney_workload::Phase;
use std::collections::BTreeMap;

/// Counters at one moment.
#[derive(Clone, Copy, Default)]
struct Reading {
    io: IoCounts,
    pages: StoreStats,
    pool: PoolStats,
    effort: u64,
    loads: u64,
    references: BackrefStats,
    time_ns: u64,
}

impl Reading {
    fn take(bench: &Bench) -> Reading {
        Reading {
            io: bench.device.counts(),
            pages: bench.pool.page_stats(),
            pool: bench.pool.stats(),
            effort: bench.pool.space().effort.steps,
            loads: bench.pool.space().loads,
            references: bench.pool.back_references().map(BackReferences::stats).unwrap_or_default(),
            time_ns: bench.timed.time_ns(),
        }
    }
}

/// Gathers the tables of a case.
pub(super) struct Sampler {
    prefix: Vec<String>,
    phase: Phase,
    last: Reading,
    load: Load,
    /// Whether all maps are walked for a row.
    survey: bool,
    output: CaseOutput,
}

impl Sampler {
    pub(super) fn new(case: &Case, bench: &Bench) -> Sampler {
        let metrics = METRICS.iter().map(|metric| metric.name.clone());
        let rows = Table::new(base_columns(&case.labels).into_iter().chain(metrics));
        let output = CaseOutput {
            rows,
            histogram: Table::new(["case", "phase", "round", "run_blocks", "runs", "blocks"]),
            fullness: Table::new(["case", "phase", "round", "slot", "fullness"]),
            ..CaseOutput::default()
        };
        let prefix = [case.hash.clone()]
            .into_iter()
            .chain(case.labels.iter().map(|(_, value)| value.clone()))
            .collect();
        let last = Reading::take(bench);
        Sampler { prefix, phase: Phase::Fill, last, load: Load::default(), survey: case.survey, output }
    }

    pub(super) fn phase(&mut self, phase: Phase, bench: &mut Bench) {
        self.phase = phase;
        self.last = Reading::take(bench);
        bench.allocations.take();
        bench.work.take();
        bench.latencies = Latencies::default();
    }

    /// Milliseconds on the wall that opening the pool took at the last row.
    pub(super) fn open_ms(&self) -> f64 {
        self.load.wall_ms
    }

    pub(super) fn output(self) -> CaseOutput {
        self.output
    }

    pub(super) fn row(&mut self, round: u64, bench: &mut Bench) -> Result<()> {
        let runs = free_runs(bench)?;
        let now = Reading::take(bench);
        let mut values = BTreeMap::new();
        std::mem::take(&mut bench.latencies).put(&mut values);
        work::put(bench.work.take(), &mut values);
        let bench = &*bench;
        self.space(bench, &runs, &mut values);
        if self.survey {
            layout::put(bench, &mut values)?;
            work::ask(bench, &mut values)?;
        }
        self.costs(&now, &mut values);
        self.allocations(bench, &now, &mut values);
        self.load = bench.probe.load()?;
        self.load.put(&mut values);
        self.load.put_queries(&mut values);
        self.references(bench, &now, &mut values);
        let [phase, number] = [self.phase.name().to_owned(), round.to_string()];
        let mut row = self.prefix.clone();
        row.extend([phase.clone(), number.clone()]);
        row.extend(METRICS.iter().map(|metric| {
            values.get(metric.name.as_str()).map_or_else(String::new, |value| print_number(*value))
        }));
        self.output.rows.push(row);
        let place = [self.prefix[0].clone(), phase, number];
        self.histogram(&place, &runs);
        self.fullness(&place, bench, &runs);
        self.last = Reading::take(bench); // what the sampling itself read is charged to nobody
        Ok(())
    }

    fn space(&self, bench: &Bench, runs: &[Extent], values: &mut BTreeMap<String, f64>) {
        let space = bench.pool.space();
        let mut put = |name: &str, value: f64| {
            values.insert(name.into(), value);
        };
        let stats = bench.pool.stats();
        put("user_bytes", stats.user_bytes_written as f64);
        put("user_bytes_read", bench.bytes_read as f64);
        put("operations", bench.operations as f64);
        put("refused", bench.refused as f64);
        put("commits", stats.commits as f64);
        put("relocated_blocks", stats.relocated_blocks as f64);
        put("versions", bench.versions.len() as f64);
        put("work_left", bench.pool.work_left() as f64);
        put("free_blocks", space.free_blocks as f64);
        put("deferred_blocks", space.deferred_blocks as f64);
        put("owned_blocks", (space.total_blocks - space.free_blocks - space.deferred_blocks) as f64);
        put("fullness", 1.0 - space.free_blocks as f64 / space.total_blocks as f64);
        put("index_memory_bytes", space.memory_bytes as f64);
        let free = FreeSpace::gather(runs.iter().copied());
        put("free_runs", runs.len() as f64);
        put("free_run_mean_blocks", free.mean_run_blocks());
        put("free_run_max_blocks", free.largest_run_blocks() as f64);
        put("free_run_min_blocks", runs.iter().map(|run| run.blocks).min().unwrap_or(0) as f64);
        put("index_bytes_per_free_run", space.memory_bytes as f64 / runs.len() as f64);
        put("zfs_fragmentation_2025", f64::from(free.zfs_fragmentation(ZfsTable::Since2025)));
        put("zfs_fragmentation_2014", f64::from(free.zfs_fragmentation(ZfsTable::Before2025)));
        put("bluestore_score_old", free.bluestore_score_old());
        put("bluestore_score_new", free.bluestore_score_new());
        put("bluestore_rating", free.bluestore_rating());
        put("largest_run_fragmentation", free.largest_run_fragmentation());
        for (name, blocks) in [("16k", 4), ("64k", 16), ("256k", 64), ("1m", 256), ("4m", 1024)] {
            put(&format!("unusable_{name}"), free.unusable_for(blocks));
        }
        put("free_in_runs_8m", free.in_runs_over(2048));
        let data = bench.pool.layout().data;
        let zfs =
            |runs: &[Extent]| FreeSpace::gather(runs.iter().copied()).zfs_fragmentation(ZfsTable::Since2025);
        put("zfs_fragmentation_2025_metaslabs", places::zfs_by_metaslab(data, runs, zfs));
        put("bluestore_rating_bitmap", places::bluestore_rating_bitmap(data, runs));
        put("free_chunks_64k", places::free_chunks(data, runs, 16));
        put("free_chunks_1m", places::free_chunks(data, runs, 256));
        put("waste_2m", places::waste(data, runs, 512));
        places::put_regions(data, runs, &mut put);
        let full = places::fullness(data, runs).into_iter().flatten();
        let partly = full.filter(|full| (1.0 / 16.0..=15.0 / 16.0).contains(full)).count();
        put("slots_partly_full", partly as f64);
        put("span_blocks", places::span(data, runs) as f64);
        let pages = bench.pool.page_stats();
        put("metadata_pages_live", pages.live.total() as f64);
        put("cached_pages", (pages.cached_pages + pages.dirty_pages) as f64);
        put("metadata_blocks", bench.pool.metadata_blocks() as f64);
        let map_bytes = pages.live[PageKind::SPACE] as f64 * BLOCK_BYTES as f64;
        put("space_bytes_per_free_run", map_bytes / runs.len() as f64);
        for kind in KINDS {
            put(&format!("pages_live_{kind}"), pages.live[kind_named(kind)] as f64);
        }
    }

    fn costs(&self, now: &Reading, values: &mut BTreeMap<String, f64>) {
        let last = &self.last;
        let io = now.io - last.io;
        let commits = (now.pool.commits - last.pool.commits) as f64;
        let user = (now.pool.user_bytes_written - last.pool.user_bytes_written) as f64;
        let data = (now.pool.data_blocks_written - last.pool.data_blocks_written) as f64;
        let (written, read) = (now.pages.written - last.pages.written, now.pages.read - last.pages.read);
        let seconds = (now.time_ns - last.time_ns) as f64 / 1e9;
        let block = BLOCK_BYTES as f64;
        let runs = (now.pool.write_runs - last.pool.write_runs) as f64;
        let mut put = |name: &str, value: f64| {
            values.insert(name.into(), value); // a quotient by zero prints as an empty cell
        };
        put("write_run_blocks", data / runs);
        put("write_amplification", io.write_bytes() as f64 / user);
        put("metadata_amplification", (io.write_bytes() as f64 - data * block) / user);
        put("metadata_pages_written", written.total() as f64 / commits);
        put("metadata_pages_read", read.total() as f64 / commits);
        for kind in KINDS {
            put(&format!("pages_written_{kind}"), written[kind_named(kind)] as f64 / commits);
            put(&format!("pages_read_{kind}"), read[kind_named(kind)] as f64 / commits);
        }
        put("effort_per_write_run", (now.effort - last.effort) as f64 / runs);
        put("interval_user_bytes", user);
        put("interval_commits", commits);
        put("interval_write_runs", runs);
        put("device_reads", io.reads as f64);
        put("device_writes", io.writes as f64);
        put("device_flushes", io.flushes as f64);
        put("device_sequential_share", io.writes_sequential as f64 / io.writes as f64);
        put("virtual_ms", seconds * 1e3);
        put("write_mb_per_s", user / 1e6 / seconds);
        if is_scan(self.phase) {
            put("scan_mb_per_s", (io.read_bytes() as f64 - read.total() as f64 * block) / 1e6 / seconds);
            put("dynamic_layout_score", 1.0 - io.read_runs() as f64 / io.read_blocks as f64);
        }
    }

    /// What back references were told since the last row, and what they wrote.
    fn references(&self, bench: &Bench, now: &Reading, values: &mut BTreeMap<String, f64>) {
        let Some(references) = bench.pool.back_references() else { return };
        let last = self.last.references;
        let operations = (now.references.block_operations - last.block_operations) as f64;
        let written = (now.references.records_written - last.records_written) as f64;
        let pages = now.pages.written[PageKind::BACKREF] - self.last.pages.written[PageKind::BACKREF];
        let mut put = |name: &str, value: f64| {
            values.insert(name.into(), value);
        };
        put("interval_reference_operations", operations);
        put("interval_references_written", written);
        put("interval_references_pruned", (now.references.pruned - last.pruned) as f64);
        put("references_written_share", written / operations);
        put("backref_pages_per_operation", pages as f64 / operations);
        put("backref_runs", references.runs() as f64);
        put("backref_compactions", now.references.compactions as f64);
        put("filter_memory_bytes", references.filter_bytes() as f64);
    }

    /// What the allocator was asked since the last row, and what it did.
    fn allocations(&self, bench: &Bench, now: &Reading, values: &mut BTreeMap<String, f64>) {
        let asked = bench.allocations.take();
        let space = now.pages.written[PageKind::SPACE] - self.last.pages.written[PageKind::SPACE];
        let mut put = |name: &str, value: f64| {
            values.insert(name.into(), value);
        };
        put("deferred_blocks_max", asked.deferred_blocks_max.max(bench.pool.space().deferred_blocks) as f64);
        put("interval_requests", asked.requests as f64);
        put("interval_pieces", asked.pieces as f64);
        put("interval_allocated_blocks", asked.blocks as f64);
        put("pieces_per_request", asked.pieces as f64 / asked.requests as f64);
        put("split_requests", asked.split as f64 / asked.requests as f64);
        put("pieces_per_split_request", asked.split_pieces as f64 / asked.split as f64);
        put("interval_writes", asked.writes as f64);
        put("split_writes", asked.split_writes as f64 / asked.writes as f64);
        put("pieces_per_split_write", asked.split_write_pieces as f64 / asked.split_writes as f64);
        put("space_bytes_per_block", space as f64 * BLOCK_BYTES as f64 / asked.blocks as f64);
        put("effort_per_allocation", asked.effort.mean());
        put("effort_per_allocation_p50", asked.effort.quantile(0.5));
        put("effort_per_allocation_p99", asked.effort.quantile(0.99));
        put("effort_per_allocation_max", asked.effort.max());
        put("passed_per_allocation", asked.passed.mean());
        put("passed_per_allocation_p99", asked.passed.quantile(0.99));
        put("passed_per_allocation_max", asked.passed.max());
        put("loads_per_allocation", (now.loads - self.last.loads) as f64 / asked.pieces as f64);
    }

    fn histogram(&mut self, place: &[String; 3], runs: &[Extent]) {
        let mut buckets: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for run in runs {
            let bucket = buckets.entry(run.blocks.ilog2()).or_default();
            *bucket = (bucket.0 + 1, bucket.1 + run.blocks);
        }
        for (bucket, (runs, blocks)) in buckets {
            let numbers = [1u64 << bucket, runs, blocks].map(|number| number.to_string());
            self.output.histogram.push(place.iter().cloned().chain(numbers).collect());
        }
    }

    fn fullness(&mut self, place: &[String; 3], bench: &Bench, runs: &[Extent]) {
        for (slot, full) in places::fullness(bench.pool.layout().data, runs).into_iter().enumerate() {
            let Some(full) = full else { continue };
            let numbers = [slot.to_string(), print_number(full)];
            self.output.fullness.push(place.iter().cloned().chain(numbers).collect());
        }
    }
}

fn kind_named(name: &str) -> PageKind {
    PageKind::ALL.into_iter().find(|kind| kind.name() == name).unwrap_or(PageKind::OTHER)
}

fn free_runs(bench: &Bench) -> Result<Vec<Extent>> {
    let mut runs = Vec::new();
    bench.pool.visit_free(&mut |run| {
        runs.push(run);
        Flow::Continue
    })?;
    Ok(runs)
}
