//! The table of names on pages: an ordered map whose keys begin with a letter for what they are.
//!
//! Invariant: a snapshot's key has the number of its volume's directory and not the volume's name, so renaming a volume moves
//! one entry. The table is made with the first name: a pool without names has none. Byte diagram: `FORMAT.md` section 2b.
//! Knows no scheme; whether a version is alive is the checker's question.

use crate::VolumeLimits;
use spinney_core::{DevId, Error, Flow, PageKind, PageNo, PageRead, PageTxn, Place, Result};
use spinney_pages::{Layout, OrderedMap};
use std::ops::Bound;

const KIND: PageKind = PageKind::CATALOGUE;
/// Key of the counters: the next directory, and how many entries there are.
const COUNTERS: &[u8] = b"n";
/// First byte of a volume's key; its name follows.
const VOLUME: u8 = b'v';
/// First byte of a snapshot's key; its volume's directory and its name follow.
const SNAPSHOT: u8 = b's';
/// First byte of the key of a version that has a name; its id follows. So a delete by id can tell.
const NAMED: u8 = b'd';
/// First byte of the key of a volume's limits, if it has any; its directory follows.
const LIMITS: u8 = b'q';
/// First byte of the key of a version that has lost its name and is still to be deleted; its id follows.
const DOOMED: u8 = b'x';

/// What a volume's name leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Volume {
    /// Which snapshots are its own.
    pub(crate) directory: u64,
    /// The version that is read and written under the name.
    pub(crate) head: DevId,
    /// Seconds since 1970, as the caller said.
    pub(crate) created_s: u64,
    /// The snapshot that it was cloned from; that may be gone.
    pub(crate) origin: Option<DevId>,
}

/// What a snapshot's name leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Snapshot {
    pub(crate) dev: DevId,
    /// Seconds since 1970, as the caller said.
    pub(crate) created_s: u64,
}

/// The table, if a name was ever given. A handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Table {
    pub(crate) root: Option<PageNo>,
}

/// What a walk calls with the rest of a key and the value.
type EachEntry<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<()>;

fn corrupt() -> Error {
    Error::Corrupt { what: "table of names", place: Place::Pool }
}

fn words<const N: usize>(bytes: &[u8]) -> Result<[u64; N]> {
    let mut words = [0; N];
    if bytes.len() != N * 8 {
        return Err(corrupt());
    }
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(bytes.try_into().map_err(|_| corrupt())?);
    }
    Ok(words)
}

fn bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Numbers in keys stand with their highest byte first, so that they sort as numbers.
fn number_key(letter: u8, number: u64) -> Vec<u8> {
    (0..8).fold(vec![letter], |mut key, byte| {
        key.push((number >> (56 - byte * 8)) as u8);
        key
    })
}

fn volume_key(name: &str) -> Vec<u8> {
    [&[VOLUME], name.as_bytes()].concat()
}

fn snapshot_key(directory: u64, name: &str) -> Vec<u8> {
    [&number_key(SNAPSHOT, directory), name.as_bytes()].concat()
}

fn text(bytes: Option<&[u8]>) -> Result<String> {
    let text = bytes.and_then(|bytes| str::from_utf8(bytes).ok()).ok_or(corrupt())?;
    Ok(text.to_owned())
}

impl Volume {
    fn encode(&self) -> Vec<u8> {
        bytes(&[
            self.directory,
            self.head.0,
            self.created_s,
            self.origin.map_or(0, |dev| dev.0.wrapping_add(1)),
        ])
    }
    fn decode(bytes: &[u8]) -> Result<Volume> {
        let [directory, head, created_s, origin] = words(bytes)?;
        Ok(Volume { directory, head: DevId(head), created_s, origin: origin.checked_sub(1).map(DevId) })
    }
}

impl Snapshot {
    fn encode(&self) -> Vec<u8> {
        bytes(&[self.dev.0, self.created_s])
    }
    fn decode(bytes: &[u8]) -> Result<Snapshot> {
        let [dev, created_s] = words(bytes)?;
        Ok(Snapshot { dev: DevId(dev), created_s })
    }
}

/// More entries than this are not on one page: it is only to save the walk that would show it.
const ROOT_ENTRIES_MAX: u64 = 512;

impl Table {
    fn map(&self) -> Option<OrderedMap> {
        self.root.map(|root| OrderedMap::at(root, KIND, Layout::Variable))
    }
    fn get(&self, key: &[u8], pages: &dyn PageRead) -> Result<Option<Vec<u8>>> {
        self.map().map_or(Ok(None), |map| map.get(key, pages))
    }
    fn counters(&self, pages: &dyn PageRead) -> Result<[u64; 2]> {
        self.get(COUNTERS, pages)?.map_or(Ok([0, 0]), |found| words(&found))
    }
    fn put(&mut self, key: &[u8], value: &[u8], pages: &mut dyn PageTxn) -> Result<()> {
        let map = match self.map() {
            Some(map) => map,
            None => OrderedMap::create(KIND, Layout::Variable, pages)?,
        };
        self.root = Some(map.root());
        let replaced = map.put(key, value, pages)?;
        if replaced { Ok(()) } else { self.count(1, pages) }
    }
    fn remove(&mut self, key: &[u8], pages: &mut dyn PageTxn) -> Result<()> {
        match self.map() {
            Some(map) if map.remove(key, pages)? => self.count(u64::MAX, pages),
            _ => Ok(()),
        }
    }
    /// Keep the number of entries, `by` more (wrapping).
    fn count(&mut self, by: u64, pages: &mut dyn PageTxn) -> Result<()> {
        let [next, entries] = self.counters(pages)?;
        self.set_counters([next, entries.wrapping_add(by)], pages)
    }
    fn set_counters(&mut self, counters: [u64; 2], pages: &mut dyn PageTxn) -> Result<()> {
        let map = self.map().ok_or(corrupt())?;
        map.put(COUNTERS, &bytes(&counters), pages).map(|_| ())
    }
    /// At most how many pages so many changes of entries touch, the counters' included. `shrinks`: names only go, and what is noted for
    /// them takes no more bytes than what goes; so a table of one page stays one, and works where there is hardly a page left.
    pub(crate) fn pages_bound(&self, changes: u64, shrinks: bool, pages: &dyn PageRead) -> Result<u64> {
        let [_, entries] = self.counters(pages)?;
        if shrinks && entries <= ROOT_ENTRIES_MAX {
            let mut count = 0;
            self.visit_pages(pages, &mut |_| count += 1)?;
            if count == 1 {
                return Ok(1);
            }
        }
        let entries_max = entries.saturating_add(changes).saturating_add(1);
        // A bound asks for the map's layout only, so that a table that is still to be made has one, too.
        let map = OrderedMap::at(self.root.unwrap_or(PageNo(0)), KIND, Layout::Variable);
        Ok(map.pages_bound(changes.saturating_mul(2), entries_max).saturating_add(1))
    }
    /// A directory that no volume has had.
    pub(crate) fn new_directory(&mut self, pages: &mut dyn PageTxn) -> Result<u64> {
        if self.root.is_none() {
            self.root = Some(OrderedMap::create(KIND, Layout::Variable, pages)?.root());
        }
        let [next, entries] = self.counters(pages)?;
        self.set_counters([next.checked_add(1).ok_or(corrupt())?, entries], pages)?;
        Ok(next)
    }

    pub(crate) fn volume(&self, name: &str, pages: &dyn PageRead) -> Result<Option<Volume>> {
        self.get(&volume_key(name), pages)?.map(|found| Volume::decode(&found)).transpose()
    }
    pub(crate) fn put_volume(&mut self, name: &str, volume: &Volume, pages: &mut dyn PageTxn) -> Result<()> {
        self.put(&volume_key(name), &volume.encode(), pages)
    }
    pub(crate) fn remove_volume(&mut self, name: &str, pages: &mut dyn PageTxn) -> Result<()> {
        self.remove(&volume_key(name), pages)
    }
    pub(crate) fn snapshot(
        &self,
        directory: u64,
        name: &str,
        pages: &dyn PageRead,
    ) -> Result<Option<Snapshot>> {
        self.get(&snapshot_key(directory, name), pages)?.map(|found| Snapshot::decode(&found)).transpose()
    }
    pub(crate) fn put_snapshot(
        &mut self,
        directory: u64,
        name: &str,
        snapshot: Snapshot,
        pages: &mut dyn PageTxn,
    ) -> Result<()> {
        self.put(&snapshot_key(directory, name), &snapshot.encode(), pages)
    }
    pub(crate) fn remove_snapshot(
        &mut self,
        directory: u64,
        name: &str,
        pages: &mut dyn PageTxn,
    ) -> Result<()> {
        self.remove(&snapshot_key(directory, name), pages)
    }
    /// Limits of the volume with this directory. Errors: `Corrupt` for an entry that limits nothing, too: there is none of those.
    pub(crate) fn limits(&self, directory: u64, pages: &dyn PageRead) -> Result<VolumeLimits> {
        let Some(found) = self.get(&number_key(LIMITS, directory), pages)? else {
            return Ok(VolumeLimits::default());
        };
        let [quota, reservation_blocks] = words(&found)?;
        let limits = VolumeLimits { quota_blocks: quota.checked_sub(1), reservation_blocks };
        if limits == VolumeLimits::default() { Err(corrupt()) } else { Ok(limits) }
    }
    /// Keep them; those that limit nothing are no entry.
    pub(crate) fn put_limits(
        &mut self,
        directory: u64,
        limits: VolumeLimits,
        pages: &mut dyn PageTxn,
    ) -> Result<()> {
        let key = number_key(LIMITS, directory);
        if limits == VolumeLimits::default() {
            return self.remove(&key, pages);
        }
        let quota = limits.quota_blocks.map_or(0, |blocks| blocks.saturating_add(1));
        self.put(&key, &bytes(&[quota, limits.reservation_blocks]), pages)
    }
    /// Note that the version has a name.
    pub(crate) fn note(&mut self, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
        self.put(&number_key(NAMED, dev.0), &[], pages)
    }
    /// Whether the version has a name.
    pub(crate) fn has(&self, dev: DevId, pages: &dyn PageRead) -> Result<bool> {
        self.get(&number_key(NAMED, dev.0), pages).map(|found| found.is_some())
    }
    /// The version has lost its name and is to be deleted.
    pub(crate) fn doom(&mut self, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
        self.remove(&number_key(NAMED, dev.0), pages)?;
        self.put(&number_key(DOOMED, dev.0), &[], pages)
    }
    pub(crate) fn forget_doomed(&mut self, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
        self.remove(&number_key(DOOMED, dev.0), pages)
    }

    /// Every volume by name, until an error.
    pub(crate) fn visit_volumes(
        &self,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(String, Volume) -> Result<()>,
    ) -> Result<()> {
        self.visit(&[VOLUME], pages, &mut |name, value| each(text(Some(name))?, Volume::decode(value)?))
    }
    /// Every snapshot of a directory by name.
    pub(crate) fn visit_snapshots(
        &self,
        directory: u64,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(String, Snapshot) -> Result<()>,
    ) -> Result<()> {
        let prefix = number_key(SNAPSHOT, directory);
        self.visit(&prefix, pages, &mut |name, value| each(text(Some(name))?, Snapshot::decode(value)?))
    }
    /// Every version that is still to be deleted, by rising id.
    pub(crate) fn visit_doomed(&self, pages: &dyn PageRead, each: &mut dyn FnMut(DevId)) -> Result<()> {
        self.visit(&[DOOMED], pages, &mut |id, _| {
            let id: [u8; 8] = id.try_into().map_err(|_| corrupt())?;
            each(DevId(id.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))));
            Ok(())
        })
    }
    /// Every entry whose key begins with `prefix`, and what follows that in the key.
    fn visit(&self, prefix: &[u8], pages: &dyn PageRead, each: EachEntry) -> Result<()> {
        let Some(map) = self.map() else { return Ok(()) };
        let mut done = Ok(());
        map.range((Bound::Included(prefix), Bound::Unbounded), pages, &mut |key, value| {
            let Some(rest) = key.strip_prefix(prefix) else { return Flow::Stop };
            done = each(rest, value);
            if done.is_ok() { Flow::Continue } else { Flow::Stop }
        })?;
        done
    }
    /// Every page, once.
    pub(crate) fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.map().map_or(Ok(()), |map| map.visit_pages(pages, each))
    }
    /// What does not hold of the map itself.
    pub(crate) fn check_map(&self, pages: &dyn PageRead, found: &mut dyn FnMut(spinney_core::Finding)) {
        if let Some(map) = self.map() {
            map.check(pages, found);
        }
    }
    /// How many entries there should be.
    pub(crate) fn entries(&self, pages: &dyn PageRead) -> Result<u64> {
        self.counters(pages).map(|[_, entries]| entries)
    }
}
