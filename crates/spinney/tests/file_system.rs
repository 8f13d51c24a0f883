//! The README's way to a file system, step by step as its script has it.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod bench;

use bench::{attempt, lacks};

#[test]
fn the_script_of_the_readme_finds_everything_again_on_each_file_system() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/file-system.sh");
    let tree = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    for name in ["ext4", "xfs", "btrfs"] {
        if let Some(lacks) = lacks(&["bash", "losetup", "fsfreeze", "tar", &format!("mkfs.{name}")]) {
            eprintln!("{name} skipped: {lacks} is missing");
            continue;
        }
        let choice = format!("FS={name}");
        let words = [choice.as_str(), "bash", script, env!("CARGO_BIN_EXE_spinney"), tree];
        let said = attempt("env", &words).unwrap_or_else(|said| panic!("{said}"));
        assert!(said.contains("files are there and whole") && said.contains("sound"), "{name}: {said}");
    }
}
