//! Where a trace's bytes come from: a file or any reader, decompressed if it is zstd.
//!
//! Invariant: the count of bytes taken is of the file as it lies there, so that it can be compared with the file's
//! length. Knows no lines.

use super::zstd::ZstdReader;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes taken so far, shared with whoever shows progress.
pub(crate) type Taken = Arc<AtomicU64>;

/// Counts what passes.
pub(crate) struct Counted<R> {
    source: R,
    taken: Taken,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.source.read(buffer)?;
        self.taken.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

/// What the first bytes say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Packing {
    Plain,
    Zstd,
    /// Known, but not read here: its name.
    Other(&'static str),
}

pub(crate) fn packing(first: &[u8]) -> Packing {
    match first {
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Packing::Zstd,
        [0x1f, 0x8b, ..] => Packing::Other("gzip"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Packing::Other("xz"),
        [b'B', b'Z', b'h', ..] => Packing::Other("bzip2"),
        [b'P', b'K', 3, 4, ..] => Packing::Other("zip"),
        _ => Packing::Plain,
    }
}

/// The decompressed bytes, the packing, and the count.
pub(crate) fn open(source: Box<dyn Read + Send>) -> io::Result<(Box<dyn BufRead + Send>, Packing, Taken)> {
    let taken = Taken::default();
    let mut buffered = BufReader::with_capacity(64 << 10, Counted { source, taken: Arc::clone(&taken) });
    let packing = packing(buffered.fill_buf()?);
    let bytes: Box<dyn BufRead + Send> = match packing {
        Packing::Zstd => Box::new(BufReader::with_capacity(64 << 10, ZstdReader::new(buffered))),
        Packing::Plain | Packing::Other(_) => Box::new(buffered),
    };
    Ok((bytes, packing, taken))
}
