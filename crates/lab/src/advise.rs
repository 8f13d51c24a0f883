//! Which allocator to take: an experiment over all of them made from a few words, and its rows as a ranking.
//!
//! Invariant: the cases are run by the same runner as any config's, and their folder holds the config; nothing is weighed
//! that is not a column. Allocators whose figures the seeds cannot tell apart share the first place.

use crate::config::{ConfigError, Library, format_bytes, load_text};
use crate::experiment::Experiment;
use crate::fold::{Sampled, fold};
use crate::plan::plan;
use crate::statistics::{Band, BandKind, band};
use crate::table::Table;
use spinney_device::model::PRESETS;
use spinney_registry::Registry;
use spinney_workload::{TraceInfo, WorkloadEntry};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Rows of a case, at most about: enough to see where it settles, few enough to be quick.
const ROUNDS: u64 = 20;
/// Requests of a trace that are replayed at most, so that the answer takes minutes at the longest.
const REQUESTS_MAX: u64 = 100_000;
/// Writes of a generated workload at most, besides what lays the data down, for the same reason.
const WRITES_MAX: u64 = 200_000;
/// Live data up to which three seeds are run; beyond it one, and what is closer than [`TIE`] is a tie.
const SEEDS_BYTES_MAX: f64 = (8u64 << 30) as f64;
/// Blocks of an object where a workload says no unit: about the mean of Geriatrix's profile is 40, of a source tree 4.
const OBJECT_BLOCKS: u64 = 16;
/// Closer than this share is a tie even where no seed varies: a trace has one run, and models are not that good.
const TIE: f64 = 0.02;
/// Metadata area: at least this, and a 64th of large pools, so that no scheme is short of pages.
const METADATA_BYTES_MIN: u64 = 64 << 20;
const METADATA_SHARE: u64 = 64;
/// Superblocks and what is reserved beside them.
const RESERVED_BYTES: u64 = 16 << 12;

/// What the pool will have to do.
#[derive(Clone, Debug)]
pub enum Load {
    /// A part of `configs/workload`, or a workload by its registered name.
    Workload(String),
    /// A block trace, and what is in it.
    Trace(PathBuf, Box<TraceInfo>),
}

/// The question.
#[derive(Clone, Debug)]
pub struct Question {
    /// The load.
    pub load: Load,
    /// A device part by name.
    pub device: String,
    /// Share of the data blocks that live data takes, over 0 and at most 1.
    pub fullness: f64,
    /// Size of the volume; a trace's volume is as large as the trace at least.
    pub size_bytes: u64,
}

/// How one allocator did. Figures are of the measured part; the median of the seeds where there are several.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// Its preset.
    pub allocator: String,
    /// Written by the workload in virtual time, 10^6 bytes a second: what is ranked by.
    pub write_mb_per_s: Band,
    /// No seed tells it from the fastest.
    pub tied: bool,
    /// Why: column and value, in the order of [`REASONS`]; `None` where the run has no such number.
    pub reasons: Vec<(&'static str, Option<f64>)>,
    /// Operations that found no space.
    pub refused: f64,
    /// How often what is owned in the end was written in the measured part, on average: how much of its aging was seen.
    pub overwritten: f64,
}

/// The columns that explain a place, how each is taken over the rows, and what a person calls it.
pub const REASONS: [(&str, &str, &str); 7] = [
    ("write_run_blocks", "mean", "blocks a write run"),
    ("extents_per_mib", "last", "extents a MiB"),
    ("metadata_pages_written", "mean", "metadata pages a commit"),
    ("bluestore_score_new", "last", "free-space score"),
    ("effort_per_allocation", "mean", "steps an allocation"),
    ("index_memory_bytes", "max", "index memory, bytes"),
    ("fullness", "max", "fullness"),
];

/// The experiment that answers a question. Errors: as for any config; its text is in them.
pub fn experiment(question: &Question, registry: &Registry) -> Result<Experiment, ConfigError> {
    let library = library(&question.load);
    let make = |settings: &str, seeds: &str| {
        let text = config(question, registry, settings, seeds);
        let (table, sources) = load_text(Path::new("advise.toml"), text, &library)?;
        Experiment::read("advise".into(), table, sources, library.clone())
    };
    if let Load::Trace(_, info) = &question.load {
        let every = (info.requests.min(REQUESTS_MAX) / ROUNDS).max(1);
        let settings = format!("max_requests = {REQUESTS_MAX}\nround_requests = {every}\n");
        return make(&settings, "[1]");
    }
    // What can be set is known once the part is read.
    let first = make("", "[1]")?;
    let cases = plan(&first, registry)?;
    let entry = |name: &str| spinney_workload::ENTRIES.iter().find(|entry| entry.name == name);
    let settings = cases
        .first()
        .and_then(|case| entry(&case.workload.name).map(|entry| bounded(entry, &case.resolved, question)));
    let small = question.size_bytes as f64 * question.fullness <= SEEDS_BYTES_MAX;
    make(&settings.unwrap_or_default(), if small { "[1, 2, 3]" } else { "[1]" })
}

/// Settings that bring a workload to the fullness that was asked for, and keep it short however large the pool is.
fn bounded(entry: &WorkloadEntry, resolved: &BTreeMap<String, String>, question: &Question) -> String {
    let has = |name: &str| entry.parameters.iter().any(|parameter| parameter.name == name);
    let set = |name: &str| -> Option<f64> {
        let value = resolved.get(&format!("workload.{name}"))?;
        has(name).then(|| value.parse().ok())?
    };
    let mut text = String::new();
    if has("fill") {
        text.push_str(&format!("fill = {:?}\n", question.fullness));
    }
    if set("rounds").is_some_and(|rounds| rounds > ROUNDS as f64) {
        text.push_str(&format!("rounds = {ROUNDS}\n"));
    }
    // How often as many writes as are allowed write the live data, and what that leaves for a round.
    let blocks = set("unit_blocks").unwrap_or(OBJECT_BLOCKS as f64) * WRITES_MAX as f64;
    let times = blocks * 4096.0 / (question.size_bytes as f64 * question.fullness).max(1.0);
    let round = (times / ROUNDS as f64).max(1e-4);
    let most = [
        ("overwrites", times.min(5.0)),
        ("round_share", round),
        ("clone_writes", round),
        ("storm_share", round),
    ];
    for (name, most) in most {
        if set(name).is_some_and(|set| set > most) {
            text.push_str(&format!("{name} = {most:?}\n"));
        }
    }
    if let (Some(pulls), Some(changed)) = (set("pulls"), set("changed")) {
        text.push_str(&format!("pulls = {}\n", pulls.min(times / changed).max(1.0) as u64));
    }
    text
}

/// A trace is looked up beside itself.
fn library(load: &Load) -> Library {
    let beside = match load {
        Load::Trace(path, _) => path.clone(),
        Load::Workload(_) => PathBuf::from("advise.toml"),
    };
    Library::beside(&beside)
}

fn config(question: &Question, registry: &Registry, settings: &str, seeds: &str) -> String {
    let quoted = |word: &str| toml::Value::String(word.into()).to_string();
    let mut size = question.size_bytes;
    let (mut workload, mut data) = (String::new(), size);
    let sweep = match &question.load {
        Load::Workload(name) => format!("workload = [{}]\n", quoted(name)),
        Load::Trace(path, info) => {
            size = size.max(info.end_byte).next_multiple_of(4096);
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            workload = format!("name = \"replay\"\nfile = {}\nscan = true\n", quoted(&file));
            // The trace's own blocks are what lives; the volume must fit all the same.
            let live = info.written_blocks.saturating_mul(4096);
            data = size.max((live as f64 / question.fullness) as u64).next_multiple_of(4096);
            String::new()
        }
    };
    let names: Vec<String> = registry.allocator_names().into_iter().map(quoted).collect();
    let preset = PRESETS.iter().find(|preset| preset.name == question.device);
    let (device, device_axis) = match preset {
        Some(preset) => (preset.text.to_owned(), String::new()),
        None => (String::new(), format!("device = [{}]\n", quoted(&question.device))),
    };
    let metadata = METADATA_BYTES_MIN.max(data / METADATA_SHARE).next_multiple_of(4096);
    let device_bytes = data.max(size).saturating_add(metadata + RESERVED_BYTES);
    format!(
        "# Made by `spinney advise`; `spinney run` takes it as it is.\n\
         title = \"Which allocator for this load\"\n\
         says = \"Every allocator on a volume of {} over {}.\"\n\
         [volume]\nsize = {size}\ndevice_size = {device_bytes}\nmetadata_size = {metadata}\nchecksums = \"none\"\n\
         [run]\nkeep_data = false\n\
         [workload]\n{workload}{settings}\
         [sweep]\n{sweep}{device_axis}allocator = [{}]\nseed = {seeds}\n\
         [report.throughput]\nkind = \"bars\"\ntitle = \"{{highest}} writes {{ratio}} times as fast as {{lowest}}\"\n\
         series = \"allocator\"\ny = \"write_mb_per_s\"\nat = \"mean\"\n\
         [report.antagonism]\nkind = \"scatter\"\ntitle = \"{{highest}} writes runs of {{high}} blocks, {{lowest}} of {{low}}\"\n\
         series = \"allocator\"\nx = \"bluestore_score_new\"\ny = \"write_run_blocks\"\nat = \"mean\"\n{device}",
        format_bytes(size),
        question.device,
        names.join(", "),
    )
}

/// The allocators of these rows, the one to take first: fastest first, and among those tied with it the one that reads best.
#[must_use]
pub fn rank(rows: &Table) -> Vec<Ranked> {
    let at = |name: &str| rows.column(name);
    let Some(allocator) = at("allocator") else { return Vec::new() };
    let mut names: Vec<&String> = rows.rows.iter().map(|row| &row[allocator]).collect();
    names.sort_unstable();
    names.dedup();
    let mut ranked: Vec<Ranked> = names.into_iter().filter_map(|name| one(rows, allocator, name)).collect();
    ranked.sort_by(|one, other| {
        let refused = |ranked: &Ranked| ranked.refused > 0.0;
        let speed = other.write_mb_per_s.mid.total_cmp(&one.write_mb_per_s.mid);
        refused(one).cmp(&refused(other)).then(speed)
    });
    let Some((best, served)) = ranked.first().map(|first| (first.write_mb_per_s, first.refused == 0.0))
    else {
        return ranked;
    };
    for each in &mut ranked {
        let near = each.write_mb_per_s.high >= best.low || each.write_mb_per_s.mid >= best.mid * (1.0 - TIE);
        each.tied = near && (each.refused == 0.0) == served;
    }
    // The tied ones stand together, in the order in which a reader would take them.
    ranked.sort_by(|one, other| {
        let reads = |ranked: &Ranked| ranked.reasons[1].1.unwrap_or(f64::INFINITY);
        let pages = |ranked: &Ranked| ranked.reasons[2].1.unwrap_or(f64::INFINITY);
        let place = other.tied.cmp(&one.tied);
        let among = reads(one).total_cmp(&reads(other)).then(pages(one).total_cmp(&pages(other)));
        if one.tied && other.tied { among } else { place }
    });
    ranked
}

/// One allocator's figures, `None` if it has no row with a throughput.
fn one(rows: &Table, allocator: usize, name: &str) -> Option<Ranked> {
    let (phase, seed) = (rows.column("phase")?, rows.column("seed")?);
    let own: Vec<&Vec<String>> =
        rows.rows.iter().filter(|row| row[allocator] == name && row[phase] == "measure").collect();
    let mut seeds: Vec<&String> = own.iter().map(|row| &row[seed]).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let values = |column: &str, how: &str| -> Vec<f64> {
        let Some(sampled) = Sampled::of(column, rows) else { return Vec::new() };
        let of_seed = |wanted: &&String| {
            let samples: Vec<_> =
                own.iter().filter(|row| row[seed] == **wanted).filter_map(|row| sampled.read(row)).collect();
            fold(&samples, how)
        };
        seeds.iter().filter_map(of_seed).collect()
    };
    let middle = |column, how| band(&values(column, how), BandKind::MinMedianMax).map(|band| band.mid);
    Some(Ranked {
        allocator: name.to_owned(),
        write_mb_per_s: band(&values("write_mb_per_s", "mean"), BandKind::MinMedianMax)?,
        tied: false,
        reasons: REASONS.iter().map(|(column, how, _)| (*column, middle(column, how))).collect(),
        refused: values("refused", "last").into_iter().fold(0.0, f64::max),
        overwritten: middle("interval_user_bytes", "sum").unwrap_or(0.0)
            / (4096.0 * middle("owned_blocks", "last").unwrap_or(0.0)).max(1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(lines: &[(&str, &str, f64, f64, f64)]) -> Table {
        let columns =
            ["allocator", "phase", "seed", "write_mb_per_s", "virtual_ms", "extents_per_mib", "refused"];
        let mut rows = Table::new(columns);
        for (name, seed, speed, extents, refused) in lines {
            let numbers = [*speed, 1.0, *extents, *refused].map(|number| number.to_string());
            let words = [*name, "measure", *seed].into_iter().map(String::from);
            rows.push(words.chain(numbers).collect());
        }
        rows
    }

    #[test]
    fn what_the_seeds_cannot_tell_apart_is_told_apart_by_reading() {
        let ranked = rank(&rows(&[
            ("fast", "1", 100.0, 9.0, 0.0),
            ("fast", "2", 90.0, 9.0, 0.0),
            ("near", "1", 91.0, 5.0, 0.0),
            ("near", "2", 88.0, 5.0, 0.0),
            ("slow", "1", 50.0, 1.0, 0.0),
            ("slow", "2", 51.0, 1.0, 0.0),
        ]));
        let order: Vec<(&str, bool)> =
            ranked.iter().map(|each| (each.allocator.as_str(), each.tied)).collect();
        assert_eq!(order, [("near", true), ("fast", true), ("slow", false)]);
    }

    #[test]
    fn a_pool_of_any_size_takes_about_as_many_writes() {
        let writes = |name: &str, pairs: &[(&str, &str)], size_bytes: u64| -> f64 {
            let entry = spinney_workload::ENTRIES.iter().find(|entry| entry.name == name).unwrap();
            let resolved = pairs.iter().map(|(key, value)| (format!("workload.{key}"), (*value).to_owned()));
            let load = Load::Workload(name.into());
            let question = Question { load, device: "hdd".into(), fullness: 0.8, size_bytes };
            let text: toml::Table = bounded(entry, &resolved.collect(), &question).parse().unwrap();
            assert_eq!(text["fill"].as_float(), Some(0.8), "{name}");
            let number = |key: &str| text.get(key).and_then(toml::Value::as_float);
            number("round_share").or(number("overwrites")).unwrap_or(f64::NAN) * size_bytes as f64 * 0.8
                / 4096.0
        };
        let overwrite = [("unit_blocks", "4"), ("rounds", "100"), ("round_share", "0.1")];
        assert!(writes("overwrite", &overwrite, 256 << 20).is_nan(), "short enough as it is");
        for gib in [16, 64, 256] {
            let blocks = writes("overwrite", &overwrite, gib << 30);
            assert!((blocks / 4.0 * ROUNDS as f64 / WRITES_MAX as f64 - 1.0).abs() < 0.01, "{gib}: {blocks}");
            let blocks = writes("geriatrix", &[("overwrites", "20")], gib << 30);
            assert!(blocks <= (WRITES_MAX * OBJECT_BLOCKS) as f64 * 1.01, "{gib}: {blocks}");
        }
    }

    #[test]
    fn who_found_no_space_comes_last_however_fast() {
        let ranked = rank(&rows(&[("full", "1", 100.0, 1.0, 3.0), ("fits", "1", 10.0, 1.0, 0.0)]));
        assert_eq!(ranked.iter().map(|each| each.allocator.as_str()).collect::<Vec<_>>(), ["fits", "full"]);
        assert!(ranked[0].tied && !ranked[1].tied);
    }
}
