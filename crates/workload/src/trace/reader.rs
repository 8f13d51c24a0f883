//! Requests of a trace, one at a time, in constant memory.
//!
//! Invariant: at no point were more lines skipped than the error budget allows: one in a thousand of those read so far,
//! and [`BAD_LINES_MAX`] in all. So a bad line among the first thousand is an error at once. Empty lines do not count.

use super::lines::{Line, Lines};
use super::source::{self, Packing, Taken};
use super::zstd::Damage;
use super::{Parsed, Request, msr, plain};
use crate::error::{Result, WorkloadError, escaped};
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// More bad lines than this end the reading however long the trace is.
pub const BAD_LINES_MAX: u64 = 1000;

/// The format of a trace's lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// `time_us,op,offset,length`
    Plain,
    /// MSR Cambridge.
    Msr,
}

impl Format {
    /// As it is shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Plain => "plain CSV",
            Format::Msr => "MSR Cambridge CSV",
        }
    }
}

/// Reads a trace.
pub struct TraceReader {
    path: PathBuf,
    lines: Lines<Box<dyn BufRead + Send>>,
    format: Option<Format>,
    compressed: bool,
    msr_first: Option<u64>,
    bad_lines: u64,
    taken: Taken,
    file_bytes: Option<u64>,
}

impl TraceReader {
    /// Open a file. Errors: it cannot be read, or is packed in a way that is not read here.
    pub fn open(path: &Path) -> Result<TraceReader> {
        let file = File::open(path).map_err(|error| WorkloadError::io(path, "open", error))?;
        let file_bytes = file.metadata().ok().map(|metadata| metadata.len());
        let mut reader = TraceReader::from_reader(path, Box::new(file))?;
        reader.file_bytes = file_bytes;
        Ok(reader)
    }
    /// Read any stream; `path` is how errors call it.
    pub fn from_reader(path: &Path, source: Box<dyn Read + Send>) -> Result<TraceReader> {
        let (bytes, packing, taken) = source::open(source).map_err(|error| stream_error(path, error))?;
        if let Packing::Other(name) = packing {
            let what = format!("{name} is not read here; decompress it first, or pack it with zstd");
            return Err(WorkloadError::UnknownFormat { path: path.to_path_buf(), what });
        }
        Ok(TraceReader {
            path: path.to_path_buf(),
            lines: Lines::new(bytes),
            format: None,
            compressed: packing == Packing::Zstd,
            msr_first: None,
            bad_lines: 0,
            taken,
            file_bytes: None,
        })
    }
    /// The next request, `None` at the end. Errors: the stream fails or is damaged, or too many lines are bad.
    pub fn next_request(&mut self) -> Result<Option<Request>> {
        loop {
            let parsed = match self.lines.next().map_err(|error| stream_error(&self.path, error))? {
                None => return Ok(None),
                Some(Line::Text("")) => continue,
                Some(Line::Bad(what)) => Err(what.to_string()),
                Some(Line::Text(text)) => {
                    let Some(format) = self.format.or_else(|| recognized(text)) else {
                        return Err(unknown(&self.path, text));
                    };
                    let first = self.format.replace(format).is_none();
                    if first && (plain::is_heading(text) || msr::is_heading(text)) {
                        continue;
                    }
                    parse(format, text, &mut self.msr_first)
                }
            };
            match parsed {
                Ok(request) => return Ok(Some(request)),
                Err(what) => self.spend(what)?,
            }
        }
    }
    /// Count a bad line against the budget.
    fn spend(&mut self, what: String) -> Result<()> {
        self.bad_lines += 1;
        if self.bad_lines <= (self.lines.number() / 1000).min(BAD_LINES_MAX) {
            return Ok(());
        }
        let (path, line) = (self.path.clone(), self.lines.number());
        Err(WorkloadError::BadLine { path, line, what, bad_lines: self.bad_lines })
    }
    /// Number of the line that the last request came from, counted from 1.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.lines.number()
    }
    /// Lines that were skipped.
    #[must_use]
    pub fn bad_lines(&self) -> u64 {
        self.bad_lines
    }
    /// What the first line showed; `None` before it was read.
    #[must_use]
    pub fn format(&self) -> Option<Format> {
        self.format
    }
    /// Whether it is zstd-compressed.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.compressed
    }
    /// As errors call it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// How much of the file was taken, 0 to 1; 0 if its length is not known.
    #[must_use]
    pub fn progress(&self) -> f64 {
        match self.file_bytes {
            Some(all) if all > 0 => (self.taken.load(Ordering::Relaxed) as f64 / all as f64).min(1.0),
            _ => 0.0,
        }
    }
}

fn recognized(line: &str) -> Option<Format> {
    if plain::looks_like(line) {
        Some(Format::Plain)
    } else if msr::looks_like(line) {
        Some(Format::Msr)
    } else {
        None
    }
}

fn parse(format: Format, text: &str, msr_first: &mut Option<u64>) -> Parsed {
    match format {
        Format::Plain => plain::parse(text),
        Format::Msr => msr::parse(text, msr_first),
    }
}

fn unknown(path: &Path, line: &str) -> WorkloadError {
    let what = format!(
        "neither a plain trace (\"{}\") nor an MSR one (7 fields) begins with \"{}\"; convert it to one of the two",
        plain::HEADING,
        escaped(line)
    );
    WorkloadError::UnknownFormat { path: path.to_path_buf(), what }
}

/// Damage of the compressed stream travels inside an I/O error through the buffers; here it comes out again.
fn stream_error(path: &Path, error: io::Error) -> WorkloadError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Damage>()) {
        Some(damage) => WorkloadError::Compression { path: path.to_path_buf(), what: damage.0.clone() },
        None => WorkloadError::io(path, "read", error),
    }
}
