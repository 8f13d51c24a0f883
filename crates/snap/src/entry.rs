//! How a scheme presents itself.
//!
//! Invariant: constant data; `build` gets only settings that were checked against `parameters`.

use crate::SnapshotScheme;
use alloc::boxed::Box;
use spinney_core::{Parameter, Result, Settings};

/// A snapshot scheme that a config can name.
#[derive(Clone, Copy, Debug)]
pub struct SchemeEntry {
    /// As a config names it.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Where the idea comes from.
    pub paper: &'static str,
    /// What can be set.
    pub parameters: &'static [Parameter],
    /// Make one; then `format` or `open`. Errors: `BadSetting`.
    pub build: fn(&Settings) -> Result<Box<dyn SnapshotScheme>>,
}
