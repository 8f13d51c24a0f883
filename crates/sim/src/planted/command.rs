//! `spinney-sim --planted [--write README | --fault NAME]`: every planted fault, or one, in every pair, as the table that a README carries.
//!
//! Invariant: the table names every fault, in the order of the list; between its markers nothing else stands.
#![expect(clippy::print_stdout, reason = "a command that reports to its terminal")]

use super::measure::{Caught, LIVES_MAX, catch};
use super::{FAULTS, Fault};
use crate::Pair;
use spinney_registry::Registry;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// The table's first line in a README.
pub const BEGIN: &str =
    "<!-- planted faults: written by `cargo xtask sim --planted --write crates/testkit/README.md` -->";
/// Its last line.
pub const END: &str = "<!-- end of planted faults -->";
/// How it is called.
pub const HELP: &str = "spinney-sim --planted [--write README | --fault NAME]";

/// One row: the pair that needed most lives, and the longest time.
#[must_use]
pub fn row(fault: &Fault, caught: &[Caught]) -> String {
    let lives = caught.iter().map(|pair| pair.lives.unwrap_or(u64::MAX)).max().unwrap_or(u64::MAX);
    let least = caught.iter().filter_map(|pair| pair.lives).min().unwrap_or(u64::MAX);
    let seconds = caught.iter().map(|pair| pair.seconds).fold(0.0, f64::max);
    let span = match lives {
        u64::MAX => "missed".to_owned(),
        lives if lives == least => lives.to_string(),
        lives => format!("{least} to {lives}"),
    };
    format!("| `{}` | {} | {span} | {seconds:.2} |", fault.name, fault.what)
}

fn table(rows: &[String]) -> String {
    let head = "| fault | what it does wrong | lives until caught | seconds |\n| --- | --- | --- | --- |";
    format!("{BEGIN}\n{head}\n{}\n{END}", rows.join("\n"))
}

/// Put the table between the markers. Errors: in words.
fn write(path: &Path, table: &str) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(wrong)?;
    let place = text.find(BEGIN).zip(text.find(END)).filter(|(begin, end)| begin < end);
    let (begin, end) = place.ok_or(format!("{}: no line {BEGIN}", path.display()))?;
    std::fs::write(path, format!("{}{table}{}", &text[..begin], &text[end + END.len()..])).map_err(wrong)
}

/// Run the command. Exit codes: 0 all caught, 1 one survived, 2 not understood.
#[must_use]
pub fn run() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|word| word != "--planted").collect();
    let (readme, only) = match &args[..] {
        [] => (None, None),
        [name, path] if name == "--write" => (Some(path), None),
        [name, fault] if name == "--fault" => (None, Some(fault.as_str())),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    std::panic::set_hook(Box::new(|_| {}));
    let (rows, missed) = measure(only);
    let table = table(&rows);
    println!("{table}");
    missed.iter().for_each(|missed| println!("survived {LIVES_MAX} lives: {missed}"));
    if let Some(Err(what)) = readme.map(|path| write(Path::new(path), &table)) {
        eprintln!("{what}");
        return ExitCode::from(2);
    }
    if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The rows of all faults, or of one, and what survived.
fn measure(only: Option<&str>) -> (Vec<String>, Vec<String>) {
    let pairs = Pair::all(&Arc::new(Registry::standard()));
    let (mut rows, mut missed) = (Vec::new(), Vec::new());
    for fault in FAULTS.iter().filter(|fault| only.is_none_or(|name| name == fault.name)) {
        let fitting = pairs.iter().filter(|pair| fault.fits(pair));
        let caught: Vec<Caught> = fitting.map(|pair| catch(fault, pair)).collect();
        let survived = caught.iter().filter(|caught| caught.lives.is_none());
        missed.extend(survived.map(|caught| format!("{} in {}", fault.name, caught.pair)));
        rows.push(row(fault, &caught));
        rows.last().into_iter().for_each(|row| eprintln!("{row}"));
    }
    (rows, missed)
}
