//! Candidates side by side: aged one after the other, then measured in turns, so that a noisy minute is everybody's.
//!
//! Invariant: all get the same seed, and the first entrant is what the others are compared with. Who does not come through a
//! level in time is out for that space. Knows no peer by name.

use super::aged::{Aged, REFUSED, Times};
use super::patience::Patience;
use super::referee::Refereed;
use super::row::{HEAD, Row};
use super::space::Space;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// One candidate.
pub struct Entrant {
    /// Its name in the table.
    pub name: String,
    make: Box<dyn Fn(u64) -> Box<dyn Space>>,
    kind: Kind,
}

/// What may be asked of a candidate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Index,
    Floor,
    Whole,
}

impl Entrant {
    /// A candidate, and how to make one over so many blocks, all of them free.
    pub fn new<S: Space + 'static>(name: &str, make: impl Fn(u64) -> S + 'static) -> Entrant {
        let make = Box::new(move |blocks| -> Box<dyn Space> { Box::new(make(blocks)) });
        Entrant { name: name.into(), make, kind: Kind::Index }
    }
    /// The same, but its answers mean nothing: a floor.
    #[must_use]
    pub fn floor(self) -> Entrant {
        Entrant { kind: Kind::Floor, ..self }
    }
    /// The same, but blocks come back to it at a commit only, so a referee would be wrong about it, and pages lie in its heap: its own
    /// reckoning of its memory counts.
    #[must_use]
    pub fn whole(self) -> Entrant {
        Entrant { kind: Kind::Whole, ..self }
    }
}

/// What is run.
#[derive(Clone, Debug)]
pub struct Race {
    /// Blocks of the spaces, as powers of two.
    pub powers: Vec<u32>,
    /// Levels, rising.
    pub percents: Vec<u64>,
    /// Turns that everybody gets at a level.
    pub rounds: usize,
    /// Pairs of a turn.
    pub pairs: usize,
    /// The longest that a candidate may take to come to a level, with rests; a tenth of the limit is the longest turn.
    pub patience: Patience,
    /// Up to this power each candidate runs once more, untimed, under a referee.
    pub referee_power_max: u32,
    /// Of the program.
    pub seed: u64,
    /// Bytes that live in the heap, if something counts them.
    pub heap_bytes: Option<fn() -> u64>,
}

impl Default for Race {
    fn default() -> Race {
        Race {
            powers: vec![20, 24],
            percents: vec![50, 80, 95],
            rounds: 5,
            pairs: 100_000,
            patience: Patience::of(Duration::from_secs(20)),
            referee_power_max: 24,
            seed: 1,
            heap_bytes: None,
        }
    }
}

/// An entrant on the track.
struct Runner<'a> {
    name: &'a str,
    aged: Aged<Box<dyn Space>>,
    failed: Option<&'static str>,
    turns: Vec<Times>,
    heap_bytes: Option<i64>,
    refused_wrongly: Option<Vec<f64>>,
}

impl Race {
    /// Run all of it; `each` gets a row as soon as it is known.
    pub fn run(&self, entrants: &[Entrant], each: &mut dyn FnMut(&Row)) {
        self.powers.iter().for_each(|power| self.run_space(*power, entrants, each));
    }
    /// Run all of it and print the table to standard error.
    pub fn print(&self, entrants: &[Entrant]) {
        eprintln!("{HEAD}");
        self.run(entrants, &mut |row| eprintln!("{row}"));
    }
    /// The head of the table of rows.
    #[must_use]
    pub fn head() -> &'static str {
        HEAD
    }

    fn run_space(&self, power: u32, entrants: &[Entrant], each: &mut dyn FnMut(&Row)) {
        let mut field: Vec<Runner> = entrants.iter().map(|entrant| self.enter(power, entrant)).collect();
        for (level, percent) in self.percents.iter().enumerate() {
            field.iter_mut().for_each(|runner| self.age(runner, *percent));
            for _ in 0..self.rounds {
                field.iter_mut().for_each(|runner| self.turn(runner));
                sleep(self.patience.rest);
            }
            let first = field.first().map_or(0.0, |runner| median(&runner.turns).pair);
            let last = level + 1 == self.percents.len();
            for runner in &mut field {
                let mut row = runner.row(power, level, *percent, first);
                row.filled = (last && row.failed.is_none()).then(|| runner.aged.fill_up(self.patience));
                each(&row);
                runner.turns.clear();
            }
            field.retain(|runner| runner.failed.is_none());
        }
    }
    fn enter<'a>(&self, power: u32, entrant: &'a Entrant) -> Runner<'a> {
        let refereed = entrant.kind == Kind::Index && power <= self.referee_power_max;
        let refused_wrongly = refereed.then(|| self.supervise(power, entrant));
        let before = self.heap();
        let aged = Aged::new((entrant.make)(1 << power), 1 << power, self.seed);
        let heap_bytes =
            self.heap_bytes.filter(|_| entrant.kind != Kind::Whole).map(|_| self.heap() - before);
        Runner { name: &entrant.name, aged, failed: None, turns: Vec::new(), heap_bytes, refused_wrongly }
    }
    fn heap(&self) -> i64 {
        self.heap_bytes.map_or(0, |count| count() as i64)
    }
    /// The share of requests that are refused wrongly at each level that is reached.
    fn supervise(&self, power: u32, entrant: &Entrant) -> Vec<f64> {
        let space = Refereed::new((entrant.make)(1 << power), 1 << power);
        let (mut aged, mut shares) = (Aged::new(space, 1 << power, self.seed), Vec::new());
        for percent in &self.percents {
            if aged.age(*percent, self.patience).is_err() {
                break;
            }
            aged.space.refused_wrongly = 0;
            let begun = Instant::now();
            for _ in 0..self.pairs {
                if aged.pair().is_none() || begun.elapsed() > self.patience.limit / 10 {
                    break;
                }
            }
            shares.push(aged.space.refused_wrongly as f64 / aged.requests.max(1) as f64);
            sleep(self.patience.rest);
        }
        shares
    }
    /// What `work` adds to the heap, the program's own lists aside, is the candidate's.
    fn charged(&self, runner: &mut Runner, work: impl FnOnce(&mut Runner)) {
        let before = self.heap() - runner.aged.own_bytes() as i64;
        work(runner);
        let after = self.heap() - runner.aged.own_bytes() as i64;
        runner.heap_bytes = runner.heap_bytes.map(|bytes| bytes + after - before);
    }
    fn age(&self, runner: &mut Runner, percent: u64) {
        self.charged(runner, |runner| runner.failed = runner.aged.age(percent, self.patience).err());
        sleep(self.patience.rest);
    }
    /// A turn: an eighth to warm the caches after the others, then what counts.
    fn turn(&self, runner: &mut Runner) {
        if runner.failed.is_some() {
            return;
        }
        self.charged(runner, |runner| {
            let begun = Instant::now();
            for pair in 0..self.pairs + self.pairs / 8 {
                if pair == self.pairs / 8 {
                    runner.aged.forget_times();
                }
                if runner.aged.pair().is_none() {
                    runner.failed = Some(REFUSED);
                }
                if runner.failed.is_some() || begun.elapsed() > self.patience.limit / 10 {
                    break;
                }
            }
        });
        runner.turns.push(runner.aged.times());
    }
}

impl Runner<'_> {
    fn row(&self, power: u32, level: usize, percent: u64, first: f64) -> Row {
        let (name, failed) = (self.name.to_string(), self.failed);
        if failed.is_some() {
            return Row { name, power, percent, failed, ..Row::default() };
        }
        let times = median(&self.turns);
        let heap_bytes = self.heap_bytes.and_then(|bytes| u64::try_from(bytes).ok());
        Row {
            name,
            power,
            percent,
            failed,
            times,
            ratio: times.pair / first,
            halved: self.aged.halved as f64 / self.aged.requests.max(1) as f64,
            refused_wrongly: self.refused_wrongly.as_ref().and_then(|shares| shares.get(level).copied()),
            free_runs: self.aged.free_runs(),
            bytes: heap_bytes.or_else(|| self.aged.space.memory_bytes()),
            filled: None,
        }
    }
}

fn median(turns: &[Times]) -> Times {
    let mut pairs: Vec<f64> = turns.iter().map(|times| times.pair).collect();
    pairs.sort_unstable_by(f64::total_cmp);
    let middle = |each: fn(&Times) -> u32| {
        let mut list: Vec<u32> = turns.iter().map(each).collect();
        list.sort_unstable();
        list.get(list.len() / 2).copied().unwrap_or(0)
    };
    let settle = turns.iter().map(|times| times.settle).sum::<f64>() / turns.len().max(1) as f64;
    Times {
        settle,
        pair: pairs.get(pairs.len() / 2).copied().unwrap_or(0.0),
        pair_median: middle(|times| times.pair_median),
        pair_p99: middle(|times| times.pair_p99),
        free_p99: middle(|times| times.free_p99),
        pick_p99: middle(|times| times.pick_p99),
        p999: middle(|times| times.p999),
    }
}

#[cfg(test)]
mod tests {
    use super::super::space::{Place, TreePair};
    use super::*;

    /// Only ever has the first block.
    struct One(bool);
    impl Space for One {
        fn take(&mut self, blocks: u64) -> Option<Place> {
            (blocks == 1 && std::mem::take(&mut self.0)).then_some(0.into())
        }
        fn give(&mut self, _: Place, _: u64) {
            self.0 = true;
        }
    }

    #[test]
    fn who_does_not_come_through_is_out_and_the_others_go_on() {
        let race = Race { powers: vec![12], rounds: 3, pairs: 50, ..Race::default() };
        let entrants = [Entrant::new("trees", TreePair::new), Entrant::new("one", |_| One(true))];
        let mut rows = Vec::new();
        race.run(&entrants, &mut |row| rows.push(row.clone()));
        let names: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.percent)).collect();
        assert_eq!(names, [("trees", 50), ("one", 50), ("trees", 80), ("trees", 95)]);
        assert_eq!(rows[1].failed, Some("refuses single blocks"));
        assert_eq!((rows[3].filled, rows[3].refused_wrongly, rows[3].ratio), (Some(true), Some(0.0), 1.0));
    }
}
