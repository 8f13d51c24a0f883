//! The versions of a pool: a record each, found by id.
//!
//! Invariant: ids rise and are never reused, so the record's place follows from the id and the list is in order without a
//! search. Knows the tree's root of a version but not the tree; four words of a record are the scheme's own.

use crate::anchor::{set_word, word};
use crate::slot::POINTER_LIMIT;
use crate::{Anchor, Sparse};
use spinney_core::{
    DevId, Error, Flow, PAYLOAD_BYTES, PageKind, PageNo, PageRead, PageTxn, Payload, Place, Result,
};
use spinney_snap::{Access, Version};

/// Words of a record.
const WORDS: usize = 10;
/// Words of a record that belong to the scheme.
pub const OWN_WORDS: usize = 5;
/// Records on a page.
const PER_PAGE: u64 = (PAYLOAD_BYTES / (WORDS * 8)) as u64;
/// Bit of the first word: the record is in use.
const LIVE: u64 = 1;
/// Bit of the first word: the version may be written.
const WRITABLE: u64 = 2;

/// What is kept of one version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
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
    pub own: [u64; OWN_WORDS],
}

impl Record {
    fn decode(words: &[u64; WORDS]) -> Option<Record> {
        let [flags, blocks, root, parent, referenced_blocks, own @ ..] = *words;
        let access = if flags & WRITABLE == 0 { Access::ReadOnly } else { Access::Writable };
        let root = (root != 0).then_some(PageNo(root));
        let parent = parent.checked_sub(1).map(DevId);
        let known = flags & LIVE != 0 && flags <= LIVE | WRITABLE;
        let fits = root.is_none_or(|page| page.0 < POINTER_LIMIT);
        (known && fits).then_some(Record { access, blocks, root, parent, referenced_blocks, own })
    }
    fn encode(&self) -> [u64; WORDS] {
        let flags = LIVE | if self.access == Access::Writable { WRITABLE } else { 0 };
        let (root, parent) = (self.root.map_or(0, |page| page.0), self.parent.map_or(0, |dev| dev.0 + 1));
        let [a, b, c, d, e] = self.own;
        [flags, self.blocks, root, parent, self.referenced_blocks, a, b, c, d, e]
    }
    fn to_write(self, dev: DevId) -> Result<Record> {
        if self.access == Access::Writable { Ok(self) } else { Err(Error::ReadOnly(dev)) }
    }
    /// As the contract shows it.
    #[must_use]
    pub fn version(&self, dev: DevId) -> Version {
        Version { dev, parent: self.parent, access: self.access, blocks: self.blocks }
    }
}

/// Records by id. A handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Catalogue(pub Sparse);

fn load(bytes: &Payload, dev: DevId) -> Result<Option<Record>> {
    let at = (dev.0 % PER_PAGE) as usize * WORDS;
    let mut words = [0; WORDS];
    for (index, value) in words.iter_mut().enumerate() {
        *value = word(bytes, at + index);
    }
    match (Record::decode(&words), words[0]) {
        (None, 0) => Ok(None),
        (None, _) => Err(Error::Corrupt { what: "version record", place: Place::Version(dev) }),
        (found, _) => Ok(found),
    }
}

fn store(bytes: &mut Payload, dev: DevId, words: &[u64; WORDS]) {
    let at = (dev.0 % PER_PAGE) as usize * WORDS;
    for (index, value) in words.iter().enumerate() {
        set_word(bytes, at + index, *value);
    }
}

impl Catalogue {
    /// A catalogue whose roots stand in the anchor from `word` on.
    #[must_use]
    pub fn at(anchor: Anchor, word: usize) -> Catalogue {
        Catalogue(Sparse { anchor, word, kind: PageKind::CATALOGUE })
    }
    /// Whether a version of that id can be stored; there are some 3 * 10^12 of them.
    #[must_use]
    pub fn holds(dev: DevId) -> bool {
        Sparse::holds(dev.0 / PER_PAGE)
    }
    /// A version's record. Errors: `NotFound`, `Corrupt`.
    pub fn get(&self, dev: DevId, pages: &dyn PageRead) -> Result<Record> {
        self.find(dev, pages)?.ok_or(Error::NotFound(dev))
    }
    /// The same, the anchor's words being at hand.
    pub fn get_in(&self, anchor: &Payload, dev: DevId, pages: &dyn PageRead) -> Result<Record> {
        self.find_in(anchor, dev, pages)?.ok_or(Error::NotFound(dev))
    }
    /// A version's record, if there is one.
    pub fn find(&self, dev: DevId, pages: &dyn PageRead) -> Result<Option<Record>> {
        let found = self.0.look(dev.0 / PER_PAGE, pages, |bytes| load(bytes, dev))?;
        found.unwrap_or(Ok(None))
    }
    fn find_in(&self, anchor: &Payload, dev: DevId, pages: &dyn PageRead) -> Result<Option<Record>> {
        let found = self.0.look_in(anchor, dev.0 / PER_PAGE, pages, |bytes| load(bytes, dev))?;
        found.unwrap_or(Ok(None))
    }
    /// The record of a version that may be written. Errors: `NotFound`, `ReadOnly`, `Corrupt`.
    pub fn writable(&self, dev: DevId, pages: &dyn PageRead) -> Result<Record> {
        self.get(dev, pages)?.to_write(dev)
    }
    /// The same, the anchor's words being at hand.
    pub fn writable_in(&self, anchor: &Payload, dev: DevId, pages: &dyn PageRead) -> Result<Record> {
        self.get_in(anchor, dev, pages)?.to_write(dev)
    }
    /// At most how many pages `put` or `remove` of this id changes (the anchor not counted).
    #[must_use]
    pub fn pages_bound(dev: DevId) -> u64 {
        Sparse::pages_bound_of_one(dev.0 / PER_PAGE)
    }
    /// Store a record.
    pub fn put(&self, dev: DevId, record: &Record, pages: &mut dyn PageTxn) -> Result<()> {
        store(self.0.edit(dev.0 / PER_PAGE, pages)?, dev, &record.encode());
        Ok(())
    }
    /// Forget a record.
    pub fn remove(&self, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
        let leaf = dev.0 / PER_PAGE;
        let bytes = self.0.edit(leaf, pages)?;
        store(bytes, dev, &[0; WORDS]);
        if bytes.iter().all(|byte| *byte == 0) {
            self.0.remove(leaf, pages)?;
        }
        Ok(())
    }
    /// Every record, by rising id, until told to stop.
    pub fn visit(
        &self,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(DevId, Record) -> Result<Flow>,
    ) -> Result<()> {
        self.0.visit(pages, &mut |leaf, bytes| {
            for index in 0..PER_PAGE {
                let dev = DevId(leaf * PER_PAGE + index);
                if let Some(record) = load(bytes, dev)?
                    && each(dev, record)? == Flow::Stop
                {
                    return Ok(Flow::Stop);
                }
            }
            Ok(Flow::Continue)
        })
    }
    /// The record of the lowest id.
    pub fn first(&self, pages: &dyn PageRead) -> Result<Option<(DevId, Record)>> {
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
