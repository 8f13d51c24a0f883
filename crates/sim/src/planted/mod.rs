//! Planted faults: known ways to lose data, wrapped round sound parts, to prove that the lives would see them.
//!
//! Invariant: a fault changes one rule of the design and nothing else, and no shipped code knows of it.

mod allocator;
pub mod command;
mod device;
mod form;
mod index;
mod log;
pub mod measure;
mod medium;
mod scheme;
mod sharing;

use crate::Pair;
use device::{LazyFlush, LazyState, Liar, OneSlot};
use log::{LogMedium, Twist as LogTwist};
use medium::{Medium, Twist};
use spinney_registry::{AllocatorSpec, PoolSpec, Registry};
use spinney_volume::Parts;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// A fault by name.
pub struct Fault {
    /// Its name.
    pub name: &'static str,
    /// What it does wrong.
    pub what: &'static str,
    /// Whether only a power cut, or a reader of the last commit, shows it: without these, lives that flush before they reopen must pass.
    pub needs_cut: bool,
    /// Whether it sits in an index or a form: an allocator that is whole has neither, and nothing is planted there.
    pub in_a_part: bool,
    /// Plant it in a sound pair.
    pub plant: fn(&mut Pair),
}

impl Fault {
    /// Whether the pair has the part that it sits in.
    #[must_use]
    pub fn fits(&self, pair: &Pair) -> bool {
        !self.in_a_part || matches!(pair.spec().allocator, AllocatorSpec::Composed { .. })
    }
}

/// Every planted fault.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "reuse-at-once",
        what: "released blocks are issued again inside their own epoch",
        needs_cut: false, // a replay of the intent log shows it, too
        in_a_part: false,
        plant: |pair| pair.parts = allocator::reuses_at_once,
    },
    Fault {
        name: "forgets-readers",
        what: "blocks that an open reader reaches are issued again",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| pair.parts = allocator::forgets_readers,
    },
    Fault {
        name: "forgets-releases",
        what: "every tenth released run is lost",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| pair.parts = allocator::forgets_releases,
    },
    Fault {
        name: "issues-twice",
        what: "every tenth run is issued a second time",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| pair.parts = allocator::issues_twice,
    },
    Fault {
        name: "scheme-forgets-freed",
        what: "every tenth run that lost its last owner is not let go of",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| pair.parts = scheme::forgets_freed,
    },
    Fault {
        name: "scheme-frees-early",
        what: "what a write replaces is let go of although a snapshot may hold it",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| pair.parts = scheme::frees_early,
    },
    Fault {
        name: "scheme-ignores-unmap",
        what: "every third discard does nothing",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| pair.parts = scheme::ignores_unmap,
    },
    Fault {
        name: "flush-does-nothing",
        what: "the device says that it flushed and did not",
        needs_cut: true,
        in_a_part: false,
        plant: |pair| {
            pair.device = |device| Arc::new(Liar { device, drops_one_in: 0, writes: AtomicU64::new(0) })
        },
    },
    Fault {
        name: "device-drops-writes",
        what: "the device says that it wrote and did not, one time in forty",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| {
            pair.device = |device| Arc::new(Liar { device, drops_one_in: 40, writes: AtomicU64::new(0) })
        },
    },
    Fault {
        name: "form-drops-frees",
        what: "the persistent form forgets every tenth free",
        needs_cut: false,
        in_a_part: true,
        plant: |pair| pair.parts = form::form_drops_frees,
    },
    Fault {
        name: "form-drops-takes",
        what: "the persistent form forgets every tenth take",
        needs_cut: false,
        in_a_part: true,
        plant: |pair| pair.parts = form::form_drops_takes,
    },
    Fault {
        name: "no-flush-before-superblock",
        what: "the superblock is written before data and pages are flushed",
        needs_cut: true,
        in_a_part: false,
        plant: |pair| {
            pair.device = |device| Arc::new(LazyFlush { device, before: true, state: LazyState::default() })
        },
    },
    Fault {
        name: "no-flush-after-superblock",
        what: "blocks are reused before the superblock that let them go is flushed",
        needs_cut: true,
        in_a_part: false,
        plant: |pair| {
            pair.device = |device| Arc::new(LazyFlush { device, before: false, state: LazyState::default() })
        },
    },
    Fault {
        name: "one-superblock-slot",
        what: "every commit overwrites the only superblock (lives shear that write inside its sector)",
        needs_cut: true,
        in_a_part: false,
        // While sectors are written whole it does no harm, as all that a commit changes is in one.
        plant: |pair| {
            pair.geometry.shears = 1;
            pair.device = |device| Arc::new(OneSlot { device });
        },
    },
    Fault {
        name: "reservation-kept",
        what: "every tenth write sets a block aside that it never gives back",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| pair.parts = allocator::keeps_reservations,
    },
    Fault {
        name: "open-loses-a-block",
        what: "opening takes a free block that nobody asked for",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| pair.parts = allocator::loses_a_run_at_open,
    },
    Fault {
        name: "index-keeps-picked",
        what: "every tenth run that the index hands out stays in it",
        needs_cut: false,
        in_a_part: true,
        plant: |pair| pair.parts = index::keeps_picked,
    },
    Fault {
        name: "index-loses-tail",
        what: "every tenth run that comes back loses its last block",
        needs_cut: false,
        in_a_part: true,
        plant: |pair| pair.parts = index::loses_tail,
    },
    Fault {
        name: "snapshot-shows-live",
        what: "a snapshot shows what its origin holds now",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| pair.parts = scheme::shares_live_root,
    },
    Fault {
        name: "delete-frees-shared",
        what: "a delete lets a block go that another version has",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| pair.parts = scheme::frees_shared,
    },
    Fault {
        name: "count-saturates",
        what: "a delete lets a block go that three other versions have: counts beyond two are lost",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| pair.parts = scheme::count_saturates,
    },
    Fault {
        name: "clone-of-clone-miscounted",
        what: "a clone of a clone counts its blocks once too often",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| pair.parts = scheme::miscounts_clones_of_clones,
    },
    Fault {
        name: "usage-calls-shared-exclusive",
        what: "usage counts shared blocks as exclusive",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| pair.parts = scheme::calls_shared_exclusive,
    },
    Fault {
        name: "diff-misses-holes",
        what: "a diff leaves out what became a hole",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| pair.parts = scheme::misses_holes,
    },
    Fault {
        name: "open-forgets-deleted",
        what: "after opening, what deleted versions still hold is never let go of",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| pair.parts = scheme::forgets_deleted_on_open,
    },
    Fault {
        name: "map-tail-onto-head",
        what: "the last block of a run of three or more is mapped onto its first",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| pair.parts = scheme::maps_tail_onto_head,
    },
    Fault {
        name: "data-after-superblock",
        what: "data is sent to the device only after the superblock that reaches it",
        needs_cut: true,
        in_a_part: false,
        plant: |pair| pair.device = |device| Medium::plant(device, Twist::DataAfterSuperblock),
    },
    Fault {
        name: "superblock-late",
        what: "a superblock is sent to the device with the next one, though its flush returned",
        needs_cut: true,
        in_a_part: false,
        plant: |pair| pair.device = |device| Medium::plant(device, Twist::SuperblockLate),
    },
    Fault {
        name: "one-map-slot",
        what: "a map page is overwritten where the last commit needs it",
        needs_cut: true,
        in_a_part: false,
        plant: |pair| pair.device = |device| Medium::plant(device, Twist::OneMapSlot),
    },
    Fault {
        name: "device-misdirects",
        what: "one write in forty lands a block further on",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| pair.device = |device| Medium::plant(device, Twist::Misdirects),
    },
    Fault {
        name: "device-tears",
        what: "of one write in forty only the first sector is stored",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| pair.device = |device| Medium::plant(device, Twist::Tears),
    },
    Fault {
        name: "device-reads-stale",
        what: "one read in forty brings what was there before the last write",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| pair.device = |device| Medium::plant(device, Twist::ReadsStale),
    },
    Fault {
        name: "log-data-not-asked",
        what: "a record of the log is replayed although its data never arrived",
        needs_cut: true,
        in_a_part: false,
        plant: |pair| {
            pair.geometry.log_blocks = 16;
            pair.device = |device| LogMedium::plant(device, LogTwist::DataNotAsked);
        },
    },
    Fault {
        name: "log-base-not-asked",
        what: "records of the log that stand on an older commit are replayed",
        needs_cut: false,
        in_a_part: false,
        plant: |pair| {
            pair.geometry.log_blocks = 16;
            pair.device = |device| LogMedium::plant(device, LogTwist::BaseNotAsked);
        },
    },
    Fault {
        name: "log-not-flushed",
        what: "a flush returns when its record is written and not yet flushed",
        needs_cut: true,
        in_a_part: false,
        plant: |pair| {
            pair.geometry.log_blocks = 16;
            pair.device = |device| LogMedium::plant(device, LogTwist::NotFlushed);
        },
    },
];

fn sound(registry: &Registry, spec: &PoolSpec) -> Parts {
    registry.parts(spec).expect("registered names build")
}
