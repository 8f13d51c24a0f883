//! One block: its literals, its sequences, and their execution on the history (sections 3.1.1.3 and 3.1.1.4).
//!
//! Invariant: a block adds at most 128 KiB (or a window, if that is smaller) to the history, which is checked before each
//! copy; the history never holds more than a window and a quarter, plus a block or two. After an error it is not used again.

use super::bits::{Backward, Checked};
use super::fse::Table;
use super::huffman::Huffman;

pub(super) const BLOCK_BYTES_MAX: usize = 128 << 10;

/// Base and extra bits of a literal length's code.
const LITERAL_LENGTHS: [(u32, u32); 36] =
    lengths(0, 16, &[1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
/// Base and extra bits of a match length's code.
const MATCH_LENGTHS: [(u32, u32); 53] =
    lengths(3, 32, &[1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);

/// `plain` codes of one length each from `first`; then each covers as many as its extra bits can say.
const fn lengths<const N: usize>(first: u32, plain: usize, extra: &[u32]) -> [(u32, u32); N] {
    let mut table = [(0, 0); N];
    let (mut code, mut base) = (0, first);
    while code < N {
        let bits = if code < plain { 0 } else { extra[code - plain] };
        table[code] = (base, bits);
        base += 1 << bits;
        code += 1;
    }
    table
}

/// What a kind of code may look like, and its table when the stream brings none.
struct Code {
    symbols: usize,
    accuracy_max: u32,
    default_accuracy: u32,
    default: &'static [i16],
}

const LITERAL_CODE: Code = Code {
    symbols: 36,
    accuracy_max: 9,
    default_accuracy: 6,
    default: &[
        4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1,
        -1, -1, -1,
    ],
};
const OFFSET_CODE: Code = Code {
    symbols: 32,
    accuracy_max: 8,
    default_accuracy: 5,
    default: &[1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1],
};
const MATCH_CODE: Code = Code {
    symbols: 53,
    accuracy_max: 9,
    default_accuracy: 6,
    default: &[
        1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
    ],
};

/// Decodes the blocks of one frame.
pub(super) struct BlockDecoder {
    window: usize,
    history: Vec<u8>,
    /// History before this was handed out.
    given: usize,
    literals: Vec<u8>,
    huffman: Option<Huffman>,
    literal_table: Option<Table>,
    offset_table: Option<Table>,
    match_table: Option<Table>,
    recent: [usize; 3],
}

impl BlockDecoder {
    pub(super) fn new(window: usize) -> BlockDecoder {
        BlockDecoder {
            window,
            history: Vec::new(),
            given: 0,
            literals: Vec::new(),
            huffman: None,
            literal_table: None,
            offset_table: None,
            match_table: None,
            recent: [1, 4, 8],
        }
    }
    /// Hand out what was not.
    pub(super) fn give(&mut self, buffer: &mut [u8]) -> usize {
        let ready = &self.history[self.given..];
        let count = ready.len().min(buffer.len());
        buffer[..count].copy_from_slice(&ready[..count]);
        self.given += count;
        count
    }
    /// Whether something was not handed out.
    pub(super) fn holds(&self) -> bool {
        self.given < self.history.len()
    }
    pub(super) fn raw(&mut self, content: &[u8]) -> Checked<&[u8]> {
        let start = self.begin();
        self.room(start, content.len())?;
        self.history.extend_from_slice(content);
        Ok(&self.history[start..])
    }
    pub(super) fn repeat(&mut self, byte: u8, count: usize) -> Checked<&[u8]> {
        let start = self.begin();
        self.room(start, count)?;
        self.history.resize(start + count, byte);
        Ok(&self.history[start..])
    }
    pub(super) fn compressed(&mut self, content: &[u8]) -> Checked<&[u8]> {
        let start = self.begin();
        let rest = self.take_literals(content)?;
        self.take_sequences(rest, start)?;
        Ok(&self.history[start..])
    }
    /// Forget what lies behind the window and was handed out, now and then; where the block starts.
    fn begin(&mut self) -> usize {
        let spare = self.history.len().saturating_sub(self.window).min(self.given);
        if spare >= (self.window / 4).max(2 * BLOCK_BYTES_MAX) {
            self.history.drain(..spare);
            self.given -= spare;
        }
        self.history.len()
    }
    /// Whether the block that began at `start` may grow by this much.
    fn room(&self, start: usize, more: usize) -> Checked<()> {
        let most = self.window.min(BLOCK_BYTES_MAX);
        if self.history.len() - start + more <= most {
            Ok(())
        } else {
            Err("a block that gives more than the format allows")
        }
    }

    /// Section 3.1.1.3.1.
    fn take_literals<'a>(&mut self, content: &'a [u8]) -> Checked<&'a [u8]> {
        const CUT: &str = "a literals section is cut off";
        let first = *content.first().ok_or(CUT)?;
        let (kind, size_format) = (first & 3, first >> 2 & 3);
        let header_bytes = match (kind, size_format) {
            (0 | 1, 0 | 2) => 1,
            (0 | 1, 1) => 2,
            (0 | 1, _) | (_, 0 | 1) => 3,
            (_, 2) => 4,
            _ => 5,
        };
        let (header, rest) = content.split_at_checked(header_bytes).ok_or(CUT)?;
        let header = header.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let size_bits = match (kind, header_bytes) {
            (0 | 1, 1) => 5,
            (0 | 1, 2) => 12,
            (0 | 1, _) => 20,
            (_, 3) => 10,
            (_, 4) => 14,
            _ => 18,
        };
        let size_start = if header_bytes == 1 { 3 } else { 4 };
        let size = (header >> size_start & ((1 << size_bits) - 1)) as usize;
        if size > BLOCK_BYTES_MAX {
            return Err("more literals than fit in a block");
        }
        self.literals.clear();
        if kind < 2 {
            let (stored, rest) = rest.split_at_checked(if kind == 0 { size } else { 1 }).ok_or(CUT)?;
            if kind == 0 {
                self.literals.extend_from_slice(stored)
            } else {
                self.literals.resize(size, stored[0])
            }
            return Ok(rest);
        }
        let packed = (header >> (size_start + size_bits)) as usize;
        let (packed, rest) = rest.split_at_checked(packed).ok_or(CUT)?;
        self.unpack_literals(packed, size, kind == 2, size_format > 0)?;
        Ok(rest)
    }

    fn unpack_literals(&mut self, packed: &[u8], size: usize, new_code: bool, four: bool) -> Checked<()> {
        let mut streams = packed;
        if new_code {
            let (huffman, rest) = Huffman::described(packed)?;
            self.huffman = Some(huffman);
            streams = rest;
        }
        let huffman = self.huffman.as_ref().ok_or("literals refer to a Huffman table that is not there")?;
        if !four {
            return huffman.decode(streams, size, &mut self.literals);
        }
        let (jumps, mut streams) = streams.split_at_checked(6).ok_or("a jump table is cut off")?;
        let quarter = size.div_ceil(4);
        for jump in jumps.chunks_exact(2) {
            let length = usize::from(u16::from_le_bytes([jump[0], jump[1]]));
            let (stream, rest) = streams.split_at_checked(length).ok_or("a Huffman stream is cut off")?;
            huffman.decode(stream, quarter, &mut self.literals)?;
            streams = rest;
        }
        let last = size.checked_sub(3 * quarter).ok_or("four Huffman streams for too few literals")?;
        huffman.decode(streams, last, &mut self.literals)
    }

    /// Section 3.1.1.3.2.
    fn take_sequences(&mut self, content: &[u8], start: usize) -> Checked<()> {
        const CUT: &str = "a sequences section is cut off";
        let (count, rest) = match *content {
            [] => return Err(CUT),
            [0] => (0, &content[1..]),
            [0, ..] => return Err("bytes behind the end of a block"),
            [few @ 1..=127, ref rest @ ..] => (usize::from(few), rest),
            [high @ 128..=254, low, ref rest @ ..] => (usize::from(high - 128) << 8 | usize::from(low), rest),
            [255, low, high, ref rest @ ..] => (usize::from(u16::from_le_bytes([low, high])) + 0x7f00, rest),
            _ => return Err(CUT),
        };
        let mut used = 0;
        if count > 0 {
            let (modes, rest) = rest.split_first().ok_or(CUT)?;
            if modes & 3 != 0 {
                return Err("reserved bits of a sequences section are set");
            }
            let rest = take_table(&mut self.literal_table, &LITERAL_CODE, modes >> 6, rest)?;
            let rest = take_table(&mut self.offset_table, &OFFSET_CODE, modes >> 4 & 3, rest)?;
            let rest = take_table(&mut self.match_table, &MATCH_CODE, modes >> 2 & 3, rest)?;
            used = self.run_sequences(rest, count, start)?;
        }
        let literals = std::mem::take(&mut self.literals);
        self.room(start, literals.len() - used)?;
        self.history.extend_from_slice(&literals[used..]);
        self.literals = literals;
        Ok(())
    }

    /// Decode and execute; how many literals were used.
    fn run_sequences(&mut self, stream: &[u8], count: usize, start: usize) -> Checked<usize> {
        const NONE: &str = "sequences refer to a table that is not there";
        let literal_table = self.literal_table.take().ok_or(NONE)?;
        let offset_table = self.offset_table.take().ok_or(NONE)?;
        let match_table = self.match_table.take().ok_or(NONE)?;
        let mut bits = Backward::new(stream)?;
        let mut literal_state = literal_table.start(&mut bits);
        let mut offset_state = offset_table.start(&mut bits);
        let mut match_state = match_table.start(&mut bits);
        let mut used = 0;
        for left in (0..count).rev() {
            let offset_code = u32::from(offset_table.symbol(offset_state));
            let offset_value = (1_u64 << offset_code) + bits.read(offset_code);
            let length = read_length(&MATCH_LENGTHS, match_table.symbol(match_state), &mut bits)?;
            let literals = read_length(&LITERAL_LENGTHS, literal_table.symbol(literal_state), &mut bits)?;
            if left > 0 {
                literal_table.step(&mut literal_state, &mut bits);
                match_table.step(&mut match_state, &mut bits);
                offset_table.step(&mut offset_state, &mut bits);
            }
            if bits.left() < 0 {
                return Err("a sequence stream that ends early");
            }
            used = self.execute(used, literals, offset_value, length, start)?;
        }
        if bits.left() != 0 {
            return Err("a sequence stream that ends late");
        }
        (self.literal_table, self.offset_table, self.match_table) =
            (Some(literal_table), Some(offset_table), Some(match_table));
        Ok(used)
    }

    /// Copy `literals` literals, then `length` bytes from before; how many literals are used now.
    fn execute(
        &mut self,
        used: usize,
        literals: usize,
        offset_value: u64,
        length: usize,
        start: usize,
    ) -> Checked<usize> {
        self.room(start, literals + length)?;
        let now_used = used + literals;
        let copied =
            self.literals.get(used..now_used).ok_or("a sequence with more literals than there are")?;
        self.history.extend_from_slice(copied);
        let offset = self.offset(offset_value, literals)?;
        let from = self.history.len().checked_sub(offset).ok_or("a match from before the beginning")?;
        if offset > self.window {
            return Err("a match from before the window");
        }
        if offset >= length {
            self.history.extend_from_within(from..from + length);
        } else {
            (from..from + length).for_each(|at| self.history.push(self.history[at]));
        }
        Ok(now_used)
    }

    /// Section 3.1.1.5: small values name recent offsets.
    fn offset(&mut self, value: u64, literals: usize) -> Checked<usize> {
        let [first, second, third] = self.recent;
        let offset = match (value, literals) {
            (1, 1..) => return Ok(first),
            (2, 1..) | (1, 0) => {
                self.recent = [second, first, third];
                return Ok(second);
            }
            (3, 1..) | (2, 0) => third,
            (3, 0) => first - 1,
            _ => usize::try_from(value - 3).map_err(|_| "a match from before the beginning")?,
        };
        if offset == 0 {
            return Err("a match from nowhere");
        }
        self.recent = [offset, first, second];
        Ok(offset)
    }
}

fn read_length(table: &[(u32, u32)], code: u8, bits: &mut Backward<'_>) -> Checked<usize> {
    let (base, extra) = *table.get(usize::from(code)).ok_or("a length code that does not exist")?;
    Ok(base as usize + bits.read(extra) as usize)
}

/// Set a table as its mode says; what follows the description.
fn take_table<'a>(table: &mut Option<Table>, code: &Code, mode: u8, content: &'a [u8]) -> Checked<&'a [u8]> {
    match mode {
        0 => *table = Some(Table::new(code.default, code.default_accuracy)),
        1 => {
            let (symbol, rest) = content.split_first().ok_or("an entropy table is cut off")?;
            if usize::from(*symbol) >= code.symbols {
                return Err("an entropy table has more symbols than there are");
            }
            *table = Some(Table::constant(*symbol));
            return Ok(rest);
        }
        2 => {
            let (read, rest) = Table::described(content, code.symbols, code.accuracy_max)?;
            *table = Some(read);
            return Ok(rest);
        }
        _ => {}
    }
    Ok(content)
}
