//! Commands at a pool that is being served, through the server's control socket.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod bench;

use bench::Bench;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const NBD: &str = "--nbd unix:nbd.sock";
/// How long a flood lasts if nothing ends it.
const FLOOD: Duration = Duration::from_secs(20);

#[test]
fn every_command_does_and_prints_the_same_as_without_a_server() {
    let commands = [
        ("vol snapshot tank/home@one", 0),
        ("vol snapshot tank/home@two", 0),
        ("vol clone tank/home@one tank/try", 0),
        ("vol list tank -H -p -o name,size,referenced,exclusive,origin", 0),
        ("vol list tank -o nothing", 2),
        ("vol diff tank/home@one tank/home -j", 0),
        ("vol space tank/home@one -H", 0),
        ("vol space --if-destroyed tank/home@%two", 0),
        ("vol rename tank/home@two tank/home@later", 0),
        ("vol rollback tank/home@one", 0),
        ("vol promote tank/try", 0),
        ("vol create tank/home --size 1M", 2),
        ("vol create tank/large --size 1G", 0),
        ("vol destroy -n -r tank/home tank/large", 0),
        ("vol destroy tank/home", 2),
        ("vol destroy -r -j tank/home", 0),
        ("vol destroy tank/nothing", 2),
        ("vol clone tank/try@one other/x", 2),
        ("vol list tank -H -o name", 0),
    ];
    let (alone, served) = (Bench::new(), Bench::new());
    let server = served.serve(NBD);
    for (command, code) in commands {
        assert_eq!(alone.text(command, code), served.text(command, code), "{command}");
    }
    server.end();
    assert_eq!(alone.names(), served.names(), "and it is all there afterwards");
    assert!(served.text("pool scrub tank", 0).contains("sound"));
}

#[test]
fn a_served_pool_tells_its_state_and_keeps_what_would_need_it_alone() {
    let bench = Bench::new();
    assert_eq!(bench.json("pool status tank -j")["served"], false);
    let server = bench.serve(NBD);
    assert_eq!(bench.json("pool status tank -j")["served"], true);
    let pools = bench.json("pool list -j");
    assert_eq!(pools["rows"][0]["state"], "served");
    assert!(pools["rows"][0]["free"].as_u64() > Some(0));
    assert!(bench.text("pool check tank", 75).contains("in use"));
    assert!(bench.text("pool destroy tank --yes", 75).contains("in use"));
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(bench.control_socket()), mode(bench.path("spinney/run"))), (0o600, 0o700));
    server.end();
    assert!(!bench.path("nbd.sock").exists(), "sockets go with the server");
    assert_eq!(bench.json("pool list -j")["rows"][0]["state"], "ok");
}

#[test]
fn a_volume_that_a_client_has_open_is_not_pulled_away() {
    let bench = Bench::new();
    bench.text("vol snapshot tank/home@one", 0);
    let server = bench.serve(NBD);
    let client = nbd_client(&bench, "home");
    assert!(bench.text("vol rollback tank/home@one", 75).contains("tank/home is open"));
    assert!(bench.text("vol destroy -r tank/home", 75).contains("is open"));
    bench.text("vol destroy -n -r tank/home", 0);
    bench.text("vol destroy tank/home@one", 0);
    bench.text("vol snapshot tank/home@two", 0);
    drop(client);
    server.end();
    bench.text("vol rollback tank/home@two", 0);
}

#[test]
fn what_clients_ask_is_counted_and_timed() {
    let bench = Bench::new();
    assert!(bench.text("iostat tank", 2).contains("not being served"));
    let server = bench.serve(NBD);
    let mut client = nbd_client(&bench, "home");
    let header = |command: u8, length: u8| {
        [&[0x25, 0x60, 0x95, 0x13, 0, 0, 0, command][..], &[0; 16], &[0, 0, length, 0]].concat()
    };
    for (request, answer) in
        [([header(1, 16), vec![5; 4096]].concat(), 16), (header(3, 0), 16), (header(0, 16), 16 + 4096)]
    {
        client.write_all(&request).unwrap();
        client.read_exact(&mut vec![0; answer]).unwrap();
    }
    let totals: Value = serde_json::from_str(&bench.text("iostat tank --totals", 0)).unwrap();
    for (kind, bytes) in [("write", 4096), ("flush", 0), ("read", 4096)] {
        let tally = &totals["kinds"][kind];
        assert_eq!(
            (&tally["requests"], &tally["bytes"], &tally["errors"]),
            (&json!(1), &json!(bytes), &json!(0)),
            "{kind}"
        );
    }
    assert_eq!(totals["pool"]["client_bytes_written"], 4096);
    assert!(
        totals["pool"]["device_bytes_written"].as_u64() > Some(4096),
        "data, pages and a superblock: {totals}"
    );
    let look: Value = serde_json::from_str(&bench.text("iostat tank 0.05 -n 1 -j", 0)).unwrap();
    assert_eq!(look["kinds"][0]["requests_per_s"], 0.0);
    assert!(bench.text("iostat tank 0.05 -n 2", 0).contains("free"));
    server.end();
}

#[test]
fn what_clients_do_is_recorded_with_the_snapshots_between() {
    let bench = Bench::new();
    bench.text("vol create tank/other --size 1M", 0);
    assert!(bench.text("serve tank --nbd unix:nbd.sock --record t.csv", 2).contains("--record-volume"));
    let server = bench.serve("--nbd unix:nbd.sock --record t.csv --record-volume home");
    let (mut client, mut other) = (nbd_client(&bench, "home"), nbd_client(&bench, "other"));
    let [read, write, flush, trim, zero] = [0, 1, 3, 4, 6];
    ask(&mut client, 0, write, 8192, 4096);
    ask(&mut other, 0, write, 0, 4096);
    bench.text("vol snapshot tank/home@one", 0);
    bench.text("vol snapshot tank/other@one", 0);
    ask(&mut client, 0, read, 8192, 512);
    ask(&mut client, 0, trim, 4096, 8192);
    ask(&mut client, 0, zero, 100, 1);
    ask(&mut client, 1, write, 0, 1);
    bench.text("vol destroy tank/home@one", 0);
    ask(&mut client, 0, flush, 0, 0);
    drop((client, other));
    assert!(server.end().contains("trace of home: 9 requests"));
    let text = std::fs::read_to_string(bench.path("t.csv")).unwrap();
    let lines =
        text.lines().skip(1).map(|line| line.split_once(',').unwrap().1.to_owned()).collect::<Vec<_>>();
    let number = lines[1].split(',').nth(1).unwrap().to_owned();
    let (taken, ended) = (format!("S,{number},0"), format!("E,{number},0"));
    // A durable write is two lines.
    let durable = ["W,0,1", "F,0,0"];
    let due =
        [&["W,8192,4096", &taken, "R,8192,512", "D,4096,8192", "Z,100,1"], &durable[..], &[&ended, "F,0,0"]];
    assert_eq!(lines, due.concat());
    assert!(
        bench.text("serve tank --nbd unix:nbd.sock --record t.csv --record-volume home", 2).contains("t.csv")
    );
    assert_eq!(bench.json("trace info t.csv --json")["snapshot"]["requests"], 1);
}

#[test]
fn a_socket_of_a_service_manager_is_served_and_the_manager_told() {
    let bench = Bench::new();
    let socket = std::os::unix::net::UnixListener::bind(bench.path("nbd.sock")).unwrap();
    let notes = std::os::unix::net::UnixDatagram::bind(bench.path("notes.sock")).unwrap();
    notes.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let next = || {
        let mut note = [0; 64];
        let length = notes.recv(&mut note).unwrap();
        String::from_utf8_lossy(&note[..length]).into_owned()
    };
    let server = bench.inherit(socket.into(), "serve tank");
    assert_eq!(next(), "READY=1");
    let mut client = nbd_client(&bench, "home");
    ask(&mut client, 1, 1, 0, 4096);
    drop(client);
    assert!(server.end().contains("an inherited socket"));
    assert_eq!(next(), "STOPPING=1");
    assert!(bench.path("nbd.sock").exists(), "the socket is the manager's");
    assert!(bench.text("serve tank", 2).contains("--nbd WHERE"));
}

#[test]
fn metrics_tell_what_clients_did_and_bound_who_asks() {
    let bench = Bench::new();
    bench.text("vol snapshot tank/home@one", 0);
    assert!(bench.text("serve tank --nbd unix:nbd.sock --metrics 0.0.0.0:0", 2).contains("--public"));
    let server = bench.serve("--nbd unix:nbd.sock --metrics unix:metrics.sock");
    let mut client = nbd_client(&bench, "home");
    (0..3).for_each(|_| ask(&mut client, 1, 1, 0, 4096));
    let page = scrape(&bench, "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    let value = |sample: &str| -> f64 {
        let line = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {sample} in {page}")).parse().unwrap()
    };
    for (sample, due) in [
        ("spinney_requests_total{pool=\"tank\",kind=\"write\"}", 3.0),
        ("spinney_request_errors_total{pool=\"tank\",kind=\"write\"}", 0.0),
        ("spinney_request_duration_seconds_count{pool=\"tank\",kind=\"write\"}", 3.0),
        ("spinney_client_written_bytes_total{pool=\"tank\"}", 12_288.0),
        ("spinney_volumes{pool=\"tank\"}", 1.0),
        ("spinney_snapshots{pool=\"tank\"}", 1.0),
        ("spinney_pool_held{pool=\"tank\"}", 0.0),
    ] {
        assert!((value(sample) - due).abs() < 1e-9, "{sample}: {page}");
    }
    assert!(value("spinney_write_amplification{pool=\"tank\"}") >= 1.0);
    let buckets = page.lines().filter(|line| line.contains("_bucket{pool=\"tank\",kind=\"write\""));
    let counts: Vec<u64> = buckets.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(counts.len() > 20 && counts.is_sorted() && counts.last() == Some(&3), "{counts:?}");
    // Each family is described once, before its samples.
    let families: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let distinct: std::collections::BTreeSet<&str> = families.iter().copied().collect();
    assert!(families.len() > 20 && distinct.len() == families.len());
    assert!(scrape(&bench, "GET /other HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
    assert!(scrape(&bench, "POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    assert_eq!(scrape(&bench, &"x".repeat(10_000)), "");
    assert!(scrape(&bench, "GET / HTTP/1.1\r\n\r\n").contains("spinney_info"));
    drop(client);
    server.end();
    assert!(!bench.path("metrics.sock").exists());
}

/// All that comes for these bytes; nothing if the server hangs up.
fn scrape(bench: &Bench, request: &str) -> String {
    let mut stream = UnixStream::connect(bench.path("metrics.sock")).unwrap();
    let (mut page, _) = (String::new(), stream.write_all(request.as_bytes()));
    let _ = stream.read_to_string(&mut page);
    page
}

/// One request, and its answer.
fn ask(stream: &mut UnixStream, flags: u8, command: u8, offset: u16, length: u16) {
    let [low, high] = offset.to_le_bytes();
    let [short, long] = length.to_le_bytes();
    let place = [0, 0, 0, 0, 0, 0, high, low, 0, 0, long, short];
    let head = [&[0x25, 0x60, 0x95, 0x13, 0, flags, 0, command][..], &[7; 8], &place];
    stream.write_all(&head.concat()).unwrap();
    let bytes = vec![5; usize::from(length)];
    if command == 1 {
        stream.write_all(&bytes).unwrap();
    }
    let mut reply = [0; 16];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply[..8], [0x67, 0x44, 0x66, 0x98, 0, 0, 0, 0]);
    if command == 0 {
        stream.read_exact(&mut bytes.clone()).unwrap();
    }
}

/// Connected by the oldest way, which needs no more than a name.
fn nbd_client(bench: &Bench, name: &str) -> UnixStream {
    let mut stream = UnixStream::connect(bench.path("nbd.sock")).unwrap();
    stream.read_exact(&mut [0; 18]).unwrap();
    let option =
        [&[0, 0, 0, 3][..], b"IHAVEOPT", &[0, 0, 0, 1], &[0, 0, 0, name.len() as u8], name.as_bytes()];
    stream.write_all(&option.concat()).unwrap();
    stream.read_exact(&mut [0; 10]).unwrap();
    stream
}

struct Raw(BufReader<UnixStream>);

impl Raw {
    fn connect(bench: &Bench) -> Raw {
        let stream = UnixStream::connect(bench.control_socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Raw(BufReader::new(stream))
    }
    fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.get_mut().write_all(bytes); // the server may have hung up already
    }
    /// The next message; `None` at the end.
    fn message(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.0.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
        Some(serde_json::from_str(&line).unwrap())
    }
    fn ask(&mut self, request: &Value) -> Value {
        self.send(format!("{request}\n").as_bytes());
        self.message().unwrap()
    }
}

#[test]
fn a_request_that_is_none_is_answered_and_the_next_one_too() {
    let bench = Bench::new();
    let server = bench.serve(NBD);
    let mut client = Raw::connect(&bench);
    let words = |words: &[&str]| json!({ "version": 1, "arguments": words });
    for (request, word) in [
        (json!(7), "not a request"),
        (json!({ "version": 2, "arguments": [] }), "version 2"),
        (json!({ "version": 1, "arguments": [], "more": 1 }), "unknown field"),
        (words(&["vol"]), "Usage"),
        (words(&["vol", "list", "other"]), "no pool `other` is known"),
        (words(&["pool", "destroy", "tank", "--yes"]), "being served"),
        (words(&["serve", "tank", "--nbd", "unix:x"]), "being served"),
        (words(&["run", "config.toml"]), "being served"),
        (words(&vec!["vol"; 5000]), "words"),
    ] {
        let answer = client.ask(&request);
        assert!(answer["error"].as_str().unwrap().contains(word), "{request}: {answer}");
        assert!([2, 75].contains(&answer["code"].as_u64().unwrap()), "{answer}");
    }
    assert_eq!(client.ask(&words(&["vol", "snapshot", "tank/home@x"]))["code"], 0);
    assert_eq!(
        client.ask(&words(&["vol", "list", "tank", "-H", "-o", "name"]))["out"],
        "tank/home\ntank/home@x\n"
    );
    server.end();
}

#[test]
fn who_floods_or_waits_loses_its_connection_and_others_are_served() {
    let bench = Bench::new();
    let server = bench.serve(NBD);
    let mut flood = Raw::connect(&bench);
    flood.send(&vec![b'x'; 1 << 20]);
    assert_eq!(flood.message(), None, "a line without an end");
    let silent: Vec<Raw> = (0..40).map(|_| Raw::connect(&bench)).collect();
    std::thread::sleep(Duration::from_millis(300));
    let refused = silent.into_iter().map(|mut client| client.ask_or_end()).filter(Option::is_none).count();
    assert!(refused >= 20, "16 at a time: {refused} of 40 were refused");
    bench.text("vol snapshot tank/home@after", 0);
    let said = server.end();
    assert!(said.contains("64 KiB") && said.contains("refused"), "{said}");
}

impl Raw {
    fn ask_or_end(&mut self) -> Option<Value> {
        self.send(format!("{}\n", json!({ "version": 1, "arguments": ["vol", "list", "tank"] })).as_bytes());
        self.message()
    }
}

#[test]
fn a_server_whose_words_nobody_reads_serves_and_ends_as_any() {
    let bench = Bench::new();
    let server = bench.serve_unread(NBD);
    for _ in 0..80 {
        let mut bad = UnixStream::connect(bench.path("nbd.sock")).unwrap();
        bad.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let _ = bad.read_to_end(&mut Vec::new()); // its end, or a reset
    }
    nbd_client(&bench, "home");
    bench.text("vol snapshot tank/home@after", 0);
    server.end();
}

#[test]
fn a_server_ends_though_its_owner_asks_without_end() {
    let bench = Bench::new();
    let server = bench.serve(NBD);
    let client = UnixStream::connect(bench.control_socket()).unwrap();
    let asks = [&json!({ "version": 1, "arguments": [] }).to_string(), "\n"].concat().repeat(1000);
    let begin = Instant::now();
    let threads = [
        std::thread::spawn({
            let mut client = client.try_clone().unwrap();
            move || while begin.elapsed() < FLOOD && client.write_all(asks.as_bytes()).is_ok() {}
        }),
        std::thread::spawn({
            let mut client = client;
            move || while client.read(&mut [0; 4096]).is_ok_and(|bytes| bytes > 0) {}
        }),
    ];
    std::thread::sleep(Duration::from_millis(300));
    let ended = Instant::now();
    server.end();
    assert!(ended.elapsed() < FLOOD / 2, "{:?}", ended.elapsed());
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_server_ends_though_its_owner_hardly_listens() {
    let bench = Bench::new();
    let server = bench.serve(NBD);
    let mut client = UnixStream::connect(bench.control_socket()).unwrap();
    let mut asks = client.try_clone().unwrap();
    // The answers, with the word quoted in them, are more than the socket holds.
    let ask = json!({ "version": 1, "arguments": ["vol", "list", "tank", "-o", "x".repeat(60_000)] })
        .to_string()
        + "\n";
    let asking = std::thread::spawn(move || while asks.write_all(ask.as_bytes()).is_ok() {});
    let begin = Instant::now();
    // Not waited for: what is left in the socket would last longer than the server.
    std::thread::spawn(move || {
        while begin.elapsed() < FLOOD && client.read(&mut [0; 100]).is_ok_and(|bytes| bytes > 0) {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    std::thread::sleep(Duration::from_millis(500));
    let ended = Instant::now();
    server.end();
    assert!(ended.elapsed() < FLOOD / 4, "{:?}", ended.elapsed());
    asking.join().unwrap();
}

#[test]
#[should_panic(expected = "nbd.sock: Address already in use")]
fn a_socket_that_may_be_in_use_is_not_taken_away() {
    let bench = Bench::new();
    let _theirs = std::os::unix::net::UnixDatagram::bind(bench.path("nbd.sock")).unwrap();
    bench.serve(NBD); // says why it cannot
}
