//! The choices as rows of the registry.
//!
//! Invariant: `one` means that there are no groups: whoever builds an allocator from it uses the index as it is.

use super::mean_run::{MeanRun, Means};
use super::order::{Cut, InOrder, MostFree, Start};
use super::size_class::{Classes, SizeClass};
use super::{Factory, Grouped};
use crate::{FreeIndex, GroupsEntry};
use alloc::boxed::Box;
use spinney_core::{Error, Parameter, Result, Settings};

const GROUP: Parameter = Parameter::integer(
    "group_blocks",
    0,
    "Blocks of a group; 0 cuts as mkfs.xfs does on one device: 4 groups from 128 MiB to 4 TiB, then one for each TiB. Small \
     groups keep streams apart and searches short; a request that fits in none of them whole is cut up. At most 16,384 \
     groups are made, and they grow beyond that.",
);
const BLOCK_GROUP: Parameter = Parameter::integer(
    "group_blocks",
    0,
    "Blocks of a group; 0 cuts as btrfs does: 1 GiB, at most a tenth of the pool, so that each class finds a group. With \
     fewer and larger groups classes soon have to share.",
);
const BITMAP_GROUP: Parameter = Parameter::integer(
    "group_blocks",
    0,
    "Blocks of a group; 0 is ext4's 128 MiB, what one bitmap block of 4 KiB describes. The mean run of a smaller group says \
     more of what it can serve, but there are more groups to keep in order.",
);

fn cut(settings: &Settings, parameter: &Parameter, rule: Cut) -> Cut {
    match settings.integer(parameter) {
        0 => rule,
        blocks => Cut::Blocks(blocks),
    }
}

macro_rules! in_order {
    ($constant:ident, $name:literal, $start:ident, $paper:literal, $summary:literal) => {
        #[doc = concat!("The row `", $name, "`.")]
        pub const $constant: GroupsEntry = GroupsEntry {
            name: $name,
            summary: $summary,
            paper: $paper,
            parameters: &[GROUP],
            build: |settings| {
                Ok(Box::new(InOrder { start: Start::$start, cut: cut(settings, &GROUP, Cut::Xfs) }))
            },
        };
    };
}
in_order!(FIRST, "first", First, "folklore", "the first group that can");
in_order!(
    ROTOR,
    "rotor",
    Stream,
    "XFS (1996), directories; ext4",
    "a group for each stream, then the next ones"
);
in_order!(
    NEAR,
    "near",
    Near,
    "XFS (1996), allocation groups",
    "the group of the wished place, then the next ones"
);

/// The row `one`.
pub const ONE: GroupsEntry = GroupsEntry {
    name: "one",
    summary: "no groups: one index over everything",
    paper: "the textbook",
    parameters: &[],
    build: |_| Ok(Box::new(InOrder { start: Start::First, cut: Cut::Blocks(u64::MAX) })),
};

/// The row `most-free`.
pub const MOST_FREE: GroupsEntry = GroupsEntry {
    name: "most-free",
    summary: "the group with the most free blocks",
    paper: "FFS (1984), cylinder groups; ext4's Orlov spreading",
    parameters: &[GROUP],
    build: |settings| Ok(Box::new(MostFree::new(cut(settings, &GROUP, Cut::Xfs)))),
};

const MEANS: Parameter = Parameter::word(
    "means",
    "buckets",
    "How mean free runs are compared. `buckets`: as powers of two, shortest sufficient first, so that one group is used up \
     before the next; ext4 does so since it found that `exact` (longest mean first) moves on to another group after almost \
     every allocation.",
);
const GOAL: Parameter = Parameter::switch(
    "goal",
    true,
    "Whether the group of the wished place is tried first if its mean run holds the request, as ext4 does. Off, only the \
     order of the means counts, which is what comparing two orders needs.",
);

/// The row `mean-run`.
pub const MEAN_RUN: GroupsEntry = GroupsEntry {
    name: "mean-run",
    summary: "the group whose mean free run holds the request, by power of two or exactly",
    paper: "ext4 mballoc, lists of average fragment size",
    parameters: &[BITMAP_GROUP, MEANS, GOAL],
    build: |settings| {
        let means = match settings.word(&MEANS) {
            "buckets" => Means::Buckets,
            "exact" => Means::Exact,
            _ => return Err(Error::BadSetting("means must be buckets or exact")),
        };
        let cut = cut(settings, &BITMAP_GROUP, Cut::Ext4);
        Ok(Box::new(MeanRun::new(means, settings.switch(&GOAL), cut)))
    },
};

const CLASSES: Parameter = Parameter::switch(
    "classes",
    true,
    "Whether groups have classes. Off, groups are tried by address from the wished place on: the control for what the \
     classes do.",
);
const SMALL: Parameter = Parameter::integer(
    "small_blocks_max",
    32,
    "The largest request of the small class: 128 KiB in btrfs. A border helps where it parts what dies young from what dies \
     old, and hurts where sizes of one kind lie on both sides.",
);
const MEDIUM: Parameter = Parameter::integer(
    "medium_blocks_max",
    2048,
    "The largest request of the medium class: 8 MiB in btrfs. Equal to `small_blocks_max`, there is no medium class.",
);
const FORGET: Parameter = Parameter::switch(
    "forget",
    true,
    "Whether a group that becomes empty loses its class. Off, it waits for more of its kind while others take new groups: \
     the fault that btrfs had at first.",
);

/// The row `size-class`.
pub const SIZE_CLASS: GroupsEntry = GroupsEntry {
    name: "size-class",
    summary: "groups of small, medium and large requests, so that what is freed together lies together",
    paper: "btrfs (Linux 6.3), data block groups",
    parameters: &[BLOCK_GROUP, CLASSES, SMALL, MEDIUM, FORGET],
    build: |settings| {
        let classes = Classes {
            small_blocks_max: settings.integer(&SMALL),
            medium_blocks_max: settings.integer(&MEDIUM),
            forget: settings.switch(&FORGET),
        };
        if classes.medium_blocks_max < classes.small_blocks_max {
            return Err(Error::BadSetting("medium_blocks_max must not be less than small_blocks_max"));
        }
        let classes = settings.switch(&CLASSES).then_some(classes);
        Ok(Box::new(SizeClass::new(classes, cut(settings, &BLOCK_GROUP, Cut::Btrfs))))
    },
};

/// Every choice.
pub const ALL: [GroupsEntry; 7] = [ONE, FIRST, NEAR, ROTOR, MOST_FREE, SIZE_CLASS, MEAN_RUN];

/// Build one index from a choice of groups and what makes the index of a group.
///
/// # Errors
/// `BadSetting` of either.
pub fn build(
    groups: &GroupsEntry,
    settings: &Settings,
    make: impl Fn() -> Result<Box<dyn FreeIndex>> + Send + 'static,
) -> Result<Box<dyn FreeIndex>> {
    let (first, choice) = (make()?, (groups.build)(settings)?);
    if groups.name == ONE.name {
        return Ok(first);
    }
    let make: Factory = Box::new(move || make().expect("the same settings built one before"));
    Ok(Box::new(Grouped::new(choice, make)))
}
