//! A results folder: what a run leaves, and what a later run finds done.
//!
//! Invariant: a case is done when its rows file exists, and that is renamed into place last; so a killed run loses at
//! most the cases under way, and the assembled tables depend on the plan's order only.

use crate::case::CaseOutput;
use crate::plan::Case;
use crate::table::Table;
use std::io;
use std::path::{Path, PathBuf};

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
}

const TABLES: [&str; 3] = ["histogram", "fullness", "rows"];

impl Results {
    /// Open or make the folder.
    pub fn open(folder: &Path) -> io::Result<Results> {
        std::fs::create_dir_all(folder.join("cases"))?;
        Ok(Results { folder: folder.to_owned() })
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn part(&self, hash: &str, table: &str) -> PathBuf {
        self.folder.join("cases").join(format!("{hash}.{table}.csv"))
    }

    /// Whether a case is done.
    #[must_use]
    pub fn has(&self, case: &Case) -> bool {
        self.part(&case.hash, "rows").is_file()
    }

    /// Keep a case's tables, the rows last.
    pub fn keep(&self, case: &Case, output: &CaseOutput) -> io::Result<()> {
        for (name, table) in TABLES.into_iter().zip([&output.histogram, &output.fullness, &output.rows]) {
            let bytes = table.to_csv().map_err(io::Error::other)?;
            self.write_to(&self.part(&case.hash, name), &bytes)?;
        }
        Ok(())
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

    /// The assembled tables of an earlier run.
    pub fn tables(&self) -> io::Result<Tables> {
        let read =
            |name: &str| Table::read(&self.folder.join(format!("{name}.csv"))).map_err(io::Error::other);
        Ok(Tables { rows: read("rows")?, histogram: read("histogram")?, fullness: read("fullness")? })
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
        std::fs::write(&aside, bytes)?;
        std::fs::rename(&aside, path)
    }
}
