//! BTRFS's extent tree, as `btrfs inspect-internal dump-tree -t 2` prints it: what is used, so that the rest of each block group is free.
//!
//! Invariant: the groups are laid end to end, as those of the free-space tree are. A group says how much of it is used, and its extents
//! must add up to that. Knows nothing of the superblock's copies, which BTRFS keeps out of its free space: they count as free here.

use crate::btrfs::key;
use crate::text::{lines, number};
use crate::{FreeState, Result, Run, disk, wrong};

struct Group {
    line: u64,
    start: u64,
    bytes: u64,
    used: u64,
}

/// An extent in use; a node of a tree says no length.
struct Used {
    line: u64,
    start: u64,
    bytes: Option<u64>,
}

pub(crate) fn parse(text: &str) -> Result<FreeState> {
    let (mut groups, mut used) = read(text)?;
    groups.sort_by_key(|group| group.start);
    used.sort_by_key(|extent| extent.start);
    let (mut begin, mut rest, mut runs) = (0u64, used.as_slice(), Vec::new());
    for group in &groups {
        let Some(end) = group.start.checked_add(group.bytes) else {
            return wrong(group.line, "this block group ends beyond 2^64");
        };
        let (inside, later) = rest.split_at(rest.partition_point(|extent| extent.start < end));
        rest = later;
        free_between(group, end, inside, begin, &mut runs)?;
        begin = begin.saturating_add(group.bytes);
    }
    match rest.first() {
        Some(extent) => wrong(extent.line, "this extent is in no block group"),
        None => disk("btrfs extent tree", begin, runs),
    }
}

fn read(text: &str) -> Result<(Vec<Group>, Vec<Used>)> {
    let (mut groups, mut used) = (Vec::<Group>::new(), Vec::new());
    for (line, content) in lines(text) {
        if let (Some(rest), Some(group)) =
            (content.trim_start().strip_prefix("block group used "), groups.last_mut())
        {
            group.used = number(line, rest.split_whitespace().next().unwrap_or(""))?;
        }
        let Some([start, kind, size]) = key(content) else { continue };
        match kind {
            "BLOCK_GROUP_ITEM" => {
                groups.push(Group { line, start: number(line, start)?, bytes: number(line, size)?, used: 0 });
            }
            "EXTENT_ITEM" => {
                used.push(Used { line, start: number(line, start)?, bytes: Some(number(line, size)?) });
            }
            "METADATA_ITEM" => used.push(Used { line, start: number(line, start)?, bytes: None }),
            _ => {}
        }
    }
    Ok((groups, used))
}

/// What lies between the extents of a group, which begins here at `begin`.
fn free_between(group: &Group, end: u64, inside: &[Used], begin: u64, runs: &mut Vec<Run>) -> Result<()> {
    let node = node_bytes(group, inside)?;
    let mut at = group.start;
    let mut free = |line, from: u64, to: u64| {
        if from < to {
            runs.push(Run { line, start: begin.saturating_add(from - group.start), bytes: to - from });
        }
    };
    for extent in inside {
        let extent_end =
            extent.start.checked_add(extent.bytes.unwrap_or(node)).filter(|end_here| *end_here <= end);
        let (true, Some(extent_end)) = (extent.start >= at, extent_end) else {
            return wrong(extent.line, "this extent lies over another one, or over a block group's border");
        };
        free(extent.line, at, extent.start);
        at = extent_end;
    }
    free(group.line, at, end);
    Ok(())
}

/// Bytes of a node: what the group uses beside its data, in equal parts.
fn node_bytes(group: &Group, inside: &[Used]) -> Result<u64> {
    let data = inside.iter().try_fold(0u64, |sum, extent| sum.checked_add(extent.bytes.unwrap_or(0)));
    let nodes = inside.iter().filter(|extent| extent.bytes.is_none()).count() as u64;
    match data.and_then(|data| group.used.checked_sub(data)) {
        Some(0) if nodes == 0 => Ok(0),
        Some(rest) if nodes > 0 && rest.is_multiple_of(nodes) && (rest / nodes).is_power_of_two() => {
            Ok(rest / nodes)
        }
        _ => wrong(
            group.line,
            "the extents of this block group are not what it says that it uses: is the text whole?",
        ),
    }
}
