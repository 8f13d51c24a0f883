//! Random histories of a scheme, thousands of them: the mix of `snapshots.md` section 10, deletes a slot at a time, and crashes.
//!
//! Invariant: a history is its seed: sizes, mix and pace follow from it. Every call is held against the oracle; a freed block is
//! reused at once. Knows no scheme, and no bound of pages: that is the laws' ([`crate::scheme_laws`]), which do less of more.

mod oracle;

use crate::scheme_life::SchemeFactory;
use crate::{Dice, MemoryPages};
use oracle::{Image, Oracle, Told, told};
use spinney_core::{DevId, Epoch, Error, Lba, LbaRange, Root};
use spinney_snap::{Access, Freed, SnapshotScheme};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Where the data blocks may begin: at the front, and far out, where tables by block number have another shape.
const BASES: [u64; 4] = [0, 0, 514_000, 1 << 38];
/// Versions that a history may have at a time.
const VERSIONS_MAX: usize = 12;
/// Operations of a history, by turns: as the models that checked the designs had them.
const OPERATIONS: [u64; 9] = [300, 300, 300, 300, 300, 300, 400, 400, 1500];
/// Background work after each operation, by turns; none: until there is none left.
const PACES: [Option<u64>; 4] = [Some(1), None, Some(1), Some(3)];
/// A commit, and a crash, once in so many operations.
const COMMIT_EVERY: u64 = 40;
const CRASH_EVERY: u64 = 150;
/// Everything is asked, and a set deleted on a copy, once in so many commits.
const AUDIT_EVERY: u64 = 3;
const SET_EVERY: u64 = 4;
/// Garbage is counted as high from so many percent of what is live.
const HIGH_PERCENT: u64 = 15;

/// What histories came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Histories.
    pub histories: u64,
    /// Calls that changed something, background work aside.
    pub operations: u64,
    /// Times that the scheme was opened at its last commit, all since being lost.
    pub crashes: u64,
    /// Times that a set of versions was deleted on a copy, to see whether it frees what was promised.
    pub sets: u64,
    /// Moments without background work to do, at which garbage was counted.
    pub idle_moments: u64,
    /// Of these, moments with more garbage than 15 % of what was live.
    pub high_moments: u64,
    /// Sum over the idle moments: blocks held for no version.
    pub garbage_blocks: u64,
    /// Sum over the idle moments: blocks that some version maps.
    pub live_blocks: u64,
    /// The largest garbage of an idle moment, in thousandths of what was live.
    pub garbage_permille_max: u64,
}

impl Tally {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Tally) -> Tally {
        Tally {
            histories: self.histories + other.histories,
            operations: self.operations + other.operations,
            crashes: self.crashes + other.crashes,
            sets: self.sets + other.sets,
            idle_moments: self.idle_moments + other.idle_moments,
            high_moments: self.high_moments + other.high_moments,
            garbage_blocks: self.garbage_blocks + other.garbage_blocks,
            live_blocks: self.live_blocks + other.live_blocks,
            garbage_permille_max: self.garbage_permille_max.max(other.garbage_permille_max),
        }
    }
}

/// The history of a seed, from a new scheme to an empty one. Errors: what was wrong and after how many operations; a panic is wrong
/// like anything else.
pub fn run(make: SchemeFactory, seed: u64) -> Result<Tally, String> {
    let operations = OPERATIONS[(seed % OPERATIONS.len() as u64) as usize];
    run_steps(make, seed, operations, PACES[(seed / 9 % PACES.len() as u64) as usize])
}

/// The same with so many operations, and so much background work after each.
pub fn run_steps(
    make: SchemeFactory,
    seed: u64,
    operations: u64,
    pace: Option<u64>,
) -> Result<Tally, String> {
    let mut done = 0;
    let run = AssertUnwindSafe(|| {
        let mut history = History::new(make, seed, pace)?;
        for number in 0..operations {
            done = number;
            history.step()?;
        }
        history.end()
    });
    let ended = catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    });
    ended.map_err(|what| format!("seed {seed}, operation {done}: {what}"))
}

/// A durable moment.
struct Commit {
    root: Root,
    pages: MemoryPages,
    oracle: Oracle,
}

struct History<'a> {
    make: SchemeFactory<'a>,
    dice: Dice,
    scheme: Box<dyn SnapshotScheme>,
    pages: MemoryPages,
    oracle: Oracle,
    pace: Option<u64>,
    epoch: Epoch,
    idle: bool,
    /// The last two.
    commits: Vec<Commit>,
    pages_min: usize,
    tally: Tally,
}

impl<'a> History<'a> {
    fn new(make: SchemeFactory<'a>, seed: u64, pace: Option<u64>) -> Told<History<'a>> {
        let (mut scheme, mut pages, mut dice) = (make(), MemoryPages::new(), Dice::new("a history", seed));
        told("format", scheme.format(&mut pages))?;
        let (oracle, pages_min) = (Oracle::new(*dice.one_of(&BASES)), pages.live().count());
        let tally = Tally { histories: 1, ..Tally::default() };
        let (epoch, idle, commits) = (Epoch(0), true, Vec::new());
        let mut history =
            History { make, dice, scheme, pages, oracle, pace, epoch, idle, commits, pages_min, tally };
        history.commit()?;
        Ok(history)
    }

    /// An operation and what follows it.
    fn step(&mut self) -> Told<()> {
        self.operation()?;
        self.tally.operations += 1;
        match self.pace {
            Some(budget) => self.tend(budget)?,
            None => self.tend_to_idle()?,
        }
        self.weigh()?;
        if self.dice.one_in(COMMIT_EVERY) {
            self.commit()?;
        }
        if self.dice.one_in(CRASH_EVERY) { self.crash() } else { Ok(()) }
    }

    fn operation(&mut self) -> Told<()> {
        let full = self.oracle.images.len() >= VERSIONS_MAX;
        let limits = self.scheme.limits();
        let devs = self.oracle.devs();
        if devs.is_empty() {
            return self.create();
        }
        let dev = *self.dice.one_of(&devs);
        match self.dice.below(100) {
            0..55 => self.change(),
            55..70 if !full => self.take(dev, Access::ReadOnly),
            70..82 if !full && limits.clones => self.take(dev, Access::Writable),
            55..97 => self.delete(dev),
            _ => self.tend(20),
        }
    }

    fn heads(&self) -> Vec<DevId> {
        let heads = self.oracle.images.iter().filter(|(_, image)| image.access == Access::Writable);
        heads.map(|(dev, _)| *dev).collect()
    }

    fn create(&mut self) -> Told<()> {
        let blocks = self.dice.between(20, 64);
        let dev = told("create", self.scheme.create(blocks, &mut self.pages))?;
        let image = Image { access: Access::Writable, on: vec![None; blocks as usize] };
        self.issue(dev, image)
    }

    fn take(&mut self, of: DevId, access: Access) -> Told<()> {
        let dev = told("snapshot", self.scheme.snapshot(of, access, &mut self.pages))?;
        let image = Image { access, ..self.oracle.images[&of].clone() };
        self.issue(dev, image)
    }

    fn issue(&mut self, dev: DevId, image: Image) -> Told<()> {
        let newest = self.oracle.images.last_key_value().is_none_or(|(last, _)| *last < dev);
        self.oracle.images.insert(dev, image);
        if newest { Ok(()) } else { Err(format!("{dev:?} is not a new id")) }
    }

    /// Write or, one time in ten, unmap: half the time one block.
    fn change(&mut self) -> Told<()> {
        let heads = self.heads();
        if heads.is_empty() {
            return Ok(());
        }
        let dev = *self.dice.one_of(&heads);
        let blocks = self.oracle.images[&dev].on.len() as u64;
        let at = self.dice.below(blocks);
        let length = if self.dice.one_in(2) { 1 } else { self.dice.log_uniform(blocks - at) };
        let mut freed = Freed::default();
        if self.dice.one_in(10) {
            let range = LbaRange::new(Lba(at), length);
            told("unmap", self.scheme.unmap(dev, range, &mut self.pages, &mut freed))?;
            self.image(dev).on[at as usize..][..length as usize].fill(None);
        } else {
            self.write(dev, at, length, &mut freed)?;
        }
        self.let_go(freed)
    }

    fn image(&mut self, dev: DevId) -> &mut Image {
        self.oracle.images.get_mut(&dev).expect("a live version")
    }

    fn write(&mut self, dev: DevId, at: u64, length: u64, freed: &mut Freed) -> Told<()> {
        if self.oracle.held_blocks + length > oracle::POOL_BLOCKS {
            self.tend_to_idle()?;
        }
        let mut done = 0;
        while done < length {
            let (from, most) = (self.dice.below(oracle::POOL_BLOCKS), self.dice.between(1, length - done));
            let on = self.oracle.take(from, most)?;
            let at = at + done;
            told("map", self.scheme.map(dev, Lba(at), on, &mut self.pages, freed))?;
            let slots = &mut self.image(dev).on[at as usize..];
            slots.iter_mut().zip(on.iter()).for_each(|(slot, on)| *slot = Some(on));
            done += on.blocks;
        }
        Ok(())
    }

    /// Delete, unless it is the last that can be written or the scheme documents that it cannot.
    fn delete(&mut self, dev: DevId) -> Told<()> {
        if self.heads() == [dev] && self.oracle.images.len() > 1 {
            return Ok(());
        }
        let mut freed = Freed::default();
        match self.scheme.delete(dev, &mut self.pages, &mut freed) {
            Err(Error::Unsupported(_)) if !self.scheme.limits().delete_any_order => return Ok(()),
            outcome => told("delete", outcome)?,
        }
        self.oracle.images.remove(&dev);
        self.let_go(freed)
    }

    fn let_go(&mut self, mut freed: Freed) -> Told<()> {
        self.oracle.let_go(freed.drain())
    }

    fn tend(&mut self, budget: u64) -> Told<()> {
        let mut freed = Freed::default();
        let progress = told("tend", self.scheme.tend(budget, &mut self.pages, &mut freed))?;
        self.idle = progress.left == 0;
        let within = progress.done <= budget + 1 && (self.idle || budget == 0 || progress.done > 0);
        self.let_go(freed)?;
        if within { Ok(()) } else { Err(format!("{progress:?} for a budget of {budget}")) }
    }

    fn tend_to_idle(&mut self) -> Told<()> {
        for _ in 0..20_000 {
            self.tend(50)?;
            if self.idle {
                return Ok(());
            }
        }
        Err("tend never becomes idle".into())
    }

    /// Nothing that is mapped is lost; an exact scheme that is idle holds nothing else.
    fn weigh(&mut self) -> Told<()> {
        if !self.idle {
            return Ok(());
        }
        let (garbage, live) = self.oracle.garbage_and_live()?;
        if garbage > 0 && self.scheme.limits().exact {
            return Err(format!("an exact scheme holds {garbage} blocks that no version maps"));
        }
        self.tally.idle_moments += 1;
        self.tally.high_moments += u64::from(garbage * 100 > live * HIGH_PERCENT);
        self.tally.garbage_blocks += garbage;
        self.tally.live_blocks += live;
        let permille = garbage * 1000 / live.max(1);
        self.tally.garbage_permille_max = self.tally.garbage_permille_max.max(permille);
        Ok(())
    }

    fn commit(&mut self) -> Told<()> {
        self.epoch = self.epoch.next();
        let root = told("commit", self.scheme.commit(self.epoch, &mut self.pages))?;
        self.pages.seal();
        if self.dice.one_in(AUDIT_EVERY) {
            self.oracle.audit(self.scheme.as_ref(), &self.pages, self.idle, &mut self.dice)?;
        }
        self.commits.push(Commit { root, pages: self.pages.view(), oracle: self.oracle.clone() });
        if self.commits.len() > 2 {
            self.commits.remove(0);
        }
        if self.dice.one_in(SET_EVERY) { self.keeps_its_promise() } else { Ok(()) }
    }

    /// On a copy: what is on its way comes back, then what deleting a set of versions was promised to free.
    fn keeps_its_promise(&mut self) -> Told<()> {
        let mut copy = self.at_commit(self.commits.len() - 1)?;
        copy.tend_to_idle()?;
        copy.weigh()?;
        let mut doomed = copy.oracle.devs();
        doomed.retain(|_| self.dice.one_in(2));
        let promised = told("freed_by_deleting", copy.scheme.freed_by_deleting(&doomed, &copy.pages))?;
        oracle::same("promised to free", &promised, &copy.oracle.freed_by_deleting(&doomed))?;
        if !copy.scheme.limits().delete_any_order {
            return Ok(());
        }
        let before = copy.oracle.held_blocks;
        for dev in doomed {
            let mut freed = Freed::default();
            told("delete", copy.scheme.delete(dev, &mut copy.pages, &mut freed))?;
            copy.oracle.images.remove(&dev);
            copy.let_go(freed)?;
        }
        copy.tend_to_idle()?;
        copy.weigh()?;
        self.tally.sets += 1;
        let freed = before - copy.oracle.held_blocks;
        if copy.scheme.limits().exact { oracle::same("freed", &freed, &promised) } else { Ok(()) }
    }

    /// What a crash after that commit leaves.
    fn at_commit(&self, index: usize) -> Told<History<'a>> {
        let Commit { root, pages, oracle } = &self.commits[index];
        let (mut scheme, pages, oracle) = ((self.make)(), pages.view(), oracle.clone());
        told("open", scheme.open(root, &pages))?;
        let (dice, commits) = (Dice::new("a history, copied", self.epoch.0), Vec::new());
        let History { make, pace, epoch, idle, pages_min, tally, .. } = *self;
        Ok(History { make, dice, scheme, pages, oracle, pace, epoch, idle, commits, pages_min, tally })
    }

    /// All since the last commit is lost, which is what a cut before any later write of the device leaves.
    fn crash(&mut self) -> Told<()> {
        let back = self.at_commit(self.commits.len() - 1)?;
        (self.scheme, self.pages, self.oracle) = (back.scheme, back.pages, back.oracle);
        self.tally.crashes += 1;
        self.tend(0)
    }

    /// Both of the last commits can be opened; then delete all: no block is held, and no page more than a formatted scheme has.
    fn end(mut self) -> Told<Tally> {
        for index in 0..self.commits.len() {
            let mut back = self.at_commit(index)?;
            back.tend(0)?;
            back.oracle.audit(back.scheme.as_ref(), &back.pages, back.idle, &mut self.dice)?;
            back.give_all_back()?;
        }
        self.give_all_back()?;
        Ok(self.tally)
    }

    fn give_all_back(&mut self) -> Told<()> {
        while !self.oracle.images.is_empty() {
            let left = self.oracle.images.len();
            for dev in self.oracle.devs().into_iter().rev() {
                let mut freed = Freed::default();
                match self.scheme.delete(dev, &mut self.pages, &mut freed) {
                    Err(Error::Unsupported(_)) if !self.scheme.limits().delete_any_order => continue,
                    outcome => told("delete", outcome)?,
                }
                self.oracle.images.remove(&dev);
                self.let_go(freed)?;
            }
            oracle::same("a version can be deleted", &(self.oracle.images.len() < left), &true)?;
        }
        self.tend_to_idle()?;
        told("commit", self.scheme.commit(self.epoch.next(), &mut self.pages))?;
        oracle::same("blocks held by no version", &self.oracle.held_blocks, &0)?;
        oracle::same("pages of an empty scheme", &self.pages.live().count(), &self.pages_min)
    }
}
