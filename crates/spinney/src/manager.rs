//! What a service manager such as systemd hands over, and is told: sockets by the rules of `sd_listen_fds`, states by those of `sd_notify`.
//!
//! Invariant: without such a manager nothing happens. The sockets are as private as the manager made them.

use crate::exit::Failure;
use listenfd::ListenFd;
use spinney_export::nbd;
use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The socket that is to be served as NBD, if the manager hands one over. Errors: `Usage` for more than one, or one that is no stream.
pub(crate) fn inherited() -> Result<Option<nbd::Listener>, Failure> {
    let mut sockets = ListenFd::from_env();
    match sockets.len() {
        0 => return Ok(None),
        1 => {}
        many => {
            return Err(Failure::Usage(format!(
                "LISTEN_FDS={many}: one socket, for NBD, is all there is a use for"
            )));
        }
    }
    if let Ok(Some(unix)) = sockets.take_unix_listener(0) {
        return Ok(Some(nbd::Listener::Unix(unix)));
    }
    let wrong =
        |error: io::Error| Failure::Usage(format!("the inherited socket is neither Unix nor TCP: {error}"));
    Ok(sockets.take_tcp_listener(0).map_err(wrong)?.map(nbd::Listener::Tcp))
}

/// Tell the manager a state, as `READY=1`, if it wants to know. That it cannot be reached is no reason to stop.
pub(crate) fn tell(state: &str) {
    let Some(at) = env::var_os("NOTIFY_SOCKET") else { return };
    let address = match at.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path)),
    };
    let _ = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
}
