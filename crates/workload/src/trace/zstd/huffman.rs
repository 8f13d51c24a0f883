//! Huffman codes of literals (section 4.2).
//!
//! Invariant: the table covers all codes of its longest length, so any bits decode to something; a stream must be used
//! up exactly.

use super::bits::{Backward, Checked};
use super::fse::Table;

const CODE_BITS_MAX: u32 = 11;

/// A decoding table.
pub(super) struct Huffman {
    bits: u32,
    /// Symbol and length by the next `bits` bits.
    cells: Vec<(u8, u8)>,
}

impl Huffman {
    /// Read a description; and what follows it.
    pub(super) fn described(bytes: &[u8]) -> Checked<(Huffman, &[u8])> {
        let (header, rest) = bytes.split_first().ok_or("a Huffman table is cut off")?;
        let direct = *header >= 128;
        let length = usize::from(if direct { (header - 127).div_ceil(2) } else { *header });
        let (content, rest) = rest.split_at_checked(length).ok_or("a Huffman table is cut off")?;
        let weights = if direct {
            content.iter().flat_map(|byte| [byte >> 4, byte & 15]).take(usize::from(header - 127)).collect()
        } else {
            weights(content)?
        };
        Ok((Huffman::new(weights)?, rest))
    }
    /// From the weights of all symbols but the last.
    fn new(mut weights: Vec<u8>) -> Checked<Huffman> {
        const BAD: &str = "Huffman weights that make no code";
        if weights.iter().any(|weight| u32::from(*weight) > CODE_BITS_MAX) {
            return Err(BAD);
        }
        let sum: u32 = weights.iter().filter(|weight| **weight > 0).map(|weight| 1 << (weight - 1)).sum();
        let bits = sum.checked_ilog2().ok_or(BAD)? + 1;
        let left = (1 << bits) - sum;
        if bits > CODE_BITS_MAX || !left.is_power_of_two() {
            return Err(BAD);
        }
        weights.push(left.ilog2() as u8 + 1);
        let mut cells = Vec::with_capacity(1 << bits);
        for weight in 1..=bits as u8 {
            for (symbol, _) in weights.iter().enumerate().filter(|(_, given)| **given == weight) {
                let cell = (symbol as u8, bits as u8 + 1 - weight);
                cells.resize(cells.len() + (1 << (weight - 1)), cell);
            }
        }
        debug_assert_eq!(cells.len(), 1 << bits);
        Ok(Huffman { bits, cells })
    }
    /// Decode `count` literals of one stream onto `out`.
    pub(super) fn decode(&self, stream: &[u8], count: usize, out: &mut Vec<u8>) -> Checked<()> {
        let mut bits = Backward::new(stream)?;
        for _ in 0..count {
            let (symbol, length) = self.cells[bits.peek(self.bits) as usize];
            bits.consume(u32::from(length));
            out.push(symbol);
        }
        if bits.left() == 0 { Ok(()) } else { Err("a Huffman stream of another length than its literals") }
    }
}

/// Section 4.2.1.2: weights from two interleaved states, until the bits run out.
fn weights(bytes: &[u8]) -> Checked<Vec<u8>> {
    let (table, stream) = Table::described(bytes, 256, 6)?;
    let mut bits = Backward::new(stream)?;
    let mut states = [table.start(&mut bits), table.start(&mut bits)];
    let mut weights = Vec::new();
    loop {
        for turn in [0, 1] {
            weights.push(table.symbol(states[turn]));
            table.step(&mut states[turn], &mut bits);
            if bits.left() < 0 {
                weights.push(table.symbol(states[1 - turn]));
                return if weights.len() > 255 { Err("too many Huffman weights") } else { Ok(weights) };
            }
            if weights.len() > 255 {
                return Err("too many Huffman weights");
            }
        }
    }
}
