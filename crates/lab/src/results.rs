//! A results folder: what a run leaves, and what a later run finds done.
//!
//! Invariant: a case is done when its build file exists, names this very program and was renamed into place last; so a
//! killed run loses at most the cases under way, rows of another build are never taken for this one's, and the assembled
//! tables depend on the plan's order only.

use crate::case::{CaseOutput, METRICS, base_columns};
use crate::plan::Case;
use crate::table::Table;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// The three tables of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// One row a round and case.
    pub rows: Table,
    /// Free-run histograms.
    pub histogram: Table,
    /// Fullness by address.
    pub fullness: Table,
}

/// A results folder.
#[derive(Clone, Debug)]
pub struct Results {
    folder: PathBuf,
    /// Fingerprint of the running program: a rebuilt one may count differently under the same version.
    build: String,
}

const TABLES: [&str; 3] = ["histogram", "fullness", "rows"];

impl Results {
    /// Open or make the folder.
    pub fn open(folder: &Path) -> io::Result<Results> {
        std::fs::create_dir_all(folder.join("cases"))?;
        let program = std::env::current_exe().and_then(std::fs::read)?;
        Ok(Results { folder: folder.to_owned(), build: format!("{:016x}", xxh3_64(&program)) })
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn part(&self, hash: &str, table: &str) -> PathBuf {
        self.folder.join("cases").join(format!("{hash}.{table}.csv"))
    }

    /// Hold the folder for this process until the file is dropped; `None` if another one holds it.
    pub fn lock(&self) -> io::Result<Option<File>> {
        let file = File::create(self.folder.join(".lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether a case is done by this very program, and its tables have the columns and labels that it has now.
    #[must_use]
    pub fn has(&self, case: &Case) -> bool {
        if std::fs::read(self.mark(case)).ok().as_deref() != Some(self.build.as_bytes()) {
            return false;
        }
        let Ok(rows) = Table::read(&self.part(&case.hash, "rows")) else { return false };
        let metrics = METRICS.iter().map(|metric| metric.name.clone());
        let columns: Vec<String> = base_columns(&case.labels).into_iter().chain(metrics).collect();
        let own = |row: &Vec<String>| {
            let values = case.labels.iter().map(|(_, value)| value);
            row.iter().zip([&case.hash].into_iter().chain(values)).all(|(cell, wanted)| cell == wanted)
        };
        let beside = |table: &str| self.part(&case.hash, table).is_file();
        rows.columns == columns && rows.rows.iter().all(own) && beside("histogram") && beside("fullness")
    }

    /// Forget a case, so that it is done again.
    pub fn forget(&self, case: &Case) -> io::Result<()> {
        match std::fs::remove_file(self.mark(case)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn mark(&self, case: &Case) -> PathBuf {
        self.folder.join("cases").join(format!("{}.build", case.hash))
    }

    /// Keep a case's tables, and then mark it done.
    pub fn keep(&self, case: &Case, output: &CaseOutput) -> io::Result<()> {
        for (name, table) in TABLES.into_iter().zip([&output.histogram, &output.fullness, &output.rows]) {
            let bytes = table.to_csv().map_err(io::Error::other)?;
            self.write_to(&self.part(&case.hash, name), &bytes)?;
        }
        self.write_to(&self.mark(case), self.build.as_bytes())
    }

    /// Put the tables of these cases together, in their order.
    pub fn assemble(&self, cases: &[&Case]) -> io::Result<Tables> {
        let mut tables = Tables::default();
        for case in cases {
            for (name, whole) in
                TABLES.into_iter().zip([&mut tables.histogram, &mut tables.fullness, &mut tables.rows])
            {
                let part = Table::read(&self.part(&case.hash, name)).map_err(io::Error::other)?;
                whole.columns = part.columns;
                whole.rows.extend(part.rows);
            }
        }
        for (name, table) in
            [("rows", &tables.rows), ("histogram", &tables.histogram), ("fullness", &tables.fullness)]
        {
            let bytes = table.to_csv().map_err(io::Error::other)?;
            self.write(&format!("{name}.csv"), &bytes)?;
        }
        Ok(tables)
    }

    /// The assembled tables of an earlier run. A folder that was published may lack the two large ones: they are then empty.
    pub fn tables(&self) -> io::Result<Tables> {
        let path = |name: &str| self.folder.join(format!("{name}.csv"));
        let read = |name: &str| Table::read(&path(name)).map_err(io::Error::other);
        let if_there = |name: &str| if path(name).is_file() { read(name) } else { Ok(Table::default()) };
        Ok(Tables { rows: read("rows")?, histogram: if_there("histogram")?, fullness: if_there("fullness")? })
    }

    /// Write a file of the folder, whole or not at all.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.write_to(&self.folder.join(name), bytes)
    }

    fn write_to(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut aside = path.as_os_str().to_owned();
        aside.push(".part");
        let mut file = File::create(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()?; // or a power cut could leave an empty file under the final name
        std::fs::rename(&aside, path)
    }
}
