//! The NBD server against a client that speaks the protocol byte by byte.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod client;
mod pool;

use client::{Client, Served, errno};
use pool::name;
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
fn block_status_looks_at_one_window_at_a_time() {
    let served = Served::with(|pool| _ = pool.create_named(&name("large"), 1 << 19, 0).unwrap());
    let mut client = Client::connect(&served);
    client.structured();
    client.allocation("large");
    client.go("large").unwrap();
    assert_eq!(client.block_status(BLOCK, (1 << 31) - BLOCK as u32).unwrap(), [(1 << 30, 3)]);
}
