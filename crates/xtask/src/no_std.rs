//! Whether the allocator crates link without the standard library, without asking for a target that has none.
//!
//! Invariant: they are linked into a static library that has a panic handler of its own, so that one of them that brings in `std`, and
//! with it the other handler, is an error of the compiler. What needs the page store, which needs `std`, is left out by name.

use crate::alone::{cargo, empty, target, tree, write};
use std::path::Path;
use std::process::Command;

const PAGES: &str = "spinney-pages";

/// Of the library that they are linked into; no line of it runs.
const LIBRARY: &str = "\
#![no_std]

use core::alloc::{GlobalAlloc, Layout};

struct Nothing;

unsafe impl GlobalAlloc for Nothing {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static NOTHING: Nothing = Nothing;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

";

/// Which link, and which cannot. Errors: one of them brings in `std`.
pub(crate) fn link(root: &Path, names: &[&String]) -> Result<String, String> {
    let (mut linked, mut left_out) = (Vec::new(), Vec::new());
    for name in names {
        let on_pages = tree(root, name, &["--no-default-features"])?.contains(PAGES);
        if on_pages { left_out.push(name.as_str()) } else { linked.push(name.as_str()) }
    }
    let mut manifest = String::from(
        "[package]\nname = \"no-std\"\nedition = \"2024\"\n[workspace]\n[lib]\ncrate-type = [\"staticlib\"]\n\
         [profile.dev]\npanic = \"abort\"\n[dependencies]\n",
    );
    let mut library = String::from(LIBRARY);
    for name in &linked {
        let path = root.join("crates").join(name).display().to_string();
        manifest += &format!("spinney-{name} = {{ path = {path:?}, default-features = false }}\n");
        library += &format!("extern crate spinney_{};\n", name.replace('-', "_"));
    }
    let folder = empty(root, "no-std", &manifest)?;
    write(folder.join("src/lib.rs"), &library)?;
    cargo(
        &folder,
        Command::new("cargo").args(["build", "--quiet", "--offline", "--target-dir"]).arg(target(root)),
    )?;
    Ok(format!("{} link; not {}, on the page store", linked.join(", "), left_out.join(", ")))
}
