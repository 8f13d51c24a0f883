//! Asking the server that has a pool open.
//!
//! Invariant: what a server answers is printed as it came, and its exit code is this command's.

use super::{OUT_BYTES_MAX, VERSION, socket};
use crate::exit::{Failure, say_to};
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// What a command did at the server.
pub(crate) struct Answer {
    pub(crate) out: String,
    code: u8,
    error: Option<String>,
}

impl Answer {
    /// As if the command had run here.
    pub(crate) fn print(self) -> Result<(), Failure> {
        say_to(&mut io::stdout(), self.out)?;
        match self.error {
            None if self.code == 0 => Ok(()),
            error => Err(Failure::Told { code: self.code, words: error.unwrap_or_default() }),
        }
    }
}

/// Let the server of the pool in this file carry out a command; `None` if there is no server. Errors: `Other` if it does not speak the protocol, or went.
pub(crate) fn ask(path: &Path, words: &[String]) -> Result<Option<Answer>, Failure> {
    let Ok(stream) = socket(path).and_then(UnixStream::connect) else { return Ok(None) };
    let failed = |error: io::Error| Failure::Other(format!("the server of {}: {error}", path.display()));
    converse(stream, words).map(Some).map_err(failed)
}

fn converse(mut stream: UnixStream, words: &[String]) -> io::Result<Answer> {
    stream.set_write_timeout(Some(Duration::from_secs(10)))?;
    writeln!(stream, "{}", json!({ "version": VERSION, "arguments": words }))?;
    // Six bytes for one is the worst that JSON makes of a character.
    let mut lines = BufReader::new(stream.take(6 * OUT_BYTES_MAX as u64 + 4096));
    let mut answer = Answer { out: String::new(), code: 0, error: None };
    loop {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let strange = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        if line.is_empty() {
            return Err(strange("ended before it had answered"));
        }
        let value: Value = serde_json::from_str(&line)?;
        if value["version"] != VERSION {
            return Err(strange(
                "speaks another version of the protocol; use the spinney that serves the pool",
            ));
        }
        if let Some(out) = value["out"].as_str() {
            answer.out.push_str(out);
        }
        if let Some(code) = value["code"].as_u64() {
            answer.code = u8::try_from(code).map_err(|_| strange("answered with no exit code"))?;
            answer.error = value["error"].as_str().map(str::to_owned);
            return Ok(answer);
        }
    }
}
