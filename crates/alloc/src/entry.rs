//! How a plug-in presents itself: what `spinney list` prints and what a config can set.
//!
//! Invariant: an entry is constant data; `build` gets only settings that were checked against `parameters`.

use crate::{Allocator, FreeIndex, GroupChoice, Reclaim, SpaceForm};
use alloc::boxed::Box;
use spinney_core::{Parameter, Result, Settings};

macro_rules! entry {
    ($(#[$doc:meta])* $name:ident builds $product:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            /// As a config names it.
            pub name: &'static str,
            /// One line.
            pub summary: &'static str,
            /// Where the idea comes from: paper or system, and section.
            pub paper: &'static str,
            /// What can be set.
            pub parameters: &'static [Parameter],
            /// Make one. Errors: `BadSetting`.
            pub build: fn(&Settings) -> Result<Box<$product>>,
        }
    };
}
entry!(/// An in-memory index.
    IndexEntry builds dyn FreeIndex);
entry!(/// A choice between groups, each with an index of its own.
    GroupsEntry builds dyn GroupChoice);
entry!(/// A form on pages.
    FormEntry builds dyn SpaceForm);
entry!(/// A reclaim policy.
    ReclaimEntry builds dyn Reclaim);
entry!(/// An allocator that is not composed: its queue or reservation is the idea.
    AllocatorEntry builds dyn Allocator);
