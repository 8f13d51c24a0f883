//! The one tree of keys: (inode, logical block, snapshot node) -> block, or a whiteout.
//!
//! Invariant: all keys of one logical block lie side by side, those of older nodes first. Knows not which node is above which.

use alloc::vec::Vec;
use spinney_core::{Error, Finding, Flow, LbaRange, PageKind, PageNo, PageRead, PageTxn, Place, Result};
use spinney_pages::TypedMap;
use spinney_pages::map::OrderedFixed;
use spinney_snap_tree::Anchor;
use spinney_snap_tree::slot::POINTER_LIMIT;

/// Word of the anchor: the tree's root page, which never changes.
const ROOT: usize = 2;

/// A snapshot node's number. Those above it have smaller ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct NodeId(pub(crate) u64);

/// Where a key stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    pub(crate) inode: u64,
    pub(crate) lba: u64,
    pub(crate) node: NodeId,
}

impl OrderedFixed for Key {
    type Bytes = [u8; 24];
    const WIDTH: u16 = 24;
    fn to_ordered(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&(self.inode, self.lba).to_ordered());
        bytes[16..].copy_from_slice(&self.node.0.to_ordered());
        bytes
    }
    fn from_ordered(bytes: &[u8; 24]) -> Key {
        let front = bytes.first_chunk().expect("16 of 24");
        let back = bytes.last_chunk().expect("eight of 24");
        let (inode, lba) = OrderedFixed::from_ordered(front);
        Key { inode, lba, node: NodeId(u64::from_ordered(back)) }
    }
}

/// What a node says of a logical block: a block, or nothing there (a whiteout).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Said {
    pub(crate) node: NodeId,
    pub(crate) on: Option<u64>,
}

/// All that is said of one logical block, by rising node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group(pub(crate) Vec<Said>);

impl Group {
    pub(crate) fn of(&self, node: NodeId) -> Option<Said> {
        self.place(node).ok().map(|at| self.0[at])
    }
    fn place(&self, node: NodeId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&node, |said| said.node)
    }
    /// Say it, in the place of what the node said.
    pub(crate) fn put(&mut self, said: Said) {
        match self.place(said.node) {
            Ok(at) => self.0[at] = said,
            Err(at) => self.0.insert(at, said),
        }
    }
    pub(crate) fn remove(&mut self, node: NodeId) {
        if let Ok(at) = self.place(node) {
            self.0.remove(at);
        }
    }
}

/// The tree. A handle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys(TypedMap<Key, u64>);

impl Keys {
    pub(crate) fn create(anchor: Anchor, pages: &mut dyn PageTxn) -> Result<Keys> {
        let map = TypedMap::create(PageKind::TREE, pages)?;
        anchor.set(ROOT, map.root().0, pages)?;
        Ok(Keys(map))
    }
    pub(crate) fn open(anchor: Anchor, pages: &dyn PageRead) -> Result<Keys> {
        let root = PageNo(anchor.get(ROOT, pages)?);
        Ok(Keys(TypedMap::open(root, PageKind::TREE, pages)?))
    }
    pub(crate) fn put(&self, inode: u64, lba: u64, said: Said, pages: &mut dyn PageTxn) -> Result<()> {
        let key = Key { inode, lba, node: said.node };
        self.0.put(&key, &said.on.map_or(0, |on| on + 1), pages).map(drop)
    }
    pub(crate) fn remove(&self, inode: u64, lba: u64, node: NodeId, pages: &mut dyn PageTxn) -> Result<()> {
        self.0.remove(&Key { inode, lba, node }, pages).map(drop)
    }
    /// The key after this one, of whatever inode.
    pub(crate) fn next(&self, key: Key, pages: &dyn PageRead) -> Result<Option<Key>> {
        Ok(self.0.next(&key, pages)?.map(|(key, _)| key))
    }
    /// What is said of one block.
    pub(crate) fn group(&self, inode: u64, lba: u64, pages: &dyn PageRead) -> Result<Group> {
        let mut found = Group::default();
        let range = LbaRange { start: spinney_core::Lba(lba), blocks: 1 };
        self.visit(inode, range, pages, &mut |_, group| {
            found.0.append(&mut group.0);
            Ok(Flow::Continue)
        })?;
        Ok(found)
    }
    /// What nodes up to `node` say of one block, the last first, until told to stop.
    pub(crate) fn visit_down(
        &self,
        wanted: Key,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Said) -> Result<Flow>,
    ) -> Result<()> {
        let mut done = Ok(Flow::Continue);
        self.0.range_reverse(Key { node: NodeId(0), ..wanted }..=wanted, pages, &mut |key, value| {
            let inside = (key.inode, key.lba) == (wanted.inode, wanted.lba) && key.node <= wanted.node;
            done = match said(key, value) {
                Ok(said) if inside => each(said),
                Ok(_) => corrupt("key out of its place"),
                Err(error) => Err(error),
            };
            if done == Ok(Flow::Continue) { Flow::Continue } else { Flow::Stop }
        })?;
        done.map(|_| ())
    }
    /// Every logical block of a range of which something is said, in order, until told to stop.
    pub(crate) fn visit(
        &self,
        inode: u64,
        range: LbaRange,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(u64, &mut Group) -> Result<Flow>,
    ) -> Result<()> {
        let key = |lba| Key { inode, lba, node: NodeId(0) };
        let mut done = Ok(Flow::Continue);
        let (mut group, mut at, mut passed) = (Group::default(), 0, None);
        self.0.range(key(range.start.0)..key(range.end().0), pages, &mut |key, value| {
            if key.lba != at && !group.0.is_empty() {
                done = each(at, &mut group);
                group.0.clear();
            }
            at = key.lba;
            // A damaged leaf may hold what does not belong into the range, and in any order.
            let inside = key.inode == inode && key.lba >= range.start.0 && key.lba < range.end().0;
            let inside = inside && passed.replace(key) < Some(key);
            match said(key, value) {
                Ok(said) if inside => group.0.push(said),
                Ok(_) => done = corrupt("key out of its place"),
                Err(error) => done = Err(error),
            }
            if done == Ok(Flow::Continue) { Flow::Continue } else { Flow::Stop }
        })?;
        if done? == Flow::Continue && !group.0.is_empty() {
            each(at, &mut group)?;
        }
        Ok(())
    }
    /// Every key and its block.
    pub(crate) fn visit_all(
        &self,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Key, Option<u64>) -> Result<()>,
    ) -> Result<()> {
        let mut done = Ok(());
        self.0.range(.., pages, &mut |key, value| {
            done = said(key, value).and_then(|said| each(key, said.on));
            if done.is_ok() { Flow::Continue } else { Flow::Stop }
        })?;
        done
    }
    /// Every page, once.
    pub(crate) fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.0.visit_pages(pages, each)
    }
    /// The tree's own rules.
    pub(crate) fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) {
        self.0.check(pages, found);
    }
}

fn said(key: Key, value: u64) -> Result<Said> {
    if value <= POINTER_LIMIT {
        return Ok(Said { node: key.node, on: value.checked_sub(1) });
    }
    corrupt("block of a key")
}

fn corrupt<T>(what: &'static str) -> Result<T> {
    Err(Error::Corrupt { what, place: Place::Pool })
}
