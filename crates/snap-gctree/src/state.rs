//! Where everything of a pool stands, the scheme's constants, and the queue of hidden versions.
//!
//! Invariant: constant after `format` or `open`: all that changes stands on pages. The queue holds each version once, and
//! only its first is ever worked on: so nothing is resolved beside a version that is half dissolved, which is what both
//! guards of the design ask for.

use crate::member::{Member, OWN, Stage};
use spinney_core::{DevId, Error, LbaRange, PageRead, PageTxn, Place, Result};
use spinney_snap_tree::{Anchor, Catalogue, Counts, SPARSE_WORDS, Shape, Tree};

/// Word of the anchor: the next id.
const NEXT_DEV: usize = 0;
/// Word of the anchor: the epoch, which rises at every snapshot.
const EPOCH: usize = 1;
/// Words of the anchor: first and last of the queue (id + 1).
const FIRST_JOB: usize = 2;
const LAST_JOB: usize = 3;
/// Word of the anchor: what the queue has still to visit, as far as is known.
const LEFT: usize = 4;
const CATALOGUE: usize = 5;
const NODES: usize = CATALOGUE + SPARSE_WORDS;
const BLOCKS: usize = NODES + SPARSE_WORDS;

/// Epochs are 24 bits of a slot.
pub(crate) const EPOCH_LIMIT: u64 = 1 << 24;

/// How a slot says whether its version owns what it points at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// The tag is the epoch of birth: owned if born after the parent was frozen (`gct-e`).
    Epochs,
    /// The tag is one bit: borrowed or not (`gct`).
    Bits,
    /// Two bits: borrowed, and owned together with others, whose number is counted (`gct-c`).
    Counted,
}

/// The places of all structures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) encoding: Encoding,
    pub(crate) shape: Shape,
    pub(crate) sweep_percent: u64,
    pub(crate) anchor: Anchor,
    /// Every version, hidden ones included.
    pub(crate) catalogue: Catalogue<OWN>,
    /// Owners beyond the first of index nodes, by page number.
    pub(crate) nodes: Counts,
    /// Owners beyond the first of data blocks.
    pub(crate) blocks: Counts,
}

fn link(word: u64) -> Option<DevId> {
    word.checked_sub(1).map(DevId)
}

impl State {
    pub(crate) fn at(anchor: Anchor, encoding: Encoding, shape: Shape, sweep_percent: u64) -> State {
        let catalogue = Catalogue::at(anchor, CATALOGUE);
        let (nodes, blocks) = (Counts::at(anchor, NODES), Counts::at(anchor, BLOCKS));
        State { encoding, shape, sweep_percent, anchor, catalogue, nodes, blocks }
    }
    /// The anchor's first words.
    pub(crate) fn begin(&self, pages: &mut dyn PageTxn) -> Result<()> {
        self.anchor.set(NEXT_DEV, 1, pages)?;
        self.anchor.set(EPOCH, 1, pages)
    }
    pub(crate) fn next_dev(&self, pages: &dyn PageRead) -> Result<DevId> {
        self.anchor.get(NEXT_DEV, pages).map(DevId)
    }
    /// The epoch that is open; what is born now has it as its tag.
    pub(crate) fn epoch(&self, pages: &dyn PageRead) -> Result<u32> {
        let epoch = self.anchor.get(EPOCH, pages)?;
        if epoch == 0 || epoch >= EPOCH_LIMIT { self.anchor.corrupt("epoch") } else { Ok(epoch as u32) }
    }
    /// Close the open epoch, and say which it was. Errors: `Unsupported` if there is no epoch after it.
    pub(crate) fn freeze(&self, pages: &mut dyn PageTxn) -> Result<u32> {
        let epoch = self.epoch(pages)?;
        if u64::from(epoch) + 1 >= EPOCH_LIMIT {
            return Err(Error::Unsupported("more than 2^24 snapshots in the life of a pool"));
        }
        self.anchor.set(EPOCH, u64::from(epoch) + 1, pages)?;
        Ok(epoch)
    }
    /// The next `count` ids, the first of them. They exist once something is stored under them.
    pub(crate) fn issue(&self, count: u64, pages: &mut dyn PageTxn) -> Result<DevId> {
        let dev = self.next_dev(pages)?;
        let Some(next) = dev.0.checked_add(count) else { return self.anchor.corrupt("next version id") };
        for fresh in dev.0..next {
            if self.catalogue.find(DevId(fresh), pages)?.is_some() {
                return self.anchor.corrupt("next version id (there is such a version)");
            }
        }
        self.anchor.set(NEXT_DEV, next, pages)?;
        Ok(dev)
    }
    /// A version, live or hidden, that something on a page names. Errors: `Corrupt` if it is not there.
    pub(crate) fn member(&self, dev: DevId, pages: &dyn PageRead) -> Result<Member> {
        match self.catalogue.find(dev, pages)? {
            Some(record) => Member::decode(dev, &record),
            None => Err(Error::Corrupt { what: "link to a version", place: Place::Version(dev) }),
        }
    }
    /// A version that a user names. Errors: `NotFound`, also for hidden ones.
    pub(crate) fn live(&self, dev: DevId, pages: &dyn PageRead) -> Result<Member> {
        let member = Member::decode(dev, &self.catalogue.get(dev, pages)?)?;
        if member.stage.is_live() { Ok(member) } else { Err(Error::NotFound(dev)) }
    }
    /// A head, if `range` is inside it. Errors: `NotFound`, `ReadOnly`, `OutOfRange`.
    pub(crate) fn head(&self, dev: DevId, range: LbaRange, pages: &dyn PageRead) -> Result<Member> {
        let member = self.live(dev, pages)?;
        if member.stage != Stage::Head {
            return Err(Error::ReadOnly(dev));
        }
        self.tree(&member).contains(range)?;
        Ok(member)
    }
    pub(crate) fn put(&self, dev: DevId, member: &Member, pages: &mut dyn PageTxn) -> Result<()> {
        self.catalogue.put(dev, &member.encode(), pages)
    }
    /// Change a version's record.
    pub(crate) fn update(
        &self,
        dev: DevId,
        pages: &mut dyn PageTxn,
        change: impl FnOnce(&mut Member),
    ) -> Result<()> {
        let mut member = self.member(dev, pages)?;
        change(&mut member);
        self.put(dev, &member, pages)
    }
    pub(crate) fn tree(&self, member: &Member) -> Tree {
        Tree {
            shape: self.shape,
            root: member.root.pointer().map(spinney_core::PageNo),
            blocks: member.blocks,
        }
    }
    /// Whether nothing has a second owner.
    pub(crate) fn counts_nothing(&self, pages: &dyn PageRead) -> Result<bool> {
        Ok(self.nodes.0.is_empty(pages)? && self.blocks.0.is_empty(pages)?)
    }
    pub(crate) fn first_job(&self, pages: &dyn PageRead) -> Result<Option<DevId>> {
        self.anchor.get(FIRST_JOB, pages).map(link)
    }
    pub(crate) fn left(&self, pages: &dyn PageRead) -> Result<u64> {
        self.anchor.get(LEFT, pages)
    }
    /// What the queue counts for `member` changes to `left`.
    pub(crate) fn set_left(&self, member: &mut Member, left: u64, pages: &mut dyn PageTxn) -> Result<()> {
        let all = self.left(pages)?.saturating_sub(member.left).saturating_add(left);
        member.left = left;
        self.anchor.set(LEFT, all, pages)
    }
    /// Put a hidden version at the end of the queue.
    pub(crate) fn enqueue(&self, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
        let mut member = self.member(dev, pages)?;
        member.stage = Stage::Waiting;
        member.next_job = None;
        let left = (member.owned_blocks.max(0) as u64).saturating_add(1);
        self.set_left(&mut member, left, pages)?;
        self.put(dev, &member, pages)?;
        match link(self.anchor.get(LAST_JOB, pages)?) {
            Some(last) => self.update(last, pages, |last| last.next_job = Some(dev))?,
            None => self.anchor.set(FIRST_JOB, dev.0 + 1, pages)?,
        }
        self.anchor.set(LAST_JOB, dev.0 + 1, pages)
    }
    /// Take the queue's first, which is `member`.
    pub(crate) fn dequeue(&self, member: &mut Member, pages: &mut dyn PageTxn) -> Result<()> {
        self.set_left(member, 0, pages)?;
        match member.next_job.take() {
            Some(next) => self.anchor.set(FIRST_JOB, next.0 + 1, pages),
            None => {
                self.anchor.set(FIRST_JOB, 0, pages)?;
                self.anchor.set(LAST_JOB, 0, pages)
            }
        }
    }
    /// The last of the queue.
    pub(crate) fn last_job(&self, pages: &dyn PageRead) -> Result<Option<DevId>> {
        self.anchor.get(LAST_JOB, pages).map(link)
    }
    /// Move `dev`, which is in the queue behind `first`, to its front.
    #[cfg(test)]
    pub(crate) fn move_to_front(&self, first: DevId, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
        let mut before = first;
        while self.member(before, pages)?.next_job != Some(dev) {
            before = self.member(before, pages)?.next_job.expect("the version is in the queue");
        }
        let next = self.member(dev, pages)?.next_job;
        self.update(before, pages, |before| before.next_job = next)?;
        if next.is_none() {
            self.anchor.set(LAST_JOB, before.0 + 1, pages)?;
        }
        self.update(dev, pages, |member| member.next_job = Some(first))?;
        self.anchor.set(FIRST_JOB, dev.0 + 1, pages)
    }
}
