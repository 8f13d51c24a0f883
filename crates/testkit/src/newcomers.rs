//! A fourth allocator and a third scheme as a registry would list them: a row each, all that a newcomer needs outside its own
//! crate.
//!
//! Invariant: constant data; no shipped crate knows these names. For tests only: the allocator looks at every block for every
//! request and rewrites the whole list of free runs at every commit; the scheme rewrites all that it knows at every change.

use crate::{DumpForm, FirstFit};
use spinney_alloc::reclaim::AtCommit;
use spinney_alloc::{AllocatorEntry, Composed};
use spinney_snap::SchemeEntry;

/// A beginner's allocator: one flag a block, scanned from the start, its free runs listed anew by every commit.
pub const ALLOCATOR: AllocatorEntry = AllocatorEntry {
    name: "beginner",
    summary: "first fit over one flag a block, kept as a list of free runs",
    paper: "Knuth 1968, 2.5",
    parameters: &[],
    build: |_| {
        let (index, form) = (Box::new(FirstFit::default()), Box::new(DumpForm::default()));
        Ok(Box::new(Composed::new(index, form, Box::new(AtCommit))))
    },
};

/// A beginner's scheme: all versions and their maps in one list.
pub const SCHEME: SchemeEntry = crate::list_scheme::ENTRY;
