//! A zstd stream, read with limits (RFC 8878; section numbers here are its).
//!
//! Invariant: memory follows the bytes that were decoded, never a number in the stream: a window is at most
//! [`WINDOW_BYTES_MAX`], a block gives at most 128 KiB and is refused while it is decoded, not afterwards, and the whole
//! gives at most [`ZSTD_RATIO_MAX`] times what went in. Any input ends as bytes or as an error. Why not a decoder from
//! outside: the usual one in pure Rust (ruzstd 0.8) decodes a
//! block whole whatever its size: 37 kB made it hold 2.4 GB. It is still what compresses, and what the tests compare with.
//!
//! | file | what |
//! | --- | --- |
//! | `mod` | frames, limits, checksum, and `Read` |
//! | `block` | one block: literals, sequences, and their execution on the history |
//! | `huffman`, `fse` | the two entropy codes |
//! | `bits` | bits forward and backward |

mod bits;
mod block;
mod fse;
mod huffman;
#[cfg(test)]
mod tests;

use block::{BLOCK_BYTES_MAX, BlockDecoder};
use std::fmt;
use std::io::{self, Read};
use xxhash_rust::xxh64::Xxh64;

/// Largest window of a frame, in bytes: what the zstd tool itself takes without being told to take more.
pub const WINDOW_BYTES_MAX: u64 = 128 << 20;

/// Output bytes that one input byte may give, on the whole. Traces compress 4 to 40 times; a bomb thousands of times.
pub const ZSTD_RATIO_MAX: u64 = 500;

/// Output that is free of the ratio, so that short traces of equal lines are not refused.
const OUTPUT_FREE_BYTES: u64 = 16 << 20;

const FRAME_MAGIC: u32 = 0xfd2f_b528;

/// What is wrong with a compressed stream.
#[derive(Debug)]
pub(crate) struct Damage(pub(crate) String);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Damage {}

fn damage(what: impl Into<String>) -> io::Error {
    io::Error::other(Damage(what.into()))
}

/// A short read is damage; anything else is the system's error.
fn cut_off(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => damage("the zstd stream is cut off"),
        _ => error,
    }
}

/// Decompresses what it reads.
pub(crate) struct ZstdReader<R> {
    source: R,
    frame: Option<Frame>,
    input_bytes: u64,
    output_bytes: u64,
}

/// A frame under way.
struct Frame {
    decoder: BlockDecoder,
    /// The header's promise, if it makes one.
    content_bytes: Option<u64>,
    decoded_bytes: u64,
    checksum: Option<Xxh64>,
    over: bool,
}

impl<R: Read> ZstdReader<R> {
    pub(crate) fn new(source: R) -> ZstdReader<R> {
        ZstdReader { source, frame: None, input_bytes: 0, output_bytes: 0 }
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes).map_err(cut_off)?;
        self.input_bytes += N as u64;
        Ok(bytes)
    }

    /// A little-endian number of up to 8 bytes.
    fn take_number(&mut self, length: usize) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.source.read_exact(&mut bytes[..length]).map_err(cut_off)?;
        self.input_bytes += length as u64;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Begin the next frame, or skip one that is to be skipped; false at the end of the stream.
    fn begin_frame(&mut self) -> io::Result<bool> {
        let mut first = [0];
        if self.source.read(&mut first)? == 0 {
            return Ok(false);
        }
        let [second, third, fourth] = self.take()?;
        match u32::from_le_bytes([first[0], second, third, fourth]) {
            FRAME_MAGIC => self.frame = Some(self.take_header()?),
            0x184d_2a50..=0x184d_2a5f => self.skip()?,
            _ => return Err(damage("something that is not zstd follows a zstd frame")),
        }
        Ok(true)
    }

    fn skip(&mut self) -> io::Result<()> {
        let due = self.take_number(4)?;
        let skipped = io::copy(&mut (&mut self.source).take(due), &mut io::sink())?;
        self.input_bytes += skipped;
        if skipped == due { Ok(()) } else { Err(cut_off(io::ErrorKind::UnexpectedEof.into())) }
    }

    /// Section 3.1.1.1.
    fn take_header(&mut self) -> io::Result<Frame> {
        let [descriptor] = self.take()?;
        let single_segment = descriptor & 0x20 != 0;
        if descriptor & 0x08 != 0 {
            return Err(damage("a reserved bit of the zstd frame header is set"));
        }
        let window = if single_segment { None } else { Some(self.take::<1>()?[0]) };
        let dictionary = self.take_number([0, 1, 2, 4][usize::from(descriptor & 3)])?;
        if dictionary != 0 {
            return Err(damage("the zstd frame needs a dictionary"));
        }
        let content_bytes = match descriptor >> 6 {
            0 if single_segment => Some(self.take_number(1)?),
            0 => None,
            1 => Some(self.take_number(2)? + 256),
            2 => Some(self.take_number(4)?),
            _ => Some(self.take_number(8)?),
        };
        let window_bytes = window.map_or(content_bytes.unwrap_or(0), window_size);
        if window_bytes > WINDOW_BYTES_MAX {
            return Err(damage(format!(
                "a zstd window of {window_bytes} bytes; {WINDOW_BYTES_MAX} is the most"
            )));
        }
        let window_bytes = usize::try_from(window_bytes).expect("below 2^27");
        let checksum = (descriptor & 4 != 0).then(|| Xxh64::new(0));
        Ok(Frame {
            decoder: BlockDecoder::new(window_bytes),
            content_bytes,
            decoded_bytes: 0,
            checksum,
            over: false,
        })
    }

    /// Decode one block of the frame, or close it. Section 3.1.1.2.
    fn advance(&mut self, frame: &mut Frame) -> io::Result<()> {
        let [low, middle, high] = self.take()?;
        let header = u32::from_le_bytes([low, middle, high, 0]);
        let size = (header >> 3) as usize;
        if size > BLOCK_BYTES_MAX {
            return Err(damage(format!("a zstd block of {size} bytes; {BLOCK_BYTES_MAX} is the most")));
        }
        let kind = header >> 1 & 3;
        let mut content = vec![0; if kind == 1 { 1 } else { size }];
        self.source.read_exact(&mut content).map_err(cut_off)?;
        self.input_bytes += content.len() as u64;
        let decoded = match kind {
            0 => frame.decoder.raw(&content),
            1 => frame.decoder.repeat(content[0], size),
            2 => frame.decoder.compressed(&content),
            _ => Err("a block of the reserved kind"),
        };
        let decoded = decoded.map_err(|what| damage(format!("damaged zstd stream: {what}")))?;
        if let Some(checksum) = &mut frame.checksum {
            checksum.update(decoded);
        }
        frame.decoded_bytes += decoded.len() as u64;
        self.output_bytes += decoded.len() as u64;
        if header & 1 == 1 {
            self.close(frame)?;
        }
        self.check_ratio()
    }

    fn close(&mut self, frame: &mut Frame) -> io::Result<()> {
        if frame.content_bytes.is_some_and(|due| due != frame.decoded_bytes) {
            return Err(damage("damaged zstd stream: a frame is not as long as its header says"));
        }
        if let Some(checksum) = &frame.checksum {
            let due = self.take_number(4)?;
            if due != checksum.digest() & 0xffff_ffff {
                return Err(damage("damaged zstd stream: a checksum does not match"));
            }
        }
        frame.over = true;
        Ok(())
    }

    fn check_ratio(&self) -> io::Result<()> {
        let allowed = self.input_bytes.saturating_mul(ZSTD_RATIO_MAX).saturating_add(OUTPUT_FREE_BYTES);
        if self.output_bytes <= allowed {
            return Ok(());
        }
        let (input, output) = (self.input_bytes, self.output_bytes);
        Err(damage(format!(
            "{input} compressed bytes gave {output}; no trace shrinks over {ZSTD_RATIO_MAX} times"
        )))
    }
}

/// Section 3.1.1.1.2.
fn window_size(descriptor: u8) -> u64 {
    let base = 1_u64 << (10 + (descriptor >> 3));
    base + base / 8 * u64::from(descriptor & 7)
}

impl<R: Read> Read for ZstdReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(mut frame) = self.frame.take() else {
                if self.begin_frame()? { continue } else { return Ok(0) }
            };
            let given = frame.decoder.give(buffer);
            if given == 0 && !frame.over {
                self.advance(&mut frame)?;
            }
            if given > 0 || !frame.over || frame.decoder.holds() {
                self.frame = Some(frame);
            }
            if given > 0 {
                return Ok(given);
            }
        }
    }
}
