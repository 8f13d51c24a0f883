//! The one place where a request is measured against its device.
//!
//! Invariant: what passes lies wholly on the device and is a whole number of blocks. Knows no device.

use spinney_core::{BLOCK_BYTES, Error, Extent, Pba, Result};

/// Blocks of a request of `bytes` at `at` on a device of `limit` blocks. Errors: `OutOfRange`.
/// A length that is not a whole number of blocks is a programmer error.
pub(crate) fn request(limit: u64, at: Pba, bytes: usize) -> Result<u64> {
    assert!(bytes.is_multiple_of(BLOCK_BYTES), "{bytes} bytes are not a whole number of blocks");
    let blocks = (bytes / BLOCK_BYTES) as u64;
    within(limit, at.0, blocks).map(|()| blocks)
}

/// Whether a run lies on a device of `limit` blocks. Errors: `OutOfRange`.
pub(crate) fn run(limit: u64, run: Extent) -> Result<()> {
    within(limit, run.start.0, run.blocks)
}

fn within(limit: u64, start: u64, length: u64) -> Result<()> {
    match start.checked_add(length) {
        Some(end) if end <= limit => Ok(()),
        _ => Err(Error::OutOfRange { start, length, limit }),
    }
}

/// The byte range of `run`, given that it passed [`run`] and so lies on a device that exists.
pub(crate) fn bytes(run: Extent) -> (u64, u64) {
    (run.start.0 * BLOCK_BYTES as u64, run.blocks * BLOCK_BYTES as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_may_touch_the_end_but_not_pass_it() {
        assert_eq!(request(8, Pba(6), 2 * BLOCK_BYTES), Ok(2));
        assert_eq!(request(8, Pba(8), 0), Ok(0));
        assert_eq!(
            request(8, Pba(7), 2 * BLOCK_BYTES),
            Err(Error::OutOfRange { start: 7, length: 2, limit: 8 })
        );
        assert!(request(8, Pba(9), 0).is_err());
    }

    #[test]
    fn an_overflowing_address_is_out_of_range() {
        assert!(request(u64::MAX, Pba(u64::MAX), BLOCK_BYTES).is_err());
        assert!(run(8, Extent { start: Pba(u64::MAX), blocks: 2 }).is_err());
    }

    #[test]
    #[should_panic(expected = "whole number of blocks")]
    fn a_ragged_length_is_a_programmer_error() {
        let _ = request(8, Pba(0), 100);
    }
}
