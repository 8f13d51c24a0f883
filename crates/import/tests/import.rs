//! Real dumps of small aged disks, and what must be refused.
//!
//! Invariant: the samples are what the tools printed (e2fsprogs 1.47, xfsprogs 6.1, btrfs-progs 6.2), on images aged by making and removing some
//! thousand files; BlueStore's is written by hand after its source (Allocator.cc).

use spinney_import::{FreeState, parse};

fn sample(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/samples/{name}.txt", env!("CARGO_MANIFEST_DIR")))
        .expect("a sample in the tree")
}

fn read(name: &str) -> FreeState {
    let state = parse(&sample(name), 1).unwrap_or_else(|error| panic!("{name}: {error}"));
    check(&state, name);
    state
}

/// Runs rise, lie apart and inside.
fn check(state: &FreeState, what: &str) {
    let apart = state.free.windows(2).all(|pair| pair[0].end() < pair[1].start);
    let inside = state.free.last().is_none_or(|run| run.end().0 <= state.total_blocks);
    let some = state.free.iter().all(|run| run.blocks > 0);
    assert!(inside && some, "{what}");
    assert!(apart, "{what}");
}

#[test]
fn dumpe2fs_gives_the_runs_that_e2freefrag_counts() {
    let (exact, histogram) = (read("dumpe2fs"), read("e2freefrag"));
    // The same image: 24,576 blocks of 4 KiB, 16,684 free in 212 runs.
    assert_eq!((exact.total_blocks, exact.free_blocks(), exact.free.len()), (24_576, 16_684, 212));
    assert_eq!(
        (histogram.total_blocks, histogram.free_blocks(), histogram.free.len()),
        (24_576, 16_684, 212)
    );
    assert!(!exact.made_up && histogram.made_up);
    let lengths = |state: &FreeState| {
        let mut classes = [0; 64];
        state.free.iter().for_each(|run| classes[run.blocks.ilog2() as usize] += 1);
        classes
    };
    assert_eq!(lengths(&exact), lengths(&histogram), "the same histogram");
}

#[test]
fn a_made_up_layout_depends_on_the_seed_alone() {
    let text = sample("e2freefrag");
    assert_eq!(parse(&text, 7), parse(&text, 7));
    assert_ne!(parse(&text, 7), parse(&text, 8));
}

#[test]
fn xfs_is_read_from_both_of_its_tools() {
    let (database, spaceman, histogram) = (read("xfs-db"), read("xfs-spaceman"), read("xfs-histogram"));
    // xfs_db also lists the blocks that the groups keep for their own trees.
    let listed = |line: &str| {
        let words: Vec<u64> = line.split_whitespace().map(|word| word.parse().ok()).collect::<Option<_>>()?;
        (words.len() == 3).then(|| words[2])
    };
    let sum: u64 = sample("xfs-db").lines().filter_map(listed).sum();
    assert_eq!((database.total_blocks, database.free_blocks()), (81_920, sum));
    assert_eq!((spaceman.free_blocks(), spaceman.total_blocks), (histogram.free_blocks(), 81_920));
    assert!(spaceman.free_blocks() <= database.free_blocks() && !spaceman.made_up && histogram.made_up);
}

#[test]
fn xfs_without_its_sizes_says_what_to_add() {
    let text = "    agno    agbno      len\n       0        6        1\n";
    assert!(parse(text, 1).unwrap_err().what.contains("xfs_info"));
}

#[test]
fn block_groups_of_btrfs_lie_end_to_end() {
    let state = read("btrfs");
    let groups: u64 = sample("btrfs")
        .lines()
        .filter_map(|line| line.split_once("FREE_SPACE_INFO ")?.1.split(')').next()?.parse::<u64>().ok())
        .sum();
    assert_eq!(state.total_blocks, groups / 4096);
    let bitmap =
        "item 0 key (0 FREE_SPACE_INFO 8192) itemoff 1\nitem 1 key (0 FREE_SPACE_BITMAP 8192) itemoff 1\n";
    assert_eq!(parse(bitmap, 1).unwrap_err().line, 2);
}

#[test]
fn what_the_extent_tree_of_btrfs_does_not_use_is_free() {
    let tree = |used: u64, extents: &str| {
        format!(
            "extent tree key (EXTENT_TREE ROOT_ITEM 0)\n\titem 0 key (1048576 BLOCK_GROUP_ITEM 65536) itemoff 1\n\t\tblock group used {used} x\n{extents}\
             \titem 9 key (9437184 BLOCK_GROUP_ITEM 32768) itemoff 1\n\t\tblock group used 0 chunk_objectid 256 flags DATA|single\n"
        )
    };
    // A node of 16 KiB at the front, then 8 KiB of data after 8 KiB that are free.
    let nodes = "\titem 1 key (1048576 METADATA_ITEM 0) x\n\titem 2 key (1073152 EXTENT_ITEM 8192) x\n";
    let state = parse(&tree(24_576, nodes), 1).unwrap();
    let runs: Vec<(u64, u64)> = state.free.iter().map(|run| (run.start.0, run.blocks)).collect();
    assert_eq!((state.total_blocks, runs), (24, vec![(4, 2), (8, 16)]));
    for (text, line, words) in [
        (tree(24_577, nodes), 2, "says that it uses"),
        (tree(8192, nodes), 2, "says that it uses"),
        (tree(0, "\titem 1 key (5 EXTENT_ITEM 0) x\n"), 4, "border"),
        (tree(8192, "\titem 1 key (1110016 EXTENT_ITEM 8192) x\n"), 4, "border"),
        (tree(0, "\titem 1 key (99999999 METADATA_ITEM 0) x\n"), 4, "no block group"),
    ] {
        let refused = parse(&text, 1).unwrap_err();
        assert!(refused.line == line && refused.what.contains(words), "{refused}");
    }
}

#[test]
fn bluestore_dumps_are_read() {
    let text = r#"{"capacity": 1048576, "alloc_unit": 4096, "alloc_type": "hybrid", "alloc_name": "block",
        "extents": [{"offset": "0x1000", "length": "0x2000"}, {"offset": "0x10000", "length": "0xf0000"}]}"#;
    let state = parse(text, 1).unwrap();
    check(&state, "BlueStore");
    let runs: Vec<(u64, u64)> = state.free.iter().map(|run| (run.start.0, run.blocks)).collect();
    assert_eq!((state.total_blocks, runs), (256, vec![(1, 2), (16, 240)]));

    // As ceph-bluestore-tool prints it: each allocator after its name, that of the data device wherever it is.
    let other = r#"{"capacity": 8192, "extents": []}"#;
    for printed in [
        format!("block:\n{text}\n"),
        format!("block:\n{text}\n\nbluefs-db:\n{other}\n\n"),
        format!("bluefs-db:\n{other}\n\nblock:\r\n{text}\n"),
    ] {
        assert_eq!(parse(&printed, 1).as_ref(), Ok(&state), "{printed}");
    }
    assert_eq!(parse(&format!("bluefs-db:\n{other}"), 1).unwrap().total_blocks, 2, "the only one");
}

#[test]
fn bluestore_dumps_of_before_sizes_say_how_to_add_one() {
    let extents = r#"[{"offset": "0x1000", "length": "0x2000"}]"#;
    for (old, line) in [(extents.to_owned(), 0), (format!("block:\n{extents}\n"), 1)] {
        let error = parse(&old, 1).unwrap_err();
        assert!(error.line == line && error.what.contains(r#"{"capacity": BYTES, "extents":"#), "{error}");
    }
    let mended = format!(r#"{{"capacity": 65536, "extents": {extents}}}"#);
    assert_eq!(parse(&mended, 1).unwrap().free_blocks(), 2);
}

#[test]
fn small_blocks_count_where_they_fill_a_whole_one() {
    // Blocks of 1 KiB: 1 to 6 hold none of 4 KiB but the one at 4; 8 to 15 are two.
    let text =
        "Block count:              64\nBlock size:               1024\n  Free blocks: 1-7, 8, 9-15, 21\n";
    let state = parse(text, 1).unwrap();
    assert_eq!(state.free.iter().map(|run| (run.start.0, run.blocks)).collect::<Vec<_>>(), [(1, 3)]);
}

#[test]
fn what_cannot_be_a_disk_is_refused_with_its_line() {
    let ext = |ranges: &str| format!("Block count:  100\nBlock size:  4096\n  Free blocks: {ranges}\n");
    let btrfs = "item 0 key (0 FREE_SPACE_INFO 8192) x\nitem 1 key (4096 FREE_SPACE_EXTENT 8192) x\n";
    let frag = |row: &str| {
        format!("Blocksize: 4096 bytes\nTotal blocks: 100\nHISTOGRAM OF FREE EXTENT SIZES:\n{row}\n")
    };
    for (text, line, words) in [
        (ext("90-100"), 3, "passes the disk's end"),
        (ext("5-9, 9-12"), 3, "overlaps"),
        (ext("9-5"), 3, "before it begins"),
        (ext("0-18446744073709551615"), 3, "before it begins"),
        (ext("1-x"), 3, "whole number"),
        (btrfs.into(), 2, "block group"),
        (frag("    4K...    8K-  :  5  500  1.00%"), 4, "does not fit"),
        (frag("    4K...    8K-  :  99999999999  99999999999  1.00%"), 4, "2^24"),
        (frag("    4K...    8K-  :  60  60  1.00%"), 0, "more free blocks"),
        (r#"{"capacity": 4096, "extents": [{"offset": "0x", "length": 1}]}"#.into(), 0, "extent 0"),
        ("{\n\"capacity\": -1}".into(), 2, "allocator dump"),
        ("block:\n{\n\"capacity\": -1}".into(), 3, "allocator dump"),
        ("bluefs-db:\nblock:".into(), 3, "allocator dump"),
        ("hello".into(), 0, "dumpe2fs"),
    ] {
        let error = parse(&text, 1).expect_err(&text);
        assert!(error.line == line && error.what.contains(words), "{text}: {error}");
    }
}
