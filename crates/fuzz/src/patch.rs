//! Damage as data: a list of small changes to regions of bytes, read from the front of an input.
//!
//! Invariant: a patch changes bytes inside one region or moves them between two; where it would leave a region, the place
//! wraps. So mutating the input mutates the damage, and no input is refused. Knows nothing of what the bytes mean, except
//! that eight of them may be a number, perhaps a page's.

use crate::bytes::Bytes;

/// The most patches of an input.
const PATCHES_MAX: usize = 12;

/// Numbers that ends and limits are made of.
const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    u64::MAX,
    u64::MAX - 1,
    1 << 63,
    1 << 62,
    (1 << 62) + 1,
    1 << 56,
    1 << 52,
    (1 << 40) - 1,
    1 << 40,
    1 << 32,
    u32::MAX as u64,
    508,
    0xffff,
];

/// Bytes that can be damaged.
pub(crate) trait Regions {
    /// How many regions there are; at least one.
    fn count(&self) -> usize;
    /// Look at one and change it.
    fn change(&mut self, region: usize, how: &mut dyn FnMut(&mut [u8]));
    /// What a pointer to that region would say.
    fn name(&self, region: usize) -> u64;
}

/// Apply the patches at the front of `input`.
pub(crate) fn apply(regions: &mut dyn Regions, input: &mut Bytes<'_>) {
    for _ in 0..usize::from(input.byte()) % (PATCHES_MAX + 1) {
        one(regions, input);
    }
}

fn one(regions: &mut dyn Regions, input: &mut Bytes<'_>) {
    let region = input.below(regions.count());
    let (at, kind) = (input.short(), input.byte());
    match kind % 8 {
        0 => {
            let value = input.byte();
            set(regions, region, at, &[value]);
        }
        1 => {
            set(regions, region, align(at), &NUMBERS[usize::from(input.byte()) % NUMBERS.len()].to_le_bytes())
        }
        2 => {
            let other = input.below(regions.count());
            let name = regions.name(other);
            set(regions, region, align(at), &name.to_le_bytes());
        }
        3 => {
            let value = input.word();
            set(regions, region, align(at), &value.to_le_bytes());
        }
        4 => {
            let (other, from) = (input.below(regions.count()), align(input.short()));
            let mut word = [0; 8];
            regions.change(other, &mut |bytes| word.copy_from_slice(&window(bytes, from, 8)));
            set(regions, region, align(at), &word);
        }
        5 => {
            let other = input.below(regions.count());
            let mut copy = Vec::new();
            regions.change(other, &mut |bytes| copy = bytes.to_vec());
            set(regions, region, 0, &copy);
        }
        6 => {
            let delta = u64::from(input.byte()).wrapping_sub(128);
            regions.change(region, &mut |bytes| {
                let at = place(bytes, align(at), 8);
                if let Some(word) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<8>) {
                    *word = u64::from_le_bytes(*word).wrapping_add(delta).to_le_bytes();
                }
            });
        }
        _ => {
            let (from, length, times) =
                (align(at), 8 * (1 + usize::from(input.byte() % 4)), 1 + usize::from(input.byte()));
            regions.change(region, &mut |bytes| repeat(bytes, from, length, times));
        }
    }
}

/// Fill what follows `length` bytes at `from` with them, so many times.
fn repeat(bytes: &mut [u8], from: u16, length: usize, times: usize) {
    let from = place(bytes, from, length);
    for copy in 1..=times {
        let to = from + copy * length;
        if to + length > bytes.len() {
            return;
        }
        bytes.copy_within(from..from + length, to);
    }
}

/// Fields are aligned; three of four places are.
fn align(at: u16) -> u16 {
    if at & 0xc000 == 0xc000 { at } else { at & !7 }
}

/// Where `length` bytes near `at` lie in the region.
fn place(bytes: &[u8], at: u16, length: usize) -> usize {
    usize::from(at & 0x3fff) % (bytes.len().saturating_sub(length) + 1)
}

fn window(bytes: &[u8], at: u16, length: usize) -> Vec<u8> {
    let at = place(bytes, at, length);
    let mut found = bytes[at..bytes.len().min(at + length)].to_vec();
    found.resize(length, 0);
    found
}

fn set(regions: &mut dyn Regions, region: usize, at: u16, value: &[u8]) {
    regions.change(region, &mut |bytes| {
        let at = place(bytes, at, value.len());
        bytes[at..].iter_mut().zip(value).for_each(|(to, from)| *to = *from);
    });
}

/// Inputs of no patch, and of a few of each kind, each followed by bytes that choose operations.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let operations: Vec<u8> = (0..64u8).map(|at| at.wrapping_mul(37)).collect();
    let mut seeds = vec![Vec::new(), [&[0], &operations[..]].concat()];
    for kind in 0..8u8 {
        for region in [0u8, 1, 3] {
            let one = [region, 0, 16 * (kind + 1), 0, kind, kind + 3, 0, 0, 0, 0, 0, 0, 0];
            let length = match kind {
                0 | 1 | 6 => 6,
                2 | 5 | 7 => 7,
                4 => 9,
                _ => 13,
            };
            seeds.push([&[1], &one[..length], &operations[..]].concat());
        }
    }
    seeds
}
