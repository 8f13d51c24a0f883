//! Whole transfers out of system calls that may stop short, be interrupted or fail.
//!
//! Invariant: a transfer is whole or an error; once a flush failed, every later one fails too, since the system may have dropped
//! the pages that it could not write and would call a second try a success. Knows no blocks' meaning and no file.

use crate::{
    aligned::{AlignedBuffer, is_aligned},
    sync,
};
use spinney_core::BLOCK_BYTES;
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

/// Bytes of a bounce buffer, and so of the largest single direct transfer from an unaligned caller: large enough that the
/// copy, not the call, is what it costs; small enough that a handful of threads hold a few megabytes.
const BOUNCE_BYTES: usize = 1 << 20;
/// Calls in a row that bring a transfer no further, before it counts as failed.
const STALLS_MAX: u32 = 100;

/// The system calls under a file device, so that tests can put bad ones in their place.
pub(super) trait Positioned {
    fn read_at(&self, buffer: &mut [u8], start: u64) -> io::Result<usize>;
    fn write_at(&self, data: &[u8], start: u64) -> io::Result<usize>;
    fn sync_data(&self) -> io::Result<()>;
}

impl Positioned for File {
    fn read_at(&self, buffer: &mut [u8], start: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, start)
    }
    fn write_at(&self, data: &[u8], start: u64) -> io::Result<usize> {
        FileExt::write_at(self, data, start)
    }
    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }
}

/// Whole transfers over `P`, through aligned buffers where direct I/O needs them.
pub(super) struct Transfer<P> {
    pub(super) io: P,
    pub(super) direct: bool,
    bounce: Mutex<Vec<AlignedBuffer>>,
    flush_failed: AtomicBool,
}

impl<P: Positioned> Transfer<P> {
    pub(super) fn new(io: P, direct: bool) -> Transfer<P> {
        Transfer { io, direct, bounce: Mutex::default(), flush_failed: AtomicBool::new(false) }
    }

    pub(super) fn read(&self, start: u64, buffer: &mut [u8]) -> io::Result<()> {
        if !self.direct || is_aligned(buffer) {
            return self.read_whole(start, buffer);
        }
        self.with_bounce(|bounce| {
            (start..).step_by(BOUNCE_BYTES).zip(buffer.chunks_mut(BOUNCE_BYTES)).try_for_each(|(at, part)| {
                let bounce = &mut bounce[..part.len()];
                self.read_whole(at, bounce)?;
                part.copy_from_slice(bounce);
                Ok(())
            })
        })
    }

    pub(super) fn write(&self, start: u64, data: &[u8]) -> io::Result<()> {
        if !self.direct || is_aligned(data) {
            return self.write_whole(start, data);
        }
        self.with_bounce(|bounce| {
            (start..).step_by(BOUNCE_BYTES).zip(data.chunks(BOUNCE_BYTES)).try_for_each(|(at, part)| {
                let bounce = &mut bounce[..part.len()];
                bounce.copy_from_slice(part);
                self.write_whole(at, bounce)
            })
        })
    }

    pub(super) fn flush(&self) -> io::Result<()> {
        if self.flush_failed.load(Ordering::Acquire) {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()));
        }
        let flushed = self.io.sync_data();
        self.flush_failed.fetch_or(flushed.is_err(), Ordering::Release);
        flushed
    }

    fn read_whole(&self, start: u64, buffer: &mut [u8]) -> io::Result<()> {
        whole(buffer.len(), io::ErrorKind::UnexpectedEof, |done| {
            self.io.read_at(&mut buffer[done..], start + done as u64)
        })
    }
    fn write_whole(&self, start: u64, data: &[u8]) -> io::Result<()> {
        whole(data.len(), io::ErrorKind::WriteZero, |done| {
            self.io.write_at(&data[done..], start + done as u64)
        })
    }
    fn with_bounce(&self, mut transfer: impl FnMut(&mut [u8]) -> io::Result<()>) -> io::Result<()> {
        let spare = sync::lock(&self.bounce).pop();
        let mut buffer = spare.unwrap_or_else(|| AlignedBuffer::new(BOUNCE_BYTES));
        let result = transfer(buffer.bytes());
        sync::lock(&self.bounce).push(buffer);
        result
    }
}

/// Call `transfer` with what is done so far until `total` bytes are. A call that stops inside a block is made again from the start
/// of that block, since direct I/O takes whole blocks only.
fn whole(
    total: usize,
    end: io::ErrorKind,
    mut transfer: impl FnMut(usize) -> io::Result<usize>,
) -> io::Result<()> {
    let (mut done, mut stalls) = (0, 0);
    while done < total {
        let reached = match transfer(done) {
            Ok(0) => return Err(end.into()),
            Ok(bytes) if done + bytes >= total => total,
            Ok(bytes) => (done + bytes) / BLOCK_BYTES * BLOCK_BYTES,
            Err(error) if error.kind() == io::ErrorKind::Interrupted && stalls < STALLS_MAX => done,
            Err(error) => return Err(error),
        };
        stalls = if reached > done { 0 } else { stalls + 1 };
        if stalls > STALLS_MAX {
            return Err(end.into());
        }
        done = reached;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
