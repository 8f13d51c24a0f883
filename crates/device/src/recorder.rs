//! Tells a sink of each request, in the order of issue: the making of a trace.
//!
//! Invariant: one row a request, told before the device below sees it, so that the last row of a trace may be a request that failed.
//! Time comes from outside (a virtual clock, or a real one that only the caller may read).

use crate::sync;
use spinney_core::{BLOCK_BYTES, BlockDevice, Extent, Healed, Pba, Result};
use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, Mutex},
};

/// What a request is; its letter in a trace is `R`, `W`, `F` or `D`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestKind {
    /// Read.
    Read,
    /// Write.
    Write,
    /// Flush; its row has offset and length 0.
    Flush,
    /// Discard.
    Discard,
}

impl RequestKind {
    /// Its letter in a trace.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            RequestKind::Read => 'R',
            RequestKind::Write => 'W',
            RequestKind::Flush => 'F',
            RequestKind::Discard => 'D',
        }
    }
}

/// One row of a trace. Displays as CSV: `time_us,op,offset,length`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestRecord {
    /// Microseconds by the clock given.
    pub time_us: u64,
    /// What.
    pub kind: RequestKind,
    /// First byte.
    pub offset_bytes: u64,
    /// Bytes.
    pub length_bytes: u64,
}

impl fmt::Display for RequestRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{},{}", self.time_us, self.kind.letter(), self.offset_bytes, self.length_bytes)
    }
}

/// A device that tells what it is asked: `clock` gives microseconds, `sink` takes each row.
pub struct RecorderDevice<D, C, S> {
    below: D,
    clock: C,
    sink: Mutex<S>,
}

impl<D, C, S> RecorderDevice<D, C, S>
where
    D: BlockDevice,
    C: Fn() -> u64 + Send + Sync,
    S: FnMut(RequestRecord) + Send,
{
    /// Record what reaches `below`.
    pub fn new(below: D, clock: C, sink: S) -> RecorderDevice<D, C, S> {
        RecorderDevice { below, clock, sink: Mutex::new(sink) }
    }
    /// The device below.
    pub fn below(&self) -> &D {
        &self.below
    }
    fn tell(&self, kind: RequestKind, at: Pba, length_bytes: u64) {
        let mut sink = sync::lock(&self.sink);
        let offset_bytes = at.0.saturating_mul(BLOCK_BYTES as u64);
        sink(RequestRecord { time_us: (self.clock)(), kind, offset_bytes, length_bytes });
    }
}

impl<D, C, S> BlockDevice for RecorderDevice<D, C, S>
where
    D: BlockDevice,
    C: Fn() -> u64 + Send + Sync,
    S: FnMut(RequestRecord) + Send,
{
    fn blocks(&self) -> u64 {
        self.below.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.tell(RequestKind::Read, at, buffer.len() as u64);
        self.below.read(at, buffer)
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        self.tell(RequestKind::Write, at, data.len() as u64);
        self.below.write(at, data)
    }
    fn flush(&self) -> Result<()> {
        self.tell(RequestKind::Flush, Pba(0), 0);
        self.below.flush()
    }
    fn discard(&self, run: Extent) -> Result<()> {
        self.tell(RequestKind::Discard, run.start, run.blocks.saturating_mul(BLOCK_BYTES as u64));
        self.below.discard(run)
    }
    fn read_many(&self, reads: &mut [(Pba, &mut [u8])]) -> Result<()> {
        reads.iter().for_each(|(at, buffer)| self.tell(RequestKind::Read, *at, buffer.len() as u64));
        self.below.read_many(reads)
    }
    fn write_many(&self, writes: &[(Pba, &[u8])]) -> Result<()> {
        writes.iter().for_each(|(at, data)| self.tell(RequestKind::Write, *at, data.len() as u64));
        self.below.write_many(writes)
    }
    fn copies(&self) -> usize {
        self.below.copies()
    }
    fn read_copy(&self, copy: usize, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.tell(RequestKind::Read, at, buffer.len() as u64);
        self.below.read_copy(copy, at, buffer)
    }
    fn heal(&self, at: Pba, buffer: &mut [u8], is_sound: &mut dyn FnMut(&[u8]) -> bool) -> Result<Healed> {
        self.tell(RequestKind::Read, at, buffer.len() as u64);
        self.below.heal(at, buffer, is_sound)
    }
}

/// A sink that writes CSV with its header line. The handle stays with the caller; [`CsvSink::sink`] goes to the recorder.
pub struct CsvSink<W>(Arc<Mutex<CsvState<W>>>);

struct CsvState<W> {
    writer: W,
    error: Option<io::Error>,
}

impl<W: Write + Send> CsvSink<W> {
    /// Write the header to `writer`.
    ///
    /// # Errors
    /// The writer's.
    pub fn new(mut writer: W) -> io::Result<CsvSink<W>> {
        writeln!(writer, "time_us,op,offset,length")?;
        Ok(CsvSink(Arc::new(Mutex::new(CsvState { writer, error: None }))))
    }
    /// The closure for [`RecorderDevice::new`].
    pub fn sink(&self) -> impl FnMut(RequestRecord) + Send + use<W> {
        let state = Arc::clone(&self.0);
        move |record| {
            let mut state = sync::lock(&state);
            if state.error.is_none() {
                state.error = writeln!(state.writer, "{record}").err();
            }
        }
    }
    /// Flush the writer.
    ///
    /// # Errors
    /// The first that any row met; rows after it were not written.
    pub fn finish(&self) -> io::Result<()> {
        let mut state = sync::lock(&self.0);
        state.error.take().map_or(Ok(()), Err)?;
        state.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryDevice, tests::block};
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A writer that the test can look into.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            sync::lock(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_request_is_a_row_in_order_of_issue() {
        let (writer, ticks) = (Shared::default(), AtomicU64::new(0));
        let csv = CsvSink::new(writer.clone()).unwrap();
        let clock = || ticks.fetch_add(10, Ordering::Relaxed);
        let device = RecorderDevice::new(MemoryDevice::new(16), clock, csv.sink());
        device.write(Pba(2), &block(0)).unwrap();
        device.write_many(&[(Pba(1), &block(0)), (Pba(4), &block(0).repeat(2))]).unwrap();
        device.flush().unwrap();
        device.read(Pba(15), &mut block(0)).unwrap();
        device.discard(Extent::new(Pba(3), 2)).unwrap();
        device.read(Pba(16), &mut block(0)).unwrap_err();
        csv.finish().unwrap();
        let wanted = "time_us,op,offset,length\n0,W,8192,4096\n10,W,4096,4096\n20,W,16384,8192\n30,F,0,0\n\
                      40,R,61440,4096\n50,D,12288,8192\n60,R,65536,4096\n";
        assert_eq!(String::from_utf8(sync::lock(&writer.0).clone()).unwrap(), wanted);
    }

    #[test]
    fn a_failing_writer_is_told_at_the_end_and_disturbs_no_request() {
        struct Full(u32);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 += 1;
                if self.0 > 1 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(bytes.len()) }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let csv = CsvSink::new(Full(0)).unwrap();
        let device = RecorderDevice::new(MemoryDevice::new(16), || 0, csv.sink());
        device.flush().unwrap();
        device.flush().unwrap();
        assert_eq!(csv.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn changes_nothing_that_passes() {
        crate::tests::conforms(&RecorderDevice::new(MemoryDevice::new(64), || 0, drop), 1, 300);
    }
}
