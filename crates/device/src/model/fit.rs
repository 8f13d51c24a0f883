//! The flash model fitted to measured cells: what of its parameters a host can see.
//!
//! Invariant: integers only and a fixed order of tries, so the same figures give the same parameters on every machine. What no cell shows
//! (dies, pages, flushes) stays that of the base. Knows nothing of fio and of files.

use super::{Access, Cell, DeviceParameters, Figure, SsdParameters, predict};
use spinney_core::Result;

/// Steps of the search, in percent of a parameter: each goes on until no parameter gains by it.
const STEPS_PERCENT: [u64; 6] = [50, 25, 12, 6, 3, 1];
/// Passes over the parameters at one step: a bound, seldom met.
const PASSES_MAX: usize = 12;
/// A cell whose model is this far off (per mille) counts no more than this: one odd cell must not rule.
const ERROR_MAX: u64 = 10_000;

/// A parameter that the search turns.
type Knob = fn(&mut SsdParameters) -> &mut u64;

const READ_KNOBS: &[Knob] = &[
    |ssd| &mut ssd.command_read_ns,
    |ssd| &mut ssd.link_read_mb_per_s,
    |ssd| &mut ssd.read_overhead_us,
    |ssd| &mut ssd.read_us,
    |ssd| &mut ssd.channel_mb_per_s,
];
const WRITE_KNOBS: &[Knob] = &[
    |ssd| &mut ssd.command_write_ns,
    |ssd| &mut ssd.link_write_mb_per_s,
    |ssd| &mut ssd.write_overhead_us,
    |ssd| &mut ssd.program_us,
];

/// A measured cell and what the model makes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Compared {
    /// The load.
    pub cell: Cell,
    /// Bytes a second, measured or of a sheet.
    pub wanted_bytes_per_s: u64,
    /// Bytes a second of the model.
    pub model_bytes_per_s: u64,
}

impl Compared {
    /// How much faster the model is, in thousandths of what is wanted.
    #[must_use]
    pub fn error_permille(&self) -> i64 {
        let (wanted, model) = (i128::from(self.wanted_bytes_per_s), i128::from(self.model_bytes_per_s));
        ((model - wanted) * 1000 / wanted.max(1)) as i64
    }
    /// By how much the faster of the two passes the slower, in thousandths: twice as fast and half as fast are alike.
    fn distance(&self) -> u64 {
        let (low, high) = (self.wanted_bytes_per_s, self.model_bytes_per_s);
        let (low, high) = (low.min(high).max(1), low.max(high));
        ((u128::from(high) * 1000 / u128::from(low)) as u64 - 1000).min(ERROR_MAX)
    }
}

/// The model against each figure; those that take no time are left out. Errors: `BadSetting`.
pub fn compare(parameters: &DeviceParameters, figures: &[Figure]) -> Result<Vec<Compared>> {
    let mut all = Vec::with_capacity(figures.len());
    for Figure { cell, bytes_per_s } in figures {
        if let Some(model_bytes_per_s) = predict(parameters, *cell)? {
            all.push(Compared { cell: *cell, wanted_bytes_per_s: *bytes_per_s, model_bytes_per_s });
        }
    }
    Ok(all)
}

/// Sum of distances; nothing if these parameters are out of range.
fn distance(ssd: &SsdParameters, figures: &[Figure]) -> Option<u64> {
    let compared = compare(&DeviceParameters::Ssd(ssd.clone()), figures).ok()?;
    Some(compared.iter().map(Compared::distance).sum())
}

/// The parameters that come nearest to the figures, from `base`.
///
/// # Errors
/// In words: the kind of load that is missing, or parameters of `base` out of range.
pub fn fit(base: &SsdParameters, figures: &[Figure]) -> Result<SsdParameters, String> {
    for access in Access::ALL {
        if !figures.iter().any(|figure| figure.cell.access == access) {
            return Err(format!(
                "no job measured rw={}: run fio with configs/device/fit.fio, which has all four kinds",
                access.name()
            ));
        }
    }
    let (writes, reads): (Vec<Figure>, Vec<Figure>) =
        figures.iter().partition(|figure| figure.cell.access.is_write());
    let mut ssd = base.clone();
    ssd.queue_depth = figures.iter().map(|figure| figure.cell.depth).max().unwrap_or(1);
    ssd.link_read_mb_per_s = megabytes(&reads);
    ssd.link_write_mb_per_s = megabytes(&writes);
    (ssd.command_read_ns, ssd.read_overhead_us) = times(&reads);
    (ssd.command_write_ns, ssd.write_overhead_us) = times(&writes);
    let no_ahead = SsdParameters { read_ahead_pages: 0, ..ssd.clone() };
    let [ahead, without] = [ssd, no_ahead].map(|start| search(start, READ_KNOBS, &reads));
    let best = ahead?.min_by_distance(without?);
    Ok(search(best.ssd, WRITE_KNOBS, &writes)?.ssd)
}

/// The highest rate, in MB/s: what the link carries at least.
fn megabytes(figures: &[Figure]) -> u64 {
    figures.iter().map(|figure| figure.bytes_per_s / 1_000_000).max().unwrap_or(0).max(1)
}

/// The shortest time between two requests, and what the quickest request by itself takes beyond it.
fn times(figures: &[Figure]) -> (u64, u64) {
    let time_ns =
        |figure: &Figure| figure.cell.request_kib * 1024 * 1_000_000_000 / figure.bytes_per_s.max(1);
    let least =
        |alone: bool| figures.iter().filter(|figure| !alone || figure.cell.depth == 1).map(time_ns).min();
    let command_ns = least(false).unwrap_or(0);
    (command_ns, least(true).unwrap_or(0).saturating_sub(command_ns) / 1000)
}

struct Found {
    ssd: SsdParameters,
    distance: u64,
}

impl Found {
    fn min_by_distance(self, other: Found) -> Found {
        if other.distance < self.distance { other } else { self }
    }
}

/// One parameter after another, up and down, by ever smaller steps.
fn search(start: SsdParameters, knobs: &[Knob], figures: &[Figure]) -> Result<Found, String> {
    let first = distance(&start, figures);
    let first = first.ok_or("the measured rates are outside of what the model can be given")?;
    let mut best = Found { ssd: start, distance: first };
    for step in STEPS_PERCENT {
        for _ in 0..PASSES_MAX {
            let before = best.distance;
            for knob in knobs {
                best = turn(best, *knob, step, figures);
            }
            if best.distance == before {
                break;
            }
        }
    }
    Ok(best)
}

fn turn(best: Found, knob: Knob, step_percent: u64, figures: &[Figure]) -> Found {
    let mut ssd = best.ssd.clone();
    let value = *knob(&mut ssd);
    let step = (value * step_percent / 100).max(1);
    let tries = [value.checked_add(step), value.checked_sub(step)];
    tries.into_iter().flatten().fold(best, |best, value| {
        let mut ssd = best.ssd.clone();
        *knob(&mut ssd) = value;
        match distance(&ssd, figures) {
            Some(distance) if distance < best.distance => Found { ssd, distance },
            _ => best,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::preset;

    fn base() -> SsdParameters {
        let DeviceParameters::Ssd(ssd) = preset("ssd-nvme").unwrap() else { panic!("ssd-nvme is flash") };
        ssd
    }

    fn figures_of(ssd: &SsdParameters) -> Vec<Figure> {
        let mut figures = Vec::new();
        for access in Access::ALL {
            for (request_kib, depth) in [(4, 1), (4, 32), (64, 1), (1024, 32)] {
                let cell = Cell { access, request_kib, depth };
                let rate = predict(&DeviceParameters::Ssd(ssd.clone()), cell).unwrap();
                figures.push(Figure { cell, bytes_per_s: rate.unwrap() });
            }
        }
        figures
    }

    /// Figures that a model made are met by a model.
    #[test]
    fn figures_of_a_drive_that_the_model_can_be_are_met_within_a_few_percent() {
        let mut drive = base();
        (drive.command_read_ns, drive.command_write_ns) = (16_000, 19_000);
        (drive.link_read_mb_per_s, drive.link_write_mb_per_s) = (1_000, 2_500);
        (drive.read_overhead_us, drive.write_overhead_us, drive.read_us) = (35, 60, 30);
        let figures = figures_of(&drive);
        let fitted = fit(&base(), &figures).unwrap();
        for cell in compare(&DeviceParameters::Ssd(fitted), &figures).unwrap() {
            assert!(cell.error_permille().abs() <= 50, "{cell:?}");
        }
    }

    #[test]
    fn a_kind_of_load_that_was_not_measured_is_named() {
        let mut figures = figures_of(&base());
        figures.retain(|figure| figure.cell.access != Access::RandWrite);
        assert!(fit(&base(), &figures).unwrap_err().contains("rw=randwrite"));
    }

    #[test]
    fn figures_out_of_all_range_are_refused_or_fitted_but_never_overflow() {
        for bytes_per_s in [1, 1 << 50] {
            let mut figures = figures_of(&base());
            figures.iter_mut().for_each(|figure| figure.bytes_per_s = bytes_per_s);
            if let Ok(fitted) = fit(&base(), &figures) {
                DeviceParameters::Ssd(fitted).validate().unwrap();
            }
        }
    }
}
