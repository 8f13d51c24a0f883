//! Scrub: every copy of everything that is allocated is read and confirmed, a bounded step at a time; and, limited to what is younger than an epoch, resilver.
//!
//! Invariant: a copy is replaced only by one that its checksum confirms, and only where it is not confirmed itself; so what can be read stays
//! as it is, and of the copies that differ each is counted once. It knows no mirror: the device has copies, or one.

use crate::Pool;
use crate::superblock::{SUPERBLOCK_SLOTS, Superblock};
use spinney_core::{BLOCK_BYTES, Epoch, Error, Extent, Finding, Healed, Pba, Place, Result};

/// Losses that are named; there may be one for every block.
const LOST_MAX: usize = 1000;
const LOST_DATA: &str = "a data block has a copy that is as it was written";
const LOST_PAGE: &str = "a page has a copy that is what its parent says";
const LOST_TABLE: &str = "the table of metadata segments has a copy that is as it was written";
const LOST_SUPERBLOCK: &str = "a superblock slot has a copy that is whole";

/// How far a scrub is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ScrubProgress {
    /// Data blocks and metadata pages looked at, or passed over as they are older than asked for.
    pub blocks_done: u64,
    /// How many there were when it began.
    pub blocks_total: u64,
    /// Copies found sound and not, and repaired; of everything, so also of superblocks, map pages and tables.
    pub healed: Healed,
    /// Blocks of which no copy is sound.
    pub lost_blocks: u64,
}

/// A scrub under way. It holds no lock and no space: the pool may be used between two steps, and what is written then needs no scrub.
pub struct Scrub {
    since: Epoch,
    /// The next part of the map.
    part: u64,
    /// Runs of data that are still to be looked at, the last first.
    runs: Vec<Extent>,
    began: bool,
    progress: ScrubProgress,
    /// Data blocks without a sound copy; some may have been freed since and taken for something else.
    doubtful: Vec<Pba>,
    lost: Vec<Finding>,
    /// Something is lost that others are found or judged by.
    blind: bool,
}

impl Scrub {
    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> ScrubProgress {
        self.progress
    }
    /// What is lost, at most 1,000 of it; whole only when the scrub is done.
    #[must_use]
    pub fn lost(&self) -> &[Finding] {
        &self.lost
    }
    /// Whether all that has a sound copy was looked at: what is lost is data that cannot be read, and that its checksums give away on any
    /// side. A side that was brought up to date has then all that there is.
    #[must_use]
    pub fn lost_only_data(&self) -> bool {
        !self.blind
    }
    fn lose(&mut self, rule: &'static str, place: Place) {
        self.progress.lost_blocks += 1;
        self.blind |= rule != LOST_DATA;
        if self.lost.len() < LOST_MAX {
            self.lost.push(Finding { rule, place });
        }
    }
    fn note(&mut self, rule: &'static str, place: Place, healed: Result<Healed>) {
        match healed {
            Ok(healed) if healed.sound > 0 => self.progress.healed += healed,
            Ok(healed) => {
                self.progress.healed += healed;
                self.lose(rule, place);
            }
            Err(_) => {
                self.progress.healed.bad += 1;
                self.lose(rule, place);
            }
        }
    }
}

impl Pool {
    /// Begin to look at every copy of everything, having committed what the intent log holds. Errors: as `checkpoint`; `Corrupt` if a map leads
    /// outside the data.
    pub fn scrub(&mut self) -> Result<Scrub> {
        self.checkpoint()?;
        self.begin_scrub(Epoch(0))
    }

    /// The same of what was written after `since`, for a side of a mirror that is written to by now and has everything up to that epoch
    /// ([`Superblock::shared_until`]; 0: it has nothing): when the scrub is done and lost nothing, that side has everything. Commits first, so that
    /// no record of the intent log that only that side has stands on the last commit. Errors: as `scrub`.
    pub fn resilver(&mut self, since: Epoch) -> Result<Scrub> {
        // A side that is ahead of the pool is not one that the pool left behind.
        let since = if since < self.epoch { since } else { Epoch(0) };
        (self.dirty.any, self.dirty.beyond_log) = (true, true);
        self.checkpoint()?;
        self.begin_scrub(since)
    }

    fn begin_scrub(&self, since: Epoch) -> Result<Scrub> {
        let mut owned = Vec::new();
        self.scheme.visit_blocks(&self.pages, &mut |run| owned.push(run))?;
        owned.iter().try_for_each(|run| self.inside(*run))?;
        owned.sort_unstable_by(|a, b| b.cmp(a));
        let mut runs = Vec::new();
        for run in owned {
            self.checksums.younger(run, since, &self.pages, &mut |part| runs.push(part))?;
        }
        let blocks_total = runs.iter().map(|run| run.blocks).sum::<u64>() + self.pages.pages_live();
        let progress = ScrubProgress { blocks_total, ..ScrubProgress::default() };
        let (part, began, doubtful, lost, blind) = (0, false, Vec::new(), Vec::new(), false);
        Ok(Scrub { since, part, runs, began, progress, doubtful, lost, blind })
    }

    /// Go on with some `blocks` blocks, up to a part of the map (170 pages) more; whether that was all. Errors: `Io` of the last flush.
    pub fn scrub_step(&self, scrub: &mut Scrub, blocks: u64) -> Result<bool> {
        self.alive()?;
        let until = scrub.progress.blocks_done.saturating_add(blocks.max(1));
        if !scrub.began {
            scrub.began = true;
            self.scrub_superblocks(scrub);
            let table = &mut |at, healed| scrub.note(LOST_TABLE, Place::Block(at), healed);
            self.segments.scrub(&*self.device, table);
        }
        while scrub.part < self.pages.parts() && scrub.progress.blocks_done < until {
            self.scrub_pages(scrub)?;
        }
        while scrub.progress.blocks_done < until {
            let Some(run) = scrub.runs.pop() else { break };
            let now = run.blocks.min(until - scrub.progress.blocks_done);
            if let Some(later) = Extent::checked(run.start.0 + now, run.blocks - now) {
                scrub.runs.push(later);
            }
            self.scrub_data(Extent { blocks: now, ..run }, scrub);
        }
        let all = scrub.part >= self.pages.parts() && scrub.runs.is_empty();
        if all {
            self.settle_doubt(scrub)?;
            self.device.flush()?;
        }
        Ok(all)
    }

    /// The newest superblock and the one before it must be what the first copy is that can be that; or the slot blank, if there never was one.
    fn scrub_superblocks(&self, scrub: &mut Scrub) {
        let durable = self.epoch.0.saturating_sub(1);
        let blank = Superblock::blank(&self.description);
        for (slot, at) in SUPERBLOCK_SLOTS.into_iter().enumerate() {
            let right = durable - u64::from(durable % 2 != slot as u64);
            let is_right = |copy: &[u8]| match Superblock::decode(copy, slot) {
                Ok(found) => found.epoch.0 == right,
                Err(_) => right == 0 && copy == blank,
            };
            let mut block = [0; BLOCK_BYTES];
            let mut copies = 0..self.device.copies();
            let found =
                copies.any(|copy| self.device.read_copy(copy, at, &mut block).is_ok() && is_right(&block));
            let healed = self.device.heal(at, &mut [0; BLOCK_BYTES], &mut |copy| found && copy == block);
            scrub.note(LOST_SUPERBLOCK, Place::Superblock(slot as u8), healed);
        }
    }

    fn scrub_pages(&self, scrub: &mut Scrub) -> Result<()> {
        let mut seen = 0;
        let (part, since) = (scrub.part, scrub.since);
        let scrubbed = self.pages.scrub_part(part, since, &mut |page, healed| {
            seen += 1;
            if healed != Healed::default() {
                scrub.note(LOST_PAGE, Place::Page(page), Ok(healed));
            }
        });
        scrub.part += 1;
        // Map pages come on top of what was counted beforehand.
        let left = scrub.progress.blocks_total - scrub.progress.blocks_done;
        scrub.progress.blocks_done += left.min(seen);
        scrubbed
    }

    fn scrub_data(&self, run: Extent, scrub: &mut Scrub) {
        let mut block = [0; BLOCK_BYTES];
        for at in run.iter() {
            match self.checksums.heal(at, &mut block, &*self.device, &self.pages) {
                Ok(healed) if healed.sound > 0 => scrub.progress.healed += healed,
                _ => scrub.doubtful.push(at),
            }
        }
        scrub.progress.blocks_done += run.blocks;
    }

    /// What is still owned, and still has no sound copy, is lost.
    fn settle_doubt(&self, scrub: &mut Scrub) -> Result<()> {
        if scrub.doubtful.is_empty() {
            return Ok(());
        }
        scrub.doubtful.sort_unstable();
        let (mut owned, doubtful) = (Vec::new(), &scrub.doubtful);
        self.scheme.visit_blocks(&self.pages, &mut |run| {
            let from = doubtful.partition_point(|at| *at < run.start);
            owned.extend(doubtful[from..].iter().take_while(|at| **at < run.end()));
        })?;
        // Only now: after an error the next step doubts them again.
        scrub.doubtful.clear();
        owned.sort_unstable();
        owned.dedup();
        for at in owned {
            let healed = self.checksums.heal(at, &mut [0; BLOCK_BYTES], &*self.device, &self.pages);
            // Without checksums, or without the page that has this one, a side would not know that it lacks the block.
            let known = !self.checksums.is_off() && matches!(healed, Ok(_) | Err(Error::Io { .. }));
            scrub.blind |= !known && !matches!(healed, Ok(healed) if healed.sound > 0);
            scrub.note(LOST_DATA, Place::Block(at), healed);
        }
        Ok(())
    }
}
