//! Faults of real life: a process that is killed with its unflushed writes, and devices that fail, lie and forget.
//!
//! Invariant: a fault may cost what the table of expected results says, and never yields a wrong byte. Names no allocator
//! and no scheme.
#![doc = include_str!("README.md")]

pub mod command;
pub mod full;
pub mod kill;
pub mod matrix;
pub mod oracle;
pub mod script;
pub mod table;
