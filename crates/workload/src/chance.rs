//! Seeded chance: uniform numbers, a permutation without a table, and Zipf ranks.
//!
//! Invariant: the same seed gives the same numbers on every machine and with every version of the libraries below: only
//! the ChaCha stream itself is taken from outside, and logarithms come from `libm`, not from the system. Knows no
//! workload.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A seeded stream of numbers.
#[derive(Clone, Debug)]
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// The stream of a seed. Streams of the same seed with another `purpose` are unrelated.
    #[must_use]
    pub fn new(seed: u64, purpose: u64) -> Chance {
        let mut stream = ChaCha8Rng::seed_from_u64(seed);
        stream.set_stream(purpose);
        Chance(stream)
    }
    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }
    /// One of `0..limit`. The bias is below `limit / 2^64`.
    pub fn below(&mut self, limit: u64) -> u64 {
        assert!(limit > 0, "no number is below 0");
        let wide = u128::from(self.number()) * u128::from(limit);
        u64::try_from(wide >> 64).expect("the upper half of a 128-bit product")
    }
    /// A real number in `0..1`, a multiple of 2^-53.
    pub fn real(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }
    /// True with this probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.real() < probability
    }
}

/// A shuffle of `0..count` that needs no table: four Feistel rounds on the next even power of two, walked until inside.
#[derive(Clone, Debug)]
pub struct Permutation {
    count: u64,
    half_bits: u32,
    keys: [u64; 4],
}

impl Permutation {
    /// The shuffle that these numbers pick. `count` is at least 1 and at most 2^62.
    pub fn new(count: u64, chance: &mut Chance) -> Permutation {
        assert!((1..=1 << 62).contains(&count), "bad count {count}");
        let bits = 64 - (count - 1).leading_zeros();
        Permutation {
            count,
            half_bits: bits.div_ceil(2).max(1),
            keys: std::array::from_fn(|_| chance.number()),
        }
    }
    /// Where `index` goes.
    #[must_use]
    pub fn at(&self, index: u64) -> u64 {
        assert!(index < self.count, "{index} is not below {}", self.count);
        let mut place = index;
        loop {
            place = self.round_trip(place);
            if place < self.count {
                return place;
            }
        }
    }
    fn round_trip(&self, place: u64) -> u64 {
        let mask = (1_u64 << self.half_bits) - 1;
        let (mut left, mut right) = (place >> self.half_bits, place & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mixed(right ^ key) & mask));
        }
        left << self.half_bits | right
    }
}

/// SplitMix64's finalizer (Steele, Lea and Flood, OOPSLA 2014, section 4).
fn mixed(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Ranks `0..count`, rank k with a probability in proportion to `1 / (k + 1)^exponent`, in constant memory and time:
/// rejection-inversion (Hoermann and Derflinger, ACM TOMACS 6(3), 1996, section 4).
#[derive(Clone, Debug)]
pub struct Zipf {
    count: f64,
    exponent: f64,
    area_first: f64,
    area_last: f64,
    always: f64,
}

impl Zipf {
    /// `count` is at least 1; `exponent` is over 0.
    #[must_use]
    pub fn new(count: u64, exponent: f64) -> Zipf {
        assert!(count > 0 && exponent > 0.0, "bad zipf {count}, {exponent}");
        let mut zipf = Zipf { count: count as f64, exponent, area_first: 0.0, area_last: 0.0, always: 0.0 };
        zipf.area_first = zipf.area(1.5) - 1.0;
        zipf.area_last = zipf.area(zipf.count + 0.5);
        zipf.always = 2.0 - zipf.area_inverse(zipf.area(2.5) - zipf.height(2.0));
        zipf
    }
    /// The next rank.
    pub fn rank(&self, chance: &mut Chance) -> u64 {
        loop {
            let area = self.area_last + chance.real() * (self.area_first - self.area_last);
            let place = self.area_inverse(area);
            let rank = libm::floor(place + 0.5).clamp(1.0, self.count);
            if rank - place <= self.always || area >= self.area(rank + 0.5) - self.height(rank) {
                return rank as u64 - 1;
            }
        }
    }
    fn height(&self, place: f64) -> f64 {
        libm::exp(-self.exponent * libm::log(place))
    }
    /// The integral of `height` from 1: `(x^(1-s) - 1) / (1-s)`, and `ln x` at s = 1, without a jump between the two.
    fn area(&self, place: f64) -> f64 {
        let logarithm = libm::log(place);
        growth((1.0 - self.exponent) * logarithm) * logarithm
    }
    fn area_inverse(&self, area: f64) -> f64 {
        let scaled = (area * (1.0 - self.exponent)).max(-1.0);
        libm::exp(shrinkage(scaled) * area)
    }
}

/// `(e^x - 1) / x`, 1 at 0.
fn growth(x: f64) -> f64 {
    if x.abs() > 1e-8 { libm::expm1(x) / x } else { 1.0 + x / 2.0 }
}

/// `ln(1 + x) / x`, 1 at 0.
fn shrinkage(x: f64) -> f64 {
    if x.abs() > 1e-8 { libm::log1p(x) / x } else { 1.0 - x / 2.0 }
}

#[cfg(test)]
mod tests;
