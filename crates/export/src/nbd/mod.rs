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
