//! Free-space metrics that depend on where the free runs lie, not only on how long they are.
//!
//! Invariant: runs are maximal, disjoint and in address order; a run that crosses a border counts on both sides, cut there.
//! With nothing free a share is 0. Knows no allocator.

use crate::statistics::quantile;
use spinney_core::{BLOCK_BYTES, Extent, Pba};

const BLOCKS_PER_GIB: u64 = (1 << 30) / BLOCK_BYTES as u64;
/// Blocks behind an entry of BlueStore's first summary level: 512 units.
const ENTRY_BLOCKS: u64 = 512;

/// Slots of the address space, for fullness by address.
const SLOTS: u64 = 64;

/// The regions that `data` is divided into: a tenth of it, at most 1 GiB, as BTRFS sizes its block groups (the tenth from
/// memory, its source was not at hand).
pub(super) fn region_blocks(data: Extent) -> u64 {
    (data.blocks / 10).clamp(1, BLOCKS_PER_GIB)
}

/// The pieces of the runs in each part of `size` blocks, part after part. The parts of `data` are counted from its start.
fn parts(data: Extent, size: u64, runs: &[Extent], mut each: impl FnMut(Extent, &[Extent])) {
    let mut inside = Vec::new();
    let mut from = 0;
    for start in (data.start.0..data.end().0).step_by(size as usize) {
        let part = Extent { start: Pba(start), blocks: size.min(data.end().0 - start) };
        from += runs[from..].partition_point(|run| run.end() <= part.start);
        let touching = runs[from..].iter().take_while(|run| run.start < part.end());
        inside.clear();
        inside.extend(touching.filter_map(|run| run.intersect(part)));
        each(part, &inside);
    }
}

/// fsperf's `100 (1 - longest run / free)` for each region in which it is above 0, sorted; and the number of regions.
pub(super) fn largest_run_by_region(data: Extent, runs: &[Extent]) -> (Vec<f64>, u64) {
    let (mut above, mut regions) = (Vec::new(), 0);
    parts(data, region_blocks(data), runs, |_, inside| {
        regions += 1;
        let free: u64 = inside.iter().map(|run| run.blocks).sum();
        let longest = inside.iter().map(|run| run.blocks).max().unwrap_or(0);
        if longest < free {
            above.push(100.0 * (1.0 - longest as f64 / free as f64));
        }
    });
    above.sort_by(f64::total_cmp);
    (above, regions)
}

/// How full each of the 64 equal slots of the address space is; `None` for one without blocks.
pub(super) fn fullness(data: Extent, runs: &[Extent]) -> Vec<Option<f64>> {
    let edge = |slot: u64| (u128::from(data.blocks) * u128::from(slot) / u128::from(SLOTS)) as u64;
    let of_slot = |slot: u64| {
        let part = Extent::checked(data.start.0 + edge(slot), edge(slot + 1) - edge(slot))?;
        let from = runs.partition_point(|run| run.end() <= part.start);
        let touching = runs[from..].iter().take_while(|run| run.start < part.end());
        let free: u64 = touching.filter_map(|run| run.intersect(part)).map(|run| run.blocks).sum();
        Some(1.0 - free as f64 / part.blocks as f64)
    };
    (0..SLOTS).map(of_slot).collect()
}

/// The columns of [`largest_run_by_region`].
pub(super) fn put_regions(data: Extent, runs: &[Extent], put: &mut dyn FnMut(&str, f64)) {
    let (above, regions) = largest_run_by_region(data, runs);
    put("regions", regions as f64);
    put("regions_fragmented", above.len() as f64);
    if let (Some(min), Some(max)) = (above.first(), above.last()) {
        put("region_fragmentation_mean", above.iter().sum::<f64>() / above.len() as f64);
        put("region_fragmentation_min", *min);
        put("region_fragmentation_max", *max);
        for (name, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
            put(&format!("region_fragmentation_{name}"), quantile(&above, share));
        }
    }
}

/// ZFS's fragmentation as its pools report it: of each metaslab by itself, then the mean by free space. `of` gives a
/// metaslab's own from its runs.
pub(super) fn zfs_by_metaslab(data: Extent, runs: &[Extent], of: impl Fn(&[Extent]) -> u32) -> f64 {
    let (mut weighed, mut free) = (0u128, 0u128);
    parts(data, metaslab_blocks(data), runs, |_, inside| {
        let blocks: u128 = inside.iter().map(|run| u128::from(run.blocks)).sum();
        weighed += blocks * u128::from(of(inside));
        free += blocks;
    });
    if free == 0 { 0.0 } else { weighed as f64 / free as f64 }
}

/// ZFS's size of a metaslab: 2^29 bytes; sized anew where that gives fewer than 16 or more than 200, in powers of two from
/// 2^24 to 2^34.
fn metaslab_blocks(data: Extent) -> u64 {
    let highbit = |bytes: u64| u64::BITS - bytes.leading_zeros(); // counted from 1, as ZFS does
    let bytes = data.blocks.saturating_mul(BLOCK_BYTES as u64);
    let shift = match bytes >> 29 {
        few if few < 16 => highbit(bytes / 16),
        many if many > 200 => highbit(bytes / 200),
        _ => 29,
    };
    (1 << shift.clamp(24, 34)) / BLOCK_BYTES as u64
}

/// e2freefrag's share of aligned chunks of `blocks` that are wholly free, of those that lie inside `data`. Aligned to the
/// device, not to `data`.
pub(super) fn free_chunks(data: Extent, runs: &[Extent], blocks: u64) -> f64 {
    let whole = |run: &Extent| (run.end().0 / blocks).saturating_sub(run.start.0.div_ceil(blocks));
    let all = whole(&data);
    if all == 0 { 0.0 } else { runs.iter().map(whole).sum::<u64>() as f64 / all as f64 }
}

/// The waste of a kernel's allocator, applied to space: of the parts of `blocks` that hold anything, the share of blocks that is free.
pub(super) fn waste(data: Extent, runs: &[Extent], blocks: u64) -> f64 {
    let (mut held, mut unused) = (0u64, 0u64);
    parts(data, blocks, runs, |part, inside| {
        let free: u64 = inside.iter().map(|run| run.blocks).sum();
        if free < part.blocks {
            held += part.blocks;
            unused += free;
        }
    });
    if held == 0 { 0.0 } else { unused as f64 / held as f64 }
}

/// Blocks from the start of `data` up to the last that is not free: how long a file would be that is never cut in the middle.
pub(super) fn span(data: Extent, runs: &[Extent]) -> u64 {
    let tail = runs.last().filter(|run| run.end() == data.end());
    tail.map_or(data.blocks, |run| run.start.0 - data.start.0)
}

/// BlueStore's rating of its bitmap allocator: of the summary entries with free units, those that are not wholly free.
pub(super) fn bluestore_rating_bitmap(data: Extent, runs: &[Extent]) -> f64 {
    let (mut partial, mut whole) = (0u64, 0u64);
    parts(data, ENTRY_BLOCKS, runs, |part, inside| {
        let free: u64 = inside.iter().map(|run| run.blocks).sum();
        whole += u64::from(free == part.blocks);
        partial += u64::from((1..part.blocks).contains(&free));
    });
    if partial + whole == 0 { 0.0 } else { partial as f64 / (partial + whole) as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(start: u64, blocks: u64) -> Extent {
        Extent { start: Pba(start), blocks }
    }

    #[test]
    fn a_region_is_judged_by_what_lies_in_it() {
        // Regions of 10 blocks: one whole run; two runs of 5 and 1; nothing free; a run that crosses a border.
        let runs = [extent(100, 10), extent(112, 5), extent(119, 1), extent(137, 8)];
        let (above, regions) = largest_run_by_region(extent(100, 100), &runs);
        assert_eq!(regions, 10);
        assert_eq!(above.len(), 1);
        assert!((above[0] - 100.0 / 6.0).abs() < 1e-9, "{above:?}");
    }

    #[test]
    fn chunks_are_aligned_to_the_device() {
        // Of data at 16..48 the chunks of 8 are 16, 24, 32 and 40; the run 20..41 covers 24 and 32.
        assert_eq!(free_chunks(extent(16, 32), &[extent(20, 21)], 8), 0.5);
        assert_eq!(free_chunks(extent(20, 3), &[extent(20, 3)], 8), 0.0, "no chunk lies inside");
    }

    #[test]
    fn waste_counts_only_parts_that_hold_something() {
        // Of parts of 10 from 100 on: wholly free, half free, full.
        let waste_of = |runs: &[Extent]| waste(extent(100, 30), runs, 10);
        assert_eq!(waste_of(&[extent(100, 15)]), 0.25);
        assert_eq!(waste_of(&[extent(100, 30)]), 0.0);
    }

    #[test]
    fn a_span_ends_with_the_last_block_that_is_taken() {
        let span_of = |runs: &[Extent]| span(extent(100, 30), runs);
        assert_eq!([span_of(&[]), span_of(&[extent(100, 30)])], [30, 0]);
        assert_eq!([span_of(&[extent(100, 5), extent(110, 20)]), span_of(&[extent(110, 19)])], [10, 30]);
    }

    #[test]
    fn metaslabs_follow_the_rule_of_zfs() {
        let metaslabs = |gib: u64| {
            let data = extent(0, gib * BLOCKS_PER_GIB);
            data.blocks.div_ceil(metaslab_blocks(data))
        };
        assert_eq!([1, 4, 8, 64, 1 << 10].map(metaslabs), [8, 8, 16, 128, 128]);
        assert_eq!(metaslabs(1 << 16), 4096, "one for each 16 GiB");
    }

    #[test]
    fn zfs_weighs_metaslabs_by_free_space() {
        // Two metaslabs of 16 MiB (4096 blocks): 1024 blocks at 10 and 3072 at 50.
        let runs = [extent(0, 1024), extent(4096, 3072)];
        let rating =
            zfs_by_metaslab(extent(0, 8192), &runs, |inside| if inside[0].blocks == 1024 { 10 } else { 50 });
        assert_eq!(rating, 40.0);
    }

    #[test]
    fn bluestore_rates_entries_that_are_partly_free() {
        let data = extent(0, 4 * ENTRY_BLOCKS);
        assert_eq!(bluestore_rating_bitmap(data, &[extent(0, 512), extent(600, 1)]), 0.5);
        assert_eq!(bluestore_rating_bitmap(data, &[]), 0.0);
    }
}
