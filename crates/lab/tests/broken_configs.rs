//! Whatever is wrong with a config is said at its file and line, with a remedy, and never by a panic.
//!
//! Invariant of the tests: each row is a config that differs from one that passes in the fault that it shows.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use spinney_lab::config::{Library, load_text};
use spinney_lab::{ConfigError, Experiment, plan};
use spinney_registry::Registry;
use std::path::Path;
use tempfile::TempDir;

/// Sections that every config needs; a row adds to them.
const GOOD: &str = "[volume]\nsize = \"16 MiB\"\n[workload]\nname = \"overwrite\"\nrounds = 2\n";

/// What is added to [`GOOD`], part of the message, part of the remedy (or of the whole complaint), the line of the
/// addition that is pointed at.
type Row = (&'static str, &'static str, &'static str, usize);

#[rustfmt::skip]
const ADDITIONS: &[Row] = &[
    // Keys and types.
    ("round_share = 0.1\nround_shore = 0.1", "parameter of workload overwrite is called `round_shore`", "did you mean `round_share`?", 2),
    ("[run]\nsede = 1", "unknown key `sede` in [run]", "did you mean `seed`?", 2),
    ("[run]\nkeep_data = false", "`run.keep_data = false` leaves nothing for data checksums", "checksums = \"none\"", 2),
    ("[runs]\nseed = 1", "unknown key `runs`", "did you mean `run`?", 1),
    ("[run]\nseed = \"one\"", "`run.seed` must be a whole number", "not `one`", 2),
    ("[run]\nseed = -1", "`run.seed` must be a whole number", "not `-1`", 2),
    ("[run]\nseed = 99999999999999999999999999", "`run.seed` must be a whole number", "", 2),
    ("fill = \"much\"", "parameter `fill` must be a number", "spinney list", 1),
    ("fill = nan", "parameter `fill` must be a finite number", "", 1),
    ("unit_blocks = -4", "parameter `unit_blocks` must be a whole number", "not `-4`", 1),
    ("unit_blocks = \"6 KiB\"", "parameter `unit_blocks` must be a multiple of 4 KiB", "", 1),
    ("flush_every = 1.5", "parameter `flush_every` must be a whole number", "`1.5`", 1),
    ("scan = 1", "parameter `scan` must be true or false", "", 1),
    ("scan = [true]", "parameter `scan` must be a plain value", "a list", 1),
    ("pattern = 2026-01-01", "pattern", "", 1),
    ("\"\" = 1", "parameter of workload overwrite is called ``", "known:", 1),
    // Overwriting in place takes the volume, no checksums and the scheme.
    ("[sweep]\nvolume.in_place = [true]", "does nothing with data checksums", "checksums = \"none\"", 2),
    ("[scheme]\nname = \"refcount\"\nin_place = true\n[sweep]\nvolume.in_place = [false, true]", "does nothing with data checksums", "checksums = \"none\"", 5),
    ("[scheme]\nname = \"flat\"\n[sweep]\nvolume.checksums = [\"none\"]\nvolume.in_place = [true]", "scheme flat, which never overwrites", "list schemes", 5),
    ("[scheme]\nname = \"refcount\"\n[sweep]\nvolume.checksums = [\"none\"]\nvolume.in_place = [true]", "scheme refcount does not offer it", "in_place = true` to [scheme]", 5),
    // What only the workload itself can judge.
    ("fill = 2.0", "fill", "spinney list workloads", 1),
    ("pattern = \"zipff\"", "pattern", "zipf", 1),
    ("unit_blocks = 18446744073709551615", "unit_blocks", "", 1),
    ("keep = 0\nsnapshot_every = 1\nsnapshot_unit = \"fortnight\"", "snapshot_unit", "round", 3),
    ("round_share = 1e300", "round_share", "", 1),
    ("rounds_ = 1", "`rounds_`", "did you mean `rounds`?", 1),
    // Names.
    ("[sweep]\nallocator = [\"bitmap\", \"bitmpa\"]", "no allocator is called `bitmpa`", "did you mean `bitmap`?", 2),
    ("[scheme]\nname = \"refcuont\"", "no scheme is called `refcuont`", "did you mean `refcount`?", 1),
    ("[scheme]\nname = 7", "`scheme.name` is text", "", 2),
    ("[allocator]\nindex = \"twine\"", "no index is called `twine`", "did you mean `twin`?", 2),
    ("[allocator]\nforms = \"spacemap\"", "unknown key `forms` in [allocator]", "known: name, groups", 2),
    ("[allocator.index]\nname = \"range\"\nfitt = 1", "parameter of index range is called `fitt`", "known:", 3),
    ("[allocator]\nname = [\"a\"]", "`allocator.name` is text", "a list", 2),
    ("[sweep]\ndevice = [\"floppy\"]", "no file `device/floppy.toml`", "configs/device/NAME.toml", 2),
    ("[sweep]\nworkload = [\"overwriet\"]", "no workload is called `overwriet`", "did you mean `overwrite`?", 2),
    ("[sweep]\nscheme = [1]", "`scheme` takes names in quotes", "", 2),
    // Sweeps.
    ("[sweep]\nalocator = [\"bitmap\"]", "`alocator` names nothing that can be swept", "did you mean `allocator`?", 2),
    ("[sweep]\nworkload.ruonds = [1]", "`ruonds`", "did you mean `rounds`?", 2),
    ("[sweep]\nworkload.rounds.x = [1]", "goes through `rounds`", "sweep `rounds` itself", 2),
    ("[sweep]\nseed = []", "an empty axis leaves no case", "for example", 2),
    ("[sweep]\nseed = 1", "write a list", "for example: seed", 2),
    ("[sweep]\nseed = [[1]]", "plain values only", "", 2),
    ("[sweep]\nseed = [3, 4, 3]", "two cases are the same", "once", 2),
    ("[sweep]\nvolume.size = [\"8 MiB\", \"8192 KiB\"]", "two cases are the same", "once", 2),
    ("[[exclude]]\nalocator = \"bitmap\"", "matches no case", "did you mean `allocator`?", 2),
    ("[[exclude]]\nallocator = \"extend\"", "matches no case", "did you mean `extent`?", 2),
    ("[[exclude]]\nallocator = \"extent\"", "every case is excluded", "", 0),
    ("[exclude]\nallocator = \"extent\"", "[[exclude]] holds columns", "[[exclude]]", 1),
    ("[[exclude]]\nallocator = [\"extent\", \"extend\"]", "`allocator = extend` matches no case", "did you mean `extent`?", 2),
    ("[[exclude]]\nallocator = []", "[[exclude]] holds columns", "[[exclude]]", 2),
    // Sizes. (The first line of the good config is line 1 of the file, so these stand in sections of their own.)
    ("rounds = 1", "duplicate key", "", 1),
    ("[sweep]\nworkload.rounds = [1000000]", "at most 100000", "", 2),
    ("[sweep]\nvolume.size = [\"-1 MiB\"]", "`volume.size` must be a size", "", 2),
    ("[sweep]\nvolume.size = [0]", "`volume.size` must be a size", "at least 1 byte", 2),
    ("[sweep]\nvolume.size = [\"99999999 PiB\"]", "`volume.size` must be a size", "", 2),
    ("[sweep]\nvolume.size = [\"7000 PiB\"]", "cannot be made", "16 TiB", 2),
    ("[sweep]\nvolume.size = [\"1 TiB\"]\nvolume.device_size = [\"1 GiB\"]", "does not fit", "raise `device_size`", 2),
    ("[sweep]\nvolume.metadata_size = [\"20 MiB\"]\nvolume.device_size = [\"24 MiB\"]", "does not fit", "device_size", 0),
    ("[sweep]\nvolume.device_size = [\"4 KiB\"]", "a device of 4 KiB cannot be made", "from 1.2 MiB", 2),
    ("[sweep]\nvolume.cache_size = [\"1 PiB\"]", "more than any machine has", "at most 64 GiB", 2),
    ("[sweep]\nvolume.tend_budget = [0]", "`volume.tend_budget` must be a whole number from 1", "", 2),
    ("[sweep]\nvolume.piece_size = [\"1 GiB\"]", "more than a write of a workload", "at most 64 MiB", 2),
    ("[sweep]\nvolume.checksums = [\"crc\"]", "no checksum is called `crc`", "known: none, xxh3, crc32c, blake3", 2),
    ("[sweep]\nvolume.sise = [1]", "unknown key `sise` in [volume]", "did you mean `size`?", 2),
    // Devices.
    ("[device]\nkind = \"tape\"", "unknown variant `tape`", "", 2),
    ("[device]\nkind = \"memory\"\nseek_us = 1", "unknown field `seek_us`", "", 3),
    ("[device]\nkind = \"hdd\"", "missing field", "configs/device/", 1),
    ("[device]\nbase = \"device/hdd\"\nrotation_rpm = 0", "rotation_rpm must be", "", 3),
    ("[device]\nbase = \"device/hdd\"\nrotation_rpm = -1", "`rotation_rpm`", "configs/device/", 3),
    ("[device]\nbase = \"device/hdd\"\nrotation_rpn = 1", "unknown field `rotation_rpn`", "did you mean `rotation_rpm`?", 3),
    ("[device]\nbase = \"device/hdd\"\nzones = \"many\"", "`zones`", "", 3),
    // Bases and traces.
    ("[device]\nbase = \"device/none\"", "no file `device/none.toml`", "device/hdd", 2),
    ("[device]\nbase = \"../device/hdd\"", "leaves the folder of configs", "", 2),
    ("[device]\nbase = \"/etc/device\"", "leaves the folder of configs", "", 2),
    ("[device]\nbase = \"device/outside\"", "no file `device/outside.toml`", "", 2),
    ("[device]\nbase = [1]", "`base` names parts", "", 2),
    ("[sweep]\ndevice = [\"wrong\"]", "has no [device] section", "", 2),
    ("[sweep]\nworkload = [\"escape\"]", "leaves the folder of configs", "traces lie below", 0),
    ("[sweep]\nworkload = [\"lost\"]", "no file `traces/none.csv`", "traces lie below", 0),
    // Figures and claims.
    ("[report.a]\ny = \"free_rums\"", "no column is called `free_rums`", "did you mean `free_runs`?", 2),
    ("[report.a]\ny = \"scheme\"", "`scheme` is no number", "list metrics", 2),
    ("[report.a]\nx = \"rownd\"\ny = \"free_runs\"", "no column is called `rownd`", "did you mean `round`?", 2),
    ("[report.a]\ny = \"free_runs\"\nseries = [\"allocater\"]", "`allocater`", "did you mean `allocator`?", 3),
    ("[report.a]\ny = \"free_runs\"\nfacet = \"devise\"", "`devise`", "did you mean `device`?", 3),
    ("[report.a]\ny = \"free_runs\"\nwhere = { devise = \"hdd\" }", "`devise`", "did you mean `device`?", 3),
    ("[report.a]\ny = \"free_runs\"\nwhere = { device = \"hdd\" }", "no case has `device = hdd`", "known: memory", 3),
    ("[report.a]\ny = \"free_runs\"\nwhere = { phase = \"measured\" }", "no case has `phase", "did you mean `measure`?", 3),
    ("[report.a]\ny = \"free_runs\"\nwhere = { workload.rounds = 2 }", "must be a plain value", "in quotes", 3),
    ("[report.a]\ny = \"free_runs\"\nwhere = { phase = [\"fill\", \"measure\"] }", "`phase` has one", "in quotes", 3),
    ("[report.a]\ny = \"free_runs\"\nwhere = { device = [\"memory\", \"hdd\"] }", "no case has `device = hdd`", "known: memory", 3),
    ("[report.a]\ny = \"free_runs\"\nat = \"lst\"", "`at` cannot be `lst`", "did you mean `last`?", 3),
    ("[report.a]\nkind = \"pie\"\ny = \"free_runs\"", "no figure is called `pie`", "known: lines", 2),
    ("[report.a]\nkind = \"heatmap\"\ntable = \"histo\"", "`table` cannot be `histo`", "did you mean `histogram`?", 3),
    ("[report.a]\nkind = \"lines\"", "draws nothing", "free_runs", 1),
    ("[report.\"../../a\"]\ny = \"free_runs\"", "cannot be a file's name", "letters, digits", 1),
    ("[report]\na = 1", "`a` must be a table", "[report.a]", 2),
    ("[claim.a]\nsays = \"x\"\nexpect = \"free_rums() < 1\"", "no column is called `free_rums`", "did you mean `free_runs`?", 3),
    ("[claim.a]\nsays = \"x\"\nexpect = \"free_runs(alocator=extent) < 1\"", "`alocator`", "did you mean `allocator`?", 3),
    ("[claim.a]\nsays = \"x\"\nexpect = \"free_runs(allocator=extend) < 1\"", "no case has `allocator = extend`", "did you mean `extent`?", 3),
    ("[claim.a]\nsays = \"x\"\nexpect = \"free_runs( < 1\"", "claim `a`", "for example", 3),
    ("[claim.a]\nsays = \"x\"", "claim `a`", "for example", 1),
    ("[claim.a]\nexpect = \"free_runs() < 1\"", "says nothing", "add `says", 1),
    ("[claim.a]\nsays = \"x\"\nexpect = 1", "`claim.a.expect` must be text", "", 3),
    // Not TOML.
    ("[run\nseed = 1", "", "", 1),
    ("= 1", "", "", 1),
    ("[run]\nseed = 1\nseed = 2", "duplicate key", "", 3),
];

fn library() -> (TempDir, TempDir) {
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    for sub in ["device", "workload", "traces"] {
        std::fs::create_dir(folder.path().join(sub)).unwrap();
    }
    std::fs::copy(configs.join("device/hdd.toml"), folder.path().join("device/hdd.toml")).unwrap();
    std::fs::copy(configs.join("device/hdd.toml"), outside.path().join("hdd.toml")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("hdd.toml"), folder.path().join("device/outside.toml"))
        .unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("device/wrong.toml", "");
    put("workload/escape.toml", "[workload]\nname = \"replay\"\nfile = \"../secret.csv\"\n");
    put("workload/lost.toml", "[workload]\nname = \"replay\"\nfile = \"traces/none.csv\"\n");
    (folder, outside)
}

/// Plan a config as the command does. Its name in complaints is `x.toml`.
fn planned(text: &str, folder: &Path) -> Result<usize, ConfigError> {
    let library = Library { folders: vec![folder.to_owned()] };
    let (table, sources) = load_text(Path::new("x.toml"), text.to_owned(), &library)?;
    let experiment = Experiment::read("x".into(), table, sources, library)?;
    plan(&experiment, &Registry::standard()).map(|cases| cases.len())
}

#[test]
fn the_config_that_all_others_break_is_right() {
    let (folder, _outside) = library();
    assert_eq!(planned(GOOD, folder.path()).map_err(|error| error.to_string()), Ok(1));
}

#[test]
fn overwriting_in_place_is_planned_where_volume_and_scheme_agree() {
    let (folder, _outside) = library();
    let text = format!(
        "{GOOD}[scheme]\nname = \"refcount\"\nin_place = true\n[sweep]\nvolume.checksums = [\"none\"]\n\
         volume.in_place = [false, true]\n"
    );
    assert_eq!(planned(&text, folder.path()).map_err(|error| error.to_string()), Ok(2));
}

#[test]
fn each_fault_is_said_at_its_line_with_a_remedy() {
    let (folder, _outside) = library();
    let before = GOOD.lines().count();
    let mut wrong = Vec::new();
    for (addition, message, remedy, line) in ADDITIONS {
        let error = match planned(&format!("{GOOD}{addition}\n"), folder.path()) {
            Ok(_) => {
                wrong.push(format!("{addition:?} passed"));
                continue;
            }
            Err(error) => error,
        };
        let fits = |problem: &&spinney_lab::config::Problem| {
            let place = error.place(problem).unwrap_or_default();
            let whole = format!("{} {}", problem.message, problem.help.as_deref().unwrap_or(""));
            let here = *line == 0 || place.contains(&format!(":{}:", before + line));
            problem.message.contains(message) && whole.contains(remedy) && here
        };
        if error.problems.iter().find(fits).is_none() {
            wrong.push(format!("{addition:?} should say {message:?} at line {}:\n{error}", before + line));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), ADDITIONS.len(), wrong.join("\n\n"));
}

#[test]
fn a_million_cases_are_refused_before_any_is_planned() {
    let (folder, _outside) = library();
    let seeds: Vec<String> = (0..1000).map(|seed| seed.to_string()).collect();
    let seeds = seeds.join(", ");
    let text = format!("{GOOD}[sweep]\nseed = [{seeds}]\nvolume.tend_budget = [{seeds}]\n");
    let error = planned(&text, folder.path()).unwrap_err();
    assert!(error.to_string().contains("the sweep has 1000000 cases; at most 10000"), "{error}");
    assert!(error.to_string().contains("shorten an axis"), "{error}");
}

#[test]
fn all_problems_are_said_at_once_and_each_once() {
    let (folder, _outside) = library();
    let text = format!(
        "{GOOD}[sweep]\nseed = [1, 2, 3]\nscheme = [\"flta\"]\nallocator = [\"extend\"]\n[run]\nsede = 1\n"
    );
    let error = planned(&text, folder.path()).unwrap_err();
    assert_eq!(error.problems.len(), 3, "{error}");
}

#[test]
fn a_cycle_of_bases_is_an_error_at_the_line_that_closes_it() {
    let (folder, _outside) = library();
    for (name, base) in [("a", "b"), ("b", "c"), ("c", "a")] {
        let text = format!("# {name}\nbase = \"device/{base}\"\n");
        std::fs::write(folder.path().join(format!("device/{name}.toml")), text).unwrap();
    }
    let error = planned(&format!("base = \"device/a\"\n{GOOD}"), folder.path()).unwrap_err();
    let place = error.place(&error.problems[0]).unwrap();
    assert!(error.problems[0].message.contains("by a cycle"), "{error}");
    assert!(place.ends_with("device/c.toml:2:8"), "{place}");
}

#[test]
fn bases_that_double_at_each_step_end() {
    let (folder, _outside) = library();
    for step in 0..40 {
        let next = format!("\"device/s{}\"", step + 1);
        let text = format!("base = [{next}, {next}]\n");
        std::fs::write(folder.path().join(format!("device/s{step}.toml")), text).unwrap();
    }
    std::fs::write(folder.path().join("device/s40.toml"), "").unwrap();
    let error = planned(&format!("base = \"device/s0\"\n{GOOD}"), folder.path()).unwrap_err();
    assert!(error.problems.iter().any(|problem| problem.message.contains("more than 256 files")), "{error}");
}

#[test]
fn a_fault_in_a_part_is_shown_in_the_part() {
    let (folder, _outside) = library();
    std::fs::write(
        folder.path().join("device/bad.toml"),
        "# one\n[device]\nkind = \"memory\"\n[volume]\nsize = 1\n",
    )
    .unwrap();
    let error =
        planned(&format!("{GOOD}[sweep]\ndevice = [\"bad\"]\nseed = [1, 2]\n"), folder.path()).unwrap_err();
    let place = error.place(&error.problems[0]).unwrap();
    assert!(place.ends_with("device/bad.toml:4:2"), "{place}\n{error}");
    assert_eq!(error.problems.len(), 1, "{error}");
}

#[test]
fn deep_nesting_is_refused() {
    let (folder, _outside) = library();
    let deep = 100_000;
    for text in [
        format!("x = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("x = {}", "{ a = ".repeat(deep)),
        format!("x{} = 1", ".a".repeat(deep)),
        format!("[x{}]\ny = 1", ".a".repeat(deep)),
        format!("[claim.a]\nsays = \"x\"\nexpect = \"{}1 < 2\"", "(".repeat(deep)),
    ] {
        let error = planned(&format!("{text}\n"), folder.path()).unwrap_err();
        assert!(error.to_string().contains("x.toml:"), "{error}");
        assert!(error.to_string().len() < 100_000 + text.len(), "the complaint is longer than the config");
    }
}

#[test]
fn files_that_are_no_config_are_named() {
    let (folder, _outside) = library();
    let path = folder.path().join("config.toml");
    for (bytes, message) in [
        (vec![b'#'; (1 << 20) + 1], "config.toml is too large: a config has at most 1048576 bytes"),
        (b"# fine\nx = \"\xff\"\n".to_vec(), "config.toml:2: this is not UTF-8 text"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = Experiment::load(&path).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let error = Experiment::load(&folder.path().join("absent.toml")).unwrap_err().to_string();
    assert!(error.contains("absent.toml: No such file"), "{error}");
    let error = Experiment::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("is no file"), "{error}");
}

#[test]
fn any_cut_of_a_config_is_right_or_an_error() {
    let (folder, _outside) = library();
    let whole = format!(
        "{GOOD}[sweep]\nseed = [1, 2]\n[report.a]\ny = \"free_runs\"\n[claim.a]\nsays = \"é\"\nexpect = \"free_runs() < 2\"\n"
    );
    let mut refused = 0;
    for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
        if let Err(error) = planned(&whole[..end], folder.path()) {
            refused += 1;
            assert!(!error.to_string().is_empty());
        }
    }
    assert!(refused > 50, "only {refused} cuts were refused");
}

#[test]
fn the_configs_that_come_with_the_project_are_right() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let mut planned = 0;
    for entry in std::fs::read_dir(configs).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "toml") {
            let checked = Experiment::load(&path).and_then(|found| plan(&found, &Registry::standard()));
            assert!(checked.is_ok(), "{}", checked.unwrap_err());
            planned += 1;
        }
    }
    assert!(planned > 0);
}

#[test]
fn a_complaint_cannot_speak_to_the_terminal() {
    let (folder, _outside) = library();
    let text = format!("{GOOD}\"\\u001b[2J\" = 1\n[report.\"\\u0007\"]\ny = \"free_runs\"\n");
    let error = planned(&text, folder.path()).unwrap_err().to_string();
    assert!(!error.contains(|c: char| c.is_control() && c != '\n'), "{error:?}");
}
