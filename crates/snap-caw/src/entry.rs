//! How the policy presents itself over a base.
//!
//! Invariant: constant data. The base comes in as its entry; settings of its own go through by name.

use crate::{Caw, Rule};
use alloc::boxed::Box;
use spinney_core::{Parameter, Result, Setting, Settings};
use spinney_snap::{SchemeEntry, SnapshotScheme};

const UNIT_BLOCKS: Parameter = Parameter::integer(
    "unit_blocks",
    1024,
    "U, the blocks that are copied as one. A scan of a unit costs one seek for its base and one for each delta, so the larger the unit, \
     the less the deltas weigh; and the more is copied, and taken from the pool, when one is due. 1,024 blocks are 4 MiB, which a hard \
     disk of 150 MB/s reads in three times the time of a seek; for flash 256 do (experiments/caw-curve).",
);
const THETA: Parameter = Parameter::real(
    "theta",
    0.25,
    "Abundance: the share of a shared unit that lies outside its last full copy when the next is made. Along one \
     line of clones, copying at theta costs (1 + theta) / theta blocks a written block at most; siblings each pay for a copy of what they \
     inherited. A scan reads up to 1 + theta units for one. Near 0 is unit copy (the first write \
     copies all), above 1 plain redirect on write (nothing is ever copied). 0.25 is a cost of 5 (experiments/caw-bound).",
);
const DELTAS_MAX: Parameter = Parameter::integer(
    "deltas_max",
    4,
    "D, the runs that may lie outside the base of a shared unit; when a commit finds more, the shortest are packed into one. Fewer are \
     fewer seeks for a scan, and more blocks packed again and again: from 1 to 8 a scan slows little by little, at 16 \
     steeply, and 4 is between (experiments/caw-deltas).",
);
const COPY: Parameter = Parameter::word(
    "copy",
    "background",
    "When a unit is copied: in the `background` of the commit that finds it due, so that no write waits for more than itself; or `along` with \
     the write that makes it so, as block stores with large blocks do (dm-thin, RBD), which writes the block that was written once less.",
);
const FOLD: Parameter = Parameter::switch(
    "fold",
    false,
    "Whether blocks outside the base of a unit that is shared no more are brought back into it, each to its own place where that is free: the \
     layout is mended for one more write of each block, not of the unit. Off, since it doubles what random overwrites of an unshared \
     volume write; the redirecting base leaves such volumes as they are.",
);
const READ_SEEKS: Parameter = Parameter::integer(
    "read_seeks",
    0,
    "Seeks inside one unit that reads of it pay for, taken together, before the unit is copied into one run, shared or not: what is read      again and again is not left apart for being written too little. At the number of seeks that a copy costs, reads and copy      together cost at most twice what they would if the reads to come were known. On a hard disk a copy of 1,024 blocks is worth about 16      (two transfers of 4 MiB and the seeks between the pieces), on flash 4. A copy of a shared unit takes space for good, and it is a      reader that brings it about: so 0, never, is the default.",
);
const LOOK_BUDGET: Parameter = Parameter::integer(
    "look_budget",
    4096,
    "Units that were written or read and are looked at in one go, so in one commit: each look is a lookup of the unit, and of who owns it. Fewer      make commits after writes all over a volume shorter, and what is due is found some commits later. 4,096 looks at units of 1,024 blocks      read some 12,000 nodes of the map at most.",
);
const FANOUT: Parameter = Parameter::integer(
    "fanout",
    506,
    "Slots of an index node of the scheme below, which says what they trade. The default fills a page.",
);
const IN_PLACE: Parameter = Parameter::switch(
    "in_place",
    false,
    "Whether what a version owns alone is offered for overwriting, as the scheme below has it. Off, as there.",
);

/// The policy over a base, as a row of a registry; `build` is [`over`] with the base's entry.
#[must_use]
pub const fn entry(
    name: &'static str,
    summary: &'static str,
    build: fn(&Settings) -> Result<Box<dyn SnapshotScheme>>,
) -> SchemeEntry {
    SchemeEntry {
        name,
        summary,
        paper: "Zhan et al., How to Copy Files, FAST 2020 (ACM TOS 17(1), 2021); units and deltas of a block volume after this project's design notes",
        parameters: &[UNIT_BLOCKS, THETA, DELTAS_MAX, COPY, FOLD, READ_SEEKS, LOOK_BUDGET, FANOUT, IN_PLACE],
        build,
    }
}

/// Build the policy over `base`, which has a switch `in_place`. Errors: `BadSetting`.
pub fn over(base: &SchemeEntry, settings: &Settings) -> Result<Box<dyn SnapshotScheme>> {
    let copy = settings.word(&COPY);
    let along = match copy {
        "background" => false,
        "along" => true,
        _ => return Err(spinney_core::Error::BadSetting("copy must be background or along")),
    };
    let rule = Rule {
        unit_blocks: settings.integer(&UNIT_BLOCKS),
        theta: settings.real(&THETA),
        deltas_max: settings.integer(&DELTAS_MAX),
        along,
        fold: settings.switch(&FOLD),
        read_seeks: settings.integer(&READ_SEEKS),
        look_budget: settings.integer(&LOOK_BUDGET),
        in_place: settings.switch(&IN_PLACE),
    };
    let below = settings.clone().with("in_place", Setting::Switch(true));
    Ok(Box::new(Caw::new((base.build)(&below)?, rule)?))
}
