//! The NBD server against a client that speaks the protocol byte by byte.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod client;

use client::{Client, Served, errno};
use spinney_core::BLOCK_BYTES;

const BLOCK: u64 = BLOCK_BYTES as u64;

#[test]
fn every_name_is_an_export_and_snapshots_are_read_only() {
    let served = Served::new();
    let mut client = Client::connect(&served);
    assert_eq!(client.list(), ["a", "a@1"]);
    assert_eq!(client.go("nobody"), Err(0x8000_0006));
    let (bytes, flags) = client.go("a@1").unwrap();
    assert_eq!((bytes, flags & 2), (64 * BLOCK, 2), "read-only");
    assert_eq!(client.write(0, &[1; 512], 0), Err(errno::PERMITTED));
    assert_eq!(client.read(0, 4).unwrap(), [7; 4]);
}

#[test]
fn what_is_written_is_read_at_any_byte() {
    let served = Served::new();
    let mut client = Client::connect(&served);
    let (_, flags) = client.go("a").unwrap();
    assert_eq!(flags & 2, 0, "writable");
    client.write(5000, &[3; 10_000], 0).unwrap();
    let found = client.read(4999, 10_002).unwrap();
    assert_eq!((found[0], found[10_001]), (7, 7));
    assert!(found[1..10_001].iter().all(|byte| *byte == 3));
    client.flush().unwrap();
    client.trim(4096, 8192).unwrap();
    assert_eq!(client.read(4096, 8192).unwrap(), [0; 8192]);
    client.zeroes(14_000, 100).unwrap();
    assert_eq!(client.read(13_999, 102).unwrap()[..2], [3, 0]);
}

#[test]
fn what_was_flushed_on_one_connection_is_there_after_the_server_went() {
    let mut served = Served::new();
    let (mut one, mut other) = (Client::connect(&served), Client::connect(&served));
    one.go("a").unwrap();
    other.go("a").unwrap();
    one.write(0, &[9; 4096], 0).unwrap();
    other.flush().unwrap();
    other.write(8192, &[8; 4096], 1).unwrap(); // FUA
    served.restart_without_flush();
    let mut client = Client::connect(&served);
    client.go("a").unwrap();
    assert_eq!(client.read(0, 4096).unwrap(), [9; 4096]);
    assert_eq!(client.read(8192, 4096).unwrap(), [8; 4096]);
}

#[test]
fn structured_replies_leave_holes_out_and_block_status_tells_them() {
    let served = Served::new();
    let mut client = Client::connect(&served);
    client.structured();
    client.allocation("a");
    client.go("a").unwrap();
    client.write(40 * BLOCK, &[5; 4096], 0).unwrap();
    let status = client.block_status(0, 64 * BLOCK as u32).unwrap();
    let blocks = |blocks: u64| (blocks * BLOCK) as u32;
    assert_eq!(status, [(blocks(8), 0), (blocks(32), 3), (blocks(1), 0), (blocks(23), 3)]);
    let (bytes, holes) = client.read_chunks(7 * BLOCK, 40 * BLOCK as u32).unwrap();
    assert_eq!((bytes[0], bytes[4096], bytes[33 * 4096], holes), (7, 0, 5, 2));
}

#[test]
fn requests_that_cannot_be_are_answered_and_the_connection_goes_on() {
    let served = Served::new();
    let mut client = Client::connect(&served);
    client.go("a").unwrap();
    assert_eq!(client.read(64 * BLOCK, 1), Err(errno::INVALID));
    assert_eq!(client.read(u64::MAX, 2), Err(errno::INVALID));
    assert_eq!(client.write(64 * BLOCK - 1, &[1; 2], 0), Err(errno::NO_SPACE));
    assert_eq!(client.request(0, 99, 0, 0, &[]), Err(errno::INVALID), "an unknown command");
    assert_eq!(client.request(1 << 9, 3, 0, 0, &[]), Err(errno::INVALID), "an unknown flag");
    assert_eq!(client.read(0, 1).unwrap(), [7]);
}

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
    let mut clients: Vec<Client> = (0..client::CONNECTIONS_MAX).map(|_| Client::connect(&served)).collect();
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
