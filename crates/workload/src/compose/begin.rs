//! One workload before another: the content, then what is done with it.
//!
//! Invariant: `Phase(Fill)`, all of the first, `Phase(Measure)`, all of the second. The first makes no versions.

use crate::error::Result;
use crate::op::{Op, Phase};
use crate::workload::{Account, Workload};

/// A fill (if any), then a workload.
pub struct Begin {
    first: Option<Box<dyn Workload>>,
    then: Box<dyn Workload>,
    at: At,
}

enum At {
    Start,
    First,
    Then,
}

impl Begin {
    /// `first`, then `then`.
    #[must_use]
    pub fn new(first: Option<Box<dyn Workload>>, then: Box<dyn Workload>) -> Begin {
        Begin { first, then, at: At::Start }
    }
}

impl Workload for Begin {
    fn next(&mut self) -> Result<Option<Op>> {
        if matches!(self.at, At::Start) {
            self.at = At::First;
            if self.first.is_some() {
                return Ok(Some(Op::Phase(Phase::Fill)));
            }
        }
        if matches!(self.at, At::First) {
            if let Some(first) = &mut self.first
                && let Some(op) = first.next()?
            {
                return Ok(Some(op));
            }
            self.at = At::Then;
            return Ok(Some(Op::Phase(Phase::Measure)));
        }
        self.then.next()
    }
    /// A tenth for the fill, by rule of thumb.
    fn progress(&self) -> f64 {
        match &self.first {
            Some(first) => 0.1 * first.progress() + 0.9 * self.then.progress(),
            None => self.then.progress(),
        }
    }
    fn account(&self) -> Account {
        self.then.account()
    }
}

/// One workload, then another, as one phase.
pub struct Then {
    first: Option<Box<dyn Workload>>,
    then: Box<dyn Workload>,
}

impl Then {
    /// `first`, if any, then `then`.
    #[must_use]
    pub fn new(first: Option<Box<dyn Workload>>, then: Box<dyn Workload>) -> Then {
        Then { first, then }
    }
}

impl Workload for Then {
    fn next(&mut self) -> Result<Option<Op>> {
        if let Some(first) = &mut self.first {
            if let Some(op) = first.next()? {
                return Ok(Some(op));
            }
            self.first = None;
        }
        self.then.next()
    }
    /// Half for each, by rule of thumb.
    fn progress(&self) -> f64 {
        match &self.first {
            Some(first) => 0.5 * first.progress(),
            None => 0.5 + 0.5 * self.then.progress(),
        }
    }
}
