//! What to do with a request that passes the volume's end.
//!
//! Invariant: what comes out lies inside the volume, is not empty, and in pieces adds up to what the policy kept.

use super::Request;
use crate::op::Bytes;

/// The policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outside {
    /// It is an error: for traces that must fit.
    Error,
    /// The part past the end is dropped.
    Clip,
    /// Addresses count modulo the volume's size: the whole load, on fewer places.
    Wrap,
}

/// A request, fitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fitted {
    /// It was inside.
    Inside(Bytes),
    /// Cut at the end.
    Clipped(Bytes),
    /// Nothing is left of it.
    Dropped,
    /// Moved back; in two pieces if it crosses the end.
    Wrapped(Bytes, Option<Bytes>),
    /// The policy forbids it.
    Refused,
}

impl Outside {
    /// Fit a request that is no flush into a volume of at least one byte.
    pub(crate) fn fit(self, request: &Request, volume_bytes: u64) -> Fitted {
        let (offset, length) = (request.offset, request.length);
        if request.end() <= volume_bytes {
            return Fitted::Inside(Bytes { offset, length });
        }
        match self {
            Outside::Error => Fitted::Refused,
            Outside::Clip if offset >= volume_bytes => Fitted::Dropped,
            Outside::Clip => Fitted::Clipped(Bytes { offset, length: volume_bytes - offset }),
            Outside::Wrap => wrapped(offset % volume_bytes, length.min(volume_bytes), volume_bytes),
        }
    }
}

fn wrapped(offset: u64, length: u64, volume_bytes: u64) -> Fitted {
    let head = length.min(volume_bytes - offset);
    let tail = (length > head).then_some(Bytes { offset: 0, length: length - head });
    Fitted::Wrapped(Bytes { offset, length: head }, tail)
}
