//! A hard disk: one arm over spinning platters, a read-ahead buffer and a write cache.
//!
//! Invariant: `free_ns` is when the arm is done with what it was given and stands at `head`; cached writes reached the drive no later. Reads
//! go before cached writes, which drain in elevator order when the arm is idle, when the cache is full, or for a flush. Not modelled:
//! a cache of blocks read earlier (the host has one), remapped sectors, error recovery, spin-up, shingled recording.

use super::{HddParameters, Mechanism, dirty::Dirty, geometry::Geometry, transfer_ns};
use spinney_core::{BLOCK_BYTES, Error, Extent, Pba, Result};

/// Blocks in which a write enters the cache, so that a write larger than the cache overlaps with its draining.
const INTAKE_BLOCKS: u64 = 256;

pub(super) struct Hdd {
    geometry: Geometry,
    parameters: HddParameters,
    overhead_ns: u64,
    settle_ns: u64,
    ahead_blocks: u64,
    cache_blocks: u64,
    /// One past the last block read or written.
    head: u64,
    free_ns: u64,
    /// The last access was a read, so that the drive reads on from `head` into its buffer.
    reading: bool,
    dirty: Dirty,
}

impl Hdd {
    pub(super) fn new(parameters: &HddParameters, blocks: u64) -> Result<Hdd> {
        let capacity = parameters.capacity_gb * 1_000_000_000 / BLOCK_BYTES as u64;
        if capacity != 0 && capacity < blocks {
            return Err(Error::BadSetting("capacity_gb is less than the device's size (0 means equal)"));
        }
        Ok(Hdd {
            geometry: Geometry::new(parameters, blocks.max(capacity)),
            parameters: parameters.clone(),
            overhead_ns: parameters.command_overhead_us * 1000,
            settle_ns: parameters.write_settle_us * 1000,
            ahead_blocks: parameters.read_ahead_kib * 1024 / BLOCK_BYTES as u64,
            cache_blocks: parameters.write_cache_kib * 1024 / BLOCK_BYTES as u64,
            head: 0,
            free_ns: 0,
            reading: false,
            dirty: Dirty::default(),
        })
    }
    fn interface_ns(&self, blocks: u64) -> u64 {
        transfer_ns(blocks, self.parameters.interface_mb_per_s)
    }
    /// Where the head is at `time_ns`: reading ahead carries it on until the buffer is full.
    fn head_at(&self, time_ns: u64) -> u64 {
        if !self.reading {
            return self.head;
        }
        let passed = self.geometry.passed_blocks(self.head, time_ns.saturating_sub(self.free_ns));
        self.head + passed.min(self.ahead_blocks)
    }
    /// Seek and rotation to `target` for an arm that starts at `time_ns`.
    fn position_ns(&self, time_ns: u64, target: u64, write: bool) -> u64 {
        let (from, _) = self.geometry.locate(self.head_at(time_ns));
        let (to, angle_ns) = self.geometry.locate(target);
        let seek_ns = self.geometry.seek_ns(from, to);
        let settled_ns = seek_ns + if write && seek_ns > 0 { self.settle_ns } else { 0 };
        settled_ns + self.geometry.rotation_wait_ns(angle_ns, time_ns + settled_ns)
    }
    /// Access the platter, no earlier than `time_ns`. Returns the end. A write that goes on where and when the last one ended has its block
    /// just under the head; one that comes a moment later has lost a rotation.
    fn access(&mut self, time_ns: u64, run: Extent, write: bool) -> u64 {
        let start_ns = time_ns.max(self.free_ns);
        let position_ns = self.position_ns(start_ns, run.start.0, write);
        self.free_ns = start_ns + position_ns + self.geometry.pass_ns(run);
        (self.head, self.reading) = (run.end().0, !write);
        self.free_ns
    }
    fn is_ahead(&self, run: Extent) -> bool {
        let near = run.start.0 == self.head || run.end().0 <= self.head + self.ahead_blocks;
        self.reading && self.ahead_blocks > 0 && run.start.0 >= self.head && near
    }
    /// Serve a read from the read-ahead buffer, or as the head comes to it.
    fn read_ahead(&mut self, time_ns: u64, run: Extent) -> u64 {
        let passes = |from: u64, to: u64| match Extent::checked(from, to.saturating_sub(from)) {
            Some(run) => self.geometry.pass_ns(run),
            None => 0,
        };
        let (end, full) = (run.end().0, self.head + self.ahead_blocks);
        let passed_ns = self.free_ns + passes(self.head, end);
        let was_full = self.free_ns + passes(self.head, full) < time_ns;
        // With a full buffer the head had stopped: what is beyond it, or what then fits again, it reads from now on.
        let resumed_ns = match was_full {
            true if end > full => time_ns + passes(full, end),
            true => time_ns.saturating_sub(passes(end, full)),
            false => 0,
        };
        self.free_ns = passed_ns.max(resumed_ns);
        self.head = end;
        self.free_ns.max(time_ns + self.interface_ns(run.blocks))
    }
    fn read_one(&mut self, time_ns: u64, run: Extent) -> u64 {
        if self.dirty.covers(run) {
            time_ns + self.interface_ns(run.blocks)
        } else if self.is_ahead(run) {
            self.read_ahead(time_ns, run)
        } else {
            self.access(time_ns, run, false)
        }
    }
    /// Serve runs straight from and to the platter with `queue_depth` of them in the drive, always the one that the arm reaches soonest.
    fn serve(&mut self, now_ns: u64, runs: &[Extent], write: bool) -> u64 {
        let mut rest = runs.iter().copied();
        let first_ns = now_ns + self.overhead_ns;
        let mut queue: Vec<(u64, Extent)> =
            rest.by_ref().take(self.parameters.queue_depth as usize).map(|run| (first_ns, run)).collect();
        let mut last_ns = now_ns;
        while let Some(next) = self.soonest(&queue, write) {
            let (issued_ns, run) = queue.remove(next);
            let end_ns =
                if write { self.access(issued_ns, run, true) } else { self.read_one(issued_ns, run) };
            last_ns = last_ns.max(end_ns);
            queue.extend(rest.next().map(|run| (end_ns + self.overhead_ns, run)));
        }
        last_ns
    }
    fn soonest(&self, queue: &[(u64, Extent)], write: bool) -> Option<usize> {
        let ready_ns = queue.iter().map(|(issued_ns, _)| *issued_ns).min()?.max(self.free_ns);
        let cost_ns = |run: Extent| {
            let at_once = !write && (self.dirty.covers(run) || self.is_ahead(run));
            if at_once { 0 } else { self.position_ns(ready_ns, run.start.0, write) }
        };
        let known = queue.iter().enumerate().filter(|(_, (issued_ns, _))| *issued_ns <= ready_ns);
        known.min_by_key(|(_, (_, run))| cost_ns(*run)).map(|(index, _)| index)
    }
    fn drain_one(&mut self) {
        let limit = self.geometry.track_blocks(self.head);
        if let Some(run) = self.dirty.take(self.head, limit) {
            self.access(self.free_ns, run, true);
        }
    }
    /// What the arm did with cached writes while the host was elsewhere.
    fn catch_up(&mut self, now_ns: u64) {
        while !self.dirty.is_empty() && self.free_ns < now_ns {
            self.drain_one();
        }
    }
    fn cache(&mut self, time_ns: u64, run: Extent) -> u64 {
        let mut time_ns = time_ns + self.interface_ns(run.blocks);
        self.catch_up(time_ns);
        while self.dirty.blocks() + run.blocks > self.cache_blocks {
            self.drain_one();
            time_ns = time_ns.max(self.free_ns);
        }
        if self.free_ns < time_ns {
            // The arm was idle: draining starts now, not in the past.
            self.head = self.head_at(time_ns);
            (self.free_ns, self.reading) = (time_ns, false);
        }
        self.dirty.insert(run);
        time_ns
    }
}

impl Mechanism for Hdd {
    fn read(&mut self, now_ns: u64, runs: &[Extent]) -> u64 {
        self.catch_up(now_ns);
        self.serve(now_ns, runs, false)
    }
    fn write(&mut self, now_ns: u64, runs: &[Extent]) -> u64 {
        if self.cache_blocks == 0 {
            return self.serve(now_ns, runs, true);
        }
        let intake = INTAKE_BLOCKS.min(self.cache_blocks);
        runs.iter().fold(now_ns, |time_ns, run| {
            let starts = (run.start.0..run.end().0).step_by(intake as usize);
            let pieces = starts.map(|start| Extent::new(Pba(start), intake.min(run.end().0 - start)));
            pieces.fold(time_ns + self.overhead_ns, |time_ns, piece| self.cache(time_ns, piece))
        })
    }
    fn flush(&mut self, now_ns: u64) -> u64 {
        self.catch_up(now_ns);
        while !self.dirty.is_empty() {
            self.drain_one();
        }
        self.free_ns.max(now_ns + self.overhead_ns)
    }
    /// A disk that records without shingles takes no discards: the host sends none.
    fn discard(&mut self, now_ns: u64, _: Extent) -> u64 {
        now_ns
    }
    fn reset(&mut self) {
        (self.head, self.free_ns, self.reading) = (0, 0, false);
        self.dirty = Dirty::default();
    }
}
