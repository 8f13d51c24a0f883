//! Where blocks lie on a disk: tracks from the outer edge inward, in zones of equal track length, and how long the arm takes between them.
//!
//! Invariant: addresses rise with track and angle, so that reading on never waits for the platter (a real disk hides head and track
//! switches by skew; the sustained rates of a data sheet include them). Knows neither clock nor cache.

use super::HddParameters;
use spinney_core::{BLOCK_BYTES, Extent};

struct Zone {
    first_block: u64,
    first_track: u64,
    blocks_per_track: u64,
}

pub(super) struct Geometry {
    rotation_ns: u64,
    zones: Vec<Zone>,
    tracks: u64,
    seek_track_ns: u64,
    /// What a full stroke adds by the square root of its distance (acceleration), and by the distance itself (coasting).
    seek_root_ns: u64,
    seek_linear_ns: u64,
}

impl Geometry {
    pub(super) fn new(parameters: &HddParameters, blocks: u64) -> Geometry {
        let rotation_ns = 60_000_000_000 / parameters.rotation_rpm;
        let blocks = blocks.max(1);
        let span = blocks.div_ceil(parameters.zones);
        let (mut zones, mut tracks, mut first_block) = (Vec::new(), 0, 0);
        while first_block < blocks {
            let rate = parameters.zone_mb_per_s(zones.len() as u64);
            let blocks_per_track = (rate * rotation_ns / 1000 / BLOCK_BYTES as u64).max(1);
            zones.push(Zone { first_block, first_track: tracks, blocks_per_track });
            tracks += span.div_ceil(blocks_per_track);
            first_block += span;
        }
        let (root_us, linear_us) = parameters.seek_shape_us();
        Geometry {
            rotation_ns,
            zones,
            tracks,
            seek_track_ns: parameters.seek_track_us * 1000,
            seek_root_ns: root_us * 1000,
            seek_linear_ns: linear_us * 1000,
        }
    }
    fn zone(&self, block: u64) -> usize {
        self.zones.partition_point(|zone| zone.first_block <= block) - 1
    }
    /// The track of `block`, and how far into a rotation its start passes the head.
    pub(super) fn locate(&self, block: u64) -> (u64, u64) {
        let zone = &self.zones[self.zone(block)];
        let inside = block - zone.first_block;
        let angle_ns = inside % zone.blocks_per_track * self.rotation_ns / zone.blocks_per_track;
        (zone.first_track + inside / zone.blocks_per_track, angle_ns)
    }
    /// Time for the run to pass under the head.
    pub(super) fn pass_ns(&self, run: Extent) -> u64 {
        let (mut at, end, mut time_ns) = (run.start.0, run.end().0, 0);
        while at < end {
            let zone = self.zone(at);
            let stop = self.zones.get(zone + 1).map_or(end, |next| end.min(next.first_block));
            time_ns += (stop - at) * self.rotation_ns / self.zones[zone].blocks_per_track;
            at = stop;
        }
        time_ns
    }
    /// Blocks that pass under a head at `block` in that time (at the rate of its zone).
    pub(super) fn passed_blocks(&self, block: u64, time_ns: u64) -> u64 {
        let blocks = u128::from(time_ns) * u128::from(self.zones[self.zone(block)].blocks_per_track);
        u64::try_from(blocks / u128::from(self.rotation_ns)).unwrap_or(u64::MAX)
    }
    pub(super) fn track_blocks(&self, block: u64) -> u64 {
        self.zones[self.zone(block)].blocks_per_track
    }
    /// Arm movement between two tracks, settling included.
    pub(super) fn seek_ns(&self, from: u64, to: u64) -> u64 {
        let distance = from.abs_diff(to);
        if distance == 0 {
            return 0;
        }
        // Fractions of the full stroke in units of 2^-40; the root then is in units of 2^-20.
        let fraction = (u128::from(distance - 1) << 40) / u128::from(self.tracks.saturating_sub(2).max(1));
        let root = (u128::from(self.seek_root_ns) * fraction.isqrt()) >> 20;
        let linear = (u128::from(self.seek_linear_ns) * fraction) >> 40;
        self.seek_track_ns + (root + linear) as u64
    }
    /// Wait until `angle_ns` comes round, from a moment `time_ns`.
    pub(super) fn rotation_wait_ns(&self, angle_ns: u64, time_ns: u64) -> u64 {
        (angle_ns + self.rotation_ns - time_ns % self.rotation_ns) % self.rotation_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DeviceParameters, preset};
    use spinney_core::Pba;

    fn parameters() -> HddParameters {
        match preset("hdd").unwrap() {
            DeviceParameters::Hdd(hdd) => hdd,
            other => panic!("not a disk: {other:?}"),
        }
    }

    #[test]
    fn the_seek_curve_meets_the_three_times_of_the_data_sheet() {
        let hdd = parameters();
        let geometry = Geometry::new(&hdd, 1 << 28);
        assert_eq!(geometry.seek_ns(5, 6), hdd.seek_track_us * 1000);
        let full = geometry.seek_ns(0, geometry.tracks - 1);
        assert!(full.abs_diff(hdd.seek_full_us * 1000) < 10_000, "{full}");
        let mean = |steps: u64| {
            let place = |step| step * (geometry.tracks - 1) / steps;
            let times = (0..steps).flat_map(|a| (0..steps).map(move |b| (a, b)));
            times.map(|(a, b)| geometry.seek_ns(place(a), place(b))).sum::<u64>() / (steps * steps)
        };
        let average = mean(400);
        assert!(average.abs_diff(hdd.seek_average_us * 1000) < hdd.seek_average_us * 20, "{average}");
    }

    #[test]
    fn a_longer_way_never_takes_less_time() {
        let geometry = Geometry::new(&parameters(), 1 << 24);
        let times: Vec<u64> = (0..geometry.tracks).map(|to| geometry.seek_ns(0, to)).collect();
        assert!(times.is_sorted());
    }

    #[test]
    fn the_rate_falls_from_the_outer_to_the_inner_zone_as_stated() {
        let (hdd, blocks) = (parameters(), 1 << 24);
        let geometry = Geometry::new(&hdd, blocks);
        let rate = |start| {
            let run = Extent::new(Pba(start), 10_000);
            run.blocks * BLOCK_BYTES as u64 * 1000 / geometry.pass_ns(run)
        };
        assert!(rate(0).abs_diff(hdd.transfer_outer_mb_per_s) <= 1);
        assert!(rate(blocks - 10_000).abs_diff(hdd.transfer_inner_mb_per_s) <= 1);
        assert!(geometry.zones.len() as u64 == hdd.zones && rate(0) > rate(blocks / 2));
    }

    #[test]
    fn a_run_over_zones_takes_the_sum_of_its_parts() {
        let geometry = Geometry::new(&parameters(), 100_000);
        let whole = geometry.pass_ns(Extent::new(Pba(0), 100_000));
        let parts: u64 = (0..100).map(|part| geometry.pass_ns(Extent::new(Pba(part * 1000), 1000))).sum();
        assert!(whole.abs_diff(parts) < 1000, "{whole} against {parts}");
    }

    #[test]
    fn the_smallest_devices_have_a_geometry() {
        for blocks in 0..100 {
            let geometry = Geometry::new(&parameters(), blocks);
            let (track, angle) = geometry.locate(blocks);
            assert!(track <= geometry.tracks && angle < geometry.rotation_ns);
        }
    }
}
