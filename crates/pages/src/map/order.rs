//! Numbers as byte strings whose byte order is the numbers' order.
//!
//! Invariant: `a < b` exactly when `bytes(a) < bytes(b)`. The only big-endian place of the project.
#![expect(
    clippy::big_endian_bytes,
    reason = "maps order byte strings, and byte order must equal number order"
)]

pub(super) fn u64_bytes(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

pub(super) fn u64_from(bytes: [u8; 8]) -> u64 {
    u64::from_be_bytes(bytes)
}

pub(super) fn u128_from(bytes: [u8; 16]) -> u128 {
    u128::from_be_bytes(bytes)
}
