//! Complaints about a config: all of them at once, each with file, line, caret and remedy.
//!
//! Invariant: whatever is wrong with a config ends here, never in a panic.

use super::{Origin, Sources};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::fmt;

/// One complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// Where.
    pub origin: Option<Origin>,
    /// What to do.
    pub help: Option<String>,
}

/// Everything wrong with a config.
#[derive(Clone, Debug, Default)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
    /// The text that they point into.
    pub sources: Sources,
}

impl ConfigError {
    /// One complaint about no particular line.
    #[must_use]
    pub fn plain(message: String, help: Option<String>) -> ConfigError {
        let problems = vec![Problem { message, origin: None, help }];
        ConfigError { problems, sources: Sources::default() }
    }

    /// `file:line:column`, counted from 1.
    #[must_use]
    pub fn place(&self, problem: &Problem) -> Option<String> {
        let origin = problem.origin.as_ref()?;
        let (path, text) = self.sources.0.get(origin.file)?;
        let before = text.get(..origin.bytes.start)?;
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Some(format!("{}:{line}:{column}", path.display()))
    }

    fn render(&self, problem: &Problem) -> String {
        let source =
            problem.origin.as_ref().and_then(|origin| Some((origin, self.sources.0.get(origin.file)?)));
        let path = source.map(|(_, (path, _))| path.display().to_string());
        let mut group = Level::ERROR
            .primary_title(&problem.message)
            .elements(Vec::<annotate_snippets::Message<'_>>::new());
        if let (Some((origin, (_, text))), Some(path)) = (source, &path) {
            let mark = AnnotationKind::Primary.span(origin.bytes.clone());
            group = group.element(Snippet::source(text).path(path).annotation(mark));
        }
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(help));
        }
        Renderer::plain().render(&[group])
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.problems.iter().map(|problem| self.render(problem)).collect();
        // A config may come from anywhere, and must not speak to the terminal.
        let shown = |c: char| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c };
        f.write_str(&texts.join("\n\n").chars().map(shown).collect::<String>())
    }
}

impl std::error::Error for ConfigError {}
