//! Cases that begin with somebody else's free space.
//!
//! Invariant of the test: the dumps are those of `crates/import`, printed by the real tools.

use spinney_lab::config::{Library, load_text};
use spinney_lab::results::Results;
use spinney_lab::run::{RunOptions, run};
use spinney_lab::{ConfigError, Experiment, plan};
use spinney_registry::Registry;
use std::path::{Path, PathBuf};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../import/tests/samples")
}

fn experiment(file: &str, more: &str, folder: &Path) -> Result<Experiment, ConfigError> {
    let config = format!(
        "[volume]\nsize = \"4 MiB\"\nfree_space = \"{file}\"\nmetadata_size = \"8 MiB\"\n{more}\n[workload]\nname = \"overwrite\"\nfill = 0.5\n\
         rounds = 2\n[sweep]\nallocator = [\"bitmap\", \"spacemap\", \"extent\"]\n"
    );
    let library = Library { folders: vec![folder.to_owned()] };
    let (table, sources) = load_text(Path::new("x.toml"), config, &library)?;
    Experiment::read("free".into(), table, sources, library)
}

#[test]
fn a_pool_starts_as_the_disk_was() {
    // File, and blocks and free blocks of the disk as its own tool sums them up.
    for (file, blocks, free) in [("dumpe2fs.txt", 24_576, 16_684), ("e2freefrag.txt", 24_576, 16_684)] {
        let experiment = experiment(file, "checksums = \"none\"", &samples()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let options = RunOptions { jobs: 1, out: Some(folder.path().join("out")), ..RunOptions::default() };
        let summary = run(&experiment, &Registry::standard(), &options).unwrap();
        assert_eq!(summary.failed, Vec::new(), "{file}: each case ends with a sound pool");
        let rows = Results::open(&folder.path().join("out")).unwrap().tables().unwrap().rows;
        let number = |row: &Vec<String>, name: &str| row[rows.column(name).unwrap()].parse::<u64>().unwrap();
        for row in &rows.rows {
            assert_eq!(
                number(row, "free_blocks") + 512 + number(row, "deferred_blocks"),
                free,
                "{file}: 2 MiB are live"
            );
            assert_eq!(number(row, "owned_blocks"), blocks - free + 512, "{file}");
            assert!(number(row, "free_runs") > 100, "{file}: as many runs as the disk had, nearly");
        }
    }
}

/// Images as they are made, with some files in those whose maker takes a folder.
#[test]
fn an_image_is_read_by_its_own_tool() {
    let folder = tempfile::tempdir().unwrap();
    let files = samples().display().to_string();
    // The least blocks that it says it has: BTRFS's block groups are made as they are needed.
    let makers: [(&str, &[&str], &str, u64); 3] = [
        ("mkfs.ext4", &["-q", "-F", "-b", "4096", "-d", &files], "dumpe2fs", 81_920),
        ("mkfs.xfs", &["-q", "-f"], "xfs_db", 81_920),
        ("mkfs.btrfs", &["-q", "-f", "--rootdir", &files], "btrfs", 10_000),
    ];
    for (maker, arguments, tool, blocks_min) in makers {
        let (name, image) = (format!("{maker}.img"), folder.path().join(format!("{maker}.img")));
        std::fs::File::create(&image).unwrap().set_len(320 << 20).unwrap();
        let made = std::process::Command::new(maker).args(arguments).arg(&image).output();
        let reader = std::process::Command::new(tool).arg("--help").output();
        if !made.is_ok_and(|made| made.status.success()) || reader.is_err() {
            eprintln!("{maker} or {tool} is not installed: no image of it is read");
            continue;
        }
        let experiment = experiment(&name, "checksums = \"none\"", folder.path()).unwrap();
        let out = folder.path().join(format!("{maker}.out"));
        let options = RunOptions { jobs: 1, out: Some(out.clone()), ..RunOptions::default() };
        let summary = run(&experiment, &Registry::standard(), &options).unwrap();
        assert_eq!(summary.failed, Vec::new(), "{maker}: each case ends with a sound pool");
        let rows = Results::open(&out).unwrap().tables().unwrap().rows;
        let number = |row: &Vec<String>, name: &str| row[rows.column(name).unwrap()].parse::<u64>().unwrap();
        for row in &rows.rows {
            let (owned, free) =
                (number(row, "owned_blocks"), number(row, "free_blocks") + number(row, "deferred_blocks"));
            assert!(
                (blocks_min..=81_920).contains(&(owned + free)),
                "{maker}: {owned} owned and {free} free blocks"
            );
            assert!(owned > 512, "{maker}: 2 MiB are live, and what the file system has");
        }
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_at_its_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.txt"), "Block size: 4096\nBlock count: 9\n  Free blocks: 8-12\n")
        .unwrap();
    std::fs::write(folder.path().join("binary"), [0xff; 5000]).unwrap();
    // The magic number of ext4 and nothing else: its tool is missing, or refuses it.
    let mut image = vec![0; 8192];
    image[1080..1082].copy_from_slice(&[0x53, 0xef]);
    std::fs::write(folder.path().join("torn.img"), image).unwrap();
    let none = "checksums = \"none\"";
    for (file, more, words) in [
        ("bad.txt", none, "bad.txt: line 3: a free run"),
        ("binary", none, "neither text nor an image"),
        ("torn.img", none, "dumpe2fs"),
        ("missing.txt", none, "no file `missing.txt`"),
        ("../bad.txt", none, "leaves the folder"),
        ("bad.txt", "", "cannot go with data checksums"),
    ] {
        let planned = experiment(file, more, folder.path()).and_then(|it| plan(&it, &Registry::standard()));
        let message = planned.expect_err(file).to_string();
        assert!(message.contains(words) && message.contains("x.toml:3"), "{file}: {message}");
    }
}

#[test]
fn a_device_that_is_too_small_for_the_disk_is_refused() {
    let more = "checksums = \"none\"\ndevice_size = \"64 MiB\"";
    let planned =
        experiment("dumpe2fs.txt", more, &samples()).and_then(|it| plan(&it, &Registry::standard()));
    assert!(planned.unwrap_err().to_string().contains("has 96 MiB, the device 55.9 MiB for data"));
}
