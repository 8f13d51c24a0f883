//! The report page: one self-contained HTML file, no network, no script.
//!
//! Invariant: everything that came from a config or a trace is escaped; only figures of our own drawing go in as they are.

use super::chart::Drawn;
use crate::claim::{Claim, Outcome};
use crate::table::Table;
use askama::Template;

/// A claim and what it came to.
pub(super) struct Judged {
    pub(super) claim: Claim,
    pub(super) outcome: Outcome,
}

/// A figure that could not be drawn.
pub(super) struct Missing {
    pub(super) name: String,
    pub(super) why: String,
}

/// What the page shows.
#[derive(Template)]
#[template(path = "report.html")]
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    pub(super) says: &'a str,
    pub(super) headline: String,
    pub(super) version: &'a str,
    pub(super) cases: usize,
    pub(super) summary: &'a Table,
    pub(super) figures: &'a [Drawn],
    pub(super) missing: &'a [Missing],
    pub(super) claims: &'a [Judged],
    pub(super) failed: &'a [(String, String)],
    pub(super) config: &'a str,
    pub(super) command: &'a str,
    /// Settings that every case has.
    pub(super) shared: Vec<(String, String)>,
    /// Settings that differ, with all their values.
    pub(super) varied: Vec<(String, Vec<String>)>,
}

impl Page<'_> {
    /// The words of a verdict, as a class of the style sheet.
    fn class(judged: &Judged) -> &'static str {
        match judged.outcome.verdict {
            crate::claim::Verdict::Reproduced => "yes",
            crate::claim::Verdict::Differs => "no",
            crate::claim::Verdict::NotComparable => "open",
        }
    }
}
