//! `freesp` of `xfs_db` and `xfs_spaceman`: each free run with its allocation group, or a histogram of their lengths.
//!
//! Invariant: sizes come from the superblock's fields or from `xfs_info`, one of which must stand in the same text: `freesp`
//! itself prints neither block size nor the size of a group.

use crate::histogram::{Class, made_up};
use crate::text::{lines, numbers, product, shown};
use crate::{FreeState, Result, Run, disk, wrong};

/// What the lengths are counted in.
struct Geometry {
    block: u64,
    group_blocks: u64,
    groups: u64,
    blocks: u64,
}

/// The number behind `key=` or `key = `, wherever it stands.
fn value(text: &str, keys: &[&str]) -> Option<u64> {
    keys.iter().find_map(|key| {
        text.match_indices(key).find_map(|(at, _)| {
            let rest = text[at + key.len()..].trim_start().strip_prefix('=')?.trim_start();
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse().ok()
        })
    })
}

fn geometry(text: &str) -> Option<Geometry> {
    // In xfs_info the data section has the block size; the naming and log sections repeat the word.
    let data = text.find("\ndata ").map_or(text, |at| &text[at..]);
    Some(Geometry {
        block: value(text, &["blocksize"]).or_else(|| value(data, &["bsize"]))?,
        group_blocks: value(text, &["agblocks", "agsize"])?,
        groups: value(text, &["agcount"])?,
        blocks: value(text, &["dblocks"]).or_else(|| value(data, &["blocks"]))?,
    })
}

pub(crate) fn parse(text: &str, seed: u64) -> Result<FreeState> {
    let Some(sizes) = geometry(text) else {
        return wrong(
            0,
            "the sizes are missing: put the output of `xfs_info MOUNT` before it, or print them with xfs_db -c 'sb 0' -c 'print blocksize \
             agblocks agcount dblocks'",
        );
    };
    let Geometry { block, group_blocks, groups, blocks } = sizes;
    let total = product(0, blocks, block)?;
    let (mut runs, mut classes) = (Vec::new(), Vec::new());
    for (line, content) in lines(text) {
        if let Some([group, start, length]) = numbers(content) {
            let end = start.checked_add(length).filter(|end| *end <= group_blocks && group < groups);
            if end.is_none() || length == 0 {
                return wrong(
                    line,
                    format!("\"{}\" is not inside a group of {group_blocks} blocks", shown(content)),
                );
            }
            let first = product(line, group, group_blocks)? + start;
            runs.push(Run {
                line,
                start: product(line, first, block)?,
                bytes: product(line, length, block)?,
            });
        } else if let Some(class) = class(content, block) {
            classes.push(Class { line, ..class });
        }
    }
    // With -d the histogram stands behind the runs, and says nothing more.
    if runs.is_empty() && !classes.is_empty() {
        return made_up("xfs freesp (a histogram)", total, &classes, seed);
    }
    disk("xfs freesp", total, runs)
}

/// `from to extents blocks pct`, with more columns in later versions.
fn class(content: &str, block: u64) -> Option<Class> {
    let mut words = content.split_whitespace();
    let mut number = || words.next()?.parse::<u64>().ok();
    let [from, to, extents, blocks] = [number()?, number()?, number()?, number()?];
    words.next()?.parse::<f64>().ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(block);
    Some(Class { line: 0, low: bytes(from), high: bytes(to), runs: extents, bytes: bytes(blocks) })
}
