//! What the scheme did since the last row, and what it takes to ask it how versions differ and what they hold.
//!
//! Invariant: the questions are asked of the pool as it stands and change nothing of it; what they read is charged to no row.

use super::runner::Bench;
use super::scheme_meter::SchemeWork;
use spinney_core::{LbaRange, Result};
use std::collections::BTreeMap;

/// The counted columns.
pub(super) fn put(work: SchemeWork, values: &mut BTreeMap<String, f64>) {
    let counted = [
        ("interval_counts_changed", work.all.counts),
        ("interval_bits_changed", work.all.bits),
        ("interval_list_entries", work.all.entries),
        ("interval_nodes_read", work.nodes_read),
        ("interval_nodes_made", work.nodes_made),
        ("interval_nodes_freed", work.nodes_freed),
        ("interval_blocks_let_go", work.blocks),
        ("interval_slots_visited", work.slots),
        ("slots_visited_max", work.slots_max),
        ("delete_counts_changed", work.deletes.counts),
        ("delete_bits_changed", work.deletes.bits),
        ("delete_list_entries", work.deletes.entries),
        ("delete_nodes_read", work.touched.nodes_read),
        ("delete_nodes_changed", work.touched.nodes_changed),
        ("delete_share_read", work.touched.share_read),
        ("delete_share_changed", work.touched.share_changed),
    ];
    values.extend(counted.map(|(name, value)| (name.to_owned(), value as f64)));
}

/// What `diff` of the oldest version that there is beside the volume with the newest one reads, and `usage` of that oldest one.
pub(super) fn ask(bench: &Bench, values: &mut BTreeMap<String, f64>) -> Result<()> {
    let mut devs = bench.versions.values();
    let (Some(volume), Some(oldest)) = (devs.next(), devs.next()) else { return Ok(()) };
    let newest = devs.next_back().unwrap_or(volume);
    let (from, to) = (bench.pool.version(*oldest)?, bench.pool.version(*newest)?);
    let whole = LbaRange::new(spinney_core::Lba(0), from.blocks.min(to.blocks));
    let mut blocks = 0;
    bench.pool.diff(*oldest, *newest, whole, &mut |delta| blocks += delta.blocks)?;
    values.insert("diff_pages".into(), bench.work.asked_pages() as f64);
    values.insert("diff_blocks".into(), blocks as f64);
    let usage = bench.pool.usage(*oldest)?;
    values.insert("usage_pages".into(), bench.work.asked_pages() as f64);
    values.insert("usage_exclusive_blocks".into(), usage.exclusive_blocks as f64);
    Ok(())
}
