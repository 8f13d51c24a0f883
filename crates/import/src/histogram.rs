//! A disk with a given histogram of free runs: what can be made of `e2freefrag` or of `freesp` without `-d`.
//!
//! Invariant: each class gets the count and (to a rest below one block a run) the bytes that the text says; which lengths, in
//! what order and with what gaps is made by seed, and the answer says so. Runs too short for a block of 4 KiB are left out.

use crate::text::{field, lines, number, product, shown};
use crate::{BLOCK, DISK_BYTES_MAX, FreeState, RUNS_MAX, Result, wrong};
use spinney_core::{Extent, Pba};

/// Runs of `low..=high` bytes.
pub(crate) struct Class {
    pub(crate) line: u64,
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) runs: u64,
    pub(crate) bytes: u64,
}

pub(crate) fn e2freefrag(text: &str, seed: u64) -> Result<FreeState> {
    let block = field(text, "Blocksize:")?;
    let total = product(0, field(text, "Total blocks:")?, block)?;
    let mut classes = Vec::new();
    for (line, content) in lines(text) {
        // `    4K...    8K-  :            54            54    0.32%`
        let Some((range, counts)) = content.split_once(':') else { continue };
        let Some((low, high)) = range.split_once("...") else { continue };
        let (low, high) = (size(line, low)?, size(line, high.trim().trim_end_matches('-'))?);
        let mut words = counts.split_whitespace();
        let mut count = || number(line, words.next().unwrap_or(""));
        let (runs, blocks) = (count()?, count()?);
        // The upper end is the next class's.
        classes.push(Class {
            line,
            low,
            high: high.saturating_sub(1),
            runs,
            bytes: product(line, blocks, block)?,
        });
    }
    made_up("e2freefrag (a histogram)", total, &classes, seed)
}

/// `4K`, `2M`, `1G` or a plain number of bytes.
fn size(line: u64, word: &str) -> Result<u64> {
    let word = word.trim();
    let unit = match word.chars().next_back() {
        Some('K') => 1 << 10,
        Some('M') => 1 << 20,
        Some('G') => 1 << 30,
        Some('T') => 1 << 40,
        _ => 1,
    };
    product(line, number(line, word.trim_end_matches(['K', 'M', 'G', 'T']))?, unit)
}

/// A layout with these classes.
pub(crate) fn made_up(
    source: &'static str,
    total_bytes: u64,
    classes: &[Class],
    seed: u64,
) -> Result<FreeState> {
    if total_bytes == 0 || total_bytes > DISK_BYTES_MAX {
        return wrong(0, format!("a disk of {total_bytes} bytes: from 4 KiB to 16 TiB can be taken"));
    }
    let total_blocks = total_bytes / BLOCK;
    let mut chance = Chance(seed);
    let mut lengths = Vec::new();
    for class in classes {
        lengths_of(class, RUNS_MAX.saturating_sub(lengths.len() as u64), &mut chance, &mut lengths)?;
    }
    let free: u64 = lengths.iter().try_fold(0u64, |sum, length| sum.checked_add(*length)).unwrap_or(u64::MAX);
    let used = total_blocks.checked_sub(free).filter(|used| *used + 1 >= lengths.len() as u64);
    let Some(used) = used else {
        return wrong(
            0,
            "the histogram has more free blocks than the disk has room for, with one in use between each two runs",
        );
    };
    for last in (1..lengths.len()).rev() {
        lengths.swap(last, chance.below(last as u64 + 1) as usize);
    }
    Ok(FreeState { source, total_blocks, free: lay_out(&lengths, used, &mut chance), made_up: true })
}

/// The runs of a class: the mean length, moved about by pairs within the class.
fn lengths_of(class: &Class, room: u64, chance: &mut Chance, lengths: &mut Vec<u64>) -> Result<()> {
    let Class { line, low, high, runs, bytes } = *class;
    let fits = low.checked_mul(runs).is_some_and(|least| least <= bytes)
        && (low <= high && bytes / runs.max(1) <= high && (runs > 0 || bytes == 0));
    if !fits || runs > room {
        let why = if fits { "is more than 2^24 runs" } else { "does not fit its own class" };
        return wrong(line, format!("{runs} runs of {} bytes in all {why}", shown(&bytes.to_string())));
    }
    if runs == 0 {
        return Ok(());
    }
    let (mean, rest) = (bytes / BLOCK / runs, bytes / BLOCK % runs);
    let first = lengths.len();
    lengths.extend((0..runs).map(|run| mean + u64::from(run < rest)).filter(|blocks| *blocks > 0));
    let (low, high) = (low.div_ceil(BLOCK).max(1), high / BLOCK);
    for pair in lengths[first..].chunks_exact_mut(2) {
        let most = pair[0].saturating_sub(low).min(high.saturating_sub(pair[1]));
        let moved = chance.below(most + 1);
        pair[0] -= moved;
        pair[1] += moved;
    }
    Ok(())
}

/// Runs in this order, with `used` blocks spread over the gaps, at least one in each between two.
fn lay_out(lengths: &[u64], used: u64, chance: &mut Chance) -> Vec<Extent> {
    let spare = (used + 1).saturating_sub(lengths.len() as u64);
    let mut cuts: Vec<u64> = lengths.iter().map(|_| chance.below(spare + 1)).collect();
    cuts.sort_unstable();
    let mut before = 0;
    let place = |((at, cut), length): ((u64, &u64), &u64)| {
        let run = Extent { start: Pba(before + cut + at), blocks: *length };
        before += length;
        run
    };
    (0..).zip(&cuts).zip(lengths).map(place).collect()
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        ((u128::from(word) * u128::from(limit)) >> 64) as u64
    }
}
