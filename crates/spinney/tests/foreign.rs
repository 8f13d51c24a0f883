//! Clients that were not made for spinney, on each scheme: qemu-img copies, maps and compares, four of qemu-io write and verify patterns at once.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod bench;

use bench::{Bench, attempt, run};
use serde_json::Value;
use std::fs;

const MIB: usize = 1 << 20;
const CLIENTS: usize = 4;

fn schemes(bench: &Bench) -> Vec<String> {
    let list = bench.json("list schemes --json");
    let names = list["items"].as_array().unwrap().iter();
    names.map(|scheme| scheme["name"].as_str().unwrap().to_owned()).collect()
}

/// Whether these programs are there; says so if not.
fn there(programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| attempt(program, &["--version"]).is_err());
    missing.iter().for_each(|program| eprintln!("skipped: {program} is missing"));
    missing.is_none()
}

fn uri(bench: &Bench, export: &str) -> String {
    format!("nbd+unix:///{export}?socket={}", bench.path("nbd.sock").display())
}

/// Sixteen MiB with a hole in the middle, and no two blocks alike.
fn image() -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..16 * MIB).map(|at| ((at as u64 * 0x9E37_79B9) >> 13) as u8 | 1).collect();
    bytes[4 * MIB..12 * MIB].fill(0);
    bytes
}

#[test]
fn qemu_img_copies_in_and_out_maps_and_compares_on_each_scheme() {
    if !there(&["qemu-img"]) {
        return;
    }
    for scheme in schemes(&Bench::new()) {
        let bench = Bench::with("64M", "16M", &format!("-o scheme={scheme}"));
        let [image_in, image_out] = ["in.raw", "out.raw"].map(|name| bench.path(name).display().to_string());
        fs::write(&image_in, image()).unwrap();
        let server = bench.serve("--nbd unix:nbd.sock");
        run(
            "qemu-img",
            &["convert", "-n", "-W", "-m", "8", "-f", "raw", "-O", "raw", &image_in, &uri(&bench, "home")],
        );
        bench.text("vol snapshot tank/home@in", 0);
        for export in ["home", "home@in"] {
            run("qemu-img", &["compare", "-f", "raw", "-F", "raw", &image_in, &uri(&bench, export)]);
        }
        let map: Value = serde_json::from_str(&run(
            "qemu-img",
            &["map", "--output=json", "-f", "raw", &uri(&bench, "home@in")],
        ))
        .unwrap();
        let holes = map.as_array().unwrap().iter().filter(|run| run["data"] == false);
        let hole: u64 = holes.map(|run| run["length"].as_u64().unwrap()).sum();
        assert_eq!(hole, 8 * MIB as u64, "{scheme}: {map}");
        run(
            "qemu-img",
            &["convert", "-W", "-m", "8", "-f", "raw", "-O", "raw", &uri(&bench, "home@in"), &image_out],
        );
        assert!(fs::read(&image_out).unwrap() == image(), "{scheme}: what came out is not what went in");
        server.end();
        assert!(bench.text("pool scrub tank", 0).contains("sound"), "{scheme}");
    }
}

#[test]
fn four_clients_at_once_find_their_patterns_and_each_others_on_each_scheme() {
    if !there(&["qemu-io"]) {
        return;
    }
    for scheme in schemes(&Bench::new()) {
        let bench = Bench::with("64M", "16M", &format!("-o scheme={scheme}"));
        let server = bench.serve("--nbd unix:nbd.sock");
        let at_once = |commands: fn(usize) -> Vec<String>| {
            let uri = uri(&bench, "home");
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let (uri, commands) = (uri.clone(), commands(client));
                    std::thread::spawn(move || qemu_io(&uri, &commands))
                })
                .collect();
            clients.into_iter().for_each(|client| client.join().unwrap());
        };
        at_once(|client| {
            let (at, pattern) = (client * 4, client + 1);
            vec![
                format!("aio_write -P {pattern} {at}M 1M"),
                format!("aio_write -P {} {}k 1M", pattern + 16, at * 1024 + 1024),
                format!("aio_write -P {} {}k 512", pattern + 32, at * 1024 + 2048),
                "aio_flush".into(),
                format!("write -z {}k 64k", at * 1024 + 512),
                format!("discard {}k 64k", at * 1024 + 1536),
                "flush".into(),
            ]
        });
        bench.text("vol snapshot tank/home@mid", 0);
        // Each reads what another wrote.
        at_once(|client| {
            let (at, pattern) = ((client + 1) % CLIENTS * 4, (client + 1) % CLIENTS + 1);
            vec![
                format!("read -P {pattern} {at}M 512k"),
                format!("read -P 0 {}k 64k", at * 1024 + 512),
                format!("read -P {} {}k 512k", pattern + 16, at * 1024 + 1024),
                format!("read -P 0 {}k 64k", at * 1024 + 1536),
                format!("read -P {} {}k 512", pattern + 32, at * 1024 + 2048),
            ]
        });
        server.end();
        assert!(bench.text("pool scrub tank", 0).contains("sound"), "{scheme}");
    }
}

fn qemu_io(uri: &str, commands: &[String]) {
    let mut arguments = vec!["-f", "raw"];
    commands.iter().for_each(|command| arguments.extend(["-c", command.as_str()]));
    arguments.push(uri);
    let said = run("qemu-io", &arguments);
    assert!(!said.contains("Pattern verification failed") && !said.contains("failed"), "{said}");
}
