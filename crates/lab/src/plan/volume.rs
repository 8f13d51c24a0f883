//! The sizes of a case and its device: numbers from a config, made safe.
//!
//! Invariant: what leaves here fits: the volume into the device's data blocks, every size into bounds far below overflow,
//! every device parameter into its model.

use super::choose::Chosen;
use super::imported::device_for;
use super::parts::parameters;
use super::planner::{Planner, take_table};
use crate::config::{Origin, Section, Table, format_bytes, to_toml};
use spinney_backref::{BackrefOptions, COMPACT_COMMITS};
use spinney_core::BLOCK_BYTES;
use spinney_device::DeviceParameters;
use spinney_import::FreeState;
use spinney_registry::{Choice, nearest};
use spinney_volume::{ChecksumKind, Placement, PoolOptions};
use std::sync::Arc;

const BLOCK: u64 = BLOCK_BYTES as u64;
/// The largest device, 16 TiB: larger ones have indexes that no machine of today keeps in memory for every allocator.
pub(super) const DEVICE_BLOCKS_MAX: u64 = 1 << 32;
/// Superblock slots, the least metadata area and some data.
const DEVICE_BLOCKS_MIN: u64 = 300;
/// The largest page cache, 64 GiB.
const CACHE_PAGES_MAX: u64 = 1 << 24;
/// The largest piece of a write, 64 MiB.
const PIECE_BLOCKS_MAX: u64 = 1 << 14;
/// The place of the volume's side of overwriting in place; the scheme's setting is plain `in_place`.
const IN_PLACE: &str = "volume.in_place";

/// What [volume] came to.
pub(super) struct Sizes {
    pub(super) volume_blocks: u64,
    pub(super) device_blocks: u64,
    pub(super) options: PoolOptions,
    pub(super) query_blocks: u64,
    pub(super) free_space: Option<Arc<FreeState>>,
}

impl Planner<'_> {
    /// Blocks of the volume and of the device, the pool's tunables, and the free space that it begins with.
    pub(super) fn volume(&mut self, fixed: &mut Table, seed: u64) -> Option<Sizes> {
        let origin = fixed.get("volume").map(|(origin, _)| origin.clone());
        let mut found = Vec::new();
        let mut section = Section::new("volume", take_table(fixed, "volume"), &mut found);
        let (size_at, device_at) = (section.peek("size"), section.peek("device_size"));
        let (size, device) = (section.bytes("size"), section.bytes("device_size"));
        let in_place_at = section.peek("in_place");
        let (spare_at, spare) = (section.peek("spare"), section.real("spare"));
        if spare.is_some_and(|spare| !(0.0..=1000.0).contains(&spare)) {
            let message =
                "`volume.spare` is the data blocks beside the volume's, as a share of it: 0 to 1000".into();
            section.complain(message, spare_at, None);
        }
        let (free_at, free_file) = (section.peek("free_space"), section.text("free_space"));
        let options = options(&mut section);
        let query_blocks = section.integer("query_blocks", 1..=DEVICE_BLOCKS_MAX).unwrap_or(1);
        if size.is_none() && size_at.is_none() {
            let help = Some("add `size = \"1 GiB\"`".to_owned());
            section.complain("[volume] needs a size".into(), origin.clone(), help);
        }
        section.finish();
        self.take(found);
        self.places.extend(in_place_at.map(|place| (IN_PLACE.to_owned(), place)));
        let volume_blocks = size?.div_ceil(BLOCK);
        let free_space = match free_file {
            Some(file) => Some(self.free_space(&file, seed, &options, free_at.clone())?),
            None => None,
        };
        let device_blocks = match (device, device_at.is_some(), &free_space) {
            (Some(bytes), _, _) => bytes / BLOCK,
            (None, true, _) => return None,
            (None, false, Some(state)) => device_for(state.total_blocks, &options),
            (None, false, None) => match spare {
                Some(spare) => with_spare(volume_blocks, spare, &options),
                None => volume_blocks + volume_blocks / 2 + 256,
            },
        };
        self.fit(volume_blocks, device_blocks, &options, (size_at.or(origin), device_at))?;
        if let Some(state) = &free_space {
            self.fit_imported(state, device_blocks, &options, free_at)?;
        }
        Some(Sizes { volume_blocks, device_blocks, options, query_blocks, free_space })
    }

    /// Overwriting in place takes a volume without checksums and a scheme that offers it by its switch `in_place`; a config
    /// that asks for it must not get rows of a pool that does not.
    pub(super) fn allow_in_place(&mut self, options: &PoolOptions, scheme: &Choice) -> Option<()> {
        if !options.in_place {
            return Some(());
        }
        let switch = parameters(self.registry, "scheme", &scheme.name)
            .and_then(|all| all.iter().find(|parameter| parameter.name == "in_place"));
        let (message, help) = match switch {
            _ if options.checksums != ChecksumKind::None => (
                "`volume.in_place = true` does nothing with data checksums: a torn block could not be told from a damaged one".to_owned(),
                "add `checksums = \"none\"` to [volume], or remove `in_place`".to_owned(),
            ),
            None => (
                format!("`volume.in_place = true` does nothing with scheme {}, which never overwrites", scheme.name),
                "choose a scheme with a setting `in_place` (`spinney list schemes`), or remove `in_place`".to_owned(),
            ),
            Some(switch) if !scheme.settings.switch(switch) => (
                format!("`volume.in_place = true` does nothing: scheme {} does not offer it", scheme.name),
                "add `in_place = true` to [scheme], or remove it from [volume]".to_owned(),
            ),
            Some(_) => return Some(()),
        };
        self.complain(message, self.places.get(IN_PLACE).cloned(), Some(help));
        None
    }

    /// Whether the volume fits into the device, and the device into the world.
    fn fit(
        &mut self,
        volume_blocks: u64,
        device_blocks: u64,
        options: &PoolOptions,
        (size_at, device_at): (Option<Origin>, Option<Origin>),
    ) -> Option<()> {
        let shown = |blocks: u64| format_bytes(blocks.saturating_mul(BLOCK));
        if !(DEVICE_BLOCKS_MIN..=DEVICE_BLOCKS_MAX).contains(&device_blocks) {
            let message = format!("a device of {} cannot be made", shown(device_blocks));
            let help = format!("from {} to {}", shown(DEVICE_BLOCKS_MIN), shown(DEVICE_BLOCKS_MAX));
            self.complain(message, device_at.or(size_at), Some(format!("a device has {help}")));
            return None;
        }
        let data = options.layout(device_blocks).map_or(0, |layout| layout.data.blocks);
        if volume_blocks > data {
            let message = format!(
                "a volume of {} does not fit: the device of {} has {} for data",
                shown(volume_blocks),
                shown(device_blocks),
                shown(data)
            );
            let help = "raise `device_size`, which should leave room for snapshots too, or lower `size`";
            self.complain(message, size_at, Some(help.into()));
            return None;
        }
        Some(())
    }

    pub(super) fn device(&mut self, chosen: Chosen) -> Option<DeviceParameters> {
        if chosen.table.is_empty() {
            return Some(DeviceParameters::Memory(Default::default()));
        }
        let whole = to_toml(&chosen.table);
        let read = |table: &toml::Table| {
            let parameters = <DeviceParameters as serde::Deserialize>::deserialize(table.clone());
            parameters.map_err(|error: toml::de::Error| error.message().to_owned())
        };
        let checked = read(&whole).and_then(|parameters| {
            parameters.validate().map(|()| parameters).map_err(|error| error.to_string())
        });
        let message = match checked {
            Ok(parameters) => return Some(parameters),
            Err(message) => message,
        };
        // Neither error says where it is: the setting to blame is named in it, or is the one without which it changes.
        let without = |key: &&String| {
            let mut less = whole.clone();
            less.remove(*key);
            read(&less).err().as_ref() != Some(&message)
        };
        let wrong_value = read(&whole).is_err() && !message.starts_with("missing field");
        let named = |key: &&String| message.contains(key.as_str());
        let but_kind = || whole.keys().filter(|key| *key != "kind");
        let culprit = match wrong_value {
            true => but_kind().find(without).or(whole.keys().find(|key| *key == "kind")),
            false => but_kind().find(named),
        };
        let place = culprit.and_then(|key| chosen.table.get(key)).map(|(_, node)| node.origin.clone());
        let help = match message.split('`').collect::<Vec<_>>().as_slice() {
            [start, wrong, known @ ..] if start.starts_with("unknown") => {
                nearest(wrong, known.iter().copied()).map(|near| format!("did you mean `{near}`?"))
            }
            _ => Some("configs/device/ has complete examples with the source of each number".into()),
        };
        let about = culprit.map_or_else(String::new, |key| format!(" `{key}`"));
        self.complain(format!("[device]{about}: {message}"), place.or(chosen.origin), help);
        None
    }
}

/// The device whose data area is `spare` times larger than the volume: the rest is metadata, a share of the device or of a given size.
fn with_spare(volume_blocks: u64, spare: f64, options: &PoolOptions) -> u64 {
    let data = volume_blocks.saturating_add((volume_blocks as f64 * spare) as u64);
    let mut device = data.saturating_add(options.metadata_blocks.unwrap_or(data / 31)).saturating_add(64);
    while device < DEVICE_BLOCKS_MAX
        && options.layout(device).map_or(true, |layout| layout.data.blocks < data)
    {
        device += 64;
    }
    device
}

/// The tunables of a pool.
fn options(section: &mut Section<'_>) -> PoolOptions {
    let default = PoolOptions::default();
    let cache_at = section.peek("cache_size");
    let cache_pages = section.bytes("cache_size").map_or(default.cache_pages as u64, |bytes| bytes / BLOCK);
    if cache_pages > CACHE_PAGES_MAX {
        let help = Some(format!("at most {}", format_bytes(CACHE_PAGES_MAX * BLOCK)));
        section.complain("`volume.cache_size` is more than any machine has".into(), cache_at, help);
    }
    let piece_at = section.peek("piece_size");
    let piece_blocks =
        section.bytes("piece_size").map_or(default.piece_blocks, |bytes| bytes.div_ceil(BLOCK));
    if piece_blocks > PIECE_BLOCKS_MAX {
        let help = Some(format!("at most {}", format_bytes(PIECE_BLOCKS_MAX * BLOCK)));
        section.complain("`volume.piece_size` is more than a write of a workload".into(), piece_at, help);
    }
    let kinds = ChecksumKind::ALL.map(|kind| (kind.name(), kind));
    let checksums = one_of(section, "checksums", "checksum", &kinds, " (`spinney list checksums`)");
    let placements = [("area", Placement::Area), ("segments", Placement::Segments)];
    let placement = one_of(section, "metadata", "placement of metadata", &placements, "");
    PoolOptions {
        placement: placement.unwrap_or_default(),
        metadata_blocks: section.bytes("metadata_size").map(|bytes| bytes.div_ceil(BLOCK)),
        cache_pages: cache_pages.clamp(4, CACHE_PAGES_MAX) as usize,
        commit_blocks: section
            .bytes("commit_size")
            .map_or(default.commit_blocks, |bytes| bytes.div_ceil(BLOCK)),
        piece_blocks: piece_blocks.clamp(1, PIECE_BLOCKS_MAX),
        tend_budget: section.integer("tend_budget", 1..=1 << 40).unwrap_or(default.tend_budget),
        copy_budget: section.integer("copy_budget", 0..=1 << 40).unwrap_or(default.copy_budget),
        checksums: checksums.unwrap_or_default(),
        back_references: back_references(section),
        in_place: section.switch("in_place").unwrap_or(false),
        // The modelled devices lose nothing, and what is compared with other systems should not pay for a check that they do not make.
        verify_superblock: false,
        ..default
    }
}

/// Back references, if the config has them switched on.
fn back_references(section: &mut Section<'_>) -> Option<BackrefOptions> {
    let default = BackrefOptions::default();
    let on = section.switch("back_references").unwrap_or(false);
    let compact_commits =
        section.integer(COMPACT_COMMITS.name, 0..=1 << 40).unwrap_or(default.compact_commits);
    let inherit = section.switch("clones_inherit").unwrap_or(true);
    on.then_some(BackrefOptions { compact_commits, inherit, ..default })
}

/// A setting that is one of a few words. Another one is complained of, with the nearest.
fn one_of<T: Copy>(
    section: &mut Section<'_>,
    key: &str,
    what: &str,
    known: &[(&'static str, T)],
    see: &str,
) -> Option<T> {
    let at = section.peek(key);
    let name = section.text(key)?;
    let found = known.iter().find(|(word, _)| *word == name).map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        let near = nearest(&name, names.iter().copied());
        let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        let help = Some(format!("{near}known: {}{see}", names.join(", ")));
        section.complain(format!("no {what} is called `{name}`"), at, help);
    }
    found
}
