//! BTRFS's free-space tree, as `btrfs inspect-internal dump-tree -t 10` prints it.
//!
//! Invariant: addresses are BTRFS's logical ones, which have gaps between block groups; the groups are laid end to end. Space
//! that no group has is not part of the disk.

use crate::text::{lines, number};
use crate::{FreeState, Result, Run, disk, wrong};

/// The three words between the brackets of a key.
pub(crate) fn key(content: &str) -> Option<[&str; 3]> {
    let (_, rest) = content.trim_start().strip_prefix("item ")?.split_once(" key (")?;
    let mut words = rest.split_once(')')?.0.split_whitespace();
    Some([words.next()?, words.next()?, words.next()?])
}

pub(crate) fn parse(text: &str) -> Result<FreeState> {
    // Logical start and length of the present group, and where it lies here.
    let (mut logical, mut length, mut begin) = (0, 0, 0u64);
    let mut runs = Vec::new();
    for (line, content) in lines(text) {
        let Some([start, kind, size]) = key(content) else { continue };
        match kind {
            "FREE_SPACE_INFO" => {
                begin = begin.saturating_add(length);
                (logical, length) = (number(line, start)?, number(line, size)?);
            }
            "FREE_SPACE_EXTENT" => {
                let (start, bytes) = (number(line, start)?, number(line, size)?);
                let inside = start
                    .checked_sub(logical)
                    .filter(|at| at.checked_add(bytes).is_some_and(|end| end <= length));
                let Some(at) = inside else {
                    return wrong(
                        line,
                        format!("the free run at {start} is not in the block group before it"),
                    );
                };
                runs.push(Run { line, start: begin.saturating_add(at), bytes });
            }
            "FREE_SPACE_BITMAP" => {
                return wrong(
                    line,
                    "this block group keeps its free space as bitmaps, which dump-tree does not print; take what it prints of the extent \
                     tree instead: dump-tree -t 2",
                );
            }
            _ => {}
        }
    }
    disk("btrfs free-space tree", begin.saturating_add(length), runs)
}
