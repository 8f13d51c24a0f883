//! Changing what a version maps: keys of its own node, and what nobody sees any more because of them.
//!
//! Invariant: keys of other nodes are never changed, but one goes when the last version that saw it sees another. That one stands beside
//! the key that is put, and so do all that have to be asked. A whiteout stands only where there is a block to hide.

use crate::keys::{Group, Key, NodeId, Said};
use crate::planted::{Fault, planted};
use crate::state::{Head, State};
use spinney_core::{Extent, LbaRange, PageTxn, Pba, Result};
use spinney_snap::Freed;

/// One change of one version.
pub(crate) struct Change<'a> {
    state: State,
    head: Head,
    /// The version as it was.
    before: Head,
    pages: &'a mut dyn PageTxn,
    freed: &'a mut Freed,
    /// By how much the number of keys of the own node has changed.
    keys: i64,
}

impl<'a> Change<'a> {
    pub(crate) fn new(
        state: State,
        head: Head,
        pages: &'a mut dyn PageTxn,
        freed: &'a mut Freed,
    ) -> Change<'a> {
        Change { state, head, before: head, pages, freed, keys: 0 }
    }

    /// The range lies on `on` and what follows it.
    pub(crate) fn map(&mut self, range: LbaRange, on: Pba) -> Result<()> {
        (range.start.0..range.end().0).zip(on.0..).try_for_each(|(lba, on)| {
            let group = self.state.keys.group(self.head.inode, lba, self.pages)?;
            self.say(lba, group, Some(on))
        })?;
        self.finish()
    }

    /// The range becomes a hole. Only blocks of which something is said are looked at.
    pub(crate) fn unmap(&mut self, range: LbaRange) -> Result<()> {
        let (inode, mut lba) = (self.head.inode, range.start.0);
        while let Some(key) = self.state.keys.next(Key { inode, lba, node: NodeId(0) }, self.pages)? {
            if key.inode != inode || key.lba >= range.end().0 {
                break;
            }
            let group = self.state.keys.group(inode, key.lba, self.pages)?;
            self.say(key.lba, group, None)?;
            lba = key.lba + 1;
        }
        self.finish()
    }

    fn finish(&mut self) -> Result<()> {
        self.state.nodes.count(self.head.node, self.keys, self.pages)?;
        if self.head == self.before { Ok(()) } else { self.head.put(&self.state, self.pages) }
    }

    /// Of `lba` everything that is said is in `group`; the version says `on`.
    fn say(&mut self, lba: u64, mut group: Group, on: Option<u64>) -> Result<()> {
        let id = self.head.node;
        let own = group.of(id);
        let above = self.state.nodes.reader(self.pages).above(id, &group)?;
        let hides = above.is_some_and(|above| above.on.is_some()) && !planted(Fault::HolesWithoutWhiteouts);
        let before = own.map_or_else(|| above.and_then(|above| above.on), |own| own.on);
        let referenced = &mut self.head.record.referenced_blocks;
        *referenced =
            referenced.saturating_add(u64::from(on.is_some())).saturating_sub(u64::from(before.is_some()));
        let says = on.is_some() || hides;
        if says && !(on.is_none() && own.is_some_and(|own| own.on.is_none())) {
            group.put(Said { node: id, on });
            self.state.keys.put(self.head.inode, lba, Said { node: id, on }, self.pages)?;
        } else if !says && own.is_some() {
            group.remove(id);
            self.state.keys.remove(self.head.inode, lba, id, self.pages)?;
        }
        self.keys += i64::from(says) - i64::from(own.is_some());
        self.let_go(own.and_then(|own| own.on));
        match above {
            Some(above) if says && own.is_none() => self.forget_unseen(lba, group, above),
            _ => Ok(()),
        }
    }

    fn let_go(&mut self, on: Option<u64>) {
        if let Some(on) = on {
            self.freed.push(Extent { start: Pba(on), blocks: 1 });
        }
    }

    /// The version saw `above` until now: if it was the last, that goes, and whiteouts that hid nothing else.
    fn forget_unseen(&mut self, lba: u64, mut group: Group, above: Said) -> Result<()> {
        let (nodes, inode) = (self.state.nodes, self.head.inode);
        if nodes.reader(self.pages).is_seen(above.node, &group, &|_| true)? {
            return Ok(());
        }
        let before = group.clone();
        group.remove(above.node);
        self.state.keys.remove(inode, lba, above.node, self.pages)?;
        nodes.count(above.node, -1, self.pages)?;
        self.let_go(above.on);
        for said in before.0.iter().filter(|said| said.on.is_none()) {
            let reader = nodes.reader(self.pages);
            let hid = reader.above(said.node, &before)?;
            let hides = reader.above(said.node, &group)?.is_some_and(|above| above.on.is_some());
            if hid != Some(above) || hides {
                continue;
            }
            group.remove(said.node);
            self.state.keys.remove(inode, lba, said.node, self.pages)?;
            if said.node == self.head.node {
                self.keys -= 1;
            } else {
                nodes.count(said.node, -1, self.pages)?;
            }
        }
        Ok(())
    }
}
