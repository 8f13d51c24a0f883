//! One life of an allocator beside a model: grants, runs held, runs released, commits, reopening.
//!
//! Invariant: `state` says of each block whether it is free, held or released and not yet durable, from what the life did
//! alone. Knows no law and no algorithm.

use crate::allocator_laws::AllocatorFactory;
use crate::dice::Dice;
use crate::memory_pages::MemoryPages;
use spinney_alloc::{Allocator, Want};
use spinney_core::{Epoch, Error, Extent, Flow, PageNo, Pba, Root};

/// Whose a block is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Nobody's: free, or deferred by the policy although its release is durable.
    Loose,
    /// The life's.
    Held,
    /// Released in the open epoch: nobody may have it.
    Released,
}

/// The parts of a life.
pub struct AllocatorLife {
    /// All blocks.
    pub universe: Extent,
    /// The allocator on trial.
    pub allocator: Box<dyn Allocator>,
    /// Its pages.
    pub pages: MemoryPages,
    /// What the last commit returned.
    pub root: Root,
    /// Runs that the life holds, in the order in which it got them.
    pub held: Vec<Extent>,
    /// The next commit's number.
    pub epoch: Epoch,
    /// The epoch that a reader has open.
    pub reader: Option<Epoch>,
    state: Vec<State>,
    /// The epoch in which each block was last released.
    released: Vec<Epoch>,
}

impl AllocatorLife {
    /// A formatted allocator after its first commit; all of `universe` is free.
    #[must_use]
    pub fn new(universe: Extent, make: AllocatorFactory) -> AllocatorLife {
        let mut life = AllocatorLife {
            universe,
            allocator: make(),
            pages: MemoryPages::new(),
            root: Root::default(),
            held: Vec::new(),
            epoch: Epoch(1),
            reader: None,
            state: vec![State::Loose; universe.blocks as usize],
            released: vec![Epoch(0); universe.blocks as usize],
        };
        life.allocator.format(universe, &mut life.pages).expect("memory has room");
        life.commit();
        life
    }
    fn set(&mut self, run: Extent, from: State, to: State) {
        assert!(self.universe.contains(run), "{run:?} is outside {:?}", self.universe);
        for at in run.iter() {
            let state = &mut self.state[(at.0 - self.universe.start.0) as usize];
            assert_eq!(*state, from, "block {at} of {run:?} becomes {to:?}");
            *state = to;
        }
    }
    fn slot(&self, at: Pba) -> usize {
        (at.0 - self.universe.start.0) as usize
    }
    /// Note that the allocator issued `run`; it must be nobody's, and out of a reader's reach.
    pub fn issued(&mut self, run: Extent) {
        for at in run.iter() {
            let released = self.released[self.slot(at)];
            let reached = self.reader.is_some_and(|reader| reader < released);
            assert!(
                !reached,
                "block {at}, released in {released}, is issued below a reader of {:?}",
                self.reader
            );
        }
        self.set(run, State::Loose, State::Held);
        self.held.push(run);
    }
    /// Reserve `blocks`, take them all in as many runs as it needs, and settle. Returns false if the grant was refused.
    pub fn take(&mut self, blocks: u64, want: &Want) -> bool {
        let free = self.allocator.stats().free_blocks;
        let mut grant = match self.allocator.reserve(blocks) {
            Ok(grant) => grant,
            Err(error) => {
                assert!(blocks > free, "{error} although {free} blocks are free");
                return false;
            }
        };
        while grant.blocks() > 0 {
            let run = self
                .allocator
                .allocate(want, &mut grant, &self.pages)
                .expect("inside a grant a block can be had");
            assert!(run.blocks <= want.blocks_max, "{run:?} for {want:?}");
            self.issued(run);
        }
        self.allocator.settle(grant);
        true
    }
    /// Release a part of a run that is held.
    pub fn release(&mut self, dice: &mut Dice) {
        if self.held.is_empty() {
            return;
        }
        let run = self.held.swap_remove(dice.below(self.held.len() as u64) as usize);
        let skip = if dice.one_in(2) { 0 } else { dice.below(run.blocks) };
        let part = Extent::new(Pba(run.start.0 + skip), dice.log_uniform(run.blocks - skip));
        self.held.extend(Extent::checked(run.start.0, skip));
        self.held.extend(Extent::checked(part.end().0, run.end().0 - part.end().0));
        self.release_run(part);
    }
    /// Release all of `run`, which is not in `held` any more.
    pub fn release_run(&mut self, run: Extent) {
        self.set(run, State::Held, State::Released);
        for at in run.iter() {
            let slot = self.slot(at);
            self.released[slot] = self.epoch;
        }
        self.allocator.release(run, &self.pages).expect("it was held");
    }
    /// Some takes and releases.
    pub fn churn(&mut self, dice: &mut Dice) {
        for _ in 0..dice.below(10) {
            let blocks = dice.log_uniform(self.universe.blocks.min(400));
            self.take(blocks, &Want::up_to(dice.log_uniform(blocks)));
        }
        for _ in 0..dice.below(10) {
            self.release(dice);
        }
    }
    /// Commit, hold the pages touched against the bound, and make the epoch durable.
    pub fn commit(&mut self) {
        let bound = self.allocator.pages_bound(0);
        self.pages.seal();
        self.root = self.allocator.commit(self.epoch, &mut self.pages).expect("memory has room");
        let touched = self.pages.seal();
        assert!(touched <= bound, "{touched} pages touched, bound {bound}");
        self.allocator.committed(self.epoch, self.reader);
        self.epoch = self.epoch.next();
        for state in &mut self.state {
            if *state == State::Released {
                *state = State::Loose;
            }
        }
    }
    /// Commit in a hurry until the policy holds nothing back.
    pub fn commit_until_idle(&mut self) {
        for _ in 0..COMMITS_MAX {
            self.allocator.hurry();
            self.commit();
            if self.allocator.stats().deferred_blocks == 0 {
                return;
            }
        }
        panic!(
            "{} blocks are still deferred after {COMMITS_MAX} commits",
            self.allocator.stats().deferred_blocks
        );
    }
    /// Go on with a new allocator opened from the last commit, as after a crash: what was done since is undone.
    pub fn reopen(&mut self, make: AllocatorFactory) {
        (self.allocator, self.reader) = (make(), None);
        self.allocator.open(self.universe, &self.root, &self.pages).expect("a sound root");
        self.allocator.committed(Epoch(self.epoch.0 - 1), None);
    }
    /// Each block is free, deferred or held, exactly one of them; counts agree (I1).
    pub fn audit(&self) {
        self.covers(&*self.allocator, &self.pages, &self.held);
    }
    /// The same of another allocator of this universe, over `pages`, under which `held` is held.
    pub fn covers(&self, allocator: &dyn Allocator, pages: &MemoryPages, held: &[Extent]) {
        let mut owner = vec![""; self.state.len()];
        let mut own = |run: Extent, name: &'static str| {
            for at in run.iter() {
                let slot = &mut owner[self.slot(at)];
                assert_eq!(*slot, "", "block {at} is {name} too");
                *slot = name;
            }
        };
        held.iter().for_each(|run| own(*run, "held"));
        let (mut free, mut deferred) = (0, 0);
        let visited = allocator.visit_free(pages, &mut |run| {
            free += run.blocks;
            own(run, "free");
            Flow::Continue
        });
        visited.expect("sound pages");
        allocator.visit_deferred(&mut |run| {
            deferred += run.blocks;
            own(run, "deferred");
        });
        let lost = owner.iter().position(|name| name.is_empty()).map(|at| self.universe.start.0 + at as u64);
        assert_eq!(lost, None, "a block is neither free nor deferred nor held");
        let stats = allocator.stats();
        let counted = (stats.total_blocks, stats.free_blocks, stats.deferred_blocks);
        assert_eq!(counted, (self.universe.blocks, free, deferred), "blocks: total, free, deferred");
    }
    /// Every page is visited once, and the checker finds nothing.
    pub fn check(&self) {
        self.allocator.check(&self.pages, &mut |found| panic!("{found}")).expect("sound pages");
        let mut visited = Vec::new();
        self.allocator.visit_pages(&self.pages, &mut |page| visited.push(page)).expect("sound pages");
        visited.sort_unstable();
        let live: Vec<PageNo> = self.pages.live().map(|(page, _)| page).collect();
        assert_eq!(visited, live, "pages visited, pages live");
    }
    /// That a refusal says `NoSpace`.
    pub fn is_no_space<T: std::fmt::Debug>(answer: Result<T, Error>) {
        assert!(matches!(answer, Err(Error::NoSpace { .. })), "{answer:?}");
    }
}

/// No policy holds a block longer than this.
const COMMITS_MAX: u32 = 100;
