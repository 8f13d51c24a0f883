//! The columns that tell what a snapshot scheme did, what it costs to ask it, and how long operations took.
//!
//! Invariant: as in `metric.rs`. The counts are those that papers on snapshots compare schemes by: index nodes read and copied,
//! counts, bits and list entries changed, slots visited, blocks freed, garbage.

use super::metric::plain;

pub(super) const COLUMNS: &[(&str, &str, &str)] = &[
    plain(
        "work_left",
        "units",
        "background work that deletes and snapshots left, as far as the scheme knows",
    ),
    plain(
        "interval_counts_changed",
        "counts",
        "counts of owners raised or lowered by one, since the last row",
    ),
    plain(
        "interval_bits_changed",
        "bits",
        "bits of ownership changed in other versions' nodes, or in maps of blocks, since the last row",
    ),
    plain(
        "interval_list_entries",
        "entries",
        "entries put on dead lists or taken from them, since the last row",
    ),
    plain(
        "interval_nodes_read",
        "nodes",
        "index nodes that changes of maps looked at, in memory or not, since the last row",
    ),
    plain("interval_nodes_made", "nodes", "index nodes made, copied ones included, since the last row"),
    plain("interval_nodes_freed", "nodes", "index nodes given back since the last row"),
    plain("interval_blocks_let_go", "blocks", "data blocks that the scheme let go of since the last row"),
    plain("interval_slots_visited", "slots", "units of background work done since the last row"),
    plain("slots_visited_max", "slots", "most of them in one commit"),
    plain("delete_counts_changed", "counts", "counts of owners changed by deletes, since the last row"),
    plain("delete_bits_changed", "bits", "bits of ownership changed by deletes, since the last row"),
    plain("delete_list_entries", "entries", "entries of dead lists changed by deletes, since the last row"),
    plain(
        "delete_nodes_read",
        "nodes",
        "index nodes that deletes and their background work looked at, each once a commit, since the last row",
    ),
    plain(
        "delete_nodes_changed",
        "nodes",
        "index nodes that they changed and that stay, each once a commit, since the last row",
    ),
    plain(
        "delete_share_read",
        "pages",
        "pages of counts, bits or lists that they looked at, in the same way",
    ),
    plain(
        "delete_share_changed",
        "pages",
        "pages of counts, bits or lists that they changed, in the same way",
    ),
    plain(
        "diff_pages",
        "pages",
        "pages asked for, in memory or not, to tell where the newest version differs from the oldest one beside the volume",
    ),
    plain("diff_blocks", "blocks", "blocks in which those two differ"),
    plain(
        "usage_pages",
        "pages",
        "pages asked for, in memory or not, to tell what that oldest version holds alone",
    ),
    plain("usage_exclusive_blocks", "blocks", "blocks that deleting it alone would free"),
    plain(
        "garbage_blocks",
        "blocks",
        "data blocks in use that no live version reaches (deletes under way included)",
    ),
    plain("garbage_share", "share", "those by the blocks that live versions reach"),
    plain("cached_pages", "pages", "metadata pages in memory"),
    plain(
        "write_ms_mean",
        "ms",
        "virtual time of a write, discard or zero of the workload, mean since the last row",
    ),
    plain("write_ms_p99", "ms", "the same, 99th percentile (at most 1/16 low)"),
    plain("write_ms_max", "ms", "the same, most"),
    plain("read_ms_mean", "ms", "virtual time of a read of the workload, mean since the last row"),
    plain("read_ms_p99", "ms", "the same, 99th percentile (at most 1/16 low)"),
    plain("read_ms_max", "ms", "the same, most"),
    plain("flush_ms_mean", "ms", "virtual time of a flush of the workload, mean since the last row"),
    plain("flush_ms_p99", "ms", "the same, 99th percentile (at most 1/16 low)"),
    plain("flush_ms_max", "ms", "the same, most"),
    plain("snapshot_ms_mean", "ms", "virtual time of a snapshot or clone, mean since the last row"),
    plain("snapshot_ms_p99", "ms", "the same, 99th percentile (at most 1/16 low)"),
    plain("snapshot_ms_max", "ms", "the same, most"),
    plain("delete_ms_mean", "ms", "virtual time of a delete, which only detaches, mean since the last row"),
    plain("delete_ms_p99", "ms", "the same, 99th percentile (at most 1/16 low)"),
    plain("delete_ms_max", "ms", "the same, most"),
];
