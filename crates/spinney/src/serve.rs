//! `spinney serve`: a pool for clients that know nothing of it, until a signal ends it.
//!
//! Invariant: what was answered is durable when the command ends by a signal; a socket is private unless told otherwise.

use crate::args;
use crate::exit::Failure;
use crate::pool::open;
use crate::run::stop_at_signals;
use spinney_export::{Store, nbd};
use std::fs;
use std::io;
use std::net::{TcpListener, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) fn serve(args: &args::Serve) -> Result<ExitCode, Failure> {
    let pool = open(&args.pool)?;
    let stop = stop_at_signals()?;
    let unix = args.nbd.strip_prefix("unix:").map(PathBuf::from);
    let failed = |error: io::Error| Failure::Other(format!("--nbd {}: {error}", args.nbd));
    let listener = match &unix {
        Some(path) => nbd::Listener::Unix(private_socket(path).map_err(failed)?),
        None => nbd::Listener::Tcp(port(&args.nbd, args.public)?),
    };
    let store = Store::new(pool);
    let count = store.exports().map_err(|error| crate::pool::failed(&args.pool, error))?.len();
    eprintln!("{count} exports of `{}` at {}; end with Ctrl-C", args.pool, args.nbd);
    let served = nbd::serve(&listener, &store, nbd::Limits::default(), stop, &|line| eprintln!("{line}"));
    if let Some(path) = unix {
        let _ = fs::remove_file(path);
    }
    served.map(|()| ExitCode::SUCCESS).map_err(failed)
}

/// A socket that only this user can open. One that nobody listens at any more is in the way and goes.
fn private_socket(path: &Path) -> io::Result<UnixListener> {
    let left_over = fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_socket());
    if left_over && UnixStream::connect(path).is_err() {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

fn port(address: &str, public: bool) -> Result<TcpListener, Failure> {
    let wrong =
        |why: &str| Failure::Usage(format!("--nbd {address}: {why}; write unix:PATH or 127.0.0.1:10809"));
    let found = address.to_socket_addrs().map_err(|error| wrong(&error.to_string()))?.collect::<Vec<_>>();
    if !public && !found.iter().all(|address| address.ip().is_loopback()) {
        return Err(wrong(
            "not an address of this machine alone (anybody who reaches it can write; --public if that is meant)",
        ));
    }
    TcpListener::bind(&found[..]).map_err(|error| Failure::Other(format!("--nbd {address}: {error}")))
}
