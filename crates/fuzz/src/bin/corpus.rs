//! `spinney-corpus seed`: write each target's seeds. `spinney-corpus run TARGET FILE...`: run inputs, to see one fail.
//!
//! Invariant: writes below the crate's `corpus` folder only.
#![expect(clippy::print_stdout, reason = "a command talks to its terminal")]

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["seed"] => seed(),
        ["run", name, ref files @ ..] => run(name, files),
        _ => Err("spinney-corpus seed | spinney-corpus run TARGET FILE...".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn seed() -> Result<(), Box<dyn std::error::Error>> {
    for target in spinney_fuzz::TARGETS {
        println!("{}: {} seeds", target.name, spinney_fuzz::corpus::write_seeds(target)?);
    }
    Ok(())
}

fn run(name: &str, files: &[&str]) -> Result<(), Box<dyn std::error::Error>> {
    let target = spinney_fuzz::target(name).ok_or("no such target")?;
    for file in files {
        println!("{file}");
        (target.run)(&std::fs::read(file)?);
    }
    Ok(())
}
