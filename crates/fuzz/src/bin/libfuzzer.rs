//! Any target under libFuzzer; `SPINNEY_FUZZ_TARGET` says which. `cargo xtask fuzz` builds and runs it.
//!
//! Invariant: no logic of its own.
#![no_main]

use cap::Cap;
use spinney_fuzz::{TARGETS, Target, target};
use std::sync::OnceLock;

/// Beyond this much memory an allocation fails, and with it the input: no target may follow a number in its input.
#[global_allocator]
static MEMORY: Cap<std::alloc::System> = Cap::new(std::alloc::System, 1 << 30);

fn chosen() -> Target {
    static TARGET: OnceLock<Target> = OnceLock::new();
    *TARGET.get_or_init(|| {
        let name = std::env::var("SPINNEY_FUZZ_TARGET").unwrap_or_default();
        let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        target(&name).unwrap_or_else(|| panic!("SPINNEY_FUZZ_TARGET is one of {known:?}"))
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| (chosen().run)(data));
