//! Whoever wants to know each request that was carried out, to record it.
//!
//! Invariant: told before the client is, so that what a client asks after an answer comes after that in the telling, too. Requests that were under
//! way at once have no order, here as anywhere. A watcher must not wait: clients wait for it.

use spinney_core::DevId;

/// What a client asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// Bytes were read.
    Read,
    /// Bytes were written.
    Write,
    /// What was written became durable.
    Flush,
    /// The content is no longer needed.
    Discard,
    /// The bytes must be zeros.
    Zero,
}

/// A request that succeeded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Of which version.
    pub dev: DevId,
    /// What.
    pub what: What,
    /// First byte; 0 for a flush.
    pub offset: u64,
    /// Bytes; 0 for a flush, and for nothing else.
    pub length: u64,
}

/// Is told.
pub type Watcher = Box<dyn Fn(Seen) + Send + Sync>;
