//! What is in a trace: one pass, constant memory.
//!
//! Invariant: the counters describe the requests as the reader gave them; nothing is sampled. Only the two footprints may be
//! lower bounds, and then say so.

use super::footprint::Footprint;
use super::{Kind, Request, TraceReader};
use crate::error::Result;
use serde::Serialize;
use spinney_core::BLOCK_BYTES;
use std::collections::BTreeMap;
use std::fmt;

/// Counters of one kind of request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct KindInfo {
    /// How many.
    pub requests: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many begin where the one of the same kind before ended.
    pub sequential: u64,
    /// How many begin or end inside a 4 KiB block.
    pub ragged: u64,
}

/// A bar of the size histogram: reads and writes of at least `bytes_min`, and below twice that.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct SizeBar {
    /// A power of two.
    pub bytes_min: u64,
    /// Reads and writes.
    pub requests: u64,
}

/// A trace in numbers.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct TraceInfo {
    /// The format of its lines; empty if there was no line.
    pub format: &'static str,
    /// Whether it is zstd-compressed.
    pub compressed: bool,
    /// All requests.
    pub requests: u64,
    /// Reads.
    pub read: KindInfo,
    /// Writes.
    pub write: KindInfo,
    /// Flushes.
    pub flush: KindInfo,
    /// Discards.
    pub discard: KindInfo,
    /// Zeros.
    pub zero: KindInfo,
    /// Snapshots taken.
    pub snapshot: KindInfo,
    /// Snapshots ended.
    pub end: KindInfo,
    /// First byte that anything touches.
    pub first_byte: u64,
    /// First byte after all that anything touches: the smallest volume that takes the trace.
    pub end_byte: u64,
    /// Time from the first request to the last, in microseconds.
    pub duration_us: u64,
    /// Requests whose time is before that of the one before.
    pub back_in_time: u64,
    /// Distinct 4 KiB blocks that reads and writes touch.
    pub touched_blocks: u64,
    /// Distinct 4 KiB blocks that writes touch.
    pub written_blocks: u64,
    /// Whether the two are lower bounds, because addresses are too many and too scattered to keep.
    pub blocks_are_lower_bounds: bool,
    /// Bytes written over the bytes of distinct written blocks: how often the same place is written, on average.
    pub rewrite_factor: f64,
    /// Sizes of reads and writes, small to large, without empty bars.
    pub sizes: Vec<SizeBar>,
    /// Lines that were skipped.
    pub bad_lines: u64,
}

impl TraceInfo {
    /// Read a trace to its end. Errors: the reader's.
    pub fn gather(reader: &mut TraceReader) -> Result<TraceInfo> {
        let mut gatherer = Gatherer::default();
        while let Some(request) = reader.next_request()? {
            gatherer.add(&request);
        }
        Ok(gatherer.finish(reader))
    }
    /// The counters of a kind.
    #[must_use]
    pub fn kind(&self, kind: Kind) -> &KindInfo {
        match kind {
            Kind::Read => &self.read,
            Kind::Write => &self.write,
            Kind::Flush => &self.flush,
            Kind::Discard => &self.discard,
            Kind::Zero => &self.zero,
            Kind::Snapshot => &self.snapshot,
            Kind::End => &self.end,
        }
    }
}

/// Collects while requests pass.
#[derive(Default)]
pub(crate) struct Gatherer {
    kinds: [KindInfo; 7],
    ends: [Option<u64>; 7],
    span: Option<(u64, u64)>,
    times: Option<(u64, u64)>,
    back_in_time: u64,
    touched: Footprint,
    written: Footprint,
    sizes: BTreeMap<u32, u64>,
}

impl Gatherer {
    pub(crate) fn add(&mut self, request: &Request) {
        self.add_time(request.time_us);
        let kind = request.kind as usize;
        let (info, end) = (&mut self.kinds[kind], &mut self.ends[kind]);
        info.requests += 1;
        if request.length == 0 {
            return;
        }
        info.bytes = info.bytes.saturating_add(request.length);
        info.sequential += u64::from(*end == Some(request.offset));
        let block_bytes = BLOCK_BYTES as u64;
        info.ragged += u64::from(
            !request.offset.is_multiple_of(block_bytes) || !request.length.is_multiple_of(block_bytes),
        );
        *end = Some(request.end());
        let (first, last) = self.span.unwrap_or((request.offset, request.end()));
        self.span = Some((first.min(request.offset), last.max(request.end())));
        if matches!(request.kind, Kind::Read | Kind::Write) {
            *self.sizes.entry(request.length.ilog2()).or_default() += 1;
            self.touched.add(request);
        }
        if request.kind == Kind::Write {
            self.written.add(request);
        }
    }
    fn add_time(&mut self, time_us: u64) {
        let (first, last) = self.times.unwrap_or((time_us, time_us));
        self.back_in_time += u64::from(time_us < last);
        self.times = Some((first, time_us));
    }
    pub(crate) fn finish(self, reader: &TraceReader) -> TraceInfo {
        let [read, write, flush, discard, zero, snapshot, end] = self.kinds;
        let (first_byte, end_byte) = self.span.unwrap_or((0, 0));
        let (first, last) = self.times.unwrap_or((0, 0));
        let written_bytes = self.written.blocks() as f64 * BLOCK_BYTES as f64;
        let bars = self.sizes.iter();
        TraceInfo {
            format: reader.format().map_or("", super::Format::name),
            compressed: reader.is_compressed(),
            requests: self.kinds.iter().map(|kind| kind.requests).sum(),
            read,
            write,
            flush,
            discard,
            zero,
            snapshot,
            end,
            first_byte,
            end_byte,
            duration_us: last.saturating_sub(first),
            back_in_time: self.back_in_time,
            touched_blocks: self.touched.blocks(),
            written_blocks: self.written.blocks(),
            blocks_are_lower_bounds: self.touched.is_full() || self.written.is_full(),
            rewrite_factor: if written_bytes > 0.0 { write.bytes as f64 / written_bytes } else { 0.0 },
            sizes: bars
                .map(|(bit, requests)| SizeBar { bytes_min: 1 << *bit, requests: *requests })
                .collect(),
            bad_lines: reader.bad_lines(),
        }
    }
}

impl fmt::Display for TraceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packing = if self.compressed { ", zstd" } else { "" };
        writeln!(f, "format          {}{packing}", self.format)?;
        writeln!(f, "requests        {}", self.requests)?;
        for kind in Kind::ALL {
            let info = self.kind(kind);
            if info.requests > 0 {
                let share = 100.0 * info.sequential as f64 / info.requests as f64;
                writeln!(
                    f,
                    "  {:<13} {} ({}; {share:.1} % sequential, {} ragged)",
                    kind.name(),
                    info.requests,
                    sized(info.bytes),
                    info.ragged
                )?;
            }
        }
        let at_least = if self.blocks_are_lower_bounds { "at least " } else { "" };
        let blocks = |count: u64| sized(count.saturating_mul(BLOCK_BYTES as u64));
        writeln!(
            f,
            "addresses       {} to {} (a volume of {})",
            self.first_byte,
            self.end_byte,
            sized(self.end_byte)
        )?;
        writeln!(f, "duration        {:.3} s", self.duration_us as f64 / 1e6)?;
        writeln!(f, "footprint       {at_least}{}", blocks(self.touched_blocks))?;
        writeln!(
            f,
            "written         {at_least}{}, {:.2} times each",
            blocks(self.written_blocks),
            self.rewrite_factor
        )?;
        for bar in &self.sizes {
            writeln!(f, "  from {:<10} {}", sized(bar.bytes_min), bar.requests)?;
        }
        writeln!(f, "back in time    {}", self.back_in_time)?;
        writeln!(f, "bad lines       {}", self.bad_lines)
    }
}

/// Bytes in the largest binary unit that leaves at least one.
fn sized(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let step = (bytes.checked_ilog2().unwrap_or(0) / 10) as usize;
    match step.checked_sub(1) {
        None => format!("{bytes} B"),
        Some(unit) => {
            let value = bytes as f64 / (1_u64 << (10 * step)) as f64;
            if value.fract() == 0.0 {
                format!("{value} {}", UNITS[unit])
            } else {
                format!("{value:.2} {}", UNITS[unit])
            }
        }
    }
}
