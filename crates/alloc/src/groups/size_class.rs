//! btrfs's size classes: a group serves requests of one class, the class of the first that came when it was empty.
//!
//! Invariant: the class of a group is a preference. A request goes to groups of its class, then to groups without one that are in
//! use, then to an empty group (where btrfs would make a new chunk), and only then to one of another class: the stages of
//! `find_free_extent` as far as they concern the choice; waiting for caches is not modelled, there are none.
//! Source: the notes, 2b and B1, B2 (commit messages of the Linux sources).

use super::choice::{Group, GroupChoice, around, wished};
use super::order::Cut;
use crate::Want;
use alloc::vec;
use alloc::vec::Vec;
use spinney_core::Flow;

/// What a group serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Unset,
    Small,
    Medium,
    Large,
}

/// Borders of the classes and what becomes of a class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Classes {
    /// The largest request of the small class.
    pub small_blocks_max: u64,
    /// The largest request of the medium class.
    pub medium_blocks_max: u64,
    /// Whether a group that becomes empty forgets its class.
    pub forget: bool,
}

/// The choice.
#[derive(Clone, Debug)]
pub struct SizeClass {
    /// Without classes groups are tried in order from the wished place on.
    classes: Option<Classes>,
    cut: Cut,
    of: Vec<Class>,
}

impl SizeClass {
    /// Over a universe so cut.
    #[must_use]
    pub fn new(classes: Option<Classes>, cut: Cut) -> SizeClass {
        SizeClass { classes, cut, of: Vec::new() }
    }
    fn class(classes: Classes, blocks: u64) -> Class {
        match blocks {
            _ if blocks <= classes.small_blocks_max => Class::Small,
            _ if blocks <= classes.medium_blocks_max => Class::Medium,
            _ => Class::Large,
        }
    }
}

impl GroupChoice for SizeClass {
    fn group_blocks(&self, universe_blocks: u64) -> u64 {
        self.cut.group_blocks(universe_blocks)
    }
    fn reset(&mut self, groups: &[Group]) {
        self.of = vec![Class::Unset; groups.len()];
    }
    fn changed(&mut self, group: usize, groups: &[Group]) {
        if groups[group].is_empty() && self.classes.is_some_and(|classes| classes.forget) {
            self.of[group] = Class::Unset;
        }
    }
    fn picked(&mut self, group: usize, want: &Want) {
        if let (Some(classes), Class::Unset) = (self.classes, self.of[group]) {
            self.of[group] = SizeClass::class(classes, want.blocks_max);
        }
    }
    fn order(&self, want: &Want, groups: &[Group], each: &mut dyn FnMut(usize) -> Flow) {
        let first = wished(want, groups).unwrap_or(0);
        let Some(classes) = self.classes else {
            around(first, groups.len(), each);
            return;
        };
        let own = SizeClass::class(classes, want.blocks_max);
        let stage = |group: usize| match self.of[group] {
            class if class == own => 0,
            Class::Unset if !groups[group].is_empty() => 1,
            Class::Unset => 2,
            _ => 3,
        };
        for now in 0..4 {
            let flow = around(first, groups.len(), &mut |group| {
                if stage(group) == now { each(group) } else { Flow::Continue }
            });
            if flow == Flow::Stop {
                return;
            }
        }
    }
    fn memory_bytes(&self) -> u64 {
        self.of.len() as u64
    }
}
