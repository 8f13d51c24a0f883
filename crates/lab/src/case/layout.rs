//! How versions lie on the device, from their maps.
//!
//! Invariant: a version counts by its own runs in logical order; holes count nothing and end a run.

use super::runner::Bench;
use spinney_core::{BLOCK_BYTES, DevId, Extent, Lba, LbaRange, Pba, Result};
use std::collections::BTreeMap;

const MIB_BLOCKS: f64 = (1 << 20) as f64 / BLOCK_BYTES as f64;

/// How versions lie on the device: the first volume by itself, and all together.
pub(super) fn put(bench: &Bench, values: &mut BTreeMap<String, f64>) -> Result<()> {
    let mut all = Lie::default();
    let mut reached = Reached::of(bench.pool.layout().data);
    for dev in bench.versions.values() {
        let lie = Lie::of(bench, *dev, &mut reached)?;
        all.mapped += lie.mapped;
        all.extents += lie.extents;
        all.files += lie.files;
        if bench.volume() == Some(*dev) {
            lie.put(values);
        }
    }
    let owned = values.get("owned_blocks").copied().unwrap_or(0.0);
    values.insert("garbage_blocks".into(), owned - reached.blocks as f64);
    values.insert("garbage_share".into(), owned / reached.blocks as f64 - 1.0);
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

/// Data blocks that some live version maps.
struct Reached {
    data: Extent,
    words: Vec<u64>,
    blocks: u64,
}

impl Reached {
    fn of(data: Extent) -> Reached {
        Reached { data, words: vec![0; data.blocks.div_ceil(64) as usize], blocks: 0 }
    }
    fn add(&mut self, on: Pba, blocks: u64) {
        for at in on.0 - self.data.start.0..on.0 - self.data.start.0 + blocks {
            let (word, bit) = (&mut self.words[(at / 64) as usize], 1 << (at % 64));
            self.blocks += u64::from(*word & bit == 0);
            *word |= bit;
        }
    }
}

impl Lie {
    fn of(bench: &Bench, dev: DevId, reached: &mut Reached) -> Result<Lie> {
        let blocks = bench.pool.version(dev)?.blocks;
        let (mut lie, mut follows) = (Lie::default(), None);
        bench.pool.runs(dev, LbaRange::new(Lba(0), blocks), &mut |run| {
            let Some(on) = run.on else { return };
            reached.add(on, run.blocks);
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
