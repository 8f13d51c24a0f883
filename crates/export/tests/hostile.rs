//! Clients that mean harm, or are broken: bounded memory, others served, a line in the log.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod client;
mod pool;

use client::{CONNECTIONS_MAX, Client, Served};
use std::time::{Duration, Instant};

/// How long a client goes on if nothing ends it.
const FLOOD: Duration = Duration::from_secs(20);

#[test]
fn a_client_that_breaks_the_protocol_loses_only_its_own_connection() {
    let served = Served::new();
    let mut good = Client::connect(&served);
    good.go("a").unwrap();
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],                                // no NBD client
        &[0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0], // no option's magic
        &[&[0, 0, 0, 1], &b"IHAVEOPT"[..], &[0, 0, 0, 7, 255, 255, 255, 255]].concat(), // an option of 4 GiB
    ] {
        let mut bad = Client::connect_raw(&served);
        bad.send_raw(bytes);
        assert!(bad.is_closed(), "{bytes:?}");
    }
    let mut bad = Client::connect(&served);
    bad.go("a").unwrap();
    bad.send_header(0, 1, 0, u32::MAX); // a write of 4 GiB
    assert!(bad.is_closed());
    assert_eq!(good.read(0, 1).unwrap(), [7]);
}

#[test]
fn too_many_connections_are_refused_and_the_others_served() {
    let served = Served::new();
    let mut clients: Vec<Client> = (0..CONNECTIONS_MAX).map(|_| Client::connect(&served)).collect();
    let mut more = Client::connect_raw(&served);
    assert!(more.is_closed());
    clients.last_mut().unwrap().go("a").unwrap();
    assert_eq!(clients.last_mut().unwrap().read(0, 1).unwrap(), [7]);
    drop(clients);
}

#[test]
fn a_half_open_connection_ends_by_itself() {
    let served = Served::new();
    let mut silent = Client::connect_raw(&served);
    assert!(silent.is_closed(), "after the handshake's time");
}

#[test]
fn a_handshake_that_drips_ends_by_its_time() {
    let served = Served::new();
    let mut slow = Client::connect(&served);
    slow.send_raw(&[&b"IHAVEOPT"[..], &[0, 0, 0, 7, 0, 0, 0x40, 0]].concat()); // 16 KiB follow, one by one
    let begin = Instant::now();
    while begin.elapsed() < FLOOD && slow.try_send_raw(&[0]) {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(begin.elapsed() < FLOOD / 2, "{:?}", begin.elapsed());
}

#[test]
fn a_server_ends_though_a_client_asks_without_end() {
    let mut served = Served::new();
    let mut client = Client::connect(&served);
    client.go("a").unwrap();
    let flush = [&[0x25, 0x60, 0x95, 0x13, 0, 0, 0, 3][..], &[0; 20]].concat().repeat(1000);
    let (mut asks, begin) = (client.twin(), Instant::now());
    let threads = [
        std::thread::spawn(move || while begin.elapsed() < FLOOD && asks.try_send_raw(&flush) {}),
        std::thread::spawn(move || assert!(client.is_closed())),
    ];
    std::thread::sleep(Duration::from_millis(200));
    ends_soon(&mut served);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_server_ends_though_a_client_does_not_listen() {
    let mut served = Served::new();
    let mut deaf = Client::connect(&served);
    deaf.go("a").unwrap();
    (0..20).for_each(|_| deaf.send_header(0, 0, 0, 64 * 4096)); // far more than the socket holds
    std::thread::sleep(Duration::from_millis(200));
    ends_soon(&mut served);
}

fn ends_soon(served: &mut Served) {
    let begin = Instant::now();
    served.end();
    assert!(begin.elapsed() < FLOOD / 2, "{:?}", begin.elapsed());
}

#[test]
fn what_a_client_says_is_one_line_of_the_log() {
    let served = Served::new();
    let mut bad = Client::connect(&served);
    bad.option(1, b"x\ny");
    assert!(bad.is_closed());
    assert!(served.says("x\\ny"));
}

#[test]
fn a_flood_of_options_ends() {
    let served = Served::new();
    let mut flood = Client::connect(&served);
    (0..128).for_each(|_| flood.option(3, &[]));
    assert!(flood.is_closed());
    assert!(served.says("too many options"));
}

#[test]
fn an_option_that_is_too_long_is_refused_and_the_next_one_answered() {
    let served = Served::new();
    let mut client = Client::connect(&served);
    client.option(7, &vec![0; 1 << 20]);
    assert_eq!(client.replies().unwrap_err(), 0x8000_0009);
    assert_eq!(client.list(), ["a", "a@1"]);
    client.option(7, &[255, 255, 255, 255, b'a', 0, 0]);
    assert_eq!(client.replies().unwrap_err(), 0x8000_0003, "a name longer than its option");
    client.go("a").unwrap();
}

#[test]
fn two_hundred_connections_are_refused_but_for_the_most_and_cost_nothing_afterwards() {
    let served = Served::new();
    let before = memory_kib();
    let mut clients: Vec<Client> = (0..200).map(|_| Client::connect_raw(&served)).collect();
    let greeted = clients.iter_mut().map(Client::greets).filter(|greeted| *greeted).count();
    assert_eq!(greeted, CONNECTIONS_MAX);
    assert!(served.says("refused a connection"));
    assert!(memory_kib() < before + (64 << 10), "{} KiB from {before}", memory_kib());
    drop(clients);
    // The others' threads end as soon as they see that.
    let found = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        Client::connect_raw(&served).greets()
    });
    assert!(found, "served again once they left");
}

fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.map_or(0, |line| line.trim().trim_end_matches(" kB").parse().unwrap())
}

#[test]
fn who_asks_and_does_not_listen_waits_alone() {
    let served = Served::new();
    let mut deaf = Client::connect(&served);
    deaf.go("a").unwrap();
    (0..20).for_each(|_| deaf.send_header(0, 0, 0, 64 * 4096)); // far more than the socket holds
    let mut other = Client::connect(&served);
    other.go("a").unwrap();
    other.write(0, &[1; 4096], 1).unwrap();
    assert_eq!(other.read(0, 1).unwrap(), [1]);
}

#[test]
fn overlapping_requests_under_way_at_once_are_each_done_whole() {
    let served = Served::new();
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(&served)).collect();
    for client in &mut clients {
        client.go("a").unwrap();
    }
    let mut reader = Client::connect(&served);
    reader.go("a").unwrap();
    for turn in 0..20u64 {
        // Sent by all before any answer is read: bytes that share blocks, none of them aligned.
        for (number, client) in (0..).zip(&mut clients) {
            client.send_header(0, 1, 1000 + 512 * turn, 20_000);
            client.send_raw(&[10 + number; 20_000]);
        }
        clients.iter_mut().for_each(|client| client.answer(turn + 1).unwrap());
        let found = reader.read(1000 + 512 * turn, 20_000).unwrap();
        assert!(
            found.iter().all(|byte| *byte == found[0]) && found[0] >= 10,
            "turn {turn}: two writers in one range"
        );
    }
}
