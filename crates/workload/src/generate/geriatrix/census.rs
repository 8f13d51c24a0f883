//! Who lives, by time of birth and by size: counts of any span of births, and the n-th of them.
//!
//! Invariant: one object a tick of birth at most; the sums agree with who lives. Logarithmic in the ticks of the run.

use super::super::ground::Stretch;
use super::profile::{Classes, Weighted};
use crate::chance::Chance;
use std::collections::HashMap;

/// Counts at places `0..n` with sums of prefixes (Fenwick, 1994).
struct Sums(Vec<u32>);

impl Sums {
    fn change(&mut self, place: u64, born: bool) {
        let mut at = place as usize + 1;
        while let Some(sum) = self.0.get_mut(at) {
            *sum = if born { *sum + 1 } else { *sum - 1 };
            at += at & at.wrapping_neg();
        }
    }
    /// Counts before `place`.
    fn before(&self, place: u64) -> u64 {
        let (mut at, mut sum) = ((place as usize).min(self.0.len() - 1), 0);
        while at > 0 {
            sum += u64::from(self.0[at]);
            at &= at - 1;
        }
        sum
    }
    fn within(&self, (from, to): (u64, u64)) -> u64 {
        self.before(to) - self.before(from)
    }
    /// The place of the one before which there are `rank`.
    fn at(&self, rank: u64) -> u64 {
        let (mut at, mut left) = (0, rank);
        let mut step = self.0.len().next_power_of_two();
        while step > 0 {
            if let Some(sum) = self.0.get(at + step)
                && u64::from(*sum) <= left
            {
                left -= u64::from(*sum);
                at += step;
            }
            step /= 2;
        }
        at as u64
    }
}

pub(super) struct Census {
    ticks: u64,
    /// Births by class of size.
    births: Vec<Sums>,
    alive: Vec<u64>,
    /// By birth; looked up only, never walked.
    stretches: HashMap<u64, Vec<Stretch>>,
}

impl Census {
    pub(super) fn new(ticks: u64, sizes: usize) -> Census {
        let births = (0..sizes).map(|_| Sums(vec![0; ticks as usize + 2])).collect();
        Census { ticks, births, alive: vec![0; sizes], stretches: HashMap::new() }
    }
    /// How long the run is.
    pub(super) fn ticks(&self) -> u64 {
        self.ticks
    }
    pub(super) fn born(&mut self, birth: u64, size: usize, stretches: Vec<Stretch>) {
        self.births[size].change(birth, true);
        self.alive[size] += 1;
        self.stretches.insert(birth, stretches);
    }
    fn all_alive(&self) -> u64 {
        self.alive.iter().sum()
    }
    /// How far a size is over its share, in objects.
    fn excess(&self, size: usize, sizes: &Weighted) -> f64 {
        self.alive[size] as f64 - self.all_alive() as f64 * sizes.share(size)
    }
    /// The size that is furthest below its share.
    pub(super) fn scarcest(&self, sizes: &Weighted) -> usize {
        let excess = |size: &usize| self.excess(*size, sizes);
        (0..self.alive.len()).min_by(|one, other| excess(one).total_cmp(&excess(other))).unwrap_or(0)
    }
    fn alive_within(&self, births: (u64, u64)) -> u64 {
        self.births.iter().map(|sums| sums.within(births)).sum()
    }
    /// Take out one of the class of ages that is furthest above its share, and in it of the size that is; any of those.
    pub(super) fn drop_one(
        &mut self,
        tick: u64,
        classes: &Classes,
        sizes: &Weighted,
        chance: &mut Chance,
    ) -> Option<(usize, Vec<Stretch>)> {
        let all = self.all_alive() as f64;
        let over = |class: usize| {
            let births = classes.births(class, tick, self.ticks);
            let alive = self.alive_within(births);
            (alive > 0).then(|| (alive as f64 - all * classes.share(class), births))
        };
        let (_, births) =
            (0..classes.count()).filter_map(over).max_by(|one, other| one.0.total_cmp(&other.0))?;
        let size = (0..self.alive.len())
            .filter(|size| self.births[*size].within(births) > 0)
            .max_by(|one, other| self.excess(*one, sizes).total_cmp(&self.excess(*other, sizes)))?;
        let sums = &mut self.births[size];
        let birth = sums.at(sums.before(births.0) + chance.below(sums.within(births)));
        sums.change(birth, false);
        self.alive[size] -= 1;
        Some((size, self.stretches.remove(&birth)?))
    }
    /// The probability of ages as far from the wanted ones, by Pearson's chi-squared test with one degree of freedom less
    /// than there are classes.
    pub(super) fn likelihood(&self, tick: u64, classes: &Classes) -> f64 {
        let all = self.all_alive() as f64;
        let term = |class: usize| {
            let wanted = all * classes.share(class);
            let alive = self.alive_within(classes.births(class, tick, self.ticks)) as f64;
            (alive - wanted) * (alive - wanted) / wanted
        };
        let distance = (0..classes.count()).map(term).sum::<f64>();
        if classes.count() == 1 {
            1.0
        } else {
            upper_gamma((classes.count() - 1) as f64 / 2.0, distance / 2.0)
        }
    }
}

/// The regularized upper incomplete gamma function: by its series below `a + 1`, by its continued fraction (Lentz) above.
fn upper_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let front = libm::exp(a * libm::log(x) - x - libm::lgamma(a));
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        while term > sum * 1e-15 {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        return (1.0 - front * sum).clamp(0.0, 1.0);
    }
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1e300, 1.0 / b);
    let mut value = d;
    for i in 1..500 {
        let i = f64::from(i);
        b += 2.0;
        let factor = i * (a - i);
        d = 1.0 / (factor * d + b);
        c = b + factor / c;
        value *= c * d;
        if (c * d - 1.0).abs() < 1e-14 {
            break;
        }
    }
    (front * value).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chi_squared_table_is_met() {
        // Degrees of freedom, value, upper tail (any textbook's table).
        for (freedom, value, tail) in
            [(1.0, 3.841, 0.05), (9.0, 16.919, 0.05), (9.0, 4.168, 0.90), (2.0, 13.816, 0.001)]
        {
            let found = upper_gamma(freedom / 2.0, value / 2.0);
            assert!((found - tail).abs() < tail * 2e-3, "{freedom} {value}: {found}");
        }
    }

    #[test]
    fn the_nth_of_a_span_is_found() {
        let mut sums = Sums(vec![0; 102]);
        (0..100).step_by(3).for_each(|place| sums.change(place, true));
        assert_eq!(sums.within((10, 50)), 13);
        assert_eq!((sums.at(0), sums.at(1), sums.at(33)), (0, 3, 99));
        sums.change(3, false);
        assert_eq!(sums.at(1), 6);
    }
}
