//! Pools and volumes by the command: what a user types, and what is printed.
//!
//! Invariant of the tests: each has a folder of its own for the pool and for the names of pools.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use serde_json::Value;
use std::process::{Command, Stdio};
use tempfile::TempDir;

struct Bench(TempDir);

impl Bench {
    /// With a pool `tank` that has a volume `home` of 8 MiB.
    fn new() -> Bench {
        let bench = Bench(tempfile::tempdir().unwrap());
        bench.text("pool create tank tank.img --size 32M", 0);
        bench.text("vol create tank/home --size 8M", 0);
        bench
    }
    /// Both outputs; the exit code must be this.
    fn text(&self, arguments: &str, code: i32) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spinney"));
        command.args(arguments.split(' ')).current_dir(self.0.path()).stdin(Stdio::null());
        let output = command.env("XDG_STATE_HOME", self.0.path()).output().unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert_eq!(output.status.code(), Some(code), "{arguments}\n{}{}", text[0], text[1]);
        text.concat()
    }
    fn json(&self, arguments: &str) -> Value {
        let value: Value = serde_json::from_str(&self.text(arguments, 0)).unwrap();
        assert!(value["output_version"]["vers_major"].is_u64());
        value
    }
    fn names(&self) -> Vec<String> {
        let list = self.text("vol list tank -H -o name", 0);
        list.lines().map(str::to_owned).collect()
    }
}

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
