//! The NBD protocol: fixed newstyle handshake, simple and structured replies.
//!
//! Source: the protocol document of the NetworkBlockDevice project (`doc/proto.md`). Invariant: one thread a connection, which handles
//! its requests in order; what many connections do at once is the store's.

mod handshake;
mod request;
mod server;
mod transmit;
mod wire;

pub use server::{Limits, Listener, serve};
pub use wire::REQUEST_BYTES_MAX;

use crate::Store;
use std::io::{self, Read, Write};

/// The server's side of one connection, from greeting to end, over any stream; `chosen` is called between handshake and transmission.
/// Errors: the stream's; `InvalidData` if the client broke the protocol.
pub fn converse<S: Read + Write>(
    stream: &mut S,
    store: &Store,
    chosen: impl FnOnce(&mut S),
) -> io::Result<()> {
    let Some(agreed) = handshake::greet(stream, store)? else { return Ok(()) };
    let user = store.user(agreed.export.dev);
    let _until_it_leaves = user.map_err(|error| io::Error::other(error.to_string()))?;
    chosen(stream);
    transmit::transmit(stream, store, &agreed)
}
