//! `dumpe2fs`: the free blocks of each group, as ranges.
//!
//! Invariant: the ranges are in the file system's own blocks, which the heading gives.

use crate::text::{field, lines, number, product};
use crate::{FreeState, Result, Run, disk, wrong};

pub(crate) fn parse(text: &str) -> Result<FreeState> {
    let (block, count) = (field(text, "Block size:")?, field(text, "Block count:")?);
    let mut runs = Vec::new();
    for (line, content) in lines(text) {
        // The heading has a count under the same name, at the very start of its line.
        let Some(ranges) =
            content.trim_start().strip_prefix("Free blocks: ").filter(|_| content.starts_with(' '))
        else {
            continue;
        };
        for range in ranges.split(',').map(str::trim).filter(|range| !range.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (number(line, first)?, number(line, last)?);
            let Some(blocks) = last.checked_sub(first).and_then(|less| less.checked_add(1)) else {
                return wrong(line, format!("the range {first}-{last} ends before it begins"));
            };
            runs.push(Run {
                line,
                start: product(line, first, block)?,
                bytes: product(line, blocks, block)?,
            });
        }
    }
    disk("dumpe2fs", product(0, count, block)?, runs)
}
