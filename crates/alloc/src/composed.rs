//! Any index, any form and any reclaim policy, made into one allocator.
//!
//! Invariant: free + deferred + owned by callers = universe. A released block is *pending* until a commit records it as free
//! (the policy's log may keep it so for long), then *held* until the policy lets it go; it enters the index only in
//! `committed`, when its epoch is durable and no reader can reach it. Everything about crash order stands here, once. What is
//! released was named by pages that are not trusted, so it is held against the invariant; index and policy are, and assert.

use crate::held::Held;
use crate::reclaim::{Moment, Reclaim};
use crate::{Allocator, Change, Changes, FreeIndex, FreeView, Grant, RunSet, SpaceForm, SpaceStats, Want};
use alloc::boxed::Box;
use alloc::vec::Vec;
use spinney_core::{
    Epoch, Error, Extent, Finding, Flow, PageNo, PageRead, PageTxn, Pba, Place, ROOT_BYTES_MAX, Result, Root,
};

/// The allocator of three parts.
pub struct Composed {
    index: Box<dyn FreeIndex>,
    form: Box<dyn SpaceForm>,
    reclaim: Box<dyn Reclaim>,
    universe: Extent,
    changes: Changes,
    /// Released in the open epoch, in order.
    released: Vec<Extent>,
    /// These, and what is in the policy's log: not recorded as free.
    pending: RunSet,
    released_blocks: u64,
    /// Recorded as free, not in the index.
    held: Held,
    log_head: Option<PageNo>,
    reserved_blocks: u64,
    hurried: bool,
}

impl Composed {
    /// Join three parts; then `format` or `open`.
    #[must_use]
    pub fn new(index: Box<dyn FreeIndex>, form: Box<dyn SpaceForm>, reclaim: Box<dyn Reclaim>) -> Composed {
        Composed {
            index,
            form,
            reclaim,
            universe: Extent { start: Pba(0), blocks: 0 },
            changes: Changes::default(),
            released: Vec::new(),
            pending: RunSet::default(),
            released_blocks: 0,
            held: Held::default(),
            log_head: None,
            reserved_blocks: 0,
            hurried: false,
        }
    }
    /// The index, to look at.
    #[must_use]
    pub fn index(&self) -> &dyn FreeIndex {
        &*self.index
    }
    fn available(&self) -> u64 {
        self.index.free_blocks().saturating_sub(self.reserved_blocks)
    }
    /// What the form stores.
    fn recorded(&self) -> FreeView<'_> {
        FreeView::with(&*self.index, &self.held.set)
    }
    fn moment(&self, epoch: Epoch, oldest_reader: Option<Epoch>) -> Moment {
        Moment {
            epoch,
            oldest_reader,
            free_blocks: self.index.free_blocks(),
            total_blocks: self.universe.blocks,
            hurried: self.hurried,
        }
    }
    /// Up to which epoch blocks may be handed out: as the policy has it, but nothing that a reader can reach. A reader of
    /// epoch R sees all that was released in a later one.
    fn limit(&self, now: &Moment) -> Epoch {
        let due = self.reclaim.due(now).min(now.epoch);
        now.oldest_reader.map_or(due, |reader| due.min(reader))
    }
    /// Record as free what this commit may: all that was released, or what the policy's log gives.
    fn record(&mut self, epoch: Epoch, pages: &mut dyn PageTxn) -> Result<()> {
        let now = self.moment(epoch, None);
        let Composed { reclaim, changes, released, pending, held, .. } = self;
        match reclaim.log_mut() {
            None => {
                released.iter().for_each(|run| changes.push(Change::Free(*run)));
                held.take_over(epoch, released, pending);
            }
            Some(log) => log.commit(&now, released, pages, &mut |run| {
                assert!(pending.remove(run), "the policy gave {run:?}, which was not queued");
                changes.push(Change::Free(run));
                held.add(epoch, run);
            })?,
        }
        released.clear();
        self.released_blocks = 0;
        Ok(())
    }
    /// Load what the log has queued: all of it must be taken by the form's word.
    fn load_log(&mut self) -> Result<()> {
        let Composed { index, reclaim, pending, universe, .. } = self;
        let mut bad = None;
        if let Some(log) = reclaim.log() {
            log.visit(&mut |run| {
                let strange = !universe.contains(run) || first_free(&**index, run).is_some();
                if bad.is_some() || strange || pending.insert(run).is_err() {
                    bad.get_or_insert(run.start);
                }
            });
        }
        let what = "queued block (free, queued twice or outside the universe)";
        bad.map_or(Ok(()), |at| Err(Error::Corrupt { what, place: Place::Block(at) }))
    }
}

/// The root of a form and the head of a log: eight bytes more. Errors: `Unsupported` if they do not fit.
fn joint_root(form: Root, log: Option<PageNo>) -> Result<Root> {
    let Some(head) = log else { return Ok(form) };
    if form.bytes().len() + 8 > ROOT_BYTES_MAX {
        return Err(Error::Unsupported(
            "a reclaim policy with a log, with a form whose root has more than 56 bytes",
        ));
    }
    let mut bytes = form.bytes().to_vec();
    bytes.extend_from_slice(&head.0.to_le_bytes());
    Ok(Root::new(&bytes))
}

/// The reverse. Errors: `Corrupt` if the root is too short to name a log.
fn split_root(root: &Root) -> Result<(Root, PageNo)> {
    let short = Error::Corrupt { what: "allocator root (too short for a log)", place: Place::Pool };
    let (form, head) = root.bytes().split_last_chunk().ok_or(short)?;
    Ok((Root::new(form), PageNo(u64::from_le_bytes(*head))))
}

impl Allocator for Composed {
    fn format(&mut self, universe: Extent, pages: &mut dyn PageTxn) -> Result<()> {
        self.universe = universe;
        self.index.reset(universe);
        self.index.insert(universe);
        let root = self.form.format(universe, &FreeView::of(&*self.index), pages)?;
        self.log_head = self.reclaim.log_mut().map(|log| log.format(universe, pages)).transpose()?;
        joint_root(root, self.log_head).map(drop)
    }

    fn open(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()> {
        self.universe = universe;
        self.index.reset(universe);
        let mut root = *root;
        if let Some(log) = self.reclaim.log_mut() {
            let (form, head) = split_root(&root)?;
            log.open(universe, head, pages)?;
            (root, self.log_head) = (form, Some(head));
        }
        self.form.open(universe, &root, pages)?;
        let mut bad = None;
        let index = &mut self.index;
        self.form.load(universe, pages, &mut |run| {
            if bad.is_some() || !universe.contains(run) || first_free(&**index, run).is_some() {
                bad.get_or_insert(run);
            } else {
                index.insert(run);
            }
        })?;
        if let Some(run) = bad {
            return Err(Error::Corrupt {
                what: "free run outside the universe or listed twice",
                place: Place::Block(run.start),
            });
        }
        self.load_log()
    }

    fn reserve(&mut self, blocks: u64) -> Result<Grant> {
        let free = self.available();
        if blocks > free {
            return Err(Error::NoSpace { needed: blocks, free });
        }
        self.reserved_blocks += blocks;
        Ok(Grant::new(blocks))
    }

    fn allocate(&mut self, want: &Want, grant: &mut Grant, _: &dyn PageRead) -> Result<Extent> {
        want.check();
        let want = Want { blocks_max: want.blocks_max.min(grant.blocks()), ..*want };
        let refused = Error::NoSpace { needed: want.blocks_min, free: self.index.free_blocks() };
        if want.blocks_max < want.blocks_min {
            return Err(refused);
        }
        let run = self.index.pick(&want).ok_or(refused)?;
        grant.spend(run.blocks);
        self.reserved_blocks -= run.blocks;
        self.changes.push(Change::Take(run));
        Ok(run)
    }

    fn claim(&mut self, run: Extent, _: &dyn PageRead) -> Result<()> {
        if !self.universe.contains(run) || run.blocks > self.available() || !self.index.is_free(run) {
            return Err(Error::NoSpace { needed: run.blocks, free: self.available() });
        }
        self.index.remove(run);
        self.changes.push(Change::Take(run));
        Ok(())
    }

    fn release(&mut self, run: Extent, _: &dyn PageRead) -> Result<()> {
        let corrupt = |what, at| Err(Error::Corrupt { what, place: Place::Block(at) });
        if !self.universe.contains(run) {
            return corrupt("release of blocks outside the data", run.start);
        }
        if let Some(at) = first_free(&*self.index, run) {
            return corrupt("release of a free block", at);
        }
        let again = self.held.set.within(run).next().map(|held| held.start);
        if let Some(at) = again.or(self.pending.insert(run).err()) {
            return corrupt("second release of a block", at);
        }
        self.released.push(run);
        self.released_blocks += run.blocks;
        Ok(())
    }

    fn settle(&mut self, grant: Grant) {
        self.reserved_blocks -= grant.blocks();
    }

    fn pages_bound(&self, more: u64) -> u64 {
        let runs = self.released.len() as u64 + more;
        let (mut due, mut pages) = ((runs, self.released_blocks + more), 0);
        if let Some(log) = self.reclaim.log() {
            pages = log.pages_bound(runs);
            due = log.due_bound(due.0, due.1);
            due = (due.0 + more, due.1 + more); // of `more`, all may be taken as well
        }
        let changes = self.changes.len() as u64 + due.0;
        let blocks = self.changes.blocks() + due.1;
        // A change makes at most one more free run.
        let free_runs = self.index.free_runs() + self.held.set.runs() + changes;
        pages.saturating_add(self.form.pages_bound(changes, blocks, free_runs))
    }

    fn hurry(&mut self) {
        self.hurried = true;
    }

    fn is_draining(&self, oldest_reader: Option<Epoch>) -> bool {
        let at_last = self.moment(Epoch(u64::MAX - 1), oldest_reader);
        let log = self.reclaim.log().is_some_and(|log| log.is_draining(&at_last));
        log || self.held.oldest().is_some_and(|epoch| epoch <= self.limit(&at_last))
    }

    fn commit(&mut self, epoch: Epoch, pages: &mut dyn PageTxn) -> Result<Root> {
        self.record(epoch, pages)?;
        let recorded = FreeView::with(&*self.index, &self.held.set);
        let root = self.form.commit(&self.changes, &recorded, pages)?;
        self.changes.clear();
        joint_root(root, self.log_head)
    }

    fn committed(&mut self, epoch: Epoch, oldest_reader: Option<Epoch>) {
        let limit = self.limit(&self.moment(epoch, oldest_reader));
        let index = &mut self.index;
        self.held.let_go(limit, &mut |run| index.insert(run));
        self.hurried = false;
    }

    fn visit_free(&self, _: &dyn PageRead, each: &mut dyn FnMut(Extent) -> Flow) -> Result<()> {
        self.index.visit(self.universe, each);
        Ok(())
    }

    fn visit_deferred(&self, each: &mut dyn FnMut(Extent)) {
        self.pending.iter().chain(self.held.set.iter()).for_each(each);
    }

    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.form.visit_pages(pages, each)?;
        self.reclaim.log().map_or(Ok(()), |log| log.visit_pages(pages, each))
    }

    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        self.form.check(pages, found)?;
        if let Some(log) = self.reclaim.log() {
            log.check(pages, found)?;
        }
        if !self.changes.is_empty() {
            return Ok(());
        }
        let mut stored = Vec::new();
        self.form.load(self.universe, pages, &mut |run| stored.push(run))?;
        let mut recorded = Vec::new();
        self.recorded().visit(self.universe, &mut |run| {
            recorded.push(run);
            Flow::Continue
        });
        if let Some(at) = first_difference(joined(stored), recorded) {
            found(Finding { rule: "the stored free set equals the one in memory", place: Place::Block(at) });
        }
        Ok(())
    }

    fn stats(&self) -> SpaceStats {
        SpaceStats {
            total_blocks: self.universe.blocks,
            free_blocks: self.index.free_blocks(),
            reserved_blocks: self.reserved_blocks,
            deferred_blocks: self.pending.blocks() + self.held.set.blocks(),
            effort: self.index.effort(),
            memory_bytes: self.index.memory_bytes(),
            loads: 0,
        }
    }
}

/// The first block of `run` that is free.
fn first_free(index: &dyn FreeIndex, run: Extent) -> Option<Pba> {
    let mut first = None;
    index.visit(run, &mut |free| {
        first = Some(free.start);
        Flow::Stop
    });
    first
}

/// Sorted, adjacent runs merged.
fn joined(mut runs: Vec<Extent>) -> Vec<Extent> {
    runs.sort_unstable();
    let mut joined: Vec<Extent> = Vec::with_capacity(runs.len());
    for run in runs {
        match joined.last_mut() {
            Some(last) if last.end() == run.start => last.blocks += run.blocks,
            _ => joined.push(run),
        }
    }
    joined
}

fn first_difference(one: Vec<Extent>, other: Vec<Extent>) -> Option<Pba> {
    if one == other {
        return None;
    }
    let at = one.iter().zip(&other).find(|(a, b)| a != b).map(|(a, b)| a.start.min(b.start));
    Some(at.or(one.last().or(other.last()).map(|run| run.start)).unwrap_or_default())
}
