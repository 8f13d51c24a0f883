//! All that a beginner's scheme knows, as one list of words in a chain of pages.
//!
//! Invariant: the list is a function of the state (ids and logical blocks rise), the chain as long as the list needs, and
//! its first page never moves. Knows nothing of what may be asked of a version.
//!
//! A page is the next page's number (0 ends the chain), then words. The words of all pages: how many there are with this
//! one, the next id, then for each version its id, 1 if it may be written, its parent or 0, its size and the number of its
//! mapped blocks, and for each of these the logical and the physical block.

use spinney_core::{
    DevId, Error, Extent, Lba, LbaRange, PAYLOAD_BYTES, PageKind, PageNo, PageRead, PageTxn, Payload, Pba,
    Result,
};
use spinney_snap::{Access, Version};
use std::collections::{BTreeMap, BTreeSet};

const WORDS_PER_PAGE: usize = PAYLOAD_BYTES / 8 - 1;
const HEAD_WORDS: u64 = 2;
/// Words of a version that maps nothing.
pub(crate) const VERSION_WORDS: u64 = 5;
/// Words of a mapped block.
pub(crate) const PAIR_WORDS: u64 = 2;
const KIND: PageKind = PageKind::CATALOGUE;

/// A version and where its blocks are.
#[derive(Clone)]
pub(crate) struct Listed {
    pub(crate) access: Access,
    pub(crate) parent: Option<DevId>,
    pub(crate) blocks: u64,
    pub(crate) map: BTreeMap<Lba, Pba>,
}

/// Every version, and the id that the next one gets.
pub(crate) struct State {
    pub(crate) next: DevId,
    pub(crate) versions: BTreeMap<DevId, Listed>,
}

/// Pages that so many words need.
pub(crate) fn pages_for(words: u64) -> u64 {
    words.div_ceil(WORDS_PER_PAGE as u64)
}

/// Every page, in order. Errors: `Corrupt` if the chain comes back to itself.
pub(crate) fn chain(first: PageNo, pages: &dyn PageRead) -> Result<Vec<PageNo>> {
    let (mut met, mut chain, mut next) = (BTreeSet::new(), Vec::new(), first);
    while next != PageNo(0) || chain.is_empty() {
        if !met.insert(next) {
            return Err(Error::corrupt_page("chain of the list", next));
        }
        chain.push(next);
        next = PageNo(word(&*pages.read(next, KIND)?, 0));
    }
    Ok(chain)
}

fn word(page: &Payload, at: usize) -> u64 {
    u64::from_le_bytes(*page[at * 8..].first_chunk().expect("inside the page"))
}

/// The list as it is read; whatever it says may be wrong.
struct Words {
    left: std::vec::IntoIter<u64>,
    first: PageNo,
}

impl Words {
    fn load(first: PageNo, pages: &dyn PageRead) -> Result<Words> {
        let chain = chain(first, pages)?;
        let mut all = Vec::new();
        for page in &chain {
            let payload = pages.read(*page, KIND)?;
            all.extend((1..=WORDS_PER_PAGE).map(|at| word(&payload, at)));
        }
        let count = all[0];
        if pages_for(count) != chain.len() as u64 {
            return Err(Error::corrupt_page("length of the list", first));
        }
        all.truncate(count as usize);
        let mut left = all.into_iter();
        left.next();
        Ok(Words { left, first })
    }
    fn corrupt<T>(&self, what: &'static str) -> Result<T> {
        Err(Error::corrupt_page(what, self.first))
    }
    fn next(&mut self) -> Result<u64> {
        self.left.next().map_or_else(|| self.corrupt("end of the list"), Ok)
    }
    fn map(&mut self, blocks: u64) -> Result<BTreeMap<Lba, Pba>> {
        let (mut pairs, mut from) = (Vec::new(), 0);
        for _ in 0..self.next()? {
            let (at, on) = (self.next()?, self.next()?);
            if at < from || at >= blocks || Extent::checked(on, 1).is_none() {
                return self.corrupt("mapped block");
            }
            pairs.push((Lba(at), Pba(on)));
            from = at + 1;
        }
        Ok(pairs.into_iter().collect())
    }
    fn version(&mut self) -> Result<Listed> {
        let access = match self.next()? {
            0 => Access::ReadOnly,
            1 => Access::Writable,
            _ => return self.corrupt("access"),
        };
        let parent = Some(DevId(self.next()?)).filter(|parent| parent.0 != 0);
        let blocks = self.next()?;
        Ok(Listed { access, parent, blocks, map: self.map(blocks)? })
    }
}

impl Listed {
    pub(crate) fn version(&self, dev: DevId) -> Version {
        Version { dev, parent: self.parent, access: self.access, blocks: self.blocks }
    }
    /// Errors: `OutOfRange`.
    pub(crate) fn contains(&self, range: LbaRange) -> Result<()> {
        if range.end().0 <= self.blocks {
            return Ok(());
        }
        Err(Error::OutOfRange { start: range.start.0, length: range.blocks, limit: self.blocks })
    }
}

impl State {
    /// No version.
    pub(crate) fn new() -> State {
        State { next: DevId(1), versions: BTreeMap::new() }
    }
    /// Read the list. Errors: `Corrupt`, whatever is wrong with it.
    pub(crate) fn load(first: PageNo, pages: &dyn PageRead) -> Result<State> {
        let mut words = Words::load(first, pages)?;
        let (next, mut from, mut versions) = (DevId(words.next()?), DevId(1), BTreeMap::new());
        while words.left.len() > 0 {
            let dev = DevId(words.next()?);
            if dev < from || dev >= next {
                return words.corrupt("version id");
            }
            versions.insert(dev, words.version()?);
            from = DevId(dev.0 + 1);
        }
        Ok(State { next, versions })
    }
    /// Length of the list.
    pub(crate) fn words(&self) -> u64 {
        let of = |listed: &Listed| VERSION_WORDS + PAIR_WORDS * listed.map.len() as u64;
        HEAD_WORDS + self.versions.values().map(of).sum::<u64>()
    }
    fn list(&self) -> Vec<u64> {
        let mut list = vec![self.words(), self.next.0];
        for (dev, listed) in &self.versions {
            let (access, parent) = (u64::from(listed.access == Access::Writable), listed.parent);
            let parent = parent.map_or(0, |parent| parent.0);
            list.extend([dev.0, access, parent, listed.blocks, listed.map.len() as u64]);
            list.extend(listed.map.iter().flat_map(|(at, on)| [at.0, on.0]));
        }
        list
    }
    /// Write the list over the chain that begins here.
    pub(crate) fn store(&self, first: PageNo, pages: &mut dyn PageTxn) -> Result<()> {
        let list = self.list();
        let mut chain = chain(first, pages)?;
        let count = pages_for(list.len() as u64) as usize;
        while chain.len() < count {
            chain.push(pages.alloc(KIND)?);
        }
        chain.drain(count..).try_for_each(|page| pages.free(page, KIND))?;
        for (place, part) in list.chunks(WORDS_PER_PAGE).enumerate() {
            let next = chain.get(place + 1).map_or(0, |page| page.0);
            let page = pages.edit(chain[place], KIND)?;
            page.fill(0);
            let words = [next].into_iter().chain(part.iter().copied());
            page.chunks_exact_mut(8)
                .zip(words)
                .for_each(|(to, word)| to.copy_from_slice(&word.to_le_bytes()));
        }
        Ok(())
    }
    /// A first page, with nothing in it but this.
    pub(crate) fn create(&self, pages: &mut dyn PageTxn) -> Result<PageNo> {
        let first = pages.alloc(KIND)?;
        self.store(first, pages)?;
        Ok(first)
    }
    /// Errors: `NotFound`.
    pub(crate) fn get(&self, dev: DevId) -> Result<&Listed> {
        self.versions.get(&dev).ok_or(Error::NotFound(dev))
    }
    /// A version that may be written within `range`. Errors: `NotFound`, `ReadOnly`, `OutOfRange`.
    pub(crate) fn writable(&mut self, dev: DevId, range: LbaRange) -> Result<&mut Listed> {
        let listed = self.versions.get_mut(&dev).ok_or(Error::NotFound(dev))?;
        if listed.access == Access::ReadOnly {
            return Err(Error::ReadOnly(dev));
        }
        listed.contains(range)?;
        Ok(listed)
    }
    /// Those of `blocks` that no version names, but perhaps `without`.
    pub(crate) fn unnamed(&self, mut blocks: BTreeSet<Pba>, without: Option<DevId>) -> BTreeSet<Pba> {
        let others = self.versions.iter().filter(|(dev, _)| Some(**dev) != without);
        others.flat_map(|(_, listed)| listed.map.values()).for_each(|on| {
            blocks.remove(on);
        });
        blocks
    }
}
