//! Manual pages and completions, which come from the commands themselves.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod bench;

use bench::Bench;
use std::fs;

#[test]
fn every_command_has_a_page_with_an_example() {
    let bench = Bench::new();
    bench.text("man pages", 0);
    let page = |name: &str| {
        fs::read_to_string(bench.path("pages").join(name)).unwrap_or_else(|_| panic!("no {name}"))
    };
    let mut commands = 0;
    for line in bench.text("vol --help", 0).lines().skip_while(|line| *line != "Commands:").skip(1) {
        let Some(name) = line.split_whitespace().next() else { break };
        if name != "help" {
            assert!(page(&format!("spinney-vol-{name}.1")).contains("Example: spinney vol"), "{name}");
            commands += 1;
        }
    }
    assert!(commands >= 10, "{commands}");
    let serve = page("spinney-serve.1");
    assert!(serve.contains("fuse") && !serve.contains("unflushed"), "what is for tests is not told");
}

#[test]
fn each_shell_gets_completions() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(bench.text(&format!("completions {shell}"), 0).contains("snapshot"), "{shell}");
    }
    bench.text("completions nosuchshell", 2);
}
