//! One line of the race's table: a candidate at a level.
//!
//! Invariant: a cell that was not measured is a dash. Knows no candidate.

use super::aged::Times;
use core::fmt;

/// What was measured of a candidate at one level.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Blocks of the space, as a power of two.
    pub power: u32,
    /// How full.
    pub percent: u64,
    /// Why there is nothing more, if there is not.
    pub failed: Option<&'static str>,
    /// Medians over the rounds.
    pub times: Times,
    /// Time of a pair over that of the first entrant.
    pub ratio: f64,
    /// Share of requests that found no run of their size and were halved.
    pub halved: f64,
    /// Share of requests refused although a run that fits was free, if a referee looked.
    pub refused_wrongly: Option<f64>,
    /// Maximal free runs.
    pub free_runs: u64,
    /// Bytes held, by the heap's count if there is one, else by the candidate's own reckoning.
    pub bytes: Option<u64>,
    /// Whether the space could be filled to its last block afterwards.
    pub filled: Option<bool>,
}

/// The head of the table.
pub(super) const HEAD: &str = "\
| candidate | blocks | full | ns a pair | median / p99 | ratio | p99 free / pick | p99.9 | refused wrongly | in pieces | free runs | bytes a run | bits a block | last block |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";

fn or_dash<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or("-".into(), show)
}

impl Row {
    /// Bytes for each free run.
    #[must_use]
    pub fn bytes_a_run(&self) -> Option<f64> {
        self.bytes.map(|bytes| bytes as f64 / self.free_runs.max(1) as f64)
    }
    /// Bits for each block of the space.
    #[must_use]
    pub fn bits_a_block(&self) -> Option<f64> {
        self.bytes.map(|bytes| bytes as f64 * 8.0 / (1u64 << self.power) as f64)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "| {} | 2^{} | {} % |", self.name, self.power, self.percent)?;
        if let Some(failed) = self.failed {
            return write!(f, " {failed} | - | - | - | - | - | - | - | - | - | - |");
        }
        let times = &self.times;
        write!(f, " {:.0} | {} / {} |", times.pair, times.pair_median, times.pair_p99)?;
        write!(f, " {:.2} |", self.ratio)?;
        write!(f, " {} / {} | {} |", times.free_p99, times.pick_p99, times.p999)?;
        let percent = |share: f64| if share == 0.0 { "0".into() } else { format!("{:.2} %", share * 100.0) };
        write!(f, " {} | {} |", or_dash(self.refused_wrongly, percent), percent(self.halved))?;
        write!(f, " {} | {} |", self.free_runs, or_dash(self.bytes_a_run(), |bytes| format!("{bytes:.1}")))?;
        let filled = |filled: bool| if filled { "yes" } else { "no" }.into();
        let bits = or_dash(self.bits_a_block(), |bits| format!("{bits:.3}"));
        write!(f, " {bits} | {} |", or_dash(self.filled, filled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_as_many_cells_as_the_head() {
        let cells = |line: &str| line.matches('|').count();
        let head = cells(HEAD.lines().next().expect("a head"));
        let failed = Row { failed: Some("too slow"), ..Row::default() };
        assert_eq!((cells(&Row::default().to_string()), cells(&failed.to_string())), (head, head));
    }
}
