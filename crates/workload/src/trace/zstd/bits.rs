//! Bits of a byte string, from the front (table descriptions) and from the back (everything else).
//!
//! Invariant: reading past an end never panics: forward it is an error, backward the missing bits are zeros and
//! [`Backward::left`] turns negative. Section 4.1.

/// Why a stream is damaged.
pub(super) type Checked<T> = Result<T, &'static str>;

/// Lowest bit of the first byte first.
pub(super) struct Forward<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Forward<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Forward<'a> {
        Forward { bytes, at: 0 }
    }
    /// The next `count` bits, at most 16.
    pub(super) fn read(&mut self, count: u32) -> Checked<u32> {
        let end = self.at + count as usize;
        if end > self.bytes.len() * 8 {
            return Err("a table description is cut off");
        }
        let value = window(self.bytes, self.at / 8) >> (self.at % 8);
        self.at = end;
        Ok((value & ((1 << count) - 1)) as u32)
    }
    /// Put one bit back.
    pub(super) fn unread(&mut self) {
        self.at -= 1;
    }
    /// What follows, from the next whole byte.
    pub(super) fn rest(self) -> &'a [u8] {
        &self.bytes[self.at.div_ceil(8)..]
    }
}

/// Highest bit of the last byte first, below the marker bit that ends the string.
pub(super) struct Backward<'a> {
    bytes: &'a [u8],
    left: i64,
}

impl<'a> Backward<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Checked<Backward<'a>> {
        match bytes.last() {
            None | Some(0) => Err("a bit stream without its end mark"),
            Some(last) => {
                Ok(Backward { bytes, left: bytes.len() as i64 * 8 - i64::from(last.leading_zeros()) - 1 })
            }
        }
    }
    /// Bits left; negative once more were read than there are.
    pub(super) fn left(&self) -> i64 {
        self.left
    }
    /// The next `count` bits, at most 32, the first one highest; not consumed.
    pub(super) fn peek(&self, count: u32) -> u64 {
        let low = self.left - i64::from(count);
        let mask = (1_u64 << count) - 1;
        if low >= 0 {
            return window(self.bytes, (low / 8) as usize) >> (low % 8) & mask;
        }
        let missing = low.unsigned_abs();
        if missing >= u64::from(count) { 0 } else { window(self.bytes, 0) << missing & mask }
    }
    pub(super) fn consume(&mut self, count: u32) {
        self.left = self.left.saturating_sub(i64::from(count));
    }
    pub(super) fn read(&mut self, count: u32) -> u64 {
        let value = self.peek(count);
        self.consume(count);
        value
    }
}

/// Eight bytes from `at`, little-endian, zeros past the end.
fn window(bytes: &[u8], at: usize) -> u64 {
    if let Some(whole) = bytes.get(at..at + 8) {
        return u64::from_le_bytes(whole.try_into().expect("eight bytes"));
    }
    let mut padded = [0; 8];
    let rest = bytes.get(at..).unwrap_or(&[]);
    padded[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(padded)
}
