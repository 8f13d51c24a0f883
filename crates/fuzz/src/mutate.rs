//! A small mutator, for the ordinary tests: libFuzzer's kinds of change without its guidance.
//!
//! Invariant: the same seed and inputs give the same mutants.

use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The longest mutant.
const BYTES_MAX: usize = 4096;
/// What numbers end in, and what texts are made of.
const BYTES: &[u8] = b"\x00\x01\x7f\x80\xff\"\n,.-=[]{}0919eEaz ";

/// Mutants of some inputs, without end.
pub struct Mutator {
    inputs: Vec<Vec<u8>>,
    random: ChaCha8Rng,
}

impl Mutator {
    /// From these inputs (none counts as one that is empty).
    #[must_use]
    pub fn new(inputs: &[Vec<u8>], seed: u64) -> Mutator {
        let inputs = if inputs.is_empty() { vec![Vec::new()] } else { inputs.to_vec() };
        Mutator { inputs, random: ChaCha8Rng::seed_from_u64(seed) }
    }
    fn below(&mut self, limit: usize) -> usize {
        self.random.random_range(0..limit.max(1))
    }
    /// The next mutant: one input, changed once to eight times.
    pub fn mutant(&mut self) -> Vec<u8> {
        let at = self.below(self.inputs.len());
        let mut mutant = self.inputs[at].clone();
        for _ in 0..=self.below(8) {
            self.change(&mut mutant);
        }
        mutant.truncate(BYTES_MAX);
        mutant
    }
    fn change(&mut self, mutant: &mut Vec<u8>) {
        let (at, end) = (self.below(mutant.len()), self.below(mutant.len() + 1));
        match self.below(9) {
            0 | 1 if !mutant.is_empty() => mutant[at] ^= 1 << self.below(8),
            2 if !mutant.is_empty() => mutant[at] = self.random.random(),
            3 if !mutant.is_empty() => mutant[at] = BYTES[self.below(BYTES.len())],
            4 => drop(mutant.drain(at.min(end)..end.max(at).min(at + 16))),
            5 => {
                let copy = mutant[at.min(end)..end.max(at).min(at + 32).max(at.min(end))].to_vec();
                mutant.splice(end..end, copy);
            }
            6 => {
                let other = self.below(self.inputs.len());
                let from = self.below(self.inputs[other].len() + 1);
                let tail = self.inputs[other][from..].to_vec();
                mutant.truncate(end);
                mutant.extend(tail);
            }
            7 => mutant.insert(end, BYTES[self.below(BYTES.len())]),
            _ => {
                let count = 1 + self.below(12);
                let fresh: Vec<u8> = (0..count).map(|_| self.random.random()).collect();
                mutant.splice(end..end, fresh);
            }
        }
    }
}
