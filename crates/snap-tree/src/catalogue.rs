//! The versions of a pool: a record each, found by id.
//!
//! Invariant: ids rise and are never reused, so the record's place follows from the id and the list is in order without a
//! search. Knows the tree's root of a version but not the tree; some words of a record are the scheme's own, and the
//! scheme says how many.

use crate::anchor::{set_word, word};
use crate::slot::POINTER_LIMIT;
use crate::{Anchor, Sparse};
use spinney_core::{
    DevId, Error, Flow, PAYLOAD_BYTES, PageKind, PageNo, PageRead, PageTxn, Payload, Place, Result,
};
use spinney_snap::{Access, Version};

/// Words of a record that every scheme has.
const COMMON_WORDS: usize = 5;
/// Words of a record that belong to the scheme, unless it says otherwise.
pub const OWN_WORDS: usize = 5;
/// Bit of the first word: the record is in use.
const LIVE: u64 = 1;
/// Bit of the first word: the version may be written.
const WRITABLE: u64 = 2;

/// What is kept of one version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<const OWN: usize = OWN_WORDS> {
    /// Whether it may be written.
    pub access: Access,
    /// Logical blocks.
    pub blocks: u64,
    /// The root of its tree, none if all is a hole.
    pub root: Option<PageNo>,
    /// What it was taken from (that may be gone).
    pub parent: Option<DevId>,
    /// Data blocks that it maps.
    pub referenced_blocks: u64,
    /// The scheme's own.
    pub own: [u64; OWN],
}

impl<const OWN: usize> Record<OWN> {
    fn decode(common: [u64; COMMON_WORDS], own: [u64; OWN]) -> Option<Record<OWN>> {
        let [flags, blocks, root, parent, referenced_blocks] = common;
        let access = if flags & WRITABLE == 0 { Access::ReadOnly } else { Access::Writable };
        let root = (root != 0).then_some(PageNo(root));
        let parent = parent.checked_sub(1).map(DevId);
        let known = flags & LIVE != 0 && flags <= LIVE | WRITABLE;
        let fits = root.is_none_or(|page| page.0 < POINTER_LIMIT);
        (known && fits).then_some(Record { access, blocks, root, parent, referenced_blocks, own })
    }
    fn encode(&self) -> [u64; COMMON_WORDS] {
        let flags = LIVE | if self.access == Access::Writable { WRITABLE } else { 0 };
        let (root, parent) = (self.root.map_or(0, |page| page.0), self.parent.map_or(0, |dev| dev.0 + 1));
        [flags, self.blocks, root, parent, self.referenced_blocks]
    }
    fn to_write(self, dev: DevId) -> Result<Record<OWN>> {
        if self.access == Access::Writable { Ok(self) } else { Err(Error::ReadOnly(dev)) }
    }
    /// As the contract shows it.
    #[must_use]
    pub fn version(&self, dev: DevId) -> Version {
        Version { dev, parent: self.parent, access: self.access, blocks: self.blocks }
    }
}

/// Records by id, each with `OWN` words of the scheme. A handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Catalogue<const OWN: usize = OWN_WORDS>(pub Sparse);

fn words<const COUNT: usize>(bytes: &Payload, at: usize) -> [u64; COUNT] {
    std::array::from_fn(|index| word(bytes, at + index))
}

impl<const OWN: usize> Catalogue<OWN> {
    /// Records on a page.
    pub const PER_PAGE: u64 = (PAYLOAD_BYTES / ((COMMON_WORDS + OWN) * 8)) as u64;

    /// A record's first word on its page.
    fn place(dev: DevId) -> usize {
        (dev.0 % Self::PER_PAGE) as usize * (COMMON_WORDS + OWN)
    }
    fn load(bytes: &Payload, dev: DevId) -> Result<Option<Record<OWN>>> {
        let at = Self::place(dev);
        let common = words::<COMMON_WORDS>(bytes, at);
        match (Record::decode(common, words(bytes, at + COMMON_WORDS)), common[0]) {
            (None, 0) => Ok(None),
            (None, _) => Err(Error::Corrupt { what: "version record", place: Place::Version(dev) }),
            (found, _) => Ok(found),
        }
    }
    fn store(bytes: &mut Payload, dev: DevId, common: [u64; COMMON_WORDS], own: [u64; OWN]) {
        let at = Self::place(dev);
        (at..).zip(common.into_iter().chain(own)).for_each(|(at, value)| set_word(bytes, at, value));
    }
    /// A catalogue whose roots stand in the anchor from `word` on.
    #[must_use]
    pub fn at(anchor: Anchor, word: usize) -> Catalogue<OWN> {
        Catalogue(Sparse { anchor, word, kind: PageKind::CATALOGUE })
    }
    /// Whether a version of that id can be stored; there are some 3 * 10^12 of them.
    #[must_use]
    pub fn holds(&self, dev: DevId) -> bool {
        Sparse::holds(dev.0 / Self::PER_PAGE)
    }
    /// A version's record. Errors: `NotFound`, `Corrupt`.
    pub fn get(&self, dev: DevId, pages: &dyn PageRead) -> Result<Record<OWN>> {
        self.find(dev, pages)?.ok_or(Error::NotFound(dev))
    }
    /// The same, the anchor's words being at hand.
    pub fn get_in(&self, anchor: &Payload, dev: DevId, pages: &dyn PageRead) -> Result<Record<OWN>> {
        self.find_in(anchor, dev, pages)?.ok_or(Error::NotFound(dev))
    }
    /// A version's record, if there is one.
    pub fn find(&self, dev: DevId, pages: &dyn PageRead) -> Result<Option<Record<OWN>>> {
        let found = self.0.look(dev.0 / Self::PER_PAGE, pages, |bytes| Self::load(bytes, dev))?;
        found.unwrap_or(Ok(None))
    }
    fn find_in(&self, anchor: &Payload, dev: DevId, pages: &dyn PageRead) -> Result<Option<Record<OWN>>> {
        let found = self.0.look_in(anchor, dev.0 / Self::PER_PAGE, pages, |bytes| Self::load(bytes, dev))?;
        found.unwrap_or(Ok(None))
    }
    /// The record of a version that may be written. Errors: `NotFound`, `ReadOnly`, `Corrupt`.
    pub fn writable(&self, dev: DevId, pages: &dyn PageRead) -> Result<Record<OWN>> {
        self.get(dev, pages)?.to_write(dev)
    }
    /// The same, the anchor's words being at hand.
    pub fn writable_in(&self, anchor: &Payload, dev: DevId, pages: &dyn PageRead) -> Result<Record<OWN>> {
        self.get_in(anchor, dev, pages)?.to_write(dev)
    }
    /// At most how many pages `put` or `remove` of this id changes (the anchor not counted).
    #[must_use]
    pub fn pages_bound(&self, dev: DevId) -> u64 {
        Sparse::pages_bound_of_one(dev.0 / Self::PER_PAGE)
    }
    /// The same for several ids at once.
    pub fn pages_bound_of(&self, devs: impl IntoIterator<Item = DevId>) -> u64 {
        Sparse::pages_bound(&devs.into_iter().map(|dev| dev.0 / Self::PER_PAGE).collect())
    }
    /// Store a record.
    pub fn put(&self, dev: DevId, record: &Record<OWN>, pages: &mut dyn PageTxn) -> Result<()> {
        Self::store(self.0.edit(dev.0 / Self::PER_PAGE, pages)?, dev, record.encode(), record.own);
        Ok(())
    }
    /// Forget a record.
    pub fn remove(&self, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
        let leaf = dev.0 / Self::PER_PAGE;
        let bytes = self.0.edit(leaf, pages)?;
        Self::store(bytes, dev, [0; COMMON_WORDS], [0; OWN]);
        if bytes.iter().all(|byte| *byte == 0) {
            self.0.remove(leaf, pages)?;
        }
        Ok(())
    }
    /// Every record, by rising id, until told to stop.
    pub fn visit(
        &self,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(DevId, Record<OWN>) -> Result<Flow>,
    ) -> Result<()> {
        self.0.visit(pages, &mut |leaf, bytes| {
            for index in 0..Self::PER_PAGE {
                let dev = DevId(leaf * Self::PER_PAGE + index);
                if let Some(record) = Self::load(bytes, dev)?
                    && each(dev, record)? == Flow::Stop
                {
                    return Ok(Flow::Stop);
                }
            }
            Ok(Flow::Continue)
        })
    }
    /// The record of the lowest id.
    pub fn first(&self, pages: &dyn PageRead) -> Result<Option<(DevId, Record<OWN>)>> {
        let mut first = None;
        self.visit(pages, &mut |dev, record| {
            first = Some((dev, record));
            Ok(Flow::Stop)
        })?;
        Ok(first)
    }
    /// Every page, once.
    pub fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.0.visit_pages(pages, each)
    }
}
