//! What is kept of one version, hidden ones included: its place in the lineage tree and how its deletion stands.
//!
//! Invariant: a head never has children; only hidden versions are in the queue. The words are read as untrusted. Knows no
//! index node.

use spinney_core::{DevId, Error, PageNo, Place, Result};
use spinney_snap::{Access, Version};
use spinney_snap_tree::{Record, Slot};

/// Words of a record that are this scheme's.
pub(crate) const OWN: usize = 10;

/// How a version stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// Live: may be written.
    Head,
    /// Live: frozen.
    Snapshot,
    /// Hidden, kept for what several children borrow from it.
    Anchor,
    /// Hidden, in the queue, not begun (or an anchor that is to be looked through).
    Waiting,
    /// Hidden: is there anything that must be kept?
    Scan,
    /// Hidden: no; let go slot by slot.
    Dissolve,
    /// Hidden: everything is let go; children move to the parent one by one.
    HandOver,
    /// Hidden: yes; let go only what no child needs.
    Trim,
}

const STAGES: [Stage; 8] = [
    Stage::Head,
    Stage::Snapshot,
    Stage::Anchor,
    Stage::Waiting,
    Stage::Scan,
    Stage::Dissolve,
    Stage::HandOver,
    Stage::Trim,
];

impl Stage {
    /// Whether users see the version.
    pub(crate) fn is_live(self) -> bool {
        matches!(self, Stage::Head | Stage::Snapshot)
    }
    /// Whether `tend` has something to do for it.
    pub(crate) fn is_queued(self) -> bool {
        !self.is_live() && self != Stage::Anchor
    }
    /// Whether its children stand on its parent wherever its cursor has passed.
    pub(crate) fn is_dissolving(self) -> bool {
        matches!(self, Stage::Dissolve | Stage::HandOver)
    }
}

/// One version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Member {
    pub(crate) stage: Stage,
    pub(crate) blocks: u64,
    /// The root as a slot: pointer and tag.
    pub(crate) root: Slot,
    /// What it was taken from, as users see it.
    pub(crate) origin: Option<DevId>,
    pub(crate) referenced_blocks: u64,
    /// Its place in the lineage tree.
    pub(crate) parent: Option<DevId>,
    pub(crate) first_child: Option<DevId>,
    pub(crate) next: Option<DevId>,
    pub(crate) previous: Option<DevId>,
    /// Behind it in the queue.
    pub(crate) next_job: Option<DevId>,
    /// The pool's epoch when it was frozen; 0 for heads.
    pub(crate) frozen: u32,
    /// The running pass gave up an interest in something that the parent owns, or has one only for what hangs below.
    pub(crate) gave_up: bool,
    /// First logical block that the running pass has still to visit.
    pub(crate) cursor: u64,
    /// Data blocks that it owns, as far as is known: what a dissolved version passes on is booked on the first of its
    /// children, since counting what lies below a node that changes hands would mean to enter it; so it can be negative.
    /// Of an anchor never too many: its last trim counted.
    pub(crate) owned_blocks: i64,
    /// Data blocks whose borrowing heads below have dropped since the last pass.
    pub(crate) dropped_blocks: u64,
    /// What the queue counts for it.
    pub(crate) left: u64,
}

fn id(word: u64) -> Option<DevId> {
    word.checked_sub(1).map(DevId)
}

fn word(id: Option<DevId>) -> u64 {
    id.map_or(0, |dev| dev.0 + 1)
}

impl Member {
    /// A version without content or relatives.
    pub(crate) fn new(stage: Stage, blocks: u64) -> Member {
        Member {
            stage,
            blocks,
            root: Slot::EMPTY,
            origin: None,
            referenced_blocks: 0,
            parent: None,
            first_child: None,
            next: None,
            previous: None,
            next_job: None,
            frozen: 0,
            gave_up: false,
            cursor: 0,
            owned_blocks: 0,
            dropped_blocks: 0,
            left: 0,
        }
    }
    /// Errors: `Corrupt` for a stage that there is not, or that does not fit the version's access.
    pub(crate) fn decode(dev: DevId, record: &Record<OWN>) -> Result<Member> {
        let corrupt = Error::Corrupt { what: "version record", place: Place::Version(dev) };
        let [parent, first_child, next, previous, next_job, stamp, cursor, owned, dropped_blocks, left] =
            record.own;
        let [stage, gave_up, ..] = stamp.to_le_bytes();
        let Some(stage) = STAGES.get(usize::from(stage)) else { return Err(corrupt) };
        let writable = record.access == Access::Writable;
        if gave_up > 1 || writable != (*stage == Stage::Head) {
            return Err(corrupt);
        }
        let tag = (stamp >> 40) as u32;
        Ok(Member {
            stage: *stage,
            blocks: record.blocks,
            root: record.root.map_or(Slot::EMPTY, |page| Slot::to(page.0).tagged(tag)),
            origin: record.parent,
            referenced_blocks: record.referenced_blocks,
            parent: id(parent),
            first_child: id(first_child),
            next: id(next),
            previous: id(previous),
            next_job: id(next_job),
            frozen: (stamp >> 16) as u32 & 0xff_ffff,
            gave_up: gave_up == 1,
            cursor,
            owned_blocks: owned as i64,
            dropped_blocks,
            left,
        })
    }
    /// As it is stored.
    pub(crate) fn encode(&self) -> Record<OWN> {
        let stage = STAGES.iter().position(|stage| *stage == self.stage).unwrap_or(0) as u64;
        let stamp = stage
            | u64::from(self.gave_up) << 8
            | u64::from(self.frozen) << 16
            | u64::from(self.root.tag()) << 40;
        let links = [self.parent, self.first_child, self.next, self.previous, self.next_job].map(word);
        let [parent, first_child, next, previous, next_job] = links;
        let access = if self.stage == Stage::Head { Access::Writable } else { Access::ReadOnly };
        let owned = self.owned_blocks as u64;
        Record {
            access,
            blocks: self.blocks,
            root: self.root.pointer().map(PageNo),
            parent: self.origin,
            referenced_blocks: self.referenced_blocks,
            own: [
                parent,
                first_child,
                next,
                previous,
                next_job,
                stamp,
                self.cursor,
                owned,
                self.dropped_blocks,
                self.left,
            ],
        }
    }
    /// As the contract shows it.
    pub(crate) fn version(&self, dev: DevId) -> Version {
        let access = if self.stage == Stage::Head { Access::Writable } else { Access::ReadOnly };
        Version { dev, parent: self.origin, access, blocks: self.blocks }
    }
}
