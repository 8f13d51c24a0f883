//! Listening, and a thread for each connection.
//!
//! Invariant: at most so many connections at a time; one more is told nothing and closed, and the others go on. When `serve`
//! returns, no thread of its is left and everything that was answered is durable.

use super::converse;
use crate::Store;
use rustix::net::sockopt;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long the listener sleeps when nobody comes, and a connection when its client is silent, before it looks whether to stop.
const LOOK: Duration = Duration::from_millis(50);
/// How long a client may read nothing of an answer.
const DEAF: Duration = Duration::from_secs(60);
/// How long answers go on after the server was stopped; requests do not.
const GRACE: Duration = Duration::from_secs(1);

/// A client that is silent for so long is asked whether it is there, so often and so many times, and then let go: after three minutes in all, so that its
/// place is another's and what it has open is not in use for ever.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_PROBES: u32 = 6;

/// What a server allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time. Each costs a thread and at most two requests' bytes (64 MiB, while such requests are under way). The
    /// default, 64, is four clients with sixteen connections each.
    pub connections_max: usize,
    /// How long a handshake may take: a half-open connection costs a thread no longer than this. The default is 30 s.
    pub handshake: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { connections_max: 64, handshake: Duration::from_secs(30) }
    }
}

/// Where clients come from.
pub enum Listener {
    /// A Unix socket.
    Unix(UnixListener),
    /// A TCP port.
    Tcp(TcpListener),
}

/// One client's stream.
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Listener {
    fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::Unix(listener) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
            Listener::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
        }
    }
    fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Listener::Unix(listener) => listener.set_nonblocking(true),
            Listener::Tcp(listener) => listener.set_nonblocking(true),
        }
    }
}

impl Stream {
    fn prepare(&self, wait: Duration) -> io::Result<()> {
        match self {
            Stream::Unix(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(wait))?;
                stream.set_write_timeout(Some(wait))
            }
            Stream::Tcp(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                // A client whose machine is gone says nothing, ever.
                sockopt::set_socket_keepalive(stream, true)?;
                sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
                sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
                sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES)?;
                stream.set_read_timeout(Some(wait))?;
                stream.set_write_timeout(Some(wait))
            }
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.read(buffer),
            Stream::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.write(bytes),
            Stream::Tcp(stream) => stream.write(bytes),
        }
    }
}

/// Waits for a client, but not past the end of the server or of a handshake.
struct Patient<'a> {
    stream: Stream,
    stop: &'a AtomicBool,
    /// When it was first seen that the server stops.
    stopped: Option<Instant>,
    deadline: Option<Instant>,
}

impl Patient<'_> {
    /// Errors: the server has stopped for `grace`, or the handshake took too long.
    fn may_go_on(&mut self, grace: Duration) -> io::Result<()> {
        if self.stop.load(Ordering::Relaxed)
            && self.stopped.get_or_insert_with(Instant::now).elapsed() >= grace
        {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server stops"));
        }
        if self.deadline.is_some_and(|deadline| Instant::now() > deadline) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long"));
        }
        Ok(())
    }

    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let mut moved = Instant::now();
        while !bytes.is_empty() {
            self.may_go_on(GRACE)?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => (bytes, moved) = (&bytes[count..], Instant::now()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if !is_timeout(&error) => return Err(error),
                Err(_) if moved.elapsed() < DEAF => {}
                Err(_) => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the client read nothing for 60 s"));
                }
            }
        }
        Ok(())
    }
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.may_go_on(Duration::ZERO)?;
            match self.stream.read(buffer) {
                Err(error) if is_timeout(&error) => {}
                read => return read,
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Both ways of one connection; what is written goes out at a flush, or when it is much.
struct Duplex<'a> {
    reader: BufReader<Patient<'a>>,
    out: Vec<u8>,
}

/// Written bytes that wait for a flush at most; larger pieces go straight through.
const OUT_BYTES: usize = 64 << 10;

impl Read for Duplex<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Also before requests of which many came at once.
        self.reader.get_mut().may_go_on(Duration::ZERO)?;
        self.reader.read(buffer)
    }
}

impl Write for Duplex<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.out.len() + buffer.len() > OUT_BYTES {
            self.flush()?;
        }
        if buffer.len() > OUT_BYTES {
            self.reader.get_mut().send(buffer)?;
        } else {
            self.out.extend_from_slice(buffer);
        }
        Ok(buffer.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        let out = std::mem::take(&mut self.out);
        self.reader.get_mut().send(&out)
    }
}

/// One of the connections that there may be, until it is dropped: a thread that panics gives it back, too.
struct Place<'a>(&'a AtomicUsize);

impl Place<'_> {
    fn take(connections: &AtomicUsize) -> Place<'_> {
        connections.fetch_add(1, Ordering::Relaxed);
        Place(connections)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serve until `stop` is set; then let go of all clients and flush. `log` gets a line for what a person should know. Errors: the
/// listener's own, and the last flush's.
pub fn serve(
    listener: &Listener,
    store: &Store,
    limits: Limits,
    stop: &AtomicBool,
    log: &(dyn Fn(&str) + Sync),
) -> io::Result<()> {
    listener.set_nonblocking()?;
    let connections = AtomicUsize::new(0);
    thread::scope(|scope| {
        while !stop.load(Ordering::Relaxed) {
            let stream = match listener.accept() {
                Ok(stream) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::sleep(LOOK);
                    continue;
                }
                // A client that left at once, or too many open files: neither is the end of the others.
                Err(error) => {
                    log(&format!("a client could not be accepted: {error}"));
                    thread::sleep(LOOK);
                    continue;
                }
            };
            if connections.load(Ordering::Relaxed) >= limits.connections_max {
                log(&format!("refused a connection: {} are open, which is the most", limits.connections_max));
                continue;
            }
            let place = Place::take(&connections);
            scope.spawn(move || {
                let _until_it_ends = place;
                if let Err(error) = connection(stream, store, limits, stop) {
                    log(&format!("a connection ended: {error}"));
                }
            });
        }
    });
    store.with(|pool| pool.checkpoint()).map_err(|error| io::Error::other(error.to_string()))
}

fn connection(stream: Stream, store: &Store, limits: Limits, stop: &AtomicBool) -> io::Result<()> {
    stream.prepare(LOOK)?;
    let patient = Patient { stream, stop, stopped: None, deadline: Some(Instant::now() + limits.handshake) };
    let mut duplex = Duplex { reader: BufReader::with_capacity(OUT_BYTES, patient), out: Vec::new() };
    match converse(&mut duplex, store, |duplex| duplex.reader.get_mut().deadline = None) {
        Err(error) if stop.load(Ordering::Relaxed) && error.kind() == io::ErrorKind::ConnectionAborted => {
            Ok(())
        }
        done => done,
    }
}
