//! The simulator as a command: long crash lives, exhaustive searches, device faults, planted faults.
//!
//! Invariant: chooses the command and nothing else.
#![expect(clippy::print_stdout, reason = "a command that reports to its terminal")]

use spinney_sim::{command, enumerate, faults, histories, planted};
use std::process::ExitCode;

fn main() -> ExitCode {
    let asks = |wanted: &str| std::env::args().any(|word| word == wanted);
    if faults::command::is_asked() {
        return faults::command::run();
    }
    if histories::is_asked() {
        return histories::run();
    }
    if asks("--help") || asks("-h") {
        let others =
            [planted::command::HELP, histories::HELP, enumerate::command::HELP, faults::command::HELP];
        println!("{}\n{}", command::HELP, others.join("\n"));
        return ExitCode::SUCCESS;
    }
    match (enumerate::command::is_asked(), asks("--planted")) {
        (true, _) => enumerate::command::run(),
        (_, true) => planted::command::run(),
        _ => command::run(),
    }
}
