//! Write a plain trace, compressed if its name ends in `.zst`; convert any trace into one.
//!
//! Invariant: an existing file is never replaced unless the caller says so. Compressed output is a row of frames of about
//! a mebibyte of lines each, so memory does not grow with the trace.

use super::info::Gatherer;
use super::{Request, TraceInfo, TraceReader, plain};
use crate::error::{Result, WorkloadError};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Lines are gathered up to this many bytes: larger frames compress a little better, and hold more memory.
const FRAME_BYTES: usize = 1 << 20;

/// Writes a plain trace.
pub struct TraceWriter {
    path: PathBuf,
    file: File,
    compress: bool,
    held: Vec<u8>,
}

impl TraceWriter {
    /// Create a file. Errors: it exists and `replace` is false, or cannot be created.
    pub fn create(path: &Path, replace: bool) -> Result<TraceWriter> {
        let mut options = OpenOptions::new();
        options.write(true).truncate(replace).create(replace).create_new(!replace);
        let file = options.open(path).map_err(|error| WorkloadError::io(path, "create", error))?;
        let compress = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zst"));
        let held = format!("{}\n", plain::HEADING).into_bytes();
        Ok(TraceWriter { path: path.to_path_buf(), file, compress, held })
    }
    /// Append a request.
    pub fn write(&mut self, request: &Request) -> Result<()> {
        self.held.extend_from_slice(plain::line(request).as_bytes());
        if self.held.len() >= FRAME_BYTES { self.spill() } else { Ok(()) }
    }
    /// Write what is held; without it the end of the trace is missing.
    pub fn finish(mut self) -> Result<()> {
        self.spill()
    }
    fn spill(&mut self) -> Result<()> {
        let written = if self.compress {
            self.file.write_all(&compress_to_vec(self.held.as_slice(), CompressionLevel::Fastest))
        } else {
            self.file.write_all(&self.held)
        };
        self.held.clear();
        written.map_err(|error| WorkloadError::io(&self.path, "write", error))
    }
}

/// Read a trace of any format and write it as a plain one, times counted from the first request. What was converted is the
/// answer. Errors: the reader's, and the writer's; then the output is not complete.
pub fn convert(reader: &mut TraceReader, to: &Path, replace: bool) -> Result<TraceInfo> {
    let mut writer = TraceWriter::create(to, replace)?;
    let mut gatherer = Gatherer::default();
    let mut first = None;
    while let Some(mut request) = reader.next_request()? {
        request.time_us = request.time_us.saturating_sub(*first.get_or_insert(request.time_us));
        gatherer.add(&request);
        writer.write(&request)?;
    }
    writer.finish()?;
    Ok(gatherer.finish(reader))
}
