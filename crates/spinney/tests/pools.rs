//! Pools and volumes by the command: what a user types, and what is printed.
//!
//! Invariant of the tests: each has a folder of its own for the pool and for the names of pools.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

mod bench;

use bench::Bench;
use std::fs::File;
use std::os::unix::fs::FileExt;

#[test]
fn a_volume_is_kept_cloned_promoted_and_destroyed() {
    let bench = Bench::new();
    bench.text("vol snapshot tank/home@one", 0);
    bench.text("vol snapshot tank/home@two", 0);
    bench.text("vol clone tank/home@one tank/try", 0);
    assert_eq!(bench.names(), ["tank/home", "tank/home@one", "tank/home@two", "tank/try"]);
    bench.text("vol rollback tank/home@one", 0);
    bench.text("vol rename tank/home@two tank/home@later", 0);
    bench.text("vol promote tank/try", 0);
    assert_eq!(bench.names(), ["tank/home", "tank/home@later", "tank/try", "tank/try@one"]);
    let list = bench.json("vol list tank -j");
    assert_eq!(list["rows"][0]["origin"], "tank/try@one");
    bench.text("vol destroy -r tank/home", 0);
    assert_eq!(bench.names(), ["tank/try", "tank/try@one"]);
    assert!(bench.text("pool scrub tank", 0).contains("sound"));
}

#[test]
fn a_volume_is_limited_and_says_so() {
    let bench = Bench::new();
    bench.text("vol set tank/home quota=1M reservation=512K", 0);
    let said = bench.text("vol get quota,reservation tank/home -H -p", 0);
    assert_eq!(said, "tank/home\tquota\t1048576\ntank/home\treservation\t524288\n");
    assert!(bench.text("vol set tank/home quota=256K", 2).contains("reservation: at most"));
    bench.text("vol set tank/home quota=none", 0);
    assert_eq!(bench.json("vol list tank -j")["rows"][0]["quota"], serde_json::Value::Null);
    assert!(bench.json("pool status tank -j")["reserved_bytes"].as_u64() >= Some(512 << 10));
    assert!(bench.text("vol set tank/home colour=red", 2).contains("quota and reservation can"));
    assert!(bench.text("vol set tank/home reservation=1T", 2).contains("its size"));
    bench.text("vol snapshot tank/home@one", 0);
    assert!(bench.text("vol set tank/home@one quota=1M", 2).contains("without an @"));
    assert!(bench.text("vol get size tank/home@one -H", 0).contains("size"));
}

#[test]
fn a_dry_run_names_what_would_go_and_changes_nothing() {
    let bench = Bench::new();
    for name in ["a", "b", "c"] {
        bench.text(&format!("vol snapshot tank/home@{name}"), 0);
    }
    let said = bench.text("vol destroy -n tank/home@a%b", 0);
    assert!(
        said.contains("would destroy tank/home@a\nwould destroy tank/home@b\nwould give back 0 B"),
        "{said}"
    );
    assert_eq!(bench.names().len(), 4);
    let gone = bench.json("vol destroy -j tank/home@b% tank/home@a");
    assert_eq!(
        (gone["freed_bytes"].as_u64(), gone["destroyed"].as_array().map(Vec::len)),
        (Some(0), Some(3))
    );
    assert_eq!(bench.names(), ["tank/home"]);
}

#[test]
fn what_cannot_be_done_says_why_and_with_which_code() {
    let bench = Bench::new();
    assert!(bench.text("vol list tnak", 2).contains("did you mean `tank`"));
    assert!(bench.text("vol create tank/home --size 1M", 2).contains("taken"));
    assert!(bench.text("vol create tank/x@y --size 1M", 2).contains("without an @"));
    assert!(bench.text("vol destroy tank/nothing", 2).contains("no volume or snapshot"));
    assert!(bench.text("pool create other tank.img", 2).contains("holds a pool"));
    assert!(bench.text("pool create other other.img", 2).contains("--size"));
    assert!(bench.text("pool create other other.img --size 32M -o allocator=zsf", 2).contains("zsf"));
    assert!(bench.text("pool destroy tank", 2).contains("--yes"));
    assert!(bench.text("serve tank --nbd 0.0.0.0:0", 2).contains("--public"));
    assert_eq!(bench.names(), ["tank/home"]);
}

#[test]
fn a_pool_is_found_again_by_its_file() {
    let bench = Bench::new();
    bench.text("pool export tank", 0);
    bench.text("vol list tank", 2);
    bench.text("pool import tank.img --name other", 0);
    let pools = bench.json("pool list -j");
    assert_eq!((&pools["rows"][0]["name"], &pools["rows"][0]["state"]), (&"other".into(), &"ok".into()));
    bench.text("pool destroy other --yes", 0);
    bench.text("pool import tank.img", 3);
}

#[test]
fn a_pool_that_does_not_open_is_not_formatted_over_either() {
    let bench = Bench::new();
    let image = File::options().write(true).open(bench.path("tank.img")).unwrap();
    let refused = || assert!(bench.text("pool create other tank.img", 2).contains("holds a pool"));
    image.set_len((32 << 20) - 4096).unwrap();
    refused();
    image.set_len(32 << 20).unwrap();
    assert_eq!(bench.names(), ["tank/home"]);
    // What follows the magic is damaged in both slots of the superblock.
    [8, 8 * 4096 + 8].iter().for_each(|at| image.write_all_at(&[0xff; 8], *at).unwrap());
    refused();
    bench.text("pool create other tank.img --force", 0);
}

#[test]
fn what_holds_no_pool_is_not_destroyed() {
    let bench = Bench::new();
    let other = vec![5; 1 << 20];
    std::fs::write(bench.path("tank.img"), &other).unwrap();
    assert!(bench.text("pool destroy tank --yes", 2).contains("holds no pool"));
    assert!(std::fs::read(bench.path("tank.img")).unwrap() == other, "untouched");
    bench.text("pool export tank", 0);
}

#[test]
fn what_is_to_be_destroyed_is_though_nobody_reads_of_it() {
    let bench = Bench::new();
    for (snapshot, how) in [("a", "-v"), ("b", "-j")] {
        bench.text(&format!("vol snapshot tank/home@{snapshot}"), 0);
        bench.unread(&format!("vol destroy {how} tank/home@{snapshot}"));
    }
    assert_eq!(bench.names(), ["tank/home"]);
}
