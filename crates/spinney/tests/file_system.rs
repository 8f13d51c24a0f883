//! The README's way to a file system, step by step as its script has it.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod bench;

use bench::{Bench, attempt, lacks, run};

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

/// A loop device, until it is dropped.
struct Loop(String);

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = attempt("umount", &[&self.0]);
        let _ = attempt("losetup", &["--detach", &self.0]);
    }
}

#[test]
fn a_disk_that_is_mounted_does_not_become_a_pool() {
    if let Some(lacks) = lacks(&["losetup", "mkfs.ext4", "mount"]) {
        eprintln!("skipped: {lacks} is missing");
        return;
    }
    let bench = Bench::new();
    let image = bench.path("disk.img");
    std::fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
    let disk = Loop(run("losetup", &["--find", "--show", image.to_str().unwrap()]).trim().to_owned());
    run("mkfs.ext4", &["-q", &disk.0]);
    let folder = bench.path("mounted");
    std::fs::create_dir(&folder).unwrap();
    run("mount", &[&disk.0, folder.to_str().unwrap()]);
    let create = format!("pool create other {} --force", disk.0);
    assert!(bench.text(&create, 75).contains("mounted"));
    run("umount", &[&disk.0]);
    bench.text(&create, 0);
    assert!(bench.text("pool scrub other", 0).contains("sound"));
}
