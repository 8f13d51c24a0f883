//! `spinney device predict|fit`: how fast a device part's model is, and a part made of a fio run.
//!
//! Invariant: nothing is timed here; predictions are counted in virtual time and are the same on every machine.

use crate::args::{self, DeviceCommand};
use crate::exit::{Failure, say, versioned};
use serde_json::{Value, json};
use spinney_device::model::{
    self, Access, Cell, Compared, DevicePart, FioResult, Fitted, PRESETS, compare, median_and_worst,
    megabytes, percent,
};
use spinney_lab::report::aligned;
use spinney_lab::table::Table;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

/// The largest device part.
const PART_BYTES_MAX: u64 = 1 << 20;

pub(crate) fn device(args: &args::Device) -> Result<ExitCode, Failure> {
    match &args.command {
        DeviceCommand::Predict { device, json } => predict(device, *json),
        DeviceCommand::Fit { result, out, force, json } => fit(result, out.as_deref(), *force, *json),
    }
}

/// A file's text, up to a size. Errors: in words, with the file's name.
fn read(path: &Path, bytes_max: u64) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::Other(format!("cannot read {}: {error}", path.display()));
    let mut text = String::new();
    File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_string(&mut text)).map_err(failed)?;
    if text.len() as u64 > bytes_max {
        return Err(Failure::Other(format!("{} has more than {bytes_max} bytes", path.display())));
    }
    Ok(text)
}

/// The part that is named: one that comes with spinney, else a file.
fn part(device: &Path) -> Result<DevicePart, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::Other(format!("{}: {error}", device.display()));
    let text = match PRESETS.iter().find(|preset| device == Path::new(preset.name)) {
        Some(preset) => preset.text.to_owned(),
        None if device.extension().is_some() || device.exists() => read(device, PART_BYTES_MAX)?,
        None => {
            let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
            return Err(wrong(&format!(
                "no such device; known: {}, or name a file such as my-disk.toml",
                names.join(", ")
            )));
        }
    };
    DevicePart::from_toml(&text).map_err(|error| wrong(&error))
}

fn predict(device: &Path, json: bool) -> Result<ExitCode, Failure> {
    let part = part(device)?;
    let failed = |error: spinney_core::Error| Failure::Other(error.to_string());
    let mut cells = Vec::new();
    for cell in standard_cells() {
        cells.push((cell, model::predict(&part.device, cell).map_err(failed)?));
    }
    let figures = part.datasheet.as_ref().map_or(Ok(Vec::new()), |sheet| sheet.figures());
    let compared = compare(&part.device, &figures.map_err(Failure::Other)?).map_err(failed)?;
    if json {
        let cell = |(cell, rate): &(Cell, Option<u64>)| {
            merged(cell, &json!({ "bytes_per_s": rate, "iops": rate.map(|rate| cell.iops(rate)) }))
        };
        let body = json!({ "device": device, "cells": cells.iter().map(cell).collect::<Vec<_>>(), "datasheet": as_json(&compared), "source": part.datasheet.as_ref().map(|sheet| &sheet.source) });
        say(versioned("spinney device predict", &body))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["rw", "request", "depth", "IOPS", "MB/s"]);
    for (cell, rate) in cells {
        let shown = |rate: Option<String>| rate.unwrap_or_else(|| "no time".into());
        let last = [shown(rate.map(|rate| cell.iops(rate).to_string())), shown(rate.map(megabytes))];
        table.push([names(&cell).to_vec(), last.to_vec()].concat());
    }
    say(aligned(&table))?;
    if let Some(sheet) = &part.datasheet {
        say(format!("\nAgainst the data sheet ({}):\n", sheet.source))?;
        compared_table(&compared, "sheet")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// 4 KiB to 1 MiB, random and sequential, read and write, alone and 32 at once.
fn standard_cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for access in Access::ALL {
        for request_kib in [4, 64, 1024] {
            cells.extend([1, 32].map(|depth| Cell { access, request_kib, depth }));
        }
    }
    cells
}

fn names(cell: &Cell) -> [String; 3] {
    [cell.access.name().into(), format!("{} KiB", cell.request_kib), cell.depth.to_string()]
}

fn compared_table(compared: &[Compared], wanted: &str) -> Result<(), Failure> {
    let [iops, rate] = ["IOPS", "MB/s"].map(|unit| format!("{wanted} {unit}"));
    let mut table = Table::new(["rw", "request", "depth", &iops, &rate, "model MB/s", "error"]);
    for line in compared {
        let rates = [line.wanted_bytes_per_s, line.model_bytes_per_s].map(megabytes);
        let iops = line.cell.iops(line.wanted_bytes_per_s).to_string();
        let last = [iops, rates[0].clone(), rates[1].clone(), percent(line.error_permille())];
        table.push([names(&line.cell).to_vec(), last.to_vec()].concat());
    }
    say(aligned(&table))?;
    if let Some((median, worst)) = median_and_worst(compared) {
        let most = percent(worst.error_permille());
        say(format!(
            "\nmedian error {} %, largest {most} ({})",
            format_args!("{}.{}", median / 10, median % 10),
            worst.cell
        ))?;
    }
    Ok(())
}

fn merged(cell: &Cell, more: &Value) -> Value {
    let mut value = json!({ "rw": cell.access.name(), "kib": cell.request_kib, "depth": cell.depth });
    if let (Some(fields), Some(more)) = (value.as_object_mut(), more.as_object()) {
        fields.extend(more.clone());
    }
    value
}

fn as_json(compared: &[Compared]) -> Vec<Value> {
    let line = |line: &Compared| {
        let error = line.error_permille();
        merged(
            &line.cell,
            &json!({ "wanted_bytes_per_s": line.wanted_bytes_per_s, "model_bytes_per_s": line.model_bytes_per_s, "error_permille": error }),
        )
    };
    compared.iter().map(line).collect()
}

fn fit(result: &Path, out: Option<&Path>, force: bool, json: bool) -> Result<ExitCode, Failure> {
    let wrong = |error: String| Failure::Other(format!("{}: {error}", result.display()));
    let measured = FioResult::from_json(&read(result, model::FIO_BYTES_MAX)?).map_err(wrong)?;
    let fitted = Fitted::new(&measured).map_err(wrong)?;
    if let Some(out) = out {
        write(out, force, &fitted.text)?;
    }
    if json {
        let median = median_and_worst(&fitted.compared).map(|(median, _)| median);
        let body = json!({ "cells": as_json(&fitted.compared), "median_error_permille": median, "parameters": fitted.parameters, "out": out });
        say(versioned("spinney device fit", &body))?;
        return Ok(ExitCode::SUCCESS);
    }
    match out {
        Some(out) => {
            compared_table(&fitted.compared, "measured")?;
            say(format!("{}: use it as `device/{}` from a folder configs/device", out.display(), stem(out)))?;
        }
        None => say(fitted.text.trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn stem(out: &Path) -> String {
    out.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

/// A new file, or with `force` one in place of what was there.
fn write(out: &Path, force: bool, text: &str) -> Result<(), Failure> {
    let mut options = File::options();
    let opened = options.write(true).create(true).truncate(force).create_new(!force).open(out);
    opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        let help = if force { "" } else { "; --force replaces a file that is there" };
        Failure::Other(format!("cannot write {}: {error}{help}", out.display()))
    })
}
