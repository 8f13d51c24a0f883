//! Experiment configs: TOML files and their parts, read strictly, every error at its line.
//!
//! Invariant: an unknown key, a wrong type or an impossible value is an error with file, line and remedy; nothing is
//! ignored. A config names files only below its own folder or `configs/`, and runs no command.

mod error;
mod load;
mod section;
mod size;
mod tree;

pub use error::{ConfigError, Problem};
pub use load::{Library, load, load_text};
pub use section::Section;
pub use size::{format_bytes, parse_bytes};
pub use tree::{Node, Origin, Scalar, Sources, Table, Tree, overlay, shift_origins, to_toml};
