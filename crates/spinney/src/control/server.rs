//! The server's side of the control socket: the commands of `spinney vol`, and `spinney pool status`, at the pool that is served.
//!
//! Invariant: a request is bounded before it is read and comes from this user or root; whoever breaks the protocol, or is slow, loses its
//! connection and nothing else. The pool is locked while a command runs, never while a client is waited for.

use super::{Desk, OUT_BYTES_MAX, REQUEST_BYTES_MAX, VERSION, private_socket_path};
use crate::args::{Cli, Command, Output, PoolCommand, VolCommand};
use crate::exit::{Failure, say_to};
use crate::iostat::Books;
use crate::known::Known;
use crate::members::Members;
use crate::pool::{failed, status};
use crate::serve::private_socket;
use crate::sides;
use crate::vol;
use clap::Parser;
use serde::Deserialize;
use serde_json::{Value, json};
use spinney_core::Error;
use spinney_export::Store;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long the listener sleeps when nobody comes.
const LOOK: Duration = Duration::from_millis(50);
/// How long a client may be silent, or read nothing of an answer: nobody types these requests.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an answer goes on after the server was stopped.
const GRACE: Duration = Duration::from_secs(1);
/// Clients at a time; each costs a thread, and what its command prints.
const CLIENTS_MAX: usize = 16;
/// Words of a command line.
const WORDS_MAX: usize = 4096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    version: u64,
    arguments: Vec<String>,
}

/// The socket of one served pool; its file goes when this is dropped.
pub(crate) struct Control {
    listener: UnixListener,
    at: PathBuf,
    /// The file or disk of the pool, or the first of its set.
    device: PathBuf,
    /// The devices that it is made of.
    members: Members,
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.at);
    }
}

impl Control {
    /// Listen for the pool in this file. Errors: the system's.
    pub(crate) fn listen(device: &Path, members: Members) -> io::Result<Control> {
        let at = private_socket_path(device)?;
        let listener = private_socket(&at)?;
        listener.set_nonblocking(true)?;
        Ok(Control { listener, at, device: device.to_owned(), members })
    }
}

/// Answer until `stop` is set.
pub(crate) fn serve(
    control: &Control,
    store: &Store,
    books: &Books,
    stop: &AtomicBool,
    log: &(dyn Fn(&str) + Sync),
) {
    let clients = AtomicUsize::new(0);
    thread::scope(|scope| {
        while !stop.load(Ordering::Relaxed) {
            let Ok((stream, _)) = control.listener.accept() else {
                thread::sleep(LOOK);
                continue;
            };
            if clients.fetch_add(1, Ordering::Relaxed) >= CLIENTS_MAX {
                clients.fetch_sub(1, Ordering::Relaxed);
                log("control: a client was refused, as many are there");
                continue;
            }
            let clients = &clients;
            scope.spawn(move || {
                if let Err(error) = client(control, store, books, &stream, stop) {
                    log(&format!("control: a client was let go: {error}"));
                }
                clients.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
}

fn client(
    control: &Control,
    store: &Store,
    books: &Books,
    stream: &UnixStream,
    stop: &AtomicBool,
) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(LOOK))?;
    stream.set_write_timeout(Some(LOOK))?;
    let user = rustix::net::sockopt::socket_peercred(stream)?.uid;
    if !user.is_root() && user != rustix::process::getuid() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is another user's"));
    }
    let mut lines = BufReader::new(Patient { stream, stop, until: Instant::now() });
    // Also between requests of which many came at once.
    while !stop.load(Ordering::Relaxed) {
        lines.get_mut().until = Instant::now() + PATIENCE;
        let mut line = Vec::new();
        (&mut lines).take(REQUEST_BYTES_MAX + 1).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        if !line.ends_with(b"\n") {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a request of at most 64 KiB is a line"));
        }
        for message in carry_out(control, store, books, &line) {
            send(stream, format!("{message}\n").as_bytes(), stop)?;
        }
    }
    Ok(())
}

/// Send an answer, but not past the server's end and not to a client that does not read.
fn send(mut stream: &UnixStream, mut bytes: &[u8], stop: &AtomicBool) -> io::Result<()> {
    let (mut moved, mut stopped) = (Instant::now(), None);
    while !bytes.is_empty() {
        if stop.load(Ordering::Relaxed) && stopped.get_or_insert_with(Instant::now).elapsed() >= GRACE {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server stops"));
        }
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => (bytes, moved) = (&bytes[count..], Instant::now()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if !is_timeout(&error) => return Err(error),
            Err(_) if moved.elapsed() < PATIENCE => {}
            Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "it read nothing for 10 s")),
        }
    }
    Ok(())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Reads that wait for a client, but not past its time and not past the server's end, which to it is an end of the stream.
struct Patient<'a> {
    stream: &'a UnixStream,
    stop: &'a AtomicBool,
    until: Instant,
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(0);
            }
            if Instant::now() > self.until {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no whole request came for 10 s"));
            }
            match self.stream.read(buffer) {
                Err(error) if is_timeout(&error) => {}
                read => return read,
            }
        }
    }
}

/// The messages that answer a line.
fn carry_out(control: &Control, store: &Store, books: &Books, line: &[u8]) -> Vec<Value> {
    let mut out = Bounded(Vec::new());
    let done = read(line).and_then(|words| command(control, store, books, &words, &mut out));
    let mut messages = Vec::new();
    if !out.0.is_empty() {
        messages.push(json!({ "version": VERSION, "out": String::from_utf8_lossy(&out.0) }));
    }
    messages.push(match done {
        Ok(()) | Err(Failure::Deaf) => json!({ "version": VERSION, "code": 0 }),
        Err(failure) => json!({ "version": VERSION, "code": failure.number(), "error": failure.to_string() }),
    });
    messages
}

fn read(line: &[u8]) -> Result<Vec<String>, Failure> {
    let request: Request = serde_json::from_slice(line)
        .map_err(|error| Failure::Usage(format!("not a request of the control protocol: {error}")))?;
    if request.version != VERSION {
        let what = format!("version {} of the control protocol; this server has {VERSION}", request.version);
        return Err(Failure::Usage(what));
    }
    if request.arguments.len() > WORDS_MAX {
        return Err(Failure::Usage(format!("more than {WORDS_MAX} words")));
    }
    Ok(request.arguments)
}

fn command(
    control: &Control,
    store: &Store,
    books: &Books,
    words: &[String],
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let line = ["spinney"].into_iter().chain(words.iter().map(String::as_str));
    let parsed = Cli::try_parse_from(line).map_err(|error| Failure::Usage(error.to_string()))?.command;
    let name = match &parsed {
        Command::Vol { command } => vol::pool_of(command)?,
        Command::Pool { command: PoolCommand::Status { pool, .. } | PoolCommand::Scrub { pool, .. } } => pool,
        Command::Iostat(iostat) if iostat.totals => &iostat.pool,
        _ => {
            return Err(Failure::Busy(
                "the pool is being served; only `vol`, `pool status` and `pool scrub` work meanwhile".into(),
            ));
        }
    };
    if Known::load()?.path(name)? != control.device {
        return Err(Failure::Usage(format!("`{name}` is not the pool that is served here")));
    }
    if let Command::Iostat(_) = parsed {
        let totals = books.totals(store).map_err(|error| failed(name, error))?;
        return say_to(out, format!("{totals}\n"));
    }
    if let Command::Vol { command: VolCommand::List { output, .. } } = &parsed {
        return list(name, store, output, out);
    }
    if let Command::Pool { command: PoolCommand::Scrub { json, .. } } = parsed {
        return sides::scrub(name, &mut |step| store.with(&mut *step), &control.members, json, out);
    }
    // A command's own failure is not the pool's.
    let mut done = Ok(());
    let locked = store.with(|pool| {
        let before = books.recorder.as_ref().map(|recorder| (recorder, recorder.snapshots(pool)));
        let users = |dev| store.users_of(dev);
        let mut desk = Desk { name, pool, members: &control.members, out, users: Some(&users) };
        done = match &parsed {
            Command::Vol { command } => vol::run(command, &mut desk),
            Command::Pool { command: PoolCommand::Status { json, .. } } => status(&mut desk, *json),
            _ => Ok(()),
        };
        before.iter().for_each(|(recorder, before)| recorder.changed(before, pool));
        Ok(())
    });
    locked.map_err(|error: Error| Failure::Other(format!("{name}: {error}"))).and(done)
}

/// Name by name, since what a version owns takes a walk of its maps, and clients wait meanwhile. What went between is left out.
fn list(name: &str, store: &Store, output: &Output, out: &mut dyn Write) -> Result<(), Failure> {
    let failed = |error| failed(name, error);
    let mut rows = Vec::new();
    for named in store.with(|pool| pool.names()).map_err(failed)? {
        match store.with(|pool| vol::row(pool, name, &named)) {
            Err(Error::NotFound(_)) => {}
            row => rows.push(row.map_err(failed)?),
        }
    }
    vol::print_list(rows, output, out)
}

/// What a command prints, up to a bound.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUT_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "more than a server prints"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
