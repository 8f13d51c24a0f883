//! What the kernel is told: attributes of files, and errors of the pool as numbers.
//!
//! Invariant: an inode number is that of a version, so a name that leads to another version is another file, and no table of inodes is kept.

use fuser::{Errno, FileAttr, FileType, INodeNo};
use spinney_core::{BLOCK_BYTES, DevId, Error};
use std::time::SystemTime;

/// Numbers below are the folder's and not any version's.
const FIRST: u64 = 16;

/// The inode of a version.
pub(super) fn inode(dev: DevId) -> INodeNo {
    INodeNo(dev.0.saturating_add(FIRST))
}

/// The version of an inode. Errors: `EISDIR` for the folder.
pub(super) fn version(inode: INodeNo) -> Result<DevId, Errno> {
    inode.0.checked_sub(FIRST).map(DevId).ok_or(Errno::EISDIR)
}

/// Whose the files are, and since when.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) user: u32,
    pub(super) group: u32,
    /// The pool keeps no time of change; this one is when it was mounted.
    pub(super) since: SystemTime,
}

impl Owner {
    pub(super) fn folder(&self) -> FileAttr {
        self.attributes(INodeNo::ROOT, 0, FileType::Directory, 0o500)
    }

    pub(super) fn file(&self, dev: DevId, (bytes, read_only): (u64, bool)) -> FileAttr {
        self.attributes(inode(dev), bytes, FileType::RegularFile, if read_only { 0o400 } else { 0o600 })
    }

    fn attributes(&self, ino: INodeNo, size: u64, kind: FileType, perm: u16) -> FileAttr {
        let Owner { user: uid, group: gid, since } = *self;
        let block = BLOCK_BYTES as u64;
        FileAttr {
            ino,
            size,
            // What it takes is known only by a walk of its maps. One block less than all, so that tools look for holes and none takes it
            // for empty.
            blocks: size.saturating_sub(block).max(size.min(block)) / 512,
            atime: since,
            mtime: since,
            ctime: since,
            crtime: since,
            kind,
            perm,
            nlink: 1,
            uid,
            gid,
            rdev: 0,
            blksize: BLOCK_BYTES as u32,
            flags: 0,
        }
    }
}

/// The number of an error.
pub(super) fn number(error: &Error) -> Errno {
    match error {
        Error::NoSpace { .. } | Error::OverQuota { .. } | Error::NoPages { .. } => Errno::ENOSPC,
        Error::ReadOnly(_) => Errno::EROFS,
        Error::OutOfRange { .. } => Errno::EFBIG,
        Error::NotFound(_) => Errno::ESTALE,
        // What cannot be a name is none.
        Error::NoSuchName | Error::BadSetting(_) => Errno::ENOENT,
        Error::Unsupported(_) => Errno::EOPNOTSUPP,
        _ => Errno::EIO,
    }
}

/// Whether a person should know of it.
pub(super) fn is_grave(error: &Error) -> bool {
    matches!(error, Error::Corrupt { .. } | Error::Io { .. } | Error::Closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_its_inode_and_the_folder_is_none() {
        for dev in [0, 1, 1 << 40] {
            assert_eq!(version(inode(DevId(dev))).ok(), Some(DevId(dev)));
        }
        assert_eq!(version(INodeNo::ROOT).map_err(Errno::code), Err(Errno::EISDIR.code()));
    }

    #[test]
    fn no_file_is_taken_for_empty_or_for_dense() {
        let owner = Owner { user: 0, group: 0, since: SystemTime::UNIX_EPOCH };
        for blocks in [1, 2, 1 << 30] {
            let file = owner.file(DevId(1), (blocks * BLOCK_BYTES as u64, false));
            assert!(file.blocks > 0 && (blocks == 1 || file.blocks < file.size / 512), "{blocks} blocks");
        }
        assert_eq!(owner.folder().blocks, 0);
    }
}
