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
fn extended_headers_have_64_bits_for_lengths_and_every_answer_is_of_their_kind() {
    let large = 4 << 20; // 16 GiB
    let served = Served::with(|pool| {
        pool.create_named(&name("large"), large, 0).unwrap();
    });
    let mut client = Client::connect(&served);
    client.option(11, b"x");
    assert_eq!(client.replies(), Err(0x8000_0003), "it has no data");
    client.extended();
    client.option(8, &[]);
    assert_eq!(client.replies(), Err(0x8000_000a), "structured replies are less");
    client.allocation("large");
    let (bytes, flags) = client.go("large").unwrap();
    assert_eq!((bytes, flags & 1 << 7), (large * BLOCK, 1 << 7), "whole reads can be asked for");
    let far = bytes - 4 * BLOCK;
    client.write(far, &[5; 8192], 1).unwrap();
    let (found, holes) = client.read_chunks(far - BLOCK, 16_384).unwrap();
    assert_eq!((found[4095], found[4096], found[12_287], found[12_288], holes), (0, 5, 5, 0, 2));
    assert_eq!(client.block_status_extended(0, bytes).unwrap(), [(1 << 30, 3)], "a window at a time");
    let status = client.block_status_extended(far - (1 << 30) + 8192, 1 << 34);
    assert_eq!(status, Err(errno::INVALID), "past the end");
    assert_eq!(client.block_status_extended(far, 4 * BLOCK).unwrap(), [(8192, 0), (8192, 3)]);
    client.request_extended(1, 4, 100, bytes - 100).unwrap(); // one trim, durable
    assert_eq!(client.read_chunks(far, 8192).unwrap(), (vec![0; 8192], 1));
    client.write(far, &[5; 4096], 0).unwrap();
    client.request_extended(0, 6, 1, bytes - 1).unwrap(); // zeroes, ragged
    assert_eq!(client.read_chunks(far, 4096).unwrap().0, [0; 4096]);
    client.flush().unwrap();
}

#[test]
fn extended_headers_that_cannot_be_are_refused_or_end_the_connection() {
    let served = Served::new();
    let mut client = Client::connect(&served);
    client.extended();
    client.go("a").unwrap();
    // As QEMU's client writes: without the flag that says that bytes follow.
    assert_eq!(client.request_with(0, 1, 0, &[6; 512]), Ok(()));
    assert_eq!(client.read_chunks(0, 512).unwrap().0, [6; 512]);
    assert_eq!(client.request_with(1 << 5, 4, 0, b"more"), Err(errno::INVALID), "a trim takes no bytes");
    assert_eq!(
        client.request_with(1 << 5, 7, 0, &[0; 12]),
        Err(errno::INVALID),
        "nor is this form of block status offered"
    );
    client.flush().unwrap();
}

#[test]
fn the_oldest_way_to_an_export_and_endless_bytes_end_an_extended_connection() {
    let served = Served::new();
    let mut client = Client::connect(&served);
    client.extended();
    client.option(1, b"a");
    assert!(client.is_closed());
    let mut client = Client::connect(&served);
    client.extended();
    client.go("a").unwrap();
    client.send_extended(1 << 5, 1, 0, 1 << 40);
    assert!(client.is_closed());
    let mut client = Client::connect(&served);
    client.extended();
    client.go("a").unwrap();
    // The other magic, all at once: the server ends the connection as soon as it has read that.
    client.send_raw(&[[0x25, 0x60, 0x95, 0x13].as_slice(), &[0; 28]].concat());
    assert!(client.is_closed());
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
