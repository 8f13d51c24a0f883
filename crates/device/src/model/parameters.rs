//! The parameters of the modelled devices, as a `[device]` table gives them, and the presets that come with the crate.
//!
//! Invariant: parameters that pass `validate` make a model whose arithmetic neither overflows nor divides by zero. Every parameter must be
//! given: a number that nobody looked up is worse than an error. Data sheets use megabytes of 10^6 bytes, and so does this.

use super::DevicePart;
use serde::{Deserialize, Serialize};
use spinney_core::{BLOCK_BYTES, Error, Result};
use std::ops::RangeInclusive;

/// A `[device]` table: `kind` and the parameters of that kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum DeviceParameters {
    /// Nothing takes time.
    Memory(MemoryParameters),
    /// A hard disk.
    Hdd(HddParameters),
    /// A flash drive.
    Ssd(SsdParameters),
}

/// A device without time has none.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryParameters {}

/// A hard disk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HddParameters {
    /// Revolutions a minute.
    pub rotation_rpm: u64,
    /// Seek to the neighboring track, settling included.
    pub seek_track_us: u64,
    /// Mean seek over random pairs of tracks.
    pub seek_average_us: u64,
    /// Seek over the whole stroke.
    pub seek_full_us: u64,
    /// What a write needs more than a read to settle after a seek.
    pub write_settle_us: u64,
    /// Sustained rate at the outer edge, where the address space begins.
    pub transfer_outer_mb_per_s: u64,
    /// Sustained rate at the inner edge.
    pub transfer_inner_mb_per_s: u64,
    /// Zones of equal size between the two; 1 gives the outer rate everywhere.
    pub zones: u64,
    /// Rate between host and drive.
    pub interface_mb_per_s: u64,
    /// Host and drive firmware for each command that nothing overlaps.
    pub command_overhead_us: u64,
    /// Commands that the drive may choose from (NCQ).
    pub queue_depth: u64,
    /// Write cache; 0 turns it off, and each write waits for the platter.
    pub write_cache_kib: u64,
    /// How far the drive reads on after a read; 0 turns it off.
    pub read_ahead_kib: u64,
    /// The disk's size. 0: the device under test stands for the whole disk, so that a small pool has the seeks of a full disk. Otherwise
    /// the device is the outer edge of a disk of this size, and its seeks are short.
    pub capacity_gb: u64,
}

/// A flash drive.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SsdParameters {
    /// Channels between controller and flash.
    pub channels: u64,
    /// Dies on each.
    pub dies_per_channel: u64,
    /// A flash page: what one sense fetches.
    pub page_kib: u64,
    /// Pages that one program writes together.
    pub planes: u64,
    /// Sensing a page.
    pub read_us: u64,
    /// Programming (of the flash that takes the writes first, where a drive has a faster part).
    pub program_us: u64,
    /// Rate of one channel.
    pub channel_mb_per_s: u64,
    /// Rate from drive to host. A host's cap on the bandwidth of a virtual disk is this, too.
    pub link_read_mb_per_s: u64,
    /// Rate from host to drive.
    pub link_write_mb_per_s: u64,
    /// Controller time of a read that no other command can share: its reciprocal bounds the IOPS, as does a host that caps the requests
    /// a second of a virtual disk.
    pub command_read_ns: u64,
    /// The same of a write or discard.
    pub command_write_ns: u64,
    /// Latency of a read outside flash, channel and link; commands overlap in it.
    pub read_overhead_us: u64,
    /// The same of a write.
    pub write_overhead_us: u64,
    /// Commands of a batch in flight at once.
    pub queue_depth: u64,
    /// Buffer for writes, at least two programs' worth.
    pub write_buffer_kib: u64,
    /// Pages that the drive senses ahead of sequential reads, at most one for each die; 0 turns it off.
    pub read_ahead_pages: u64,
    /// A flush beyond the programs that it waits for.
    pub flush_us: u64,
    /// With capacitors a flush waits for no program.
    pub power_loss_protected: bool,
}

fn limit(value: u64, range: RangeInclusive<u64>, rule: &'static str) -> Result<()> {
    if range.contains(&value) { Ok(()) } else { Err(Error::BadSetting(rule)) }
}

/// The longest time that a parameter may give, and the largest cache: far beyond any device, far below overflow.
const TIME_US_MAX: u64 = 100_000_000;
const CACHE_KIB_MAX: u64 = 1 << 30;
const RATE_MB_MAX: u64 = 1_000_000;
/// Deeper queues make a choice among requests slow, and no device has one.
const QUEUE_MAX: u64 = 65_536;

impl DeviceParameters {
    /// From a text with a `[device]` table and perhaps a `[datasheet]`, which is checked and dropped.
    ///
    /// # Errors
    /// TOML's, with the place; also for unknown keys, missing keys and values out of range.
    pub fn from_toml(text: &str) -> Result<DeviceParameters, toml::de::Error> {
        Ok(DevicePart::from_toml(text)?.device)
    }
    /// Whether a model can be built from them. Errors: `BadSetting`.
    pub fn validate(&self) -> Result<()> {
        match self {
            DeviceParameters::Memory(_) => Ok(()),
            DeviceParameters::Hdd(hdd) => hdd.validate(),
            DeviceParameters::Ssd(ssd) => ssd.validate(),
        }
    }
}

impl HddParameters {
    fn validate(&self) -> Result<()> {
        limit(self.rotation_rpm, 1..=1_000_000, "rotation_rpm must be 1 to 1000000")?;
        limit(self.seek_full_us, 0..=TIME_US_MAX, "seek_full_us must be at most 100000000")?;
        limit(self.write_settle_us, 0..=TIME_US_MAX, "write_settle_us must be at most 100000000")?;
        limit(self.command_overhead_us, 0..=TIME_US_MAX, "command_overhead_us must be at most 100000000")?;
        limit(self.transfer_outer_mb_per_s, 1..=RATE_MB_MAX, "transfer_outer_mb_per_s must be 1 to 1000000")?;
        let inner = 1..=self.transfer_outer_mb_per_s;
        limit(self.transfer_inner_mb_per_s, inner, "transfer_inner_mb_per_s must be 1 to the outer rate")?;
        limit(self.zones, 1..=1000, "zones must be 1 to 1000")?;
        limit(self.interface_mb_per_s, 1..=RATE_MB_MAX, "interface_mb_per_s must be 1 to 1000000")?;
        limit(self.queue_depth, 1..=QUEUE_MAX, "queue_depth must be 1 to 65536")?;
        limit(self.write_cache_kib, 0..=CACHE_KIB_MAX, "write_cache_kib must be at most 1073741824")?;
        limit(self.read_ahead_kib, 0..=CACHE_KIB_MAX, "read_ahead_kib must be at most 1073741824")?;
        limit(self.capacity_gb, 0..=1_000_000, "capacity_gb must be at most 1000000")?;
        self.seek_shape_checked_us().map(drop)
    }
    /// The curve `track + root * sqrt(d) + linear * d` over fractions `d` of a full stroke, through the three given times. The mean of sqrt(d) over
    /// random pairs is 8/15 and that of d is 1/3, which gives both factors.
    fn seek_shape_checked_us(&self) -> Result<(u64, u64)> {
        const RULE: &str =
            "seek_average_us must lie between 1/3 and 8/15 of the way from seek_track_us to seek_full_us";
        let shape = || {
            let average = self.seek_average_us.checked_sub(self.seek_track_us)?;
            let full = self.seek_full_us.checked_sub(self.seek_track_us)?;
            let root = (15 * average).checked_sub(5 * full)? / 3;
            Some((root, full.checked_sub(root)?))
        };
        limit(self.seek_average_us, 0..=TIME_US_MAX, RULE)?;
        shape().ok_or(Error::BadSetting(RULE))
    }
    pub(super) fn seek_shape_us(&self) -> (u64, u64) {
        self.seek_shape_checked_us().expect("parameters were validated")
    }
    pub(super) fn zone_mb_per_s(&self, zone: u64) -> u64 {
        let fall = self.transfer_outer_mb_per_s - self.transfer_inner_mb_per_s;
        self.transfer_outer_mb_per_s - fall * zone / (self.zones - 1).max(1)
    }
}

impl SsdParameters {
    fn validate(&self) -> Result<()> {
        limit(self.channels, 1..=1024, "channels must be 1 to 1024")?;
        limit(self.dies_per_channel, 1..=64, "dies_per_channel must be 1 to 64")?;
        limit(self.page_kib, 4..=1024, "page_kib must be 4 to 1024")?;
        limit(self.page_kib % (BLOCK_BYTES as u64 / 1024), 0..=0, "page_kib must be a multiple of 4")?;
        limit(self.planes, 1..=64, "planes must be 1 to 64")?;
        for time in
            [self.read_us, self.program_us, self.read_overhead_us, self.write_overhead_us, self.flush_us]
        {
            limit(time, 0..=TIME_US_MAX, "times must be at most 100000000 us")?;
        }
        limit(self.command_read_ns, 0..=TIME_US_MAX, "command_read_ns must be at most 100000000")?;
        limit(self.command_write_ns, 0..=TIME_US_MAX, "command_write_ns must be at most 100000000")?;
        for rate in [self.channel_mb_per_s, self.link_read_mb_per_s, self.link_write_mb_per_s] {
            limit(rate, 1..=RATE_MB_MAX, "rates must be 1 to 1000000 MB/s")?;
        }
        limit(self.queue_depth, 1..=QUEUE_MAX, "queue_depth must be 1 to 65536")?;
        let least = 2 * self.page_kib * self.planes;
        limit(
            self.write_buffer_kib,
            least..=CACHE_KIB_MAX,
            "write_buffer_kib must be at least 2 * page_kib * planes",
        )?;
        let dies = self.channels * self.dies_per_channel;
        limit(self.read_ahead_pages, 0..=dies, "read_ahead_pages must be at most the number of dies")
    }
}

/// A device config that comes with the crate.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The file's name without its ending.
    pub name: &'static str,
    /// One line.
    pub about: &'static str,
    /// The file, with the source of each number.
    pub text: &'static str,
}

/// What is in `configs/device/`, the fitted example last.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "memory",
        about: "takes no time: for experiments that count and do not time",
        text: include_str!("../../../../configs/device/memory.toml"),
    },
    Preset {
        name: "hdd",
        about: "a 7200 rpm nearline hard disk, after WD Ultrastar DC HC310",
        text: include_str!("../../../../configs/device/hdd.toml"),
    },
    Preset {
        name: "ssd-nvme",
        about: "a PCIe 3.0 NVMe flash drive, after Samsung 970 EVO Plus 1 TB",
        text: include_str!("../../../../configs/device/ssd-nvme.toml"),
    },
    Preset {
        name: "ssd-sata",
        about: "a SATA flash drive, after Samsung 870 EVO 1 TB",
        text: include_str!("../../../../configs/device/ssd-sata.toml"),
    },
    Preset {
        name: "fitted-example",
        about: "a virtual machine's disk, fitted to a fio run by `spinney device fit`",
        text: include_str!("../../../../configs/device/fitted-example.toml"),
    },
];

/// The parameters of a preset, if there is one of that name.
#[must_use]
pub fn preset(name: &str) -> Option<DeviceParameters> {
    let preset = PRESETS.iter().find(|preset| preset.name == name)?;
    Some(DeviceParameters::from_toml(preset.text).expect("the tests parse every preset"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_parses_and_comes_back_from_its_own_text() {
        for Preset { name, .. } in PRESETS {
            let parameters = preset(name).unwrap();
            let text = toml::to_string(&parameters).unwrap();
            let again = DeviceParameters::from_toml(&format!("[device]\n{text}")).unwrap();
            assert_eq!(again, parameters, "{name}");
        }
        assert!(preset("floppy").is_none());
    }

    #[test]
    fn every_number_of_a_preset_has_a_reason_above_it() {
        for Preset { name, text, .. } in PRESETS {
            let mut explained = false;
            for line in text.lines() {
                let sets = line.contains('=') && !line.starts_with('#') && !line.starts_with("kind");
                assert!(!sets || explained, "{name}: {line}");
                explained = line.starts_with('#') || (explained && sets);
            }
        }
    }

    #[test]
    fn unknown_and_missing_keys_are_refused() {
        let text = PRESETS[1].text;
        let unknown = DeviceParameters::from_toml(&format!("{text}\nseek_avrage_us = 3")).unwrap_err();
        assert!(unknown.to_string().contains("seek_avrage_us"), "{unknown}");
        let missing =
            DeviceParameters::from_toml(&text.replace("rotation_rpm", "# rotation_rpm")).unwrap_err();
        assert!(missing.to_string().contains("rotation_rpm"), "{missing}");
        assert!(DeviceParameters::from_toml("[device]\nkind = \"tape\"").is_err());
        assert!(DeviceParameters::from_toml("[device]\nkind = \"memory\"\nchannels = 1").is_err());
        assert!(DeviceParameters::from_toml("[device]\nkind = \"memory\"\n[volume]").is_err());
    }

    /// Each number in turn at both ends of its range: refused, or a model that still computes.
    #[test]
    fn extreme_numbers_are_refused_or_computed() {
        for Preset { name, text, .. } in PRESETS {
            for line in text.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')) {
                let key = line.split(" = ").next().unwrap();
                for value in ["0", "1", "9223372036854775807"] {
                    let Ok(parameters) =
                        DeviceParameters::from_toml(&text.replace(line, &format!("{key} = {value}")))
                    else {
                        continue;
                    };
                    let device =
                        crate::build(&parameters, std::sync::Arc::new(crate::MemoryDevice::new(4096)));
                    let Ok(device) = device else { continue };
                    crate::tests::conforms(&device, 1, 60);
                    assert!(device.time_ns() < 1 << 62, "{name}: {key} = {value}");
                }
            }
        }
    }
}
