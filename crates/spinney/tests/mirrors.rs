//! Pools on several files by the command: what a user types when a side is damaged, missing, late or new.
//!
//! Invariant of the tests: each has a folder of its own for the pool and for the names of pools.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod bench;

use bench::Bench;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

/// A pool `deep` on a mirror of two files, with a volume and two snapshots.
fn mirrored() -> Bench {
    let bench = Bench::new();
    bench.text("pool create deep a.img b.img --layout mirror --size 32M", 0);
    bench.text("vol create deep/home --size 8M", 0);
    bench.text("vol snapshot deep/home@one", 0);
    bench.text("vol snapshot deep/home@two", 0);
    bench
}

const NAMES: &str = "deep/home\ndeep/home@one\ndeep/home@two\n";

fn names(bench: &Bench) -> String {
    bench.text("vol list deep -H -o name", 0)
}

/// Everything behind the label is garbage.
fn spoil(bench: &Bench, name: &str) {
    let file = File::options().write(true).open(bench.path(name)).unwrap();
    let bytes = file.metadata().unwrap().len();
    (16 * 4096..bytes).step_by(1 << 20).for_each(|at| {
        file.write_all_at(&vec![0x5A; (bytes - at).min(1 << 20) as usize], at).unwrap();
    });
}

#[test]
fn a_spoiled_side_is_healed_and_the_scrub_says_how_much() {
    let bench = mirrored();
    spoil(&bench, "b.img");
    assert_eq!(names(&bench), NAMES);
    let said = bench.text("pool scrub deep -j", 4);
    let last: serde_json::Value =
        serde_json::from_str(said.lines().rfind(|line| line.starts_with('{')).unwrap()).unwrap();
    let (bad, sound) = (last["copies_bad"].as_u64().unwrap(), last["copies_sound"].as_u64().unwrap());
    assert_eq!((last["copies_repaired"].as_u64(), last["lost_blocks"].as_u64()), (Some(bad), Some(0)));
    assert!(bad > 5 && bad <= sound, "{last}");
    // Opening had repaired the rest of that side.
    assert_eq!(last["members"][0]["repaired_blocks"], 0);
    assert!(last["members"][1]["repaired_blocks"].as_u64() >= Some(bad), "{last}");
    assert!(bench.text("pool scrub deep", 0).contains("every copy of every block"));
    spoil(&bench, "a.img");
    assert_eq!(names(&bench), NAMES, "from the side that was healed");
}

#[test]
fn a_missing_side_is_told_left_out_and_brought_up_to_date() {
    let bench = mirrored();
    fs::rename(bench.path("b.img"), bench.path("away")).unwrap();
    let told = bench.text("vol list deep", 1);
    assert!(told.contains("member 1") && told.contains("pool offline"), "{told}");
    bench.text("pool offline deep 1", 0);
    bench.text("vol snapshot deep/home@three", 0);
    fs::rename(bench.path("away"), bench.path("b.img")).unwrap();
    assert_eq!(bench.json("pool status deep -j")["members"][1]["state"], "out");
    let said = bench.text("pool online deep b.img", 0);
    assert!(said.contains("side 1 is in sync"), "{said}");
    assert!(bench.text("pool scrub deep", 0).contains("sound"));
    fs::remove_file(bench.path("a.img")).unwrap();
    bench.text("pool offline deep 0", 0);
    assert_eq!(names(&bench), "deep/home\ndeep/home@one\ndeep/home@two\ndeep/home@three\n");
    // The side that is left cannot go, and what is lost is replaced.
    bench.text("pool offline deep 1", 2);
    let said = bench.text("pool replace deep 0 c.img", 0);
    assert!(said.contains("side 0 is in sync"), "{said}");
    fs::remove_file(bench.path("b.img")).unwrap();
    bench.text("pool offline deep 1", 0);
    assert!(names(&bench).contains("@three"));
    assert!(bench.text("pool check deep", 0).contains("sound"));
}

#[test]
fn sides_in_any_order_are_imported_and_strangers_are_told() {
    let bench = mirrored();
    bench.text("pool attach deep c.img", 0);
    let state = bench.json("pool status deep -j");
    assert_eq!(
        (state["layout"].as_str(), state["members"].as_array().map(Vec::len)),
        (Some("mirror"), Some(3))
    );
    bench.text("pool export deep", 0);
    let told = bench.text("pool import a.img c.img", 1);
    assert!(told.contains("member 1"), "{told}");
    assert!(bench.text("pool import a.img b.img c.img tank.img", 1).contains("tank.img is not a member"));
    bench.text("pool import c.img a.img b.img --name deep", 0);
    assert_eq!(names(&bench), NAMES);
    assert!(bench.text("pool create new a.img", 2).contains("holds a pool"));
    bench.text("pool destroy deep --yes", 0);
    bench.text("pool create new a.img", 0);
}

#[test]
fn concat_and_stripe_add_up_and_nonsense_is_refused() {
    let bench = Bench::new();
    for layout in ["concat", "stripe"] {
        bench.text(
            &format!("pool create {layout} {layout}-1 {layout}-2 {layout}-3 --size 16M --layout {layout}"),
            0,
        );
        let size = bench.json(&format!("pool status {layout} -j"))["size_bytes"].as_u64().unwrap();
        assert!(size > 40 << 20, "{layout}: {size}");
        bench.text(&format!("vol create {layout}/home --size 8M"), 0);
        assert!(bench.text(&format!("pool scrub {layout}"), 0).contains("sound"));
        bench.text(&format!("pool offline {layout} 0"), 2);
    }
    assert!(bench.text("pool create x x.img y.img --size 16M", 2).contains("--layout"));
    assert!(bench.text("pool create x x.img --size 16M --layout mirror", 2).contains("at least two"));
    assert!(
        bench
            .text("pool create x x.img y.img --size 16M --layout raid6", 2)
            .contains("concat, stripe or mirror")
    );
    let none = "pool create x x.img y.img --size 16M --layout mirror -o checksums=none";
    assert!(bench.text(none, 2).contains("needs checksums"));
}

#[test]
fn a_served_mirror_shows_its_sides_and_is_scrubbed() {
    let bench = Bench::new();
    bench.text("pool destroy tank --yes", 0);
    bench.text("pool create tank a.img b.img --layout mirror --size 32M", 0);
    bench.text("vol create tank/home --size 8M", 0);
    let server = bench.serve("--nbd unix:nbd.sock");
    assert!(bench.text("pool scrub tank", 0).contains("sound"));
    spoil(&bench, "b.img");
    assert!(bench.text("pool scrub tank", 4).contains("all repaired"));
    let status = bench.json("pool status tank -j");
    let side = &status["members"][1];
    assert_eq!((status["served"].as_bool(), side["state"].as_str()), (Some(true), Some("in sync")));
    assert!(side["repaired_blocks"].as_u64() > Some(5), "{status}");
    bench.text("pool offline tank 1", 75);
    server.end();
    assert!(bench.text("pool scrub tank", 0).contains("sound"));
}

/// A served volume's first block is these bytes.
fn write_first_block(bench: &Bench, block: &[u8]) {
    let mut client = UnixStream::connect(bench.path("nbd.sock")).unwrap();
    client.read_exact(&mut [0; 18]).unwrap();
    client.write_all(b"\0\0\0\x03IHAVEOPT\0\0\0\x01\0\0\0\x04home").unwrap();
    client.read_exact(&mut [0; 10]).unwrap();
    let write = [&[0x25, 0x60, 0x95, 0x13, 0, 1, 0, 1][..], &[7; 8], &[0; 8], &[0, 0, 0x10, 0], block];
    client.write_all(&write.concat()).unwrap();
    let mut reply = [0; 16];
    client.read_exact(&mut reply).unwrap();
    assert_eq!(reply[..8], [0x67, 0x44, 0x66, 0x98, 0, 0, 0, 0]);
}

#[test]
fn a_lost_block_is_named_and_keeps_no_side_from_being_in_sync() {
    let bench = Bench::new();
    bench.text("pool destroy tank --yes", 0);
    bench.text("pool create tank a.img b.img --layout mirror --size 32M", 0);
    bench.text("vol create tank/home --size 8M", 0);
    let server = bench.serve("--nbd unix:nbd.sock");
    let block: Vec<u8> = (0..4096_u32).map(|at| (at * at / 7) as u8).collect();
    write_first_block(&bench, &block);
    server.end();
    let at = fs::read(bench.path("a.img")).unwrap().chunks(4096).position(|found| found == block).unwrap();
    let file = File::options().write(true).open(bench.path("a.img")).unwrap();
    file.write_all_at(&[0x5A; 4096], at as u64 * 4096).unwrap();
    bench.text("pool offline tank 1", 0);
    let said = bench.text("pool replace tank 1 c.img", 8);
    assert!(said.contains("side 1 is in sync") && said.contains("no side holds: a data block"), "{said}");
    assert_eq!(bench.json("pool status tank -j")["members"][1]["state"], "in sync");
    let said = bench.text("pool attach tank d.img -j", 8);
    let last: serde_json::Value =
        serde_json::from_str(said.lines().rfind(|line| line.starts_with('{')).unwrap()).unwrap();
    assert_eq!((last["lost_blocks"].as_u64(), last["findings"].as_array().map(Vec::len)), (Some(1), Some(1)));
    fs::remove_file(bench.path("a.img")).unwrap();
    bench.text("pool offline tank 0", 0);
    assert_eq!(bench.names(), ["tank/home"], "the new sides carry the pool");
    bench.text("pool scrub tank", 8);
}
