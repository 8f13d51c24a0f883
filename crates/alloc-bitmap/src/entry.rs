//! What the registry lists: names, parameters with their reasons, constructors.
//!
//! Invariant: constant data. Knows no algorithm.

use crate::index::{BitmapIndex, Fit, GROUPS, NEAR_BLOCKS};
use alloc::boxed::Box;
use spinney_alloc::IndexEntry;
use spinney_core::{Error, Parameter, Result, Settings};

const FIT: Parameter = Parameter::word(
    "fit",
    "best",
    "`best`, `first`, `next` or `near`: which run serves a request. `best` takes a run of exactly the \
     size where one was seen lately, and else the tightest of some leaves; in the aging bench it leaves the fewest free runs \
     and is the fastest, hence the default. `first` takes the lowest address and `next` the first after the stream's last \
     place: they keep writes in order on a young pool and fragment an aged one. `near` takes what is closest to the wish to be near, or \
     else to the stream's last place, on either side and however far: ext4's goal; it keeps what grows together and breaks long \
     runs for it. The others heed a wish only as far as `near_blocks`.",
);
const GROUPS_PARAMETER: Parameter = Parameter::integer(
    "groups",
    GROUPS,
    "Groups of 64 leaves (128 MiB of blocks each) among which `best` takes the tightest run when no exact one is known. More \
     fit tighter and cost time: of the requests at 95 % in 2^20 blocks, 6.3 in a hundred found no run of their size with 1 \
     group, 2.0 with 8, 1.7 with 16 and 1.6 with 32, while the 99th percentile of picks rose from 200 to 300, 430 and 510 ns; \
     in 2^24 blocks all found one. 8 is where the curve bends.",
);
const NEAR: Parameter = Parameter::integer(
    "near_blocks",
    NEAR_BLOCKS,
    "How far after a wish to be near a run is looked for before the wish is dropped. More keeps files together and cuts long \
     runs that a best fit would have spared; 4096 blocks are 16 MiB, a few seeks' worth of reading ahead. 0 heeds no wish, not even where the very place is free.",
);

/// Bitmap pages.
#[cfg(feature = "form")]
pub const FORM: spinney_alloc::FormEntry = spinney_alloc::FormEntry {
    name: "activemap",
    summary: "a bit a block on pages; a commit rewrites the pages whose blocks changed",
    paper: "WAFL's activemap (FlexVol, 2008; FAST'17); dm-thin's disk bitmaps",
    parameters: &[],
    build: |_| Ok(Box::new(crate::BitmapForm::new())),
};

/// The bitmap with summary levels.
pub const INDEX: IndexEntry = IndexEntry {
    name: "bitmap",
    summary: "a bit a block with summary levels; exact fits remembered, else the tightest of some leaves",
    paper: "WAFL (FAST'17) and dm-thin keep bits; the summaries are in the manner of BlueStore's bitmap allocator",
    parameters: &[FIT, GROUPS_PARAMETER, NEAR],
    build: |settings| Ok(Box::new(index(settings)?)),
};

fn index(settings: &Settings) -> Result<BitmapIndex> {
    let fit = match settings.word(&FIT) {
        "best" => Fit::Best,
        "first" => Fit::First,
        "next" => Fit::Next,
        "near" => Fit::Near,
        _ => return Err(Error::BadSetting("fit is one of `best`, `first`, `next`, `near`")),
    };
    Ok(BitmapIndex::new(fit, settings.integer(&GROUPS_PARAMETER), settings.integer(&NEAR)))
}
