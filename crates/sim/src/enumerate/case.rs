//! A failing crash state as a few lines of text, and the way back.
//!
//! Invariant: a case holds all that it takes to fail again: pair, operations, and for each cut which crash point and which fates.
//! Shrinking keeps it failing.

use super::judge::{caught, judge};
use super::operation::{self, Operation};
use super::world::{CrashPoint, Outcome, World, start};
use crate::content::State;
use crate::{Geometry, Model, Pair};
use spinney_device::{Fate, FlushEpoch, MemoryDevice};
use spinney_registry::Registry;
use std::fmt;
use std::sync::Arc;

/// A cut: at which crash point of the last operation and the flush after it (or of the recovery before), and what became of each
/// request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cut {
    /// Crash points, counted from 0.
    pub point: usize,
    /// A fate for each pending request.
    pub fates: Vec<Fate>,
}

/// A crash state and how it comes about.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Case {
    /// Allocator and scheme, as the registry names them.
    pub pair: [String; 2],
    /// The pool's sizes and tunables.
    pub geometry: Geometry,
    /// Operations after each recovery.
    pub more: usize,
    /// From the start that all sequences have.
    pub operations: Vec<Operation>,
    /// The cuts, one after the other.
    pub cuts: Vec<Cut>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "pair {} {} {}\nmore {}", self.pair[0], self.pair[1], self.geometry, self.more)?;
        self.operations.iter().try_for_each(|operation| writeln!(f, "{operation}"))?;
        for cut in &self.cuts {
            let fates: Vec<String> = cut.fates.iter().map(Fate::text).collect();
            writeln!(f, "cut {} {}", cut.point, fates.join(" "))?;
        }
        Ok(())
    }
}

impl Case {
    /// Read a case; lines that start with `#` say what was wrong. Errors: the line that is not understood.
    pub fn parse(text: &str) -> Result<Case, String> {
        let mut case = Case::default();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let wrong = || format!("not a line of a case: {line}");
            match words[..] {
                ["pair", allocator, scheme, ref geometry @ ..] => {
                    case.pair = [allocator.into(), scheme.into()];
                    case.geometry = Geometry::parse(geometry.iter().copied()).ok_or_else(wrong)?;
                }
                ["more", more] => case.more = more.parse().map_err(|_| wrong())?,
                ["cut", point, ref fates @ ..] => {
                    let point = point.parse().map_err(|_| wrong())?;
                    let fates = fates.iter().map(|fate| Fate::parse(fate)).collect::<Option<_>>();
                    case.cuts.push(Cut { point, fates: fates.ok_or_else(wrong)? });
                }
                _ => case.operations.push(operation::parse(line).ok_or_else(wrong)?),
            }
        }
        Ok(case)
    }

    /// The pair that it names, sound. Errors: there is none of that name.
    pub fn sound_pair(&self, registry: &Arc<Registry>) -> Result<Pair, String> {
        let named = |pair: &Pair| pair.allocator == self.pair[0] && pair.scheme == self.pair[1];
        let found = Pair::all(registry).into_iter().find(named);
        let pair = found.ok_or_else(|| format!("no pair {} in the registry", self.pair.join(" ")))?;
        Ok(pair.on(self.geometry))
    }

    /// Go through it on a pair like the one it names. Errors: what was wrong.
    pub fn run(&self, pair: &Pair) -> Result<(), String> {
        let mut points = caught(|| sequence(pair, &start(pair)?, &self.operations))?.points;
        for cut in &self.cuts {
            let found = points.get(cut.point).filter(|point| point.epoch.writes.len() == cut.fates.len());
            let Some(point) = found else { return Ok(()) };
            let image = point.epoch.image(&cut.fates);
            points = judge(pair, image, point.model.clone(), self.more)?.points;
        }
        Ok(())
    }

    /// All that its operations wrote, from the making of the pool to the flush at the end, by flushes; no cuts. For
    /// [`spinney_device::write_log`]. Errors: what went wrong.
    pub fn record(&self, pair: &Pair) -> Result<Vec<FlushEpoch>, String> {
        let mut world = World::start(pair)?;
        for operation in self.operations.iter().chain([&Operation::Flush]) {
            world.apply(*operation).map_err(|what| format!("{operation}: {what}"))?;
        }
        Ok(world.take_points().into_iter().map(|point| point.epoch).collect())
    }

    /// The same failure with fewer operations, and as much lost or kept whole as can be; and how that fails.
    #[must_use]
    pub fn shrunk(&self, pair: &Pair, what: &str) -> (Case, String) {
        let (mut best, mut what) = (self.clone(), what.to_owned());
        let mut attempt = |best: &mut Case, case: Case| {
            if case != *best
                && let Err(still) = case.run(pair)
            {
                (*best, what) = (case, still);
            }
        };
        for more in 0..self.more {
            if best.more > more {
                let lazier = Case { more, ..best.clone() };
                attempt(&mut best, lazier);
            }
        }
        for at in (0..self.operations.len()).rev() {
            let mut fewer = best.clone();
            fewer.operations.remove(at);
            attempt(&mut best, fewer);
        }
        for (cut, at) in
            self.cuts.iter().enumerate().flat_map(|(cut, of)| (0..of.fates.len()).map(move |at| (cut, at)))
        {
            for fate in [Fate::Kept, Fate::Lost] {
                let mut simpler = best.clone();
                simpler.cuts[cut].fates[at] = fate;
                attempt(&mut best, simpler);
            }
        }
        (best, what)
    }
}

/// A sequence carried out.
pub(super) struct Run {
    /// The crash points of its last operation and of the flush that ends it.
    pub(super) points: Vec<CrashPoint>,
    /// Whether an operation had nothing to do.
    pub(super) idle: bool,
    /// Whether an operation was refused, or the last part of it.
    pub(super) refused: bool,
}

/// Carry out a sequence and a flush after it. The crash points of all but the last operation belong to shorter sequences.
pub(super) fn sequence(
    pair: &Pair,
    (image, state): &(MemoryDevice, State),
    operations: &[Operation],
) -> Result<Run, String> {
    let mut world = World::open(pair, image.clone(), Model::at(state.clone()))?;
    let (mut idle, mut refused) = (false, false);
    for operation in operations {
        let _ = world.take_points();
        let outcome = world.apply(*operation).map_err(|what| format!("{operation}: {what}"))?;
        idle |= outcome == Outcome::Absent;
        refused |= outcome == Outcome::Refused;
    }
    world.apply(Operation::Flush).map_err(|what| format!("flush at the end: {what}"))?;
    Ok(Run { points: world.take_points(), idle, refused })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_reads_back_from_its_text() {
        let cuts = vec![
            Cut { point: 1, fates: vec![Fate::Kept, Fate::prefix(1, 3), Fate::Lost] },
            Cut { point: 0, fates: vec![Fate::Scrambled] },
        ];
        let operations = operation::ALPHABET.to_vec();
        let case =
            Case { pair: ["a".into(), "b".into()], geometry: Geometry::draw(1), more: 3, operations, cuts };
        assert_eq!(Case::parse(&format!("# why\n{case}")), Ok(case));
        assert!(Case::parse("pair a b\ncut 0 0x").is_err());
    }
}
