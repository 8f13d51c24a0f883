//! How versions lie on the device, from their maps.
//!
//! Invariant: a version counts by its own runs in logical order; holes count nothing and end a run.

use super::runner::Bench;
use spinney_core::{BLOCK_BYTES, DevId, Lba, LbaRange, Pba, Result};
use std::collections::BTreeMap;

const MIB_BLOCKS: f64 = (1 << 20) as f64 / BLOCK_BYTES as f64;

/// How versions lie on the device: the first volume by itself, and all together.
pub(super) fn put(bench: &Bench, values: &mut BTreeMap<String, f64>) -> Result<()> {
    let mut all = Lie::default();
    for dev in bench.versions.values() {
        let lie = Lie::of(bench, *dev)?;
        all.mapped += lie.mapped;
        all.extents += lie.extents;
        all.files += lie.files;
        if bench.volume() == Some(*dev) {
            lie.put(values);
        }
    }
    values.extend(all.score().map(|score| ("layout_score_all".to_owned(), score)));
    Ok(())
}

/// Blocks and extents of one or more versions.
#[derive(Default)]
struct Lie {
    mapped: u64,
    extents: u64,
    /// Versions that map anything.
    files: u64,
}

impl Lie {
    fn of(bench: &Bench, dev: DevId) -> Result<Lie> {
        let blocks = bench.pool.version(dev)?.blocks;
        let (mut lie, mut follows) = (Lie::default(), None);
        bench.pool.runs(dev, LbaRange::new(Lba(0), blocks), &mut |run| {
            let Some(on) = run.on else { return };
            lie.mapped += run.blocks;
            lie.extents += u64::from(follows != Some(on));
            follows = Some(Pba(on.0 + run.blocks));
        })?;
        lie.files = u64::from(lie.mapped > 0);
        Ok(lie)
    }

    /// Smith and Seltzer's: sum of those that follow by sum of those that could.
    fn score(&self) -> Option<f64> {
        let of = self.mapped - self.files;
        (of > 0).then(|| (self.mapped - self.extents) as f64 / of as f64)
    }

    fn put(&self, values: &mut BTreeMap<String, f64>) {
        let owned = values.get("owned_blocks").copied().unwrap_or(0.0);
        let mut put = |name: &str, value: f64| {
            values.insert(name.into(), value);
        };
        put("volume_blocks", self.mapped as f64);
        put("other_versions_blocks", owned - self.mapped as f64);
        put("extent_mean_blocks", self.mapped as f64 / self.extents as f64);
        if let Some(score) = self.score() {
            put("layout_score", score);
            put("extents_per_mib", self.extents as f64 / (self.mapped as f64 / MIB_BLOCKS));
        }
    }
}
