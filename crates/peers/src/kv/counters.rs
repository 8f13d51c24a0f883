//! What the system counted: bytes sent to storage, by this process and by everybody, and blocks that files take.
//!
//! Invariant: reads only. The process's own figure does not show its neighbours; the disk's does, but knows the journal too.

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

/// Bytes written to the disk that `folder` lies on, by anybody (`stat` of the block device, sectors of 512 bytes). 0 where there is no such disk.
pub(crate) fn disk_written_bytes(folder: &Path) -> Outcome<u64> {
    let device = std::fs::metadata(folder)?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let Ok(text) = std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")) else {
        return Ok(0);
    };
    let sectors = text.split_whitespace().nth(6).ok_or("the disk's stat has no seventh field")?;
    Ok(sectors.parse::<u64>()? * 512)
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
