//! `spinney serve`: a pool for clients that know nothing of it, until a signal ends it.
//!
//! Invariant: what was answered is durable when the command ends by a signal; a socket is private unless told otherwise. Threads: one
//! that waits here, one for the control socket and one for NBD with one for each of their clients, and those of FUSE; they meet in the store.

use crate::args;
use crate::control::{self, Control};
use crate::exit::{Failure, log};
use crate::iostat::Books;
use crate::known::Known;
use crate::manager;
use crate::metrics::Metrics;
use crate::pool::{failed, open_to_serve};
use crate::record::Recorder;
use crate::run::stop_at_signals;
use rustix::fs::Mode;
use rustix::process::umask;
use spinney_export::fuse::Mounted;
use spinney_export::{Store, fuse, nbd};
use std::fs;
use std::io;
use std::net::{TcpListener, ToSocketAddrs};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What a socket is called that a service manager made.
const INHERITED: &str = "an inherited socket";
/// How often it looks whether to end.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) fn serve(args: &args::Serve) -> Result<ExitCode, Failure> {
    let known = Known::load()?;
    let path = known.path(&args.pool)?;
    let inherited = match (manager::inherited()?, &args.nbd) {
        (Some(_), Some(_)) => {
            return Err(Failure::Usage(
                "--nbd: a service manager handed over the socket to serve at; leave it out".into(),
            ));
        }
        (None, None) if args.fuse.is_none() => {
            return Err(Failure::Usage("say where: --nbd WHERE, --fuse DIR, or both".into()));
        }
        (inherited, _) => inherited,
    };
    let (pool, meter, members) = open_to_serve(&args.pool, known.paths(&args.pool)?, args.hold_unflushed)?;
    let store = Arc::new(Store::new(pool));
    let of_volume = args.record_volume.as_deref();
    let recorder = args.record.as_deref().map(|file| Recorder::begin(&store, of_volume, file)).transpose()?;
    let books = Books { meter, since: Instant::now(), recorder };
    let stop = stop_at_signals()?;
    let of_control = |error: io::Error| Failure::Other(format!("control socket: {error}"));
    let control = Control::listen(path, members).map_err(of_control)?;
    let nbd = match (inherited, args.nbd.as_deref()) {
        (Some(listener), _) => Some(Nbd { at: INHERITED, listener, socket: None }),
        (None, at) => at.map(|at| Nbd::listen(at, args.public)).transpose()?,
    };
    let metrics = args.metrics.as_deref().map(|at| Metrics::listen(at, args.public)).transpose()?;
    let folder = args.fuse.as_deref().map(|at| mount(&store, at, path, args.allow_root)).transpose()?;
    let count = store.exports().map_err(|error| failed(&args.pool, error))?.len();
    let at = nbd.as_ref().map(|nbd| nbd.at.to_owned());
    let places = [at, args.fuse.as_ref().map(|folder| folder.display().to_string())];
    let places: Vec<String> = places.into_iter().flatten().collect();
    log(&format!("{count} exports of `{}` at {}; end with Ctrl-C", args.pool, places.join(" and ")));
    manager::tell("READY=1");
    let over = AtomicBool::new(false);
    let served = thread::scope(|scope| {
        let store = &*store;
        scope.spawn(|| control::serve(&control, store, &books, &over, &log));
        if let Some(metrics) = &metrics {
            scope.spawn(|| metrics.serve(&args.pool, store, &books, &over));
        }
        let nbd = nbd.as_ref().map(|nbd| scope.spawn(move || nbd.serve(store, stop)));
        wait(folder, stop, || nbd.as_ref().is_some_and(|thread| !thread.is_finished()));
        let served = nbd.map_or(Ok(Ok(())), thread::ScopedJoinHandle::join);
        over.store(true, Ordering::Relaxed);
        served.unwrap_or_else(|_| Err(Failure::Other("a thread of the NBD server ended by a panic".into())))
    });
    books.recorder.iter().for_each(|recorder| recorder.finish());
    let flushed = store.with(|pool| pool.checkpoint()).map_err(|error| failed(&args.pool, error));
    served.and(flushed).map(|()| ExitCode::SUCCESS)
}

/// Until nothing is served any more: by a signal, or because the folder was unmounted and that was all.
fn wait(mut folder: Option<Mounted>, stop: &AtomicBool, others: impl Fn() -> bool) {
    let (mut told, mut stopping) = (false, false);
    while folder.is_some() || others() {
        if !stopping && stop.load(Ordering::Relaxed) {
            stopping = true;
            manager::tell("STOPPING=1");
        }
        if let Some(mounted) =
            folder.as_mut().filter(|folder| stop.load(Ordering::Relaxed) || folder.is_over())
        {
            match mounted.unmount() {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    if !told {
                        log(
                            "the folder is in use (a loop device? a shell?): waiting; Ctrl-C again leaves at once",
                        );
                    }
                    told = true;
                }
                done => {
                    done.err().into_iter().for_each(|error| log(&format!("unmounting: {error}")));
                    folder = None;
                }
            }
        }
        thread::sleep(LOOK);
    }
}

fn mount(store: &Arc<Store>, at: &Path, pool: &Path, allow_root: bool) -> Result<Mounted, Failure> {
    let wrong = |error: io::Error| Failure::Other(format!("--fuse {}: {error}", at.display()));
    if fs::canonicalize(at).is_ok_and(|at| pool.starts_with(at)) {
        return Err(Failure::Usage(format!("--fuse {}: the pool itself lies in that folder", at.display())));
    }
    fuse::mount(store.clone(), at, allow_root, Arc::new(log)).map_err(wrong)
}

/// The NBD server and where it listens; the socket's file goes when this is dropped.
struct Nbd<'a> {
    at: &'a str,
    listener: nbd::Listener,
    socket: Option<PathBuf>,
}

impl<'a> Nbd<'a> {
    fn listen(at: &'a str, public: bool) -> Result<Nbd<'a>, Failure> {
        let socket = at.strip_prefix("unix:").map(PathBuf::from);
        let listener = match &socket {
            Some(path) => nbd::Listener::Unix(private_socket(path).map_err(|error| failed_at(at, &error))?),
            None => nbd::Listener::Tcp(port("--nbd", at, public)?),
        };
        Ok(Nbd { at, listener, socket })
    }
    fn serve(&self, store: &Store, stop: &AtomicBool) -> Result<(), Failure> {
        let served = nbd::serve(&self.listener, store, nbd::Limits::default(), stop, &log);
        served.map_err(|error| failed_at(self.at, &error))
    }
}

impl Drop for Nbd<'_> {
    fn drop(&mut self) {
        self.socket.iter().for_each(|path| drop(fs::remove_file(path)));
    }
}

fn failed_at(at: &str, error: &io::Error) -> Failure {
    Failure::Other(format!("--nbd {at}: {error}"))
}

/// A socket that only this user can open. One that nobody listens at any more is in the way and goes.
pub(crate) fn private_socket(path: &Path) -> io::Result<UnixListener> {
    let left_over = fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_socket());
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if left_over && UnixStream::connect(path).is_err_and(|error| refused(&error)) {
        fs::remove_file(path)?;
    }
    // Private from the first moment. The mask is the process's: no other thread makes files yet.
    let before = umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    umask(before);
    listener
}

/// A port of this machine alone, or `public`. Errors: `Usage` with the option's name.
pub(crate) fn port(option: &str, address: &str, public: bool) -> Result<TcpListener, Failure> {
    let wrong =
        |why: &str| Failure::Usage(format!("{option} {address}: {why}; write unix:PATH or 127.0.0.1:PORT"));
    let found = address.to_socket_addrs().map_err(|error| wrong(&error.to_string()))?.collect::<Vec<_>>();
    if !public && !found.iter().all(|address| address.ip().is_loopback()) {
        return Err(wrong(
            "not an address of this machine alone, so anybody may reach it (--public if that is meant)",
        ));
    }
    TcpListener::bind(&found[..]).map_err(|error| wrong(&error.to_string()))
}
