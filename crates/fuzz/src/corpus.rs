//! The inputs that are kept in the tree: seeds, and what a fuzzer found worth keeping.
//!
//! Invariant: read in the order of the files' names, so that a run is the same everywhere.

use crate::Target;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of a target's inputs.
#[must_use]
pub fn folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// Names and bytes of a target's inputs.
pub fn load(target: &Target) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder(target))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    files.sort();
    let name = |file: &Path| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    files.iter().map(|file| Ok((name(file), std::fs::read(file)?))).collect()
}

/// Write a target's seeds as `seed-NN`; how many there are.
pub fn write_seeds(target: &Target) -> io::Result<usize> {
    let (folder, seeds) = (folder(target), (target.seeds)());
    std::fs::create_dir_all(&folder)?;
    for (number, seed) in seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{number:02}")), seed)?;
    }
    Ok(seeds.len())
}
