//! The form as a row of the registry.
//!
//! Invariant: the defaults are btrfs's.

use super::{FreeSpaceTreeForm, Records, Shape};
use alloc::boxed::Box;
use spinney_alloc::FormEntry;
use spinney_alloc::groups::order::Cut;
use spinney_core::{Error, Parameter, Result, Settings};

const GROUP: Parameter = Parameter::integer(
    "group_blocks",
    0,
    "Blocks of a block group; 0 cuts as btrfs does: 1 GiB, at most a tenth of the pool. Larger groups have fewer records; smaller \
     ones switch one by one, so each has the form that suits it.",
);
const RECORDS: Parameter = Parameter::word(
    "records",
    "switch",
    "What a group's free runs are kept in. `switch`: extents while there are few, bitmaps once they would take more bytes. \
     `extents` and `bitmaps` keep to one kind, to show what the switch saves.",
);
const ITEM: Parameter = Parameter::integer(
    "item_bytes",
    25,
    "Bytes of an extent record in the reckoning of the switch; a bitmap of 8 MiB counts as these and 256 more. The default is \
     a btrfs item (header and key), and gives 1,438 runs for a group of 1 GiB. Here an extent takes 16 bytes and a bitmap 264, \
     for which 17 would be exact: a later switch, with a smaller map between 1,438 and 2,112 runs.",
);
const HYSTERESIS: Parameter = Parameter::integer(
    "hysteresis_runs",
    100,
    "Runs between the border at which a group switches to bitmaps and that at which it switches back. 0 rewrites a group \
     whenever it crosses the one border; more keeps some groups in the larger form for longer. A border below this is 0: \
     small groups never switch back. btrfs's number.",
);
const CONVERSIONS: Parameter = Parameter::integer(
    "conversions_max",
    4,
    "Groups that may switch in one commit; the rest wait for the next. Each may rewrite some 1,500 records, and pages for these \
     must be there beforehand, so this bounds both the length of a commit and the pages held back. btrfs has no such bound.",
);

/// The row of the registry.
pub const FREE_SPACE_TREE: FormEntry = FormEntry {
    name: "free-space-tree",
    summary: "block groups, each kept as extents or, once these would be larger, as bitmaps",
    paper: "btrfs, free space tree (Linux 4.5)",
    parameters: &[GROUP, RECORDS, ITEM, HYSTERESIS, CONVERSIONS],
    build: |settings| Ok(Box::new(FreeSpaceTreeForm::new(shape(settings)?))),
};

fn shape(settings: &Settings) -> Result<Shape> {
    let records = match settings.word(&RECORDS) {
        "switch" => Records::Switch,
        "extents" => Records::Extents,
        "bitmaps" => Records::Bitmaps,
        _ => return Err(Error::BadSetting("records must be switch, extents or bitmaps")),
    };
    let cut = match settings.integer(&GROUP) {
        0 => Cut::Btrfs,
        blocks => Cut::Blocks(blocks),
    };
    let item_bytes = settings.integer(&ITEM);
    if !(1..=4096).contains(&item_bytes) {
        return Err(Error::BadSetting("item_bytes must be 1 to 4096"));
    }
    let conversions_max = settings.integer(&CONVERSIONS);
    if conversions_max == 0 {
        return Err(Error::BadSetting("conversions_max must be at least 1"));
    }
    Ok(Shape { cut, records, item_bytes, hysteresis_runs: settings.integer(&HYSTERESIS), conversions_max })
}
