//! Finite state entropy: tables and their descriptions (section 4.1).
//!
//! Invariant: a table has `2^accuracy` cells, and every state that a cell leads to is a cell of it.

use super::bits::{Backward, Checked, Forward};

/// One state.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    symbol: u8,
    bits: u8,
    base: u16,
}

/// A decoding table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    accuracy: u32,
    cells: Vec<Cell>,
}

/// Where in a table a decoder is.
#[derive(Clone, Copy)]
pub(super) struct State(usize);

impl Table {
    /// A table that always gives one symbol and reads nothing.
    pub(super) fn constant(symbol: u8) -> Table {
        Table { accuracy: 0, cells: vec![Cell { symbol, bits: 0, base: 0 }] }
    }
    /// Read a description, with at most `symbols` symbols and `accuracy_max`; and what follows it.
    pub(super) fn described(bytes: &[u8], symbols: usize, accuracy_max: u32) -> Checked<(Table, &[u8])> {
        let mut bits = Forward::new(bytes);
        let accuracy = bits.read(4)? + 5;
        if accuracy > accuracy_max {
            return Err("an entropy table is larger than the format allows");
        }
        let counts = counts(&mut bits, symbols, accuracy)?;
        Ok((Table::new(&counts, accuracy), bits.rest()))
    }
    /// From counts that add up to `2^accuracy`, where -1 counts as one and marks a rare symbol.
    pub(super) fn new(counts: &[i16], accuracy: u32) -> Table {
        let size = 1_usize << accuracy;
        let mut cells = vec![Cell::default(); size];
        let mut next: Vec<u32> = counts.iter().map(|count| u32::from(count.unsigned_abs())).collect();
        let mut high = size;
        for (symbol, _) in counts.iter().enumerate().filter(|(_, count)| **count == -1) {
            high -= 1;
            cells[high].symbol = symbol as u8;
        }
        spread(counts, &mut cells, high);
        for cell in &mut cells {
            let order = &mut next[usize::from(cell.symbol)];
            let bits = accuracy - order.ilog2();
            cell.bits = bits as u8;
            cell.base = ((*order << bits) as usize - size) as u16;
            *order += 1;
        }
        Table { accuracy, cells }
    }
    pub(super) fn start(&self, bits: &mut Backward<'_>) -> State {
        State(bits.read(self.accuracy) as usize)
    }
    pub(super) fn symbol(&self, state: State) -> u8 {
        self.cells[state.0].symbol
    }
    pub(super) fn step(&self, state: &mut State, bits: &mut Backward<'_>) {
        let cell = self.cells[state.0];
        state.0 = usize::from(cell.base) + bits.read(u32::from(cell.bits)) as usize;
    }
}

/// Give the symbols that are not rare their cells below `high`.
fn spread(counts: &[i16], cells: &mut [Cell], high: usize) {
    let size = cells.len();
    let (step, mut at) = ((size >> 1) + (size >> 3) + 3, 0);
    for (symbol, count) in counts.iter().enumerate() {
        for _ in 0..(*count).max(0) {
            cells[at].symbol = symbol as u8;
            at = (at + step) % size;
            while at >= high {
                at = (at + step) % size;
            }
        }
    }
}

/// Section 4.1.1: each count takes as many bits as the rest of the sum could need.
fn counts(bits: &mut Forward<'_>, symbols: usize, accuracy: u32) -> Checked<Vec<i16>> {
    let mut counts = Vec::with_capacity(symbols);
    let mut remaining = 1_u32 << accuracy;
    while remaining > 0 {
        let count = count(bits, remaining)?;
        remaining -= u32::from(count.unsigned_abs());
        counts.push(count);
        let mut zeros = if count == 0 { 3 } else { 0 };
        while zeros == 3 {
            zeros = bits.read(2)?;
            counts.resize(counts.len() + zeros as usize, 0);
            if counts.len() > symbols {
                break;
            }
        }
        if counts.len() > symbols {
            return Err("an entropy table has more symbols than there are");
        }
    }
    Ok(counts)
}

/// One count: -1 to `remaining`.
fn count(bits: &mut Forward<'_>, remaining: u32) -> Checked<i16> {
    let width = (remaining + 1).ilog2() + 1;
    let half = 1_u32 << (width - 1);
    let short = 2 * half - 1 - (remaining + 1);
    // The last bit may lie past the end when it is not needed; such a stream is not valid either way.
    let value = bits.read(width)?;
    let value = if value % half < short {
        bits.unread();
        value % half
    } else if value >= half {
        value - short
    } else {
        value
    };
    Ok(value as i16 - 1)
}
