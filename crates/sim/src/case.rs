//! A shrunk life as text: what a failing run writes down and every test run replays.
//!
//! Invariant: comments (`#`) first, then the pair's line, then a step a line; nothing else.

use crate::{Failure, Geometry, Life, Pair, Step, shrink, step};
use spinney_registry::Registry;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A pair and its steps.
pub struct Case {
    /// What it runs on.
    pub pair: Pair,
    /// What happens.
    pub steps: Vec<Step>,
}

impl Case {
    /// The life of a seed.
    #[must_use]
    pub fn of_seed(pair: &Pair, seed: u64, steps: usize) -> Case {
        Case { pair: pair.for_seed(seed), steps: crate::draw(seed, steps) }
    }

    /// The smallest case that still fails, and how.
    #[must_use]
    pub fn shrink(&self, failure: Failure) -> (Case, Failure) {
        let (mut pair, mut failure) = (self.pair.clone(), failure);
        let mut steps = self.steps.clone();
        loop {
            (steps, failure) = shrink(&pair, &steps, failure);
            let simpler = pair.geometry.simpler().into_iter().map(|geometry| pair.on(geometry));
            let still =
                simpler.filter_map(|pair| Some((pair.clone(), Life::run(&pair, &steps).err()?))).next();
            match still {
                Some(found) => (pair, failure) = found,
                None => return (Case { pair, steps }, failure),
            }
        }
    }

    /// The text, without comments.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.pair.line() + "\n";
        self.steps.iter().for_each(|step| writeln!(text, "{step}").expect("a string takes all"));
        text
    }

    /// Read a case. Errors: the line that is not one, in words.
    pub fn parse(registry: &Arc<Registry>, text: &str) -> Result<Case, String> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        let first = lines.next().ok_or("no line `pair ALLOCATOR SCHEME`")?;
        let wrong = |line: &str| format!("not understood: {line}");
        let mut words = first.split_whitespace();
        let (Some("pair"), Some(allocator), Some(scheme)) = (words.next(), words.next(), words.next()) else {
            return Err(wrong(first));
        };
        registry.spec(allocator, scheme).map_err(|error| error.to_string())?;
        let geometry = Geometry::parse(words).ok_or(wrong(first))?;
        let steps = lines.map(|line| step::parse(line).ok_or(wrong(line))).collect::<Result<_, _>>()?;
        Ok(Case { pair: Pair::new(registry, allocator, scheme).on(geometry), steps })
    }

    /// Write a case file for a failure into a folder. Errors: of the file system.
    pub fn write(&self, folder: &Path, seed: u64, failure: &Failure) -> std::io::Result<PathBuf> {
        let Pair { allocator, scheme, .. } = &self.pair;
        let path = folder.join(format!("{allocator}-{scheme}-{seed}.txt"));
        let what = failure.to_string().replace('\n', " ");
        std::fs::write(&path, format!("# Seed {seed}: {what}\n{}", self.text()))?;
        Ok(path)
    }
}
