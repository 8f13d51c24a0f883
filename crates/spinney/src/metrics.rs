//! `spinney serve --metrics`: the server's sums in the text format of Prometheus (version 0.0.4), by the least of HTTP.
//!
//! Invariant: the same sums that `iostat` shows. One client at a time, of bounded patience and bytes, so that nobody can hold more than this thread; and
//! no request waits for it.

use crate::exit::{Failure, log};
use crate::iostat::{Books, sum};
use crate::serve::{port, private_socket};
use serde_json::Value;
use spinney_export::{Kind, Store, Tally};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long the listener sleeps when nobody comes.
const LOOK: Duration = Duration::from_millis(50);
/// How long a client may take in all.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest request.
const REQUEST_BYTES_MAX: usize = 8 << 10;
/// Doublings of a microsecond that have a bucket: up to two minutes.
const OCTAVES: usize = 27;
/// Entries of a tally for each of them.
const STEPS: usize = 4;

/// Where it listens; a socket's file goes when this is dropped.
pub(crate) struct Metrics {
    listener: Listener,
    socket: Option<PathBuf>,
}

enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Drop for Metrics {
    fn drop(&mut self) {
        self.socket.iter().for_each(|path| drop(fs::remove_file(path)));
    }
}

impl Metrics {
    /// At `unix:PATH` or `ADDRESS:PORT`.
    pub(crate) fn listen(at: &str, public: bool) -> Result<Metrics, Failure> {
        let wrong = |error: io::Error| Failure::Other(format!("--metrics {at}: {error}"));
        let socket = at.strip_prefix("unix:").map(PathBuf::from);
        let listener = match &socket {
            Some(path) => Listener::Unix(private_socket(path).map_err(wrong)?),
            None => Listener::Tcp(port("--metrics", at, public)?),
        };
        match &listener {
            Listener::Unix(unix) => unix.set_nonblocking(true),
            Listener::Tcp(tcp) => tcp.set_nonblocking(true),
        }
        .map_err(wrong)?;
        Ok(Metrics { listener, socket })
    }

    /// Answer until `stop` is set.
    pub(crate) fn serve(&self, pool: &str, store: &Store, books: &Books, stop: &AtomicBool) {
        let mut told = false;
        while !stop.load(Ordering::Relaxed) {
            let Ok(mut stream) = self.accept() else {
                thread::sleep(LOOK);
                continue;
            };
            let answered = answer(&mut stream, stop, || {
                books.totals(store).map(|totals| text(pool, &totals)).map_err(|error| error.to_string())
            });
            if let (Err(error), false) = (answered, told) {
                log(&format!("metrics: a client was let go: {error} (said once)"));
                told = true;
            }
        }
    }

    fn accept(&self) -> io::Result<Stream> {
        let stream = match &self.listener {
            Listener::Unix(unix) => Stream::Unix(unix.accept()?.0),
            Listener::Tcp(tcp) => Stream::Tcp(tcp.accept()?.0),
        };
        match &stream {
            Stream::Unix(unix) => {
                unix.set_nonblocking(false)?;
                unix.set_read_timeout(Some(LOOK))?;
                unix.set_write_timeout(Some(PATIENCE))?;
            }
            Stream::Tcp(tcp) => {
                tcp.set_nonblocking(false)?;
                tcp.set_read_timeout(Some(LOOK))?;
                tcp.set_write_timeout(Some(PATIENCE))?;
            }
        }
        Ok(stream)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(unix) => unix.read(buffer),
            Stream::Tcp(tcp) => tcp.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(unix) => unix.write(bytes),
            Stream::Tcp(tcp) => tcp.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One request and its answer, and the connection is over.
fn answer<S: Read + Write>(
    stream: &mut S,
    stop: &AtomicBool,
    page: impl FnOnce() -> Result<String, String>,
) -> io::Result<()> {
    let request = head(stream, stop)?;
    let mut words = request.split(' ');
    let (status, kind, body) = match (words.next(), words.next().map(|path| path.split('?').next())) {
        (Some("GET"), Some(Some("/metrics" | "/"))) => match page() {
            Ok(page) => ("200 OK", "text/plain; version=0.0.4; charset=utf-8", page),
            Err(error) => ("503 Service Unavailable", "text/plain", error + "\n"),
        },
        (Some("GET"), _) => ("404 Not Found", "text/plain", "the metrics are at /metrics\n".into()),
        _ => ("405 Method Not Allowed", "text/plain", "GET /metrics\n".into()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes())
}

/// The request's first line, once all its lines have come. Errors: `TimedOut`, `InvalidData` for more than any client sends.
fn head(stream: &mut impl Read, stop: &AtomicBool) -> io::Result<String> {
    let (mut bytes, mut piece, until) = (Vec::new(), [0; 1024], Instant::now() + PATIENCE);
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        if Instant::now() > until || stop.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "no whole request came in time"));
        }
        match stream.read(&mut piece) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut].contains(&error.kind()) => {}
            Err(error) => return Err(error),
        }
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a request has at most 8 KiB"));
        }
    }
    let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).into_owned())
}

/// The page under construction.
struct Page {
    text: String,
    pool: String,
}

impl Page {
    /// A family of samples: its labels beside the pool's, and values.
    fn family(&mut self, name: &str, kind: &str, help: &str, samples: &[(String, f64)]) {
        self.begin(name, kind, help);
        samples.iter().for_each(|(labels, value)| self.sample(name, labels, *value));
    }
    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP spinney_{name} {help}\n# TYPE spinney_{name} {kind}");
    }
    fn sample(&mut self, name: &str, labels: &str, value: f64) {
        let comma = if labels.is_empty() { "" } else { "," };
        let _ = writeln!(self.text, "spinney_{name}{{pool=\"{}\"{comma}{labels}}} {value}", self.pool);
    }
    fn one(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.family(name, kind, help, &[(String::new(), value)]);
    }
}

/// All of it. A pool's name has no character that would need quoting.
fn text(pool: &str, totals: &Value) -> String {
    let mut page = Page { text: String::new(), pool: pool.to_owned() };
    let version = format!("version=\"{}\"", env!("CARGO_PKG_VERSION"));
    page.family("info", "gauge", "Always 1.", &[(version, 1.0)]);
    page.one("uptime_seconds", "gauge", "Since the server began.", sum(totals, "since_us") as f64 / 1e6);
    let of_kinds =
        |key: &str| Kind::ALL.map(|kind| (label(kind), sum(&totals["kinds"][kind.name()], key) as f64));
    page.family("requests_total", "counter", "Requests of clients that have ended.", &of_kinds("requests"));
    page.family("request_errors_total", "counter", "Of these, those that failed.", &of_kinds("errors"));
    page.family("request_bytes_total", "counter", "Bytes of those that succeeded.", &of_kinds("bytes"));
    durations(&mut page, totals);
    in_flight(&mut page, totals);
    of_pool(&mut page, &totals["pool"]);
    page.text
}

fn label(kind: Kind) -> String {
    format!("kind=\"{}\"", kind.name())
}

/// A bucket for each doubling of a microsecond; what took longer than the last is in `+Inf` alone.
fn durations(page: &mut Page, totals: &Value) {
    let name = "request_duration_seconds";
    page.begin(name, "histogram", "From the asking to the answer, waiting for the pool included.");
    for kind in Kind::ALL {
        let sums = &totals["kinds"][kind.name()];
        let mut below = 0;
        for octave in 0..OCTAVES {
            let entries = octave * STEPS..(octave + 1) * STEPS;
            below += entries.map(|entry| sums["by_time"][entry].as_u64().unwrap_or(0)).sum::<u64>();
            let bound = Tally::below_us((octave + 1) * STEPS - 1) as f64 / 1e6;
            page.sample(&format!("{name}_bucket"), &format!("{},le=\"{bound}\"", label(kind)), below as f64);
        }
        let all = sum(sums, "requests") as f64;
        page.sample(&format!("{name}_bucket"), &format!("{},le=\"+Inf\"", label(kind)), all);
        page.sample(&format!("{name}_sum"), &label(kind), sum(sums, "time_us") as f64 / 1e6);
        page.sample(&format!("{name}_count"), &label(kind), all);
    }
}

fn in_flight(page: &mut Page, totals: &Value) {
    let under_way = totals["under_way"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |kind: Kind| under_way.iter().filter(move |request| request["kind"] == kind.name());
    let counts = Kind::ALL.map(|kind| (label(kind), of(kind).count() as f64));
    page.family("requests_in_flight", "gauge", "Requests that have not ended.", &counts);
    let oldest = |kind| of(kind).map(|request| sum(request, "age_us")).max().unwrap_or(0) as f64 / 1e6;
    let ages = Kind::ALL.map(|kind| (label(kind), oldest(kind)));
    page.family(
        "oldest_request_age_seconds",
        "gauge",
        "Age of the oldest of them; 0 if there is none.",
        &ages,
    );
}

/// While a request has the pool for long there is no more to say than that.
fn of_pool(page: &mut Page, pool: &Value) {
    let stuck = f64::from(u8::from(!pool.is_object()));
    page.one(
        "pool_held",
        "gauge",
        "1 while a request has had the pool for half a second: the figures below are missing.",
        stuck,
    );
    if !pool.is_object() {
        return;
    }
    let counters = [
        ("client_bytes_written", "client_written_bytes_total", "Bytes that clients wrote."),
        ("device_bytes_written", "device_written_bytes_total", "Bytes that the device was asked to write."),
        ("device_bytes_read", "device_read_bytes_total", "Bytes that the device was asked to read."),
        ("device_flushes", "device_flushes_total", "Flushes of the device."),
        ("commits", "commits_total", "Epochs made durable."),
        ("log_records", "log_records_total", "Records of the intent log."),
    ];
    for (key, name, help) in counters {
        page.one(name, "counter", help, sum(pool, key) as f64);
    }
    let gauges = [
        ("total_bytes", "pool_size_bytes", "Data blocks of the pool."),
        ("free_bytes", "pool_free_bytes", "Of these, free."),
        ("free_runs", "free_runs", "Maximal runs of free blocks: how broken up free space is."),
        ("longest_free_run_bytes", "free_run_longest_bytes", "The longest of them."),
        ("metadata_pages", "metadata_pages", "Pages of metadata in use."),
        ("volumes", "volumes", "Volumes."),
        ("snapshots", "snapshots", "Snapshots."),
    ];
    for (key, name, help) in gauges {
        page.one(name, "gauge", help, sum(pool, key) as f64);
    }
    let clients = sum(pool, "client_bytes_written");
    if clients > 0 {
        let factor = sum(pool, "device_bytes_written") as f64 / clients as f64;
        page.one(
            "write_amplification",
            "gauge",
            "Device bytes written for each of a client's, since the server began.",
            factor,
        );
    }
}
