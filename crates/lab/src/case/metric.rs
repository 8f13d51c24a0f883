//! The columns of `rows.csv`: what each means, in which unit, and whether less is better.
//!
//! Invariant: a column keeps its meaning; a change of meaning raises `ROWS_VERSION`. Formulas with several versions in the
//! field name theirs (`crates/alloc/src/metrics.rs` has the formulas).

use super::scheme_columns;
use std::sync::LazyLock;

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Its unit, for axes.
    pub unit: &'static str,
    /// Its name on an axis, without the unit.
    pub label: String,
    /// What it is.
    pub says: String,
}

pub(super) const fn plain(
    name: &'static str,
    unit: &'static str,
    says: &'static str,
) -> (&'static str, &'static str, &'static str) {
    (name, unit, says)
}

/// Kinds of page that get columns of their own.
pub(crate) const KINDS: [&str; 7] = ["map", "space", "tree", "share", "catalogue", "checksum", "backref"];

const SIMPLE: &[(&str, &str, &str)] = &[
    plain("user_bytes", "bytes", "bytes written by the workload so far"),
    plain("user_bytes_read", "bytes", "bytes read by the workload so far"),
    plain("operations", "operations", "operations carried out so far"),
    plain("refused", "operations", "operations refused for want of space so far"),
    plain("commits", "commits", "commits so far"),
    plain("versions", "versions", "volumes, snapshots and clones alive"),
    plain("free_blocks", "blocks", "allocatable blocks"),
    plain(
        "deferred_blocks",
        "blocks",
        "freed blocks that are not allocatable yet, as the round leaves them (after a flush: often none)",
    ),
    plain(
        "deferred_blocks_max",
        "blocks",
        "freed blocks that were not allocatable yet (reclaim lag), most at any commit since the last row",
    ),
    plain("owned_blocks", "blocks", "data blocks held by versions or pending deletes"),
    plain("volume_blocks", "blocks", "data blocks that the first volume maps"),
    plain(
        "other_versions_blocks",
        "blocks",
        "data blocks that only other versions (or pending deletes) hold",
    ),
    plain("fullness", "share", "share of the data blocks that is not allocatable"),
    plain(
        "slots_partly_full",
        "slots",
        "of 64 equal slots of the address space, those between 1/16 and 15/16 full (those of fullness.csv)",
    ),
    plain("span_blocks", "blocks", "data blocks up to the last that is not free: how long a file would be"),
    plain("free_runs", "runs", "maximal runs of free blocks"),
    plain("free_run_mean_blocks", "blocks", "mean length of a free run"),
    plain("free_run_max_blocks", "blocks", "longest free run"),
    plain("free_run_min_blocks", "blocks", "shortest free run (e2freefrag)"),
    plain(
        "zfs_fragmentation_2025",
        "%",
        "ZFS fragmentation of free space, table of February 2025, whole pool as one metaslab",
    ),
    plain("zfs_fragmentation_2014", "%", "the same with the table in use before February 2025"),
    plain(
        "zfs_fragmentation_2025_metaslabs",
        "%",
        "the same with the table of February 2025 as a ZFS pool reports it: by metaslab (sized by ZFS's rule), mean by free space",
    ),
    plain("bluestore_score_old", "score", "BlueStore fragmentation score, octopus formula"),
    plain("bluestore_score_new", "score", "BlueStore fragmentation score, 2025 formula"),
    plain("bluestore_rating", "share", "BlueStore avl/btree rating: (runs - 1) / (free blocks - 1)"),
    plain(
        "bluestore_rating_bitmap",
        "share",
        "BlueStore bitmap rating: of the aligned groups of 512 blocks with free ones, those that are partly used",
    ),
    plain(
        "largest_run_fragmentation",
        "%",
        "100 (1 - longest free run / free blocks), fsperf's formula with the whole pool as one region",
    ),
    plain(
        "regions",
        "regions",
        "regions of fsperf's formula: a tenth of the data blocks each, at most 1 GiB (BTRFS block groups; the tenth is recalled, not checked against their source)",
    ),
    plain("regions_fragmented", "regions", "regions whose free blocks are not all in one run"),
    plain("region_fragmentation_mean", "%", "fsperf's formula by region, mean of the fragmented ones"),
    plain("region_fragmentation_min", "%", "the same, least"),
    plain("region_fragmentation_p50", "%", "the same, median"),
    plain("region_fragmentation_p95", "%", "the same, 95th percentile"),
    plain("region_fragmentation_p99", "%", "the same, 99th percentile"),
    plain("region_fragmentation_max", "%", "the same, most"),
    plain("unusable_16k", "share", "share of free space useless for requests of 16 KiB"),
    plain("unusable_64k", "share", "share of free space useless for requests of 64 KiB"),
    plain("unusable_256k", "share", "share of free space useless for requests of 256 KiB"),
    plain("unusable_1m", "share", "share of free space useless for requests of 1 MiB"),
    plain("unusable_4m", "share", "share of free space useless for requests of 4 MiB"),
    plain("free_in_runs_8m", "share", "share of free space that lies in runs over 8 MiB (ext4's measure)"),
    plain(
        "free_chunks_64k",
        "share",
        "aligned chunks of 64 KiB that are wholly free, of all (e2freefrag -c)",
    ),
    plain("free_chunks_1m", "share", "aligned chunks of 1 MiB that are wholly free, of all (e2freefrag -c)"),
    plain(
        "waste_2m",
        "share",
        "free blocks of the regions of 2 MiB (counted from the first data block) that are not wholly free, as a share of those regions",
    ),
    plain(
        "layout_score",
        "share",
        "Smith and Seltzer: mapped blocks of the first volume that follow their predecessor on the device",
    ),
    plain(
        "layout_score_all",
        "share",
        "Smith and Seltzer over every version: sum of the blocks that follow by sum of those that could",
    ),
    plain(
        "dynamic_layout_score",
        "share",
        "share of blocks read from the device in a scan, metadata included, that followed the block read before (Conway)",
    ),
    plain("extents_per_mib", "extents/MiB", "physical extents of the first volume per MiB mapped"),
    plain("extent_mean_blocks", "blocks", "mean physical extent of the first volume"),
    plain(
        "pieces_per_request",
        "pieces",
        "runs that a request for blocks was served with, mean since the last row (a request is one wish of the volume)",
    ),
    plain(
        "split_requests",
        "share",
        "requests served with more than one run, since the last row (BlueStore's test)",
    ),
    plain("pieces_per_split_request", "pieces", "runs of those, mean since the last row (BlueStore's test)"),
    plain(
        "split_writes",
        "share",
        "writes of the workload whose blocks lie in more than one place, since the last row (a write may be several requests)",
    ),
    plain("pieces_per_split_write", "pieces", "places of those, mean since the last row"),
    plain("write_run_blocks", "blocks", "mean run of fresh data blocks per commit, since the last row"),
    plain(
        "write_amplification",
        "ratio",
        "bytes written to the device per byte of the workload, since the last row",
    ),
    plain(
        "metadata_amplification",
        "ratio",
        "metadata bytes written to the device per byte of the workload, since the last row",
    ),
    plain("metadata_pages_written", "pages/commit", "metadata pages written per commit, since the last row"),
    plain(
        "metadata_pages_read",
        "pages/commit",
        "metadata pages read from the device per commit, since the last row",
    ),
    plain("metadata_pages_live", "pages", "metadata pages in use"),
    plain(
        "metadata_blocks",
        "blocks",
        "blocks of the metadata area, which grows and shrinks where `volume.metadata` is `segments`",
    ),
    plain(
        "space_bytes_per_free_run",
        "bytes/run",
        "bytes of the allocator's pages in use per free run (a space map's log has 8 for each, condensed)",
    ),
    plain(
        "space_bytes_per_block",
        "bytes/block",
        "bytes of the allocator's pages written per data block allocated, since the last row",
    ),
    plain("relocated_blocks", "blocks", "data blocks copied because the scheme wished it, so far"),
    plain(
        "effort_per_write_run",
        "steps",
        "nodes or words that the index looked at per run of fresh blocks, since the last row",
    ),
    plain(
        "effort_per_allocation",
        "steps",
        "nodes or words that the index looked at to find and take one run, mean since the last row",
    ),
    plain("effort_per_allocation_p50", "steps", "the same, median (at most 1/16 low)"),
    plain("effort_per_allocation_p99", "steps", "the same, 99th percentile (at most 1/16 low)"),
    plain("effort_per_allocation_max", "steps", "the same, most"),
    plain(
        "passed_per_allocation",
        "runs",
        "free runs that a search by address went past or took for one run, even where many were gone past in one step, mean since the last row (0 for searches by size)",
    ),
    plain("passed_per_allocation_p99", "runs", "the same, 99th percentile (at most 1/16 low)"),
    plain("passed_per_allocation_max", "runs", "the same, most"),
    plain(
        "loads_per_allocation",
        "regions",
        "regions that were read from pages to allocate one run, mean since the last row (0 for an allocator that is all in memory)",
    ),
    plain("load_pages", "pages", "metadata pages read to open the pool as of its last commit, caches empty"),
    plain("load_space_pages", "pages", "of these, pages of the allocator"),
    plain("load_effort", "steps", "nodes or words that the index looked at to be filled on opening"),
    plain("load_virtual_ms", "ms", "virtual time to open the pool on the modelled device, cold"),
    plain("index_memory_bytes", "bytes", "memory of the free-space index"),
    plain("index_bytes_per_free_run", "bytes/run", "memory of the free-space index per free run"),
    plain(
        "interval_reference_operations",
        "references",
        "references to blocks that began or ended since the last row, as told to back references",
    ),
    plain("interval_references_written", "references", "of these, written to runs by commits"),
    plain(
        "interval_references_pruned",
        "references",
        "of these, never written, as both ends fell into one version",
    ),
    plain(
        "references_written_share",
        "share",
        "references written by those that began or ended, since the last row",
    ),
    plain(
        "backref_pages_per_operation",
        "pages",
        "back reference pages written, merging included, per reference that began or ended, since the last row",
    ),
    plain("backref_runs", "runs", "runs of back references on pages"),
    plain("backref_compactions", "merges", "partitions of back references merged so far"),
    plain("filter_memory_bytes", "bytes", "memory of the filters of back references"),
    plain(
        "owner_query_ms",
        "ms",
        "virtual time to ask who maps `volume.query_blocks` blocks, caches empty, mean of 20 to 2,000 places",
    ),
    plain("owner_query_pages", "pages", "pages of runs read for one such question"),
    plain("owner_query_runs", "runs", "runs read for one such question"),
    plain("owner_query_owners", "owners", "owners found by one such question"),
    plain("owner_blocks_per_s", "blocks/s", "blocks whose owners are found per virtual second"),
    plain(
        "filter_false_share",
        "share",
        "filters that said yes, of those asked whose run had nothing of the blocks",
    ),
    plain("interval_user_bytes", "bytes", "bytes written by the workload since the last row"),
    plain("interval_commits", "commits", "commits since the last row"),
    plain(
        "interval_write_runs",
        "runs",
        "runs of fresh data blocks, summed over the commits since the last row",
    ),
    plain("interval_requests", "requests", "requests for blocks since the last row"),
    plain("interval_writes", "writes", "writes of the workload that took blocks, since the last row"),
    plain("interval_pieces", "pieces", "runs allocated since the last row"),
    plain("interval_allocated_blocks", "blocks", "blocks allocated since the last row"),
    plain("device_reads", "requests", "read requests to the device since the last row"),
    plain("device_writes", "requests", "write requests to the device since the last row"),
    plain("device_flushes", "requests", "flushes since the last row"),
    plain(
        "device_sequential_share",
        "share",
        "device writes that began where the last one ended, since the last row",
    ),
    plain("virtual_ms", "ms", "virtual time of the modelled device since the last row"),
    plain(
        "write_mb_per_s",
        "MB/s",
        "workload bytes written per virtual second (reads included in the time), since the last row (10^6 bytes)",
    ),
    plain(
        "scan_mb_per_s",
        "MB/s",
        "data bytes read from the device per virtual second in a scan round (10^6 bytes), metadata caches empty at its start; holes count nothing",
    ),
];

/// Every metric, in column order.
pub static METRICS: LazyLock<Vec<Metric>> = LazyLock::new(|| {
    let simple = SIMPLE.iter().chain(scheme_columns::COLUMNS).map(|(name, unit, says)| Metric {
        name: (*name).into(),
        unit,
        label: label(name),
        says: (*says).into(),
    });
    let of_kind = |kind: &&str| {
        [
            kind_metric("pages_written", kind, "pages/commit", "written per commit, since the last row"),
            kind_metric("pages_read", kind, "pages/commit", "read per commit, since the last row"),
            kind_metric("pages_live", kind, "pages", "in use"),
        ]
    };
    simple.chain(KINDS.iter().flat_map(of_kind)).collect()
});

/// A metric of one kind of page.
fn kind_metric(what: &str, kind: &str, unit: &'static str, says: &str) -> Metric {
    let verb = what.trim_start_matches("pages_");
    Metric {
        name: format!("{what}_{kind}"),
        unit,
        label: format!("{} pages {verb}", kind_words(kind)),
        says: format!("{kind} pages {says}"),
    }
}

/// A kind of page in the words of an axis.
fn kind_words(kind: &str) -> &str {
    match kind {
        "map" => "page-map",
        "space" => "allocator",
        "tree" => "volume-map",
        "share" => "sharing-count",
        "backref" => "back-reference",
        other => other,
    }
}

/// The words of an axis where a column's own name would read badly.
const LABELS: &[(&str, &str)] = &[
    ("user_bytes", "written by the workload"),
    ("user_bytes_read", "read by the workload"),
    ("free_run_mean_blocks", "mean free run"),
    ("free_run_max_blocks", "longest free run"),
    ("zfs_fragmentation_2025", "ZFS fragmentation (2025 table)"),
    ("zfs_fragmentation_2014", "ZFS fragmentation (table before 2025)"),
    ("bluestore_score_old", "BlueStore score (old formula; 1 = fragmented)"),
    ("bluestore_score_new", "BlueStore score (2025 formula; 1 = fragmented)"),
    ("bluestore_rating", "BlueStore rating"),
    ("unusable_64k", "free space useless for 64 KiB"),
    ("unusable_1m", "free space useless for 1 MiB"),
    ("extents_per_mib", "extents of the volume"),
    ("write_run_blocks", "run of fresh blocks in a commit"),
    ("write_amplification", "device bytes written per user byte"),
    ("metadata_amplification", "metadata bytes written per user byte"),
    ("index_memory_bytes", "memory of the index"),
    ("index_bytes_per_free_run", "memory of the index for each free run"),
    ("layout_score_all", "layout score of all versions"),
    ("split_requests", "requests served in pieces"),
    ("split_writes", "writes that lie in pieces"),
    ("unusable_16k", "free space useless for 16 KiB"),
    ("unusable_256k", "free space useless for 256 KiB"),
    ("unusable_4m", "free space useless for 4 MiB"),
    ("waste_2m", "free space in regions of 2 MiB that are in use"),
    ("free_in_runs_8m", "free space in runs over 8 MiB"),
    ("free_chunks_64k", "free aligned chunks of 64 KiB"),
    ("free_chunks_1m", "free aligned chunks of 1 MiB"),
    ("load_pages", "pages read to open the pool"),
    ("load_space_pages", "allocator pages read to open the pool"),
    ("load_virtual_ms", "virtual time to open the pool"),
    ("space_bytes_per_block", "allocator metadata written"),
    ("space_bytes_per_free_run", "allocator metadata for each free run"),
    ("interval_counts_changed", "counts changed"),
    ("interval_list_entries", "entries of dead lists changed"),
    ("interval_nodes_made", "index nodes made"),
    ("interval_slots_visited", "units of background work"),
    ("interval_blocks_let_go", "blocks let go of"),
    ("interval_allocated_blocks", "blocks allocated"),
    ("delete_nodes_changed", "index nodes that deletes changed"),
    ("delete_nodes_read", "index nodes that deletes read"),
    ("delete_share_read", "pages of bits, counts or lists that deletes read"),
    ("delete_share_changed", "pages of bits, counts or lists that deletes changed"),
    ("diff_pages", "pages read to compare two versions"),
    ("usage_pages", "pages read to tell what a version holds alone"),
    ("garbage_share", "garbage by live blocks"),
    ("flush_ms_p99", "flush, 99th percentile, virtual time"),
    ("flush_ms_max", "longest flush, virtual time"),
    ("flush_ms_mean", "flush, virtual time"),
    ("write_ms_p99", "write, 99th percentile, virtual time"),
    ("snapshot_ms_mean", "snapshot, virtual time"),
    ("virtual_ms", "virtual time"),
    ("backref_pages_per_operation", "back-reference pages written for each reference"),
    ("references_written_share", "references written of those that began or ended"),
    ("interval_references_written", "references written"),
    ("owner_query_ms", "virtual time of one question"),
    ("owner_query_pages", "pages read for one question"),
    ("owner_blocks_per_s", "owners found, virtual time"),
    ("filter_false_share", "false yes of the filters"),
    ("write_mb_per_s", "write throughput, virtual time"),
    ("scan_mb_per_s", "scan throughput, virtual time"),
];

fn label(name: &str) -> String {
    let known = LABELS.iter().find(|(known, _)| *known == name);
    known.map_or_else(|| name.replace('_', " "), |(_, words)| (*words).to_owned())
}

/// What a rate's mean over the rows of a run is weighted by, so that it is the rate of the whole run.
pub(crate) fn weight_column(name: &str) -> Option<&'static str> {
    match name {
        "write_mb_per_s" | "scan_mb_per_s" => Some("virtual_ms"),
        "write_amplification" | "metadata_amplification" => Some("interval_user_bytes"),
        "write_run_blocks" | "effort_per_write_run" => Some("interval_write_runs"),
        "pieces_per_request" | "split_requests" => Some("interval_requests"),
        "split_writes" => Some("interval_writes"),
        "effort_per_allocation" | "passed_per_allocation" | "loads_per_allocation" => Some("interval_pieces"),
        "space_bytes_per_block" => Some("interval_allocated_blocks"),
        "device_sequential_share" => Some("device_writes"),
        "references_written_share" | "backref_pages_per_operation" => Some("interval_reference_operations"),
        "metadata_pages_written" | "metadata_pages_read" => Some("interval_commits"),
        kind if kind.starts_with("pages_written_") || kind.starts_with("pages_read_") => {
            Some("interval_commits")
        }
        _ => None,
    }
}

/// The columns that stand before the metrics: which case, which part of it.
#[must_use]
pub fn base_columns(labels: &[(String, String)]) -> Vec<String> {
    let labels = labels.iter().map(|(name, _)| name.clone());
    ["case".to_owned()].into_iter().chain(labels).chain(["phase", "round"].map(String::from)).collect()
}
