//! A fitted part as text: parameters with their reasons, and the table of what was predicted and measured.
//!
//! Invariant: what it writes, `DevicePart::from_toml` reads, and the same result gives the same bytes.

use super::{Compared, DeviceParameters, DevicePart, FioResult, SsdParameters, compare, fit, preset};
use std::fmt::Write;

/// The part that stands for what the host cannot see.
const BASE: &str = "ssd-nvme";

/// Parameters in the order of the file, and where each is from.
type Reasons = [(&'static str, &'static str, fn(&SsdParameters) -> u64)];
const REASONS: &Reasons = &[
    ("channels", "[base] Not visible to a host.", |ssd| ssd.channels),
    ("dies_per_channel", "[base] Not visible to a host.", |ssd| ssd.dies_per_channel),
    ("page_kib", "[base] Not visible to a host.", |ssd| ssd.page_kib),
    ("planes", "[base] Not visible to a host.", |ssd| ssd.planes),
    ("read_us", "[fit] What a random read takes longer than a sequential one.", |ssd| ssd.read_us),
    ("program_us", "[fit] Of consequence only if the dies are slower than the link.", |ssd| ssd.program_us),
    ("channel_mb_per_s", "[fit] How the time of a lone read grows with its size.", |ssd| {
        ssd.channel_mb_per_s
    }),
    ("link_read_mb_per_s", "[fit] The cap on bytes read, whoever sets it.", |ssd| ssd.link_read_mb_per_s),
    ("link_write_mb_per_s", "[fit] The cap on bytes written.", |ssd| ssd.link_write_mb_per_s),
    ("command_read_ns", "[fit] Its reciprocal is the cap on reads a second.", |ssd| ssd.command_read_ns),
    ("command_write_ns", "[fit] The same of writes.", |ssd| ssd.command_write_ns),
    ("read_overhead_us", "[fit] The rest of a lone read.", |ssd| ssd.read_overhead_us),
    ("write_overhead_us", "[fit] The rest of a lone write.", |ssd| ssd.write_overhead_us),
    ("queue_depth", "The deepest queue that was measured.", |ssd| ssd.queue_depth),
    ("write_buffer_kib", "[base] Steady writes do not show it.", |ssd| ssd.write_buffer_kib),
    ("read_ahead_pages", "[fit] That of the base or 0, whichever comes nearer.", |ssd| ssd.read_ahead_pages),
    ("flush_us", "[base] Not measured: fio ran without flushes.", |ssd| ssd.flush_us),
];

/// A fitted part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fitted {
    /// The file.
    pub text: String,
    /// Its parameters.
    pub parameters: DeviceParameters,
    /// Predicted and measured.
    pub compared: Vec<Compared>,
}

impl Fitted {
    /// Fit the flash model to a fio result. Errors: in words, what the result lacks.
    pub fn new(result: &FioResult) -> Result<Fitted, String> {
        let Some(DeviceParameters::Ssd(base)) = preset(BASE) else {
            return Err(format!("`{BASE}` is no flash drive"));
        };
        let ssd = fit(&base, &result.figures)?;
        let parameters = DeviceParameters::Ssd(ssd.clone());
        let compared = compare(&parameters, &result.figures).map_err(|error| error.to_string())?;
        let text = text(result, &ssd, &compared);
        let again = DevicePart::from_toml(&text).map_err(|error| error.to_string())?;
        debug_assert_eq!(again.device, parameters, "what is written is what was fitted");
        Ok(Fitted { text, parameters, compared })
    }
}

/// Median of the errors' sizes and the cell of the largest, per mille.
#[must_use]
pub fn median_and_worst(compared: &[Compared]) -> Option<(u64, Compared)> {
    let mut sizes: Vec<u64> = compared.iter().map(|cell| cell.error_permille().unsigned_abs()).collect();
    sizes.sort_unstable();
    let worst = compared.iter().max_by_key(|cell| cell.error_permille().unsigned_abs())?;
    Some((sizes[sizes.len() / 2], *worst))
}

/// Thousandths as percent, with a sign.
#[must_use]
pub fn percent(permille: i64) -> String {
    let sign = if permille < 0 { '-' } else { '+' };
    format!("{sign}{}.{} %", permille.unsigned_abs() / 10, permille.unsigned_abs() % 10)
}

/// Megabytes of 10^6 bytes, to a tenth.
#[must_use]
pub fn megabytes(bytes_per_s: u64) -> String {
    let tenths = (bytes_per_s + 50_000) / 100_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Lines of a table: cell, wanted, model, error.
fn table(compared: &[Compared]) -> String {
    let mut text = format!(
        "# {:<10}{:>9}{:>7}{:>12}{:>12}{:>10}\n",
        "rw", "request", "depth", "measured", "model", "error"
    );
    for line in compared {
        let (cell, error) = (line.cell, percent(line.error_permille()));
        let (measured, model) = (megabytes(line.wanted_bytes_per_s), megabytes(line.model_bytes_per_s));
        let request = format!("{} KiB", cell.request_kib);
        let name = cell.access.name();
        let _ =
            writeln!(text, "# {name:<10}{request:>9}{:>7}{measured:>12}{model:>12}{error:>10}", cell.depth);
    }
    text
}

fn text(result: &FioResult, ssd: &SsdParameters, compared: &[Compared]) -> String {
    let mut text = String::from(
        "# A disk as its host sees it: the flash model fitted to a fio run by `spinney device fit`. Not what is inside the disk.\n#\n\
         # [fit]      found by the search that comes nearest to the measured rates\n",
    );
    let _ = writeln!(text, "# [base]     of configs/device/{BASE}.toml, since the run does not show it\n#");
    let version: String =
        result.version.chars().filter(|letter| letter.is_ascii_graphic()).take(40).collect();
    let _ = writeln!(
        text,
        "# Measured by {version}, each cell {} times or more, of which the median counts. MB/s (10^6 bytes); the error is that of the model:\n#",
        result.runs
    );
    text += &table(compared);
    if let Some((median, worst)) = median_and_worst(compared) {
        let (median, most) = (percent(median as i64), percent(worst.error_permille()));
        let _ = writeln!(
            text,
            "#\n# Median error {}, largest {most} ({}).",
            median.trim_start_matches('+'),
            worst.cell
        );
    }
    text += "[device]\nkind = \"ssd\"\n";
    for (name, reason, value) in REASONS {
        let _ = writeln!(text, "# {reason}\n{name} = {}", value(ssd));
    }
    let _ = writeln!(
        text,
        "# [base] Whether a flush waits for programs.\npower_loss_protected = {}",
        ssd.power_loss_protected
    );
    text + &sheet(&version, result)
}

/// The measured cells as the part's data sheet, so that `spinney device predict` holds the model against them.
fn sheet(version: &str, result: &FioResult) -> String {
    let mut text = format!(
        "\n[datasheet]\n# The run above, whole MB/s or requests a second.\nsource = \"measured by {}\"\ncells = [\n",
        version.replace(['"', '\\'], "")
    );
    for figure in &result.figures {
        let (cell, iops) = (figure.cell, figure.cell.iops(figure.bytes_per_s).max(1));
        let (kib, depth, name) = (cell.request_kib, cell.depth, cell.access.name());
        let _ = writeln!(text, "    {{ rw = \"{name}\", kib = {kib}, depth = {depth}, iops = {iops} }},");
    }
    text + "]\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PRESETS;

    const RESULT: &str = include_str!("../../../../configs/device/fitted-example.json");

    fn example() -> (FioResult, Fitted) {
        let result = FioResult::from_json(RESULT).unwrap();
        let fitted = Fitted::new(&result).unwrap();
        (result, fitted)
    }

    #[test]
    fn the_committed_fio_result_gives_the_committed_part_byte_for_byte() {
        let part = PRESETS.iter().find(|preset| preset.name == "fitted-example").unwrap();
        let (result, fitted) = example();
        assert!(fitted.text == part.text, "`spinney device fit` makes it anew:\n{}", fitted.text);
        assert_eq!(fitted.compared.len(), 40, "4 kinds, 5 sizes, 2 depths");
        assert_eq!(result.figures.len(), 40);
    }

    #[test]
    fn the_median_error_and_the_largest_are_those_of_the_cells() {
        let part = DevicePart::from_toml(PRESETS.last().unwrap().text).unwrap();
        let figures = part.datasheet.unwrap().figures().unwrap();
        let compared = compare(&part.device, &figures).unwrap();
        let (median, worst) = median_and_worst(&compared).unwrap();
        let below = compared.iter().filter(|line| line.error_permille().unsigned_abs() < median).count();
        assert!(below <= compared.len() / 2, "{median}");
        assert!(compared.iter().all(|line| line.error_permille().abs() <= worst.error_permille().abs()));
        assert_eq!((percent(-5), percent(1234)), ("-0.5 %".to_owned(), "+123.4 %".to_owned()));
        assert_eq!(megabytes(12_345_678), "12.3");
    }
}
