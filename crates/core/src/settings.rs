//! Named settings of a plug-in, as a config gives them, and the parameters that it declares.
//!
//! Invariant: a plug-in reads only settings that it declared; whoever fills `Settings` from a config checks names and
//! types against the declaration first. Knows no file format.

use alloc::{collections::BTreeMap, string::String};
use core::fmt;

/// One value.
#[derive(Clone, PartialEq, Debug)]
pub enum Setting {
    /// A whole number (sizes are in the unit that the parameter's name ends with).
    Integer(u64),
    /// A real number.
    Real(f64),
    /// A switch.
    Switch(bool),
    /// A word.
    Word(String),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Integer(value) => write!(f, "{value}"),
            Setting::Real(value) => write!(f, "{value}"),
            Setting::Switch(value) => write!(f, "{value}"),
            Setting::Word(value) => f.write_str(value),
        }
    }
}

/// The default of a declared parameter; its kind is the kind that a config must give.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Fallback {
    /// A whole number.
    Integer(u64),
    /// A real number.
    Real(f64),
    /// A switch.
    Switch(bool),
    /// A word.
    Word(&'static str),
}

/// A declared parameter.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Parameter {
    /// Full words, unit last.
    pub name: &'static str,
    /// Its default, and so its kind.
    pub default: Fallback,
    /// What it trades and how the default was chosen.
    pub reason: &'static str,
}

impl Parameter {
    /// A whole-number parameter.
    #[must_use]
    pub const fn integer(name: &'static str, default: u64, reason: &'static str) -> Parameter {
        Parameter { name, default: Fallback::Integer(default), reason }
    }
    /// A real-number parameter.
    #[must_use]
    pub const fn real(name: &'static str, default: f64, reason: &'static str) -> Parameter {
        Parameter { name, default: Fallback::Real(default), reason }
    }
    /// A switch.
    #[must_use]
    pub const fn switch(name: &'static str, default: bool, reason: &'static str) -> Parameter {
        Parameter { name, default: Fallback::Switch(default), reason }
    }
    /// A word.
    #[must_use]
    pub const fn word(name: &'static str, default: &'static str, reason: &'static str) -> Parameter {
        Parameter { name, default: Fallback::Word(default), reason }
    }
}

/// Settings by name. A name that is not set has its parameter's default.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Settings(pub BTreeMap<String, Setting>);

impl Settings {
    /// No settings: every parameter has its default.
    #[must_use]
    pub fn new() -> Settings {
        Settings::default()
    }
    /// The same with one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: Setting) -> Settings {
        self.0.insert(name.into(), value);
        self
    }
    /// A whole number, or the parameter's default.
    #[must_use]
    pub fn integer(&self, parameter: &Parameter) -> u64 {
        match (self.0.get(parameter.name), parameter.default) {
            (Some(Setting::Integer(value)), _) => *value,
            (None, Fallback::Integer(value)) => value,
            _ => unreachable_kind(parameter),
        }
    }
    /// A real number (a whole one is taken too), or the parameter's default.
    #[must_use]
    pub fn real(&self, parameter: &Parameter) -> f64 {
        match (self.0.get(parameter.name), parameter.default) {
            (Some(Setting::Real(value)), _) => *value,
            (Some(Setting::Integer(value)), _) => *value as f64,
            (None, Fallback::Real(value)) => value,
            _ => unreachable_kind(parameter),
        }
    }
    /// A switch, or the parameter's default.
    #[must_use]
    pub fn switch(&self, parameter: &Parameter) -> bool {
        match (self.0.get(parameter.name), parameter.default) {
            (Some(Setting::Switch(value)), _) => *value,
            (None, Fallback::Switch(value)) => value,
            _ => unreachable_kind(parameter),
        }
    }
    /// A word, or the parameter's default.
    #[must_use]
    pub fn word<'a>(&'a self, parameter: &'a Parameter) -> &'a str {
        match (self.0.get(parameter.name), &parameter.default) {
            (Some(Setting::Word(value)), _) => value,
            (None, Fallback::Word(value)) => value,
            _ => unreachable_kind(parameter),
        }
    }
}

/// Kinds are checked where settings are filled, so a mismatch here is a programmer error.
fn unreachable_kind(parameter: &Parameter) -> ! {
    panic!("setting {} was not checked against its parameter", parameter.name)
}
