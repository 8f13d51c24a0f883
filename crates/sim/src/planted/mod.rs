//! Planted faults: known ways to lose data, wrapped round sound parts, to prove that the lives would see them.
//!
//! Invariant: a fault changes one rule of the design and nothing else, and no shipped code knows of it.

mod allocator;
mod device;
mod form;
mod scheme;

use crate::Pair;
use device::{LazyFlush, LazyState, Liar, OneSlot};
use spinney_registry::{PoolSpec, Registry};
use spinney_volume::Parts;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// A fault by name.
pub struct Fault {
    /// Its name.
    pub name: &'static str,
    /// What it does wrong.
    pub what: &'static str,
    /// Plant it in a sound pair.
    pub plant: fn(&mut Pair),
}

/// Every planted fault.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "reuse-at-once",
        what: "released blocks are issued again inside their own epoch",
        plant: |pair| pair.parts = allocator::reuses_at_once,
    },
    Fault {
        name: "forgets-releases",
        what: "every tenth released run is lost",
        plant: |pair| pair.parts = allocator::forgets_releases,
    },
    Fault {
        name: "issues-twice",
        what: "every tenth run is issued a second time",
        plant: |pair| pair.parts = allocator::issues_twice,
    },
    Fault {
        name: "scheme-forgets-freed",
        what: "every tenth run that lost its last owner is not let go of",
        plant: |pair| pair.parts = scheme::forgets_freed,
    },
    Fault {
        name: "scheme-frees-early",
        what: "what a write replaces is let go of although a snapshot may hold it",
        plant: |pair| pair.parts = scheme::frees_early,
    },
    Fault {
        name: "scheme-ignores-unmap",
        what: "every third discard does nothing",
        plant: |pair| pair.parts = scheme::ignores_unmap,
    },
    Fault {
        name: "flush-does-nothing",
        what: "the device says that it flushed and did not",
        plant: |pair| {
            pair.device = |device| Arc::new(Liar { device, drops_one_in: 0, writes: AtomicU64::new(0) })
        },
    },
    Fault {
        name: "device-drops-writes",
        what: "the device says that it wrote and did not, one time in forty",
        plant: |pair| {
            pair.device = |device| Arc::new(Liar { device, drops_one_in: 40, writes: AtomicU64::new(0) })
        },
    },
    Fault {
        name: "form-drops-frees",
        what: "the persistent form forgets every tenth free",
        plant: |pair| pair.parts = form::form_drops_frees,
    },
    Fault {
        name: "form-drops-takes",
        what: "the persistent form forgets every tenth take",
        plant: |pair| pair.parts = form::form_drops_takes,
    },
    Fault {
        name: "no-flush-before-superblock",
        what: "the superblock is written before data and pages are flushed",
        plant: |pair| {
            pair.device = |device| Arc::new(LazyFlush { device, before: true, state: LazyState::default() })
        },
    },
    Fault {
        name: "no-flush-after-superblock",
        what: "blocks are reused before the superblock that let them go is flushed",
        plant: |pair| {
            pair.device = |device| Arc::new(LazyFlush { device, before: false, state: LazyState::default() })
        },
    },
    Fault {
        name: "one-superblock-slot",
        what: "every commit overwrites the only superblock",
        plant: |pair| pair.device = |device| Arc::new(OneSlot { device }),
    },
];

fn sound(registry: &Registry, spec: &PoolSpec) -> Parts {
    registry.parts(spec).expect("registered names build")
}
