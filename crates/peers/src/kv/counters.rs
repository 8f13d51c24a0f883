//! What the system counted: bytes that this process sent to storage, and blocks that files take.
//!
//! Invariant: reads only; figures are of this process and its files, so neighbours on the machine do not show in them.

use crate::error::Outcome;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes that this process caused to be sent to storage (`/proc/self/io`, `write_bytes`): direct writes, and pages of the page
/// cache when they become dirty. The file system's own journal is not in it.
pub(crate) fn written_bytes() -> Outcome<u64> {
    let text = std::fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.ok_or("/proc/self/io has no write_bytes")?.trim().parse()?)
}

/// Bytes of storage that the files under `folder` take.
pub(crate) fn taken_bytes(folder: &Path) -> Outcome<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        total += if about.is_dir() { taken_bytes(&entry.path())? } else { about.blocks() * 512 };
    }
    Ok(total)
}
