//! A file or a raw disk as a device: positioned I/O, past the page cache where the file system allows it.
//!
//! Invariant: one opener at a time (exclusive lock), and a flush returns only after the system says that the data is on the medium.
//! Once a flush failed, this opener's later ones fail too. Falls back silently from direct to cached I/O and from the ring to positioned I/O; [`FileDevice::engine`] tells which it is.

mod transfer;

use crate::{HoldingDevice, aligned::AlignedBuffer, bounds};
use rustix::fs::{Advice, FallocateFlags, OFlags};
use spinney_core::{BLOCK_BYTES, BlockDevice, Error, Extent, Pba, Result};
use std::{
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Seek, SeekFrom},
    os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};
use transfer::Transfer;

/// How a [`FileDevice`] reaches its file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Engine {
    /// Past the page cache (`O_DIRECT`).
    pub direct: bool,
    /// Batches go through io_uring.
    pub ring: bool,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cache = if self.direct { "direct" } else { "cached" };
        let calls = if self.ring { "io_uring" } else { "positioned" };
        write!(f, "{cache} {calls}")
    }
}

/// A file or raw disk. The lock is given back when it is dropped.
pub struct FileDevice {
    file: Transfer<File>,
    blocks: u64,
    /// Cleared by the first refusal: then a discard is a hint that nobody takes.
    can_punch: AtomicBool,
    #[cfg(feature = "io-uring")]
    ring: Option<crate::ring::Ring>,
}

impl FileDevice {
    /// A new sparse file of `blocks` blocks of zeros; it must not exist. Errors: `Io`, `OutOfRange`.
    pub fn create(path: &Path, blocks: u64) -> Result<FileDevice> {
        let limit = i64::MAX as u64 / BLOCK_BYTES as u64;
        bounds::run(limit, Extent { start: Pba(0), blocks })?;
        let made = || -> io::Result<()> {
            let file = OpenOptions::new().write(true).create_new(true).open(path)?;
            file.set_len(blocks * BLOCK_BYTES as u64)?;
            file.sync_all()?;
            // A file whose name is not durable is lost with all that was flushed to it.
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
        };
        made().map_err(|error| failed("create", Pba(0), &error))?;
        FileDevice::open(path)
    }
    /// An existing file or raw disk. Errors: `Io` (also when somebody else has it open: `lock`, or a disk: `open` with EBUSY), `BadSetting` if its length is
    /// not a whole number of blocks.
    pub fn open(path: &Path) -> Result<FileDevice> {
        let (file, direct) = open_either(path).map_err(|error| failed("open", Pba(0), &error))?;
        FileDevice::over(file, direct)
    }
    fn over(mut file: File, direct: bool) -> Result<FileDevice> {
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                failed("lock", Pba(0), &io::Error::from_raw_os_error(rustix::io::Errno::AGAIN.raw_os_error()))
            }
            TryLockError::Error(error) => failed("lock", Pba(0), &error),
        })?;
        // Seeking tells a raw disk's size too, which metadata does not.
        let bytes = file.seek(SeekFrom::End(0)).map_err(|error| failed("open", Pba(0), &error))?;
        if !bytes.is_multiple_of(BLOCK_BYTES as u64) {
            return Err(Error::BadSetting("the file's length is not a whole number of blocks"));
        }
        if !direct {
            // After a flush that failed the cache may show what the medium does not have. A hint: some systems take none.
            let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
        }
        Ok(FileDevice {
            file: Transfer::new(file, direct),
            blocks: bytes / BLOCK_BYTES as u64,
            can_punch: AtomicBool::new(true),
            #[cfg(feature = "io-uring")]
            ring: crate::ring::Ring::probe(),
        })
    }
    /// As [`FileDevice::open`], but what is not flushed stays in this process's memory and is lost with it, so that killing the
    /// process is a power cut (SIGKILL alone would keep the page cache). For tests.
    pub fn open_holding(path: &Path) -> Result<HoldingDevice<FileDevice>> {
        FileDevice::open(path).map(HoldingDevice::new)
    }
    /// What the probes found.
    #[must_use]
    pub fn engine(&self) -> Engine {
        #[cfg(feature = "io-uring")]
        let ring = self.ring.is_some();
        #[cfg(not(feature = "io-uring"))]
        let ring = false;
        Engine { direct: self.file.direct, ring }
    }
}

impl fmt::Debug for FileDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileDevice({} blocks, {})", self.blocks, self.engine())
    }
}

/// A raw disk is taken for this opener alone, so that nothing that is mounted or part of another device is written over. Open for direct I/O if a first read shows that it works (opening alone may succeed where reading does not), else cached.
fn open_either(path: &Path) -> io::Result<(File, bool)> {
    let is_disk = std::fs::metadata(path)?.file_type().is_block_device();
    let alone = if is_disk { OFlags::EXCL } else { OFlags::empty() };
    let open = |more: OFlags| {
        let flags = (alone | more).bits().cast_signed();
        OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
    };
    // One after the other: a disk that is open alone cannot be opened again.
    match open(OFlags::DIRECT) {
        Ok(file) if file.read_at(AlignedBuffer::new(BLOCK_BYTES).bytes(), 0).is_ok() => Ok((file, true)),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error()) => Err(error),
        _ => Ok((open(OFlags::empty())?, false)),
    }
}

fn failed(operation: &'static str, at: Pba, error: &io::Error) -> Error {
    Error::Io { operation, at, code: error.raw_os_error().unwrap_or(0) }
}

fn byte(at: Pba) -> u64 {
    at.0 * BLOCK_BYTES as u64
}

impl BlockDevice for FileDevice {
    fn blocks(&self) -> u64 {
        self.blocks
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        bounds::request(self.blocks, at, buffer.len())?;
        self.file.read(byte(at), buffer).map_err(|error| failed("read", at, &error))
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        bounds::request(self.blocks, at, data.len())?;
        self.file.write(byte(at), data).map_err(|error| failed("write", at, &error))
    }
    fn flush(&self) -> Result<()> {
        self.file.flush().map_err(|error| failed("flush", Pba(0), &error))
    }
    fn discard(&self, run: Extent) -> Result<()> {
        bounds::run(self.blocks, run)?;
        if run.blocks == 0 || !self.can_punch.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (start, length) = bounds::bytes(run);
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&self.file.io, flags, start, length) {
            Ok(()) => Ok(()),
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS | rustix::io::Errno::NODEV) => {
                self.can_punch.store(false, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(failed("discard", run.start, &error.into())),
        }
    }
    #[cfg(feature = "io-uring")]
    fn read_many(&self, reads: &mut [(Pba, &mut [u8])]) -> Result<()> {
        reads
            .iter()
            .try_for_each(|(at, buffer)| bounds::request(self.blocks, *at, buffer.len()).map(drop))?;
        let Some(ring) = &self.ring else {
            return reads.iter_mut().try_for_each(|(at, buffer)| self.read(*at, buffer));
        };
        let left = ring.read(&self.file.io, reads, self.file.direct);
        left.into_iter().try_for_each(|index| {
            let (at, buffer) = &mut reads[index];
            self.read(*at, buffer)
        })
    }
    #[cfg(feature = "io-uring")]
    fn write_many(&self, writes: &[(Pba, &[u8])]) -> Result<()> {
        writes.iter().try_for_each(|(at, data)| bounds::request(self.blocks, *at, data.len()).map(drop))?;
        let Some(ring) = &self.ring else {
            return writes.iter().try_for_each(|(at, data)| self.write(*at, data));
        };
        let left = ring.write(&self.file.io, writes, self.file.direct);
        left.into_iter().try_for_each(|index| self.write(writes[index].0, writes[index].1))
    }
}

#[cfg(test)]
mod tests;
