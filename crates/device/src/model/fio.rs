//! What a fio run measured, from its JSON.
//!
//! Invariant: what is returned is a valid cell and a rate that fio moved bytes at; a file that says anything else is an error that names
//! the job. Knows no model. Read are, of each job, `jobname`, `error`, its options `rw`, `bs`, `iodepth`, `numjobs` and `time_based` (or the
//! global ones) and `bw_bytes` of its direction, as fio 3 writes them.

use super::{Access, Cell, Figure};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The most bytes that a result may have: fio's own of 40 jobs has a quarter of a MB.
pub const FIO_BYTES_MAX: u64 = 64 << 20;

/// The most cells: a fit takes its time for each. `fit.fio` has 40.
const CELLS_MAX: usize = 100;

type Options = BTreeMap<String, String>;

#[derive(Deserialize)]
struct Output {
    #[serde(rename = "fio version", default)]
    version: String,
    #[serde(rename = "global options", default)]
    global: Options,
    jobs: Vec<Job>,
}

#[derive(Deserialize)]
struct Job {
    jobname: String,
    #[serde(default)]
    error: i64,
    #[serde(rename = "job options", default)]
    options: Options,
    #[serde(default)]
    read: Direction,
    #[serde(default)]
    write: Direction,
}

#[derive(Deserialize, Default)]
struct Direction {
    #[serde(default)]
    bw_bytes: u64,
}

/// A fio result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FioResult {
    /// As it calls itself.
    pub version: String,
    /// Cells in order of kind, size and depth; one that was measured several times by its median: other work on the
    /// machine makes some runs slow, a host's allowance for bursts makes some fast.
    pub figures: Vec<Figure>,
    /// Times that each cell was measured, the least.
    pub runs: u64,
}

impl FioResult {
    /// From the JSON. Errors: what is wrong with it, with the line or the job.
    pub fn from_json(text: &str) -> Result<FioResult, String> {
        let output: Output = serde_json::from_str(text)
            .map_err(|error| format!("this is not the JSON of `fio --output-format=json`: {error}"))?;
        let mut cells: BTreeMap<Cell, Vec<u64>> = BTreeMap::new();
        for (index, job) in output.jobs.iter().enumerate() {
            let figure = job.figure(&output.global);
            let named = |wrong| format!("job {} (`{}`): {wrong}", index + 1, job.jobname);
            if let Some(Figure { cell, bytes_per_s }) = figure.map_err(named)? {
                cells.entry(cell).or_default().push(bytes_per_s);
            }
        }
        if cells.len() > CELLS_MAX {
            return Err(format!("{} kinds of jobs; at most {CELLS_MAX} can be fitted", cells.len()));
        }
        let runs = cells.values().map(|rates| rates.len() as u64).min();
        let middle = |(cell, mut rates): (Cell, Vec<u64>)| {
            rates.sort_unstable();
            Figure { cell, bytes_per_s: rates[(rates.len() - 1) / 2] }
        };
        let figures = cells.into_iter().map(middle).collect();
        match runs {
            Some(runs) => Ok(FioResult { version: output.version, figures, runs }),
            None => Err("no job measured anything: run fio with configs/device/fit.fio".into()),
        }
    }
}

impl Job {
    /// What it measured; nothing, if it says by `time_based=0` that it only prepares. Errors: in words.
    fn figure(&self, global: &Options) -> Result<Option<Figure>, String> {
        let option = |names: [&str; 2]| {
            let of = |options: &Options| names.iter().find_map(|name| options.get(*name).cloned());
            of(&self.options).or_else(|| of(global))
        };
        if self.error != 0 {
            return Err(format!("fio failed with error {}; run it again", self.error));
        }
        if option(["time_based"; 2]).is_some_and(|value| value == "0") {
            return Ok(None);
        }
        let word = option(["rw", "readwrite"]).unwrap_or_else(|| "read".into());
        let access = Access::ALL.into_iter().find(|access| access.name() == word);
        let access =
            access.ok_or_else(|| format!("rw={word}; it must be read, randread, write or randwrite"))?;
        let count = |names, default: &str| number(&option(names).unwrap_or_else(|| default.into()), names[0]);
        if count(["numjobs"; 2], "1")? != 1 {
            return Err("numjobs must be 1: several processes are not one queue".into());
        }
        let bytes = count(["bs", "blocksize"], "4k")?;
        if !bytes.is_multiple_of(1024) {
            return Err(format!("bs={bytes}; it must be a multiple of 4 KiB"));
        }
        let cell = Cell { access, request_kib: bytes / 1024, depth: count(["iodepth"; 2], "1")? };
        cell.validate()?;
        let direction = if access.is_write() { &self.write } else { &self.read };
        match direction.bw_bytes {
            0 => Err("it moved no bytes (`bw_bytes`); give it more runtime".into()),
            // No memory moves a petabyte a second; a larger number is no measurement.
            bytes_per_s if bytes_per_s > 1 << 50 => Err(format!("bw_bytes={bytes_per_s} is no rate")),
            bytes_per_s => Ok(Some(Figure { cell, bytes_per_s })),
        }
    }
}

/// A number as fio takes it: digits, and `k` or `m` (of 1024) behind them.
fn number(text: &str, option: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let short = lower.strip_suffix("ib").or(lower.strip_suffix('b')).unwrap_or(&lower);
    let (digits, unit) = match (short.strip_suffix('k'), short.strip_suffix('m')) {
        (Some(digits), _) => (digits, 1024),
        (_, Some(digits)) => (digits, 1024 * 1024),
        _ => (short, 1),
    };
    let value = digits.parse::<u64>().ok().and_then(|value| value.checked_mul(unit));
    value.ok_or_else(|| format!("{option}={text} is not one number such as 4096, 64k or 1m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(job: &str) -> Result<FioResult, String> {
        FioResult::from_json(&format!(
            r#"{{ "fio version": "fio-3.33", "global options": {{ "bs": "64k" }}, "jobs": [{job}] }}"#
        ))
    }

    const GOOD: &str = r#"{ "jobname": "a", "job options": { "rw": "randread", "bs": "16K", "iodepth": "32" }, "read": { "bw_bytes": 7, "iops": 1.5 } }"#;

    #[test]
    fn a_cell_that_was_measured_several_times_counts_by_its_median() {
        let result = read(&[GOOD, &GOOD.replace('7', "900"), &GOOD.replace('7', "9")].join(",")).unwrap();
        let cell = Cell { access: Access::RandRead, request_kib: 16, depth: 32 };
        assert_eq!(result.figures, [Figure { cell, bytes_per_s: 9 }]);
        assert_eq!((result.runs, result.version.as_str()), (3, "fio-3.33"));
    }

    #[test]
    fn options_of_the_job_go_before_global_ones_and_both_before_defaults() {
        let result = read(r#"{ "jobname": "a", "read": { "bw_bytes": 7 } }"#).unwrap();
        assert_eq!(result.figures[0].cell, Cell { access: Access::Read, request_kib: 64, depth: 1 });
    }

    #[test]
    fn what_no_fio_run_of_cells_says_is_refused_with_the_job() {
        for (from, to, reason) in [
            ("\"16K\"", "\"4k,8k\"", "is not one number"),
            ("\"16K\"", "\"18446744073709551615k\"", "is not one number"),
            ("\"16K\"", "\"0\"", "multiple of 4 KiB"),
            ("\"16K\"", "\"4097\"", "multiple of 4 KiB"),
            ("\"16K\"", "\"1024m\"", "at most 16 MiB"),
            ("\"32\"", "\"99999999\"", "queue depth"),
            ("\"randread\"", "\"randrw\"", "rw=randrw"),
            ("\"iodepth\"", "\"numjobs\"", "numjobs must be 1"),
            ("7,", "0,", "no bytes"),
            ("7,", "18446744073709551615,", "is no rate"),
            ("\"job options\"", "\"error\": 5, \"job options\"", "error 5"),
        ] {
            let wrong = read(&GOOD.replace(from, to)).unwrap_err();
            assert!(wrong.contains(reason) && wrong.contains("job 1 (`a`)"), "{to}: {wrong}");
        }
        for job in ["3", r#"{ "jobname": 3 }"#, r#"{ "jobname": "a", "read": { "bw_bytes": -1 } }"#] {
            assert!(read(job).unwrap_err().contains("fio --output-format=json"), "{job}");
        }
        assert!(read("").unwrap_err().contains("no job"));
        assert!(FioResult::from_json("{\"jobs\": [").unwrap_err().contains("line 1"));
    }
}
