//! How fast a model is under a steady load: its mechanism alone, without a byte.
//!
//! Invariant: counted in virtual time, so a prediction is the same on every machine. Caches are warm: reads have begun, and writes
//! have filled the write cache, so that a figure is the one that lasts.

use super::{Cell, DeviceParameters, Mechanism, hdd, ssd, untimed};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spinney_core::{BLOCK_BYTES, Extent, Pba, Result};

/// 256 GiB: a span so large that no load here wraps round, and random places meet only by their dies.
const DISK_BLOCKS: u64 = 1 << 26;
/// What is measured of a cell: 32 MiB, but no fewer and no more requests than these, and the queue filled several times.
const SPAN_KIB: u64 = 32 * 1024;
const REQUESTS_MIN: u64 = 128;
const REQUESTS_MAX: u64 = 8192;
const QUEUES_MIN: u64 = 4;
/// A disk's cache drains while it fills, so that it takes many times its size to fill it; but no more requests than these.
const WARMING_CACHES: u64 = 16;
const WARMING_MAX: u64 = 1 << 16;

/// A buffer that is full shows nothing of its size, so no more of it is filled than this.
const BUFFER_KIB_MAX: u64 = 256 * 1024;

/// Bytes a second of a steady load, or none for a device that takes no time.
///
/// # Errors
/// `BadSetting`, of the parameters.
///
/// # Panics
/// If the cell does not pass `Cell::validate`.
pub fn predict(parameters: &DeviceParameters, cell: Cell) -> Result<Option<u64>> {
    assert!(cell.validate().is_ok(), "{cell} was validated");
    parameters.validate()?;
    let blocks = disk_blocks(parameters);
    let (mut mechanism, cache_kib): (Box<dyn Mechanism>, u64) = match parameters.clone() {
        DeviceParameters::Memory(_) => (Box::new(untimed::Untimed), 0),
        DeviceParameters::Hdd(mut hdd) => {
            hdd.queue_depth = hdd.queue_depth.min(cell.depth);
            (Box::new(hdd::Hdd::new(&hdd, blocks)?), hdd.write_cache_kib)
        }
        DeviceParameters::Ssd(mut ssd) => {
            ssd.queue_depth = ssd.queue_depth.min(cell.depth);
            ssd.write_buffer_kib = ssd.write_buffer_kib.min(BUFFER_KIB_MAX);
            let mut drive = ssd::Ssd::new(&ssd, blocks);
            if cell.access.is_write() {
                drive.fill_buffer();
            }
            (Box::new(drive), 0)
        }
    };
    let requests =
        (SPAN_KIB / cell.request_kib).clamp(REQUESTS_MIN, REQUESTS_MAX).max(QUEUES_MIN * cell.depth);
    let filling = if cell.access.is_write() { WARMING_CACHES * cache_kib / cell.request_kib } else { 0 };
    let warming = filling.clamp(cell.depth.max(16), WARMING_MAX);
    let runs = places(cell, blocks, (warming + requests) as usize);
    let (warming, measured) = runs.split_at(warming as usize);
    let begun_ns = serve(&mut *mechanism, cell, 0, warming);
    let time_ns = serve(&mut *mechanism, cell, begun_ns, measured) - begun_ns;
    let bytes = u128::from(requests * cell.request_kib * 1024);
    Ok((bytes * 1_000_000_000).checked_div(u128::from(time_ns)).map(|rate| rate as u64))
}

/// The span of the load: a disk of a stated size may be smaller than the usual.
fn disk_blocks(parameters: &DeviceParameters) -> u64 {
    match parameters {
        DeviceParameters::Hdd(hdd) if hdd.capacity_gb > 0 => {
            DISK_BLOCKS.min(hdd.capacity_gb * 1_000_000_000 / BLOCK_BYTES as u64)
        }
        _ => DISK_BLOCKS,
    }
}

/// Where the requests go, one after another.
fn places(cell: Cell, disk_blocks: u64, count: usize) -> Vec<Extent> {
    let blocks = cell.request_kib / 4;
    let slots = disk_blocks / blocks;
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let slot = |index: usize| match cell.access.is_random() {
        true => rng.random_range(0..slots),
        false => index as u64 % slots,
    };
    (0..count).map(slot).map(|slot| Extent::new(Pba(slot * blocks), blocks)).collect()
}

/// Issue them, one by one or as a batch that keeps the queue full; returns when the last is done.
fn serve(mechanism: &mut dyn Mechanism, cell: Cell, now_ns: u64, runs: &[Extent]) -> u64 {
    let mut issue = |now_ns, runs: &[Extent]| match cell.access.is_write() {
        true => mechanism.write(now_ns, runs),
        false => mechanism.read(now_ns, runs),
    };
    match cell.depth {
        1 => runs.chunks(1).fold(now_ns, issue),
        _ => issue(now_ns, runs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DevicePart, PRESETS};

    /// Largest distance of a model from its sheet, in percent. The flash drives were fitted to six figures with whole microseconds and MB/s: 5 %
    /// is what is left. The disk's deep queue always takes the request that the arm reaches soonest, where firmware is fair: 25 %.
    fn tolerance_percent(name: &str, cell: Cell) -> u64 {
        match (name, cell.depth) {
            ("hdd", 2..) => 25,
            _ => 5,
        }
    }

    #[test]
    fn every_preset_that_takes_time_meets_its_data_sheet() {
        // The fitted part has its errors in its own text, which its test makes anew.
        for preset in PRESETS.iter().filter(|preset| preset.name != "fitted-example") {
            let part = DevicePart::from_toml(preset.text).unwrap();
            assert_eq!(part.datasheet.is_none(), preset.name == "memory", "{}", preset.name);
            for figure in part.datasheet.iter().flat_map(|sheet| sheet.figures().unwrap()) {
                let model = predict(&part.device, figure.cell).unwrap().unwrap();
                let far_percent = model.abs_diff(figure.bytes_per_s) * 100 / figure.bytes_per_s;
                assert!(
                    far_percent <= tolerance_percent(preset.name, figure.cell),
                    "{} {}: the model gives {model} bytes/s, the sheet {}",
                    preset.name,
                    figure.cell,
                    figure.bytes_per_s
                );
            }
        }
    }

    #[test]
    fn a_small_disk_and_a_vast_buffer_are_predicted_too() {
        let cell = Cell { access: crate::model::Access::RandWrite, request_kib: 16 * 1024, depth: 16 };
        for (name, from, to) in [
            ("hdd", "capacity_gb = 0", "capacity_gb = 1"),
            ("ssd-nvme", "write_buffer_kib = 16384", "write_buffer_kib = 1073741824"),
        ] {
            let preset = PRESETS.iter().find(|preset| preset.name == name).unwrap();
            assert!(preset.text.contains(from), "{name}");
            let part = DevicePart::from_toml(&preset.text.replace(from, to)).unwrap();
            assert!(predict(&part.device, cell).unwrap().is_some_and(|rate| rate > 1_000_000), "{name}");
        }
    }
}
