//! What the kernel asks of the folder and its files.
//!
//! Invariant: every question is answered once, from the pool as it is now; nothing is kept from one to the next but who has which version
//! open. Sizes are fixed: what would change one is refused.

use super::answer::{Owner, inode, is_grave, number, version};
use super::{Log, bytes};
use crate::{Kind, Store, What};
use fuser::{
    Errno, FileHandle, FileType, FopenFlags, Generation, INodeNo, InitFlags, KernelConfig, LockOwner,
    OpenAccMode, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyLseek,
    ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use rustix::fs::OFlags;
use spinney_core::{BLOCK_BYTES, DevId, Error};
use spinney_volume::NAME_BYTES_MAX;
use std::ffi::OsStr;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Names and sizes may change by the pool's own commands, so the kernel asks each time.
const NO_TIME: Duration = Duration::ZERO;
/// The largest write that the kernel sends: a piece of the pool. Larger ones would only be cut.
const WRITE_BYTES_MAX: u32 = 1 << 20;
/// Requests that the kernel has under way at once: what a loop device asks for at most, and some readers beside it.
const IN_FLIGHT_MAX: u16 = 128;

/// The folder.
pub(super) struct Files {
    store: Arc<Store>,
    owner: Owner,
    log: Log,
}

impl Files {
    pub(super) fn new(store: Arc<Store>, log: Log) -> Files {
        let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        Files { store, owner: Owner { user, group, since: SystemTime::now() }, log }
    }

    /// The number of an error, and a line for whom it concerns.
    fn failed(&self, what: &str, inode: INodeNo, error: &Error) -> Errno {
        if is_grave(error) {
            (self.log)(&format!("{what} of file {}: {error}", inode.0));
        }
        number(error)
    }

    fn size(&self, inode: INodeNo) -> Result<(DevId, (u64, bool)), Errno> {
        let dev = version(inode)?;
        Ok((dev, self.store.size(dev).map_err(|error| self.failed("a look", inode, &error))?))
    }

    fn list(&self, after: u64, reply: &mut ReplyDirectory) -> Result<(), Error> {
        // A place in the list is an inode, so that what appears or goes meanwhile moves nothing else.
        let mut entries =
            vec![(1, FileType::Directory, ".".to_owned()), (2, FileType::Directory, "..".to_owned())];
        let files = self.store.exports()?.into_iter();
        entries.extend(files.map(|file| (inode(file.dev).0, FileType::RegularFile, file.name.to_string())));
        entries.sort_unstable_by_key(|(place, ..)| *place);
        for (place, kind, name) in entries {
            let number = if kind == FileType::Directory { INodeNo::ROOT } else { INodeNo(place) };
            if place > after && reply.add(number, place, kind, name) {
                break;
            }
        }
        Ok(())
    }
}

impl fuser::Filesystem for Files {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Older kernels have less; each of these only makes things faster.
        for wish in
            [InitFlags::FUSE_ASYNC_DIO, InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP, InitFlags::FUSE_PARALLEL_DIROPS]
        {
            let _ = config.add_capabilities(wish);
        }
        let _ = config.set_max_write(WRITE_BYTES_MAX);
        let _ = config.set_max_background(IN_FLIGHT_MAX);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = match name.to_str().filter(|name| parent == INodeNo::ROOT && !name.is_empty()) {
            Some(name) => self.store.export(name),
            None => Err(Error::NoSuchName),
        };
        match found {
            Ok(file) => {
                let attributes = self.owner.file(file.dev, (file.bytes, file.read_only));
                reply.entry(&NO_TIME, &attributes, Generation(0));
            }
            Err(error) => reply.error(self.failed("a look", parent, &error)),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        if inode == INodeNo::ROOT {
            return reply.attr(&NO_TIME, &self.owner.folder());
        }
        match self.size(inode) {
            Ok((dev, size)) => reply.attr(&NO_TIME, &self.owner.file(dev, size)),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        mode: Option<u32>,
        user: Option<u32>,
        group: Option<u32>,
        bytes: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        // Only a size that it has already can be set.
        match self.size(inode) {
            Ok((dev, size)) if bytes == Some(size.0) && [mode, user, group] == [None; 3] => {
                reply.attr(&NO_TIME, &self.owner.file(dev, size));
            }
            Ok(_) => reply.error(Errno::EPERM),
            Err(error) => reply.error(error),
        }
    }

    fn open(&self, _: &Request, inode: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let opened = self.size(inode).and_then(|(dev, (_, read_only))| {
            if read_only && flags.acc_mode() != OpenAccMode::O_RDONLY {
                return Err(Errno::EROFS);
            }
            self.store.enter(dev).map_err(|error| self.failed("an opening", inode, &error))
        });
        let direct = FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_PARALLEL_DIRECT_WRITES;
        match opened {
            // Closing makes nothing durable; that is fsync's.
            Ok(()) => reply.opened(FileHandle(0), direct | FopenFlags::FOPEN_NOFLUSH),
            Err(error) => reply.error(error),
        }
    }

    fn release(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        if let Ok(dev) = version(inode) {
            self.store.leave(dev);
        }
        reply.ok();
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = version(inode).and_then(|dev| {
            bytes::read(&self.store, dev, offset, size).map_err(|error| self.failed("a read", inode, &error))
        });
        match read {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        // The kernel sends no fsync after a write to a file opened for durable writes.
        let durable =
            OFlags::from_bits_retain(flags.0.cast_unsigned()).intersects(OFlags::DSYNC | OFlags::SYNC);
        let written = version(inode).and_then(|dev| {
            bytes::write(&self.store, dev, offset, data, durable)
                .map_err(|error| self.failed("a write", inode, &error))
        });
        match written {
            Ok(bytes) => reply.written(bytes),
            Err(error) => reply.error(error),
        }
    }

    fn fsync(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        match self.store.request(Kind::Flush, 0, |pool| pool.flush()) {
            Ok(()) => {
                if let Ok(dev) = version(inode) {
                    self.store.seen(dev, What::Flush, 0, 0);
                }
                reply.ok();
            }
            Err(error) => reply.error(self.failed("a flush", inode, &error)),
        }
    }

    fn fsyncdir(&self, request: &Request, inode: INodeNo, handle: FileHandle, data: bool, reply: ReplyEmpty) {
        self.fsync(request, inode, handle, data, reply);
    }

    fn fallocate(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let zeroed = version(inode).and_then(|dev| {
            bytes::zero(&self.store, dev, offset, length, mode)
                .map_err(|error| self.failed("zeroes", inode, &error))
        });
        match zeroed {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn lseek(&self, _: &Request, inode: INodeNo, _: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        const SEEK_DATA: i32 = 3;
        const SEEK_HOLE: i32 = 4;
        let found = version(inode).and_then(|dev| {
            let (Ok(offset), SEEK_DATA | SEEK_HOLE) = (u64::try_from(offset), whence) else {
                return Err(Errno::EINVAL);
            };
            self.store
                .seek(dev, offset, whence == SEEK_HOLE)
                .map_err(|error| self.failed("a look", inode, &error))
        });
        match found {
            Ok(Some(at)) => reply.offset(at.cast_signed()),
            Ok(None) => reply.error(Errno::ENXIO),
            Err(error) => reply.error(error),
        }
    }

    fn readdir(&self, _: &Request, inode: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        if inode != INodeNo::ROOT {
            return reply.error(Errno::ENOTDIR);
        }
        match self.list(offset, &mut reply) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(self.failed("a list", inode, &error)),
        }
    }

    fn statfs(&self, _: &Request, inode: INodeNo, reply: ReplyStatfs) {
        let space = self.store.with(|pool| Ok((pool.space(), pool.names()?.len() as u64)));
        match space {
            Ok((space, files)) => {
                let (free, name) = (space.free_blocks, 2 * NAME_BYTES_MAX as u32 + 1);
                reply.statfs(
                    space.total_blocks,
                    free,
                    free,
                    files,
                    0,
                    BLOCK_BYTES as u32,
                    name,
                    BLOCK_BYTES as u32,
                );
            }
            Err(error) => reply.error(self.failed("a look", inode, &error)),
        }
    }
}
