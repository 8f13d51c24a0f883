//! A scheme at work: on pages in memory, with a pool of data blocks, beside the oracle.
//!
//! Invariant: every call is held against its page bound, its bound of frees and the oracle; a freed block is reused at
//! once, so that one freed too early is soon met in two places. Knows no particular scheme.

use crate::scheme_model::{SchemeModel, joined, single};
use crate::{Dice, MemoryPages};
use spinney_core::{DevId, Epoch, Error, Extent, Lba, LbaRange, Pba, Root};
use spinney_snap::{Access, Freed, Progress, Relocation, SnapshotScheme, Step, Version, Work, WritePlan};
use std::collections::BTreeSet;

/// Makes a new scheme, not yet formatted.
pub type SchemeFactory<'a> = &'a dyn Fn() -> Box<dyn SnapshotScheme>;

/// A scheme with all that it needs.
pub struct SchemeLife<'a> {
    make: SchemeFactory<'a>,
    /// Chance.
    pub dice: Dice,
    /// The scheme.
    pub scheme: Box<dyn SnapshotScheme>,
    /// Its pages.
    pub pages: MemoryPages,
    /// What must be true.
    pub model: SchemeModel,
    /// Data blocks that the scheme has and has not let go.
    pub held: BTreeSet<Pba>,
    /// Ids issued so far.
    pub issued: BTreeSet<DevId>,
    epoch: Epoch,
    /// The pool's first data block.
    base: u64,
}

/// Where the data blocks may begin: at the front, and far out, where tables by block number have another shape.
const BASES: [u64; 4] = [0, 0, 514_000, 1 << 38];
/// Data blocks there are: few, so that freed ones come back soon.
const POOL_BLOCKS: u64 = 4096;

impl<'a> SchemeLife<'a> {
    /// A formatted scheme without versions.
    pub fn new(make: SchemeFactory<'a>, law: &'static str, seed: u64) -> SchemeLife<'a> {
        let mut scheme = make();
        let mut pages = MemoryPages::new();
        scheme.format(&mut pages).expect("format");
        let (held, issued) = (BTreeSet::new(), BTreeSet::new());
        let (mut dice, model) = (Dice::new(law, seed), SchemeModel::default());
        let base = *dice.one_of(&BASES);
        SchemeLife { make, dice, scheme, pages, model, held, issued, epoch: Epoch(0), base }
    }

    /// Do `call` inside the bounds of `work`; what it freed is checked and goes back to the pool.
    fn bounded<T>(
        &mut self,
        work: Work,
        call: impl FnOnce(&mut SchemeLife<'a>, &mut Freed) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let pages_max = self.scheme.pages_bound(work, &self.pages)?;
        let blocks_max = self.scheme.frees_bound(work, &self.pages)?;
        self.pages.seal();
        let mut freed = Freed::default();
        let done = call(self, &mut freed);
        let touched = self.pages.seal();
        assert!(touched <= pages_max, "{work:?} touched {touched} pages, its bound was {pages_max}");
        assert!(freed.blocks() <= blocks_max, "{work:?} freed {} blocks of {blocks_max}", freed.blocks());
        self.take_back(&mut freed);
        if done.is_ok() {
            self.holds_what_it_should();
        }
        done
    }

    fn take_back(&mut self, freed: &mut Freed) {
        if freed.runs().is_empty() {
            return;
        }
        let reachable = self.model.reachable();
        for run in freed.drain() {
            for block in run.iter() {
                assert!(self.held.remove(&block), "{block:?} was let go but is not held");
                assert!(
                    reachable.binary_search(&block).is_err(),
                    "{block:?} was let go but a version maps it"
                );
            }
        }
    }

    /// Whether background work is left.
    pub fn is_idle(&mut self) -> bool {
        let mut freed = Freed::default();
        let progress = self.scheme.tend(0, &mut self.pages, &mut freed).expect("tend(0)");
        assert_eq!((progress.done, freed.blocks()), (0, 0), "a budget of 0 does nothing");
        progress.left == 0
    }

    /// Nothing is lost; an idle exact scheme has no garbage.
    fn holds_what_it_should(&mut self) {
        let reachable = self.model.reachable();
        assert!(reachable.iter().all(|block| self.held.contains(block)), "a mapped block is not held");
        if self.scheme.limits().exact && self.is_idle() {
            assert!(self.held.iter().eq(&reachable), "an exact scheme holds what no version maps");
        }
    }

    fn issue(&mut self, dev: DevId) {
        assert!(self.issued.insert(dev), "{dev:?} was issued before");
    }

    /// A new volume.
    pub fn create(&mut self, blocks: u64) -> DevId {
        let dev = self
            .bounded(Work::Create(blocks), |life, _| {
                let dev = life.scheme.create(blocks, &mut life.pages)?;
                life.model.create(dev, blocks);
                Ok(dev)
            })
            .expect("create");
        self.issue(dev);
        dev
    }

    /// A new version of `of`.
    pub fn snapshot(&mut self, of: DevId, access: Access) -> DevId {
        let dev = self
            .bounded(Work::Snapshot(of), |life, _| {
                let dev = life.scheme.snapshot(of, access, &mut life.pages)?;
                life.model.snapshot(dev, of, access);
                Ok(dev)
            })
            .expect("snapshot");
        self.issue(dev);
        dev
    }

    /// Delete, if the scheme's limits let it.
    pub fn delete(&mut self, dev: DevId) {
        let before = self.model.clone();
        let done = self.bounded(Work::Delete(dev), |life, freed| {
            life.model.versions.remove(&dev);
            life.scheme.delete(dev, &mut life.pages, freed)
        });
        match done {
            Ok(()) => {}
            Err(Error::Unsupported(_)) if !self.scheme.limits().delete_any_order => self.model = before,
            Err(error) => panic!("delete of {dev:?}: {error}"),
        }
    }

    /// Fresh data blocks, at most `most` in one run.
    fn fresh(&mut self, most: u64) -> Extent {
        let (base, end) = (self.base, self.base + POOL_BLOCKS);
        let wish = base + self.dice.below(POOL_BLOCKS);
        let is_free = |block: &u64| !self.held.contains(&Pba(*block));
        let start = (wish..end).chain(base..wish).find(is_free).expect("the pool is large enough");
        let blocks = (start..(start + most).min(end)).take_while(is_free).count() as u64;
        self.held.extend((start..start + blocks).map(Pba));
        Extent::new(Pba(start), blocks)
    }

    /// Fresh blocks for a piece, as many runs as the pool likes.
    fn place(&mut self, dev: DevId, at: Lba, blocks: u64, freed: &mut Freed) -> Result<(), Error> {
        let mut done = 0;
        while done < blocks {
            let most = self.dice.between(1, blocks - done);
            let on = self.fresh(most);
            let at = Lba(at.0 + done);
            self.scheme.map(dev, at, on, &mut self.pages, freed)?;
            let version = self.model.versions.get_mut(&dev).expect("a live version");
            version.map.extend((at.0..).zip(on.iter()));
            done += on.blocks;
        }
        Ok(())
    }

    /// The plan of a write, checked: it covers the range once and in order, and offers only what it may.
    pub fn plan(&self, dev: DevId, range: LbaRange) -> Result<WritePlan, Error> {
        let mut plan = WritePlan::default();
        self.scheme.plan_write(dev, range, &self.pages, &mut plan)?;
        let offers = plan.0.iter().any(|step| matches!(step, Step::Overwrite { .. }));
        let alone = if offers { self.model.owned_alone() } else { BTreeSet::new() };
        let map = &self.model.versions[&dev].map;
        let mut next = range.start.0;
        for step in &plan.0 {
            let (at, blocks) = match *step {
                Step::Place { at, blocks, .. } => (at, blocks),
                Step::Overwrite { at, on } => {
                    for (at, on) in (at.0..).zip(on.iter()) {
                        let owned = map.get(&at) == Some(&on) && alone.contains(&on);
                        assert!(owned, "{step:?} is owned alone");
                    }
                    (at, on.blocks)
                }
                Step::Relocate { at, from } => {
                    for (at, from) in (at.0..).zip(from.iter()) {
                        assert_eq!(map.get(&at), Some(&from), "{step:?} names where the block is");
                        assert!(at < range.start.0 || at >= range.end().0, "{step:?} is a neighbour");
                    }
                    continue;
                }
            };
            assert!(blocks > 0 && at.0 == next, "{step:?} does not follow on l{next}");
            next += blocks;
        }
        assert_eq!(next, range.end().0, "the plan covers {range:?}");
        Ok(plan)
    }

    /// Write as a volume does: plan, place, map.
    pub fn write(&mut self, dev: DevId, range: LbaRange) {
        if self.held.len() as u64 + range.blocks * 2 > POOL_BLOCKS {
            self.tend_to_idle(50);
        }
        let plan = self.plan(dev, range).expect("plan");
        let in_place = self.dice.one_in(2);
        let work = Work::Map(dev, plan.span(range));
        let carry_out = |life: &mut SchemeLife<'a>, freed: &mut Freed| {
            for step in &plan.0 {
                match *step {
                    Step::Overwrite { .. } if in_place => {}
                    Step::Overwrite { at, on } => life.place(dev, at, on.blocks, freed)?,
                    Step::Place { at, blocks, .. } => life.place(dev, at, blocks, freed)?,
                    Step::Relocate { at, from } => life.place(dev, at, from.blocks, freed)?,
                }
            }
            Ok(())
        };
        self.bounded(work, carry_out).expect("write");
    }

    /// Make holes.
    pub fn unmap(&mut self, dev: DevId, range: LbaRange) {
        let unmap = |life: &mut SchemeLife<'a>, freed: &mut Freed| {
            life.scheme.unmap(dev, range, &mut life.pages, freed)?;
            let version = life.model.versions.get_mut(&dev).expect("a live version");
            version.map.retain(|at, _| *at < range.start.0 || *at >= range.end().0);
            Ok(())
        };
        self.bounded(Work::Unmap(dev, range), unmap).expect("unmap");
    }

    /// Tell a version to detach.
    pub fn detach(&mut self, dev: DevId) {
        let carry_out = |life: &mut SchemeLife<'a>, _: &mut Freed| life.scheme.detach(dev, &mut life.pages);
        self.bounded(Work::Delete(dev), carry_out).expect("detach");
    }

    /// Background work, then the copies that the scheme wishes for.
    pub fn tend(&mut self, budget: u64) -> Progress {
        let progress = self
            .bounded(Work::Tend(budget), |life, freed| life.scheme.tend(budget, &mut life.pages, freed))
            .expect("tend");
        self.relocate();
        progress
    }

    /// Tell the scheme of one read of everything.
    fn read_all(&mut self) {
        for (dev, version) in &self.model.versions {
            let places: Vec<_> = version.map.iter().collect();
            for pair in places.windows(2).filter(|pair| pair[0].1.0 + 1 != pair[1].1.0) {
                self.scheme.jumped(*dev, Lba(*pair[0].0), Lba(*pair[1].0));
            }
        }
    }

    /// Make the copies that the scheme wishes for, as a volume with space does. What was copied.
    pub fn relocate(&mut self) -> Vec<(DevId, WritePlan)> {
        if self.scheme.watches_reads() {
            self.read_all();
        }
        let (mut done, mut wishes) = (Vec::new(), 0);
        while let Some(Relocation { dev, plan, to }) =
            self.scheme.next_relocation(&self.pages).expect("next_relocation")
        {
            wishes += 1;
            assert!(wishes < 20_000, "the wishes never end");
            let copied = plan.blocks_bound();
            self.is_a_copy(dev, &plan);
            let Some(on) = self.fresh_run(copied, to) else { continue };
            let (first, _) = plan.copies().next().expect("a wish copies something");
            let work = Work::Map(dev, plan.span(LbaRange::new(first, 0)));
            let carry_out = |life: &mut SchemeLife<'a>, freed: &mut Freed| {
                let mut next = on.start.0;
                for (at, from) in plan.copies() {
                    let on = Extent::new(Pba(next), from.blocks);
                    life.scheme.map(dev, at, on, &mut life.pages, freed)?;
                    let version = life.model.versions.get_mut(&dev).expect("a live version");
                    version.map.extend((at.0..).zip(on.iter()));
                    next += from.blocks;
                }
                Ok(())
            };
            self.bounded(work, carry_out).expect("a copy");
            done.push((dev, plan));
        }
        done
    }

    /// A wish copies blocks of a version that may be written, each once, from where they are.
    fn is_a_copy(&self, dev: DevId, plan: &WritePlan) {
        let version = &self.model.versions[&dev];
        assert_eq!(version.access, Access::Writable, "a copy changes the map");
        assert_eq!(plan.copies().count(), plan.0.len(), "a wish copies and does nothing else");
        let mut met = BTreeSet::new();
        for (at, from) in plan.copies().flat_map(|(at, from)| (at.0..).zip(from.iter())) {
            assert_eq!(version.map.get(&at), Some(&from), "l{at} is copied from where it is");
            assert!(met.insert(at), "l{at} is copied once");
        }
    }

    /// Fresh data blocks in one run, at the place wished for or the first.
    fn fresh_run(&mut self, blocks: u64, to: Option<Pba>) -> Option<Extent> {
        let (base, end) = (self.base, self.base + POOL_BLOCKS);
        let last = end.checked_sub(blocks)?;
        let fits =
            |start: &u64| *start <= last && (*start..start + blocks).all(|on| !self.held.contains(&Pba(on)));
        let start = match to {
            Some(to) => Some(to.0).filter(|start| *start >= base).filter(fits),
            None => (base..=last).find(fits),
        }?;
        self.held.extend((start..start + blocks).map(Pba));
        Some(Extent::new(Pba(start), blocks))
    }

    /// Blocks that are held and that no version maps.
    #[must_use]
    pub fn garbage(&self) -> u64 {
        (self.held.len() - self.model.reachable().len()) as u64
    }

    /// Background work until there is none.
    pub fn tend_to_idle(&mut self, budget: u64) {
        let mut calls = 0;
        while self.tend(budget).left > 0 {
            calls += 1;
            assert!(calls < 20_000, "tend never becomes idle");
        }
    }

    /// Close the epoch.
    pub fn commit(&mut self) -> Root {
        self.relocate();
        self.epoch = self.epoch.next();
        let epoch = self.epoch;
        self.bounded(Work::Commit, |life, _| life.scheme.commit(epoch, &mut life.pages)).expect("commit")
    }

    /// Commit, forget the scheme, and find all again from the root.
    pub fn reopen(&mut self) {
        let root = self.commit();
        self.scheme = (self.make)();
        self.scheme.open(&root, &self.pages).expect("open");
    }

    /// Everything that can be asked, held against the oracle.
    pub fn audit(&mut self) {
        let idle = self.is_idle();
        audit_versions(self.scheme.as_ref(), &self.pages, &self.model);
        let alone = self.model.owned_alone();
        for dev in self.model.versions.keys() {
            let usage = self.scheme.usage(*dev, &self.pages).expect("usage");
            let right = self.model.usage(*dev, &alone);
            assert_eq!(usage.referenced_blocks, right.referenced_blocks, "referenced of {dev:?}");
            assert_eq!(
                usage.referenced_blocks,
                usage.exclusive_blocks + usage.shared_blocks,
                "sum of {dev:?}"
            );
            if idle {
                assert_eq!(usage, right, "usage of {dev:?}");
            }
        }
        self.audit_diffs();
        self.audit_ownership();
    }

    fn audit_diffs(&mut self) {
        let devs: Vec<DevId> = self.model.versions.keys().copied().collect();
        for _ in 0..devs.len().min(4) {
            let (old, new) = (*self.dice.one_of(&devs), *self.dice.one_of(&devs));
            let blocks = self.model.versions[&old].blocks.min(self.model.versions[&new].blocks);
            let range = any_range(&mut self.dice, blocks);
            let mut deltas = Vec::new();
            let each = &mut |delta| deltas.push(delta);
            self.scheme.diff(old, new, range, &self.pages, each).expect("diff");
            assert_eq!(
                single(&deltas),
                self.model.diff(old, new, range),
                "diff of {old:?} and {new:?} in {range:?}"
            );
        }
    }

    /// Blocks and pages: each once, none else.
    fn audit_ownership(&self) {
        let mut blocks = BTreeSet::new();
        let each =
            &mut |run: Extent| run.iter().for_each(|at| assert!(blocks.insert(at), "{at:?} visited twice"));
        self.scheme.visit_blocks(&self.pages, each).expect("visit_blocks");
        assert_eq!(blocks, self.held, "visited blocks and held blocks");
        let mut pages = BTreeSet::new();
        let each = &mut |page| assert!(pages.insert(page), "{page:?} visited twice");
        self.scheme.visit_pages(&self.pages, each).expect("visit_pages");
        let live: BTreeSet<_> = self.pages.live().map(|(page, _)| page).collect();
        assert_eq!(pages, live, "visited pages and live pages");
        let each = &mut |finding| panic!("check: {finding}");
        self.scheme.check(&self.pages, each).expect("check");
    }
}

/// The list of versions and the content of each are the oracle's.
pub fn audit_versions(scheme: &dyn SnapshotScheme, pages: &MemoryPages, model: &SchemeModel) {
    let mut listed = Vec::new();
    scheme.versions(pages, &mut |version| listed.push(version)).expect("versions");
    assert!(
        listed.iter().map(|version| version.dev).eq(model.versions.keys().copied()),
        "versions by rising id"
    );
    for version in listed {
        let right = &model.versions[&version.dev];
        assert_eq!(scheme.version(version.dev, pages), Ok(version), "version and versions agree");
        assert_eq!((version.access, version.blocks), (right.access, right.blocks), "{version:?}");
        parent_is_right(&version, right.parent, model);
        let whole = LbaRange::new(Lba(0), right.blocks);
        assert_eq!(
            read(scheme, pages, version.dev, whole),
            model.lookup(version.dev, whole),
            "{:?}",
            version.dev
        );
    }
}

fn parent_is_right(version: &Version, right: Option<DevId>, model: &SchemeModel) {
    let alive = right.is_some_and(|parent| model.versions.contains_key(&parent));
    assert!(
        version.parent == right || !alive && version.parent.is_none(),
        "{version:?}, taken from {right:?}"
    );
}

/// The range's runs as the scheme says them, joined.
pub fn read(
    scheme: &dyn SnapshotScheme,
    pages: &MemoryPages,
    dev: DevId,
    range: LbaRange,
) -> Vec<spinney_snap::Run> {
    let mut runs = Vec::new();
    scheme.lookup(dev, range, pages, &mut |run| runs.push(run)).expect("lookup");
    let first = runs.first().map_or(range.start, |run| run.at);
    assert_eq!(first, range.start, "runs begin where the range does");
    assert_eq!(runs.iter().map(|run| run.blocks).sum::<u64>(), range.blocks, "runs cover {range:?}");
    joined(runs)
}

/// A range of at least one block inside a volume of `blocks`; small ones, large ones, and the whole.
pub fn any_range(dice: &mut Dice, blocks: u64) -> LbaRange {
    let length = if dice.one_in(20) { blocks } else { dice.log_uniform(blocks) };
    LbaRange::new(Lba(dice.below(blocks - length + 1)), length)
}
