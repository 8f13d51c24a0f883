//! A file device holds what it was given, alone, and says what it runs on.

use super::*;
use crate::tests::{block, conforms, read_block};
use std::os::unix::fs::MetadataExt;

fn fresh(blocks: u64) -> (tempfile::TempDir, std::path::PathBuf, FileDevice) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("device");
    let device = FileDevice::create(&path, blocks).unwrap();
    (folder, path, device)
}

#[test]
fn agrees_with_an_array_model() {
    for seed in 0..4 {
        let (_folder, _path, device) = fresh(100);
        conforms(&device, seed, 300);
    }
}

#[test]
fn agrees_with_an_array_model_where_direct_io_is_refused() {
    let (_folder, path, device) = fresh(100);
    drop(device);
    let cached = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let device = FileDevice::over(cached, false).unwrap();
    assert!(device.engine().to_string().starts_with("cached"));
    conforms(&device, 9, 300);
}

#[cfg(feature = "io-uring")]
#[test]
fn agrees_with_an_array_model_where_the_ring_is_refused() {
    let (_folder, _path, mut device) = fresh(100);
    device.ring = None;
    conforms(&device, 9, 300);
}

#[test]
fn content_survives_reopening() {
    let (_folder, path, device) = fresh(16);
    device.write(Pba(5), &block(5)).unwrap();
    device.flush().unwrap();
    drop(device);
    let device = FileDevice::open(&path).unwrap();
    assert_eq!(device.blocks(), 16);
    assert_eq!(read_block(&device, 5), block(5));
    assert_eq!(read_block(&device, 6), vec![0; BLOCK_BYTES]);
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let (_folder, path, device) = fresh(4);
    assert!(matches!(FileDevice::open(&path), Err(Error::Io { operation: "lock", .. })));
    drop(device);
    assert!(FileDevice::open(&path).is_ok());
}

#[test]
fn create_does_not_overwrite() {
    let (_folder, path, device) = fresh(4);
    drop(device);
    assert!(matches!(FileDevice::create(&path, 4), Err(Error::Io { operation: "create", code: 17, .. })));
}

#[test]
fn a_ragged_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ragged");
    std::fs::write(&path, [0; 5000]).unwrap();
    assert!(matches!(FileDevice::open(&path), Err(Error::BadSetting(_))));
}

#[test]
fn unaligned_and_aligned_callers_see_the_same_bytes() {
    let (_folder, _path, device) = fresh(600);
    // Longer than the bounce buffer, and starting at an odd address.
    let long: Vec<u8> = (0..520u64).flat_map(block).collect();
    let mut shifted = vec![0; long.len() + 1];
    shifted[1..].copy_from_slice(&long);
    device.write(Pba(7), &shifted[1..]).unwrap();
    let mut aligned = AlignedBuffer::new(long.len());
    device.read(Pba(7), aligned.bytes()).unwrap();
    assert!(aligned.bytes() == &long[..]);
    let mut unaligned = vec![0; long.len() + 3];
    device.read(Pba(7), &mut unaligned[3..]).unwrap();
    assert!(unaligned[3..] == long[..]);
}

#[test]
fn a_discard_gives_room_back() {
    let (_folder, path, device) = fresh(256);
    device.write(Pba(0), &vec![1; 256 * BLOCK_BYTES]).unwrap();
    device.flush().unwrap();
    let full = std::fs::metadata(&path).unwrap().blocks();
    device.discard(Extent::new(Pba(0), 200)).unwrap();
    device.flush().unwrap();
    if device.can_punch.load(Ordering::Relaxed) {
        assert!(std::fs::metadata(&path).unwrap().blocks() < full / 2);
        assert_eq!(read_block(&device, 199), vec![0; BLOCK_BYTES]);
    }
    assert_eq!(read_block(&device, 200), vec![1; BLOCK_BYTES]);
}

#[test]
fn a_file_cut_short_under_us_is_an_error_not_zeros() {
    let (_folder, path, device) = fresh(8);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(4 * BLOCK_BYTES as u64).unwrap();
    assert!(matches!(device.read(Pba(6), &mut block(0)), Err(Error::Io { operation: "read", .. })));
}

#[test]
fn a_batch_of_which_one_request_fails_is_an_error() {
    let (_folder, path, device) = fresh(200);
    OpenOptions::new().write(true).open(&path).unwrap().set_len(150 * BLOCK_BYTES as u64).unwrap();
    let mut buffers = vec![block(0); 160];
    let mut reads: Vec<(Pba, &mut [u8])> =
        (0..).map(Pba).zip(buffers.iter_mut().map(|buffer| &mut buffer[..])).collect();
    assert!(device.read_many(&mut reads[..150]).is_ok());
    let failed = device.read_many(&mut reads);
    assert!(matches!(failed, Err(Error::Io { operation: "read", at: Pba(150), .. })), "{failed:?}");
}

#[test]
fn the_engine_is_told() {
    let (_folder, _path, device) = fresh(4);
    let engine = device.engine();
    assert_eq!(engine.direct, device.file.direct);
    let text = Engine { direct: true, ring: false }.to_string();
    assert_eq!(text, "direct positioned");
    #[cfg(feature = "io-uring")]
    assert_eq!(engine.ring, device.ring.is_some());
    #[cfg(not(feature = "io-uring"))]
    assert!(!engine.ring);
}

/// Batches larger than the ring, with requests of unequal length, and one that only positioned I/O can finish.
#[test]
fn large_batches_arrive_whole() {
    let (_folder, _path, device) = fresh(2000);
    let data: Vec<(u64, Vec<u8>)> =
        (0..300u64).map(|index| (index * 6, block(index).repeat(1 + index as usize % 5))).collect();
    let writes: Vec<(Pba, &[u8])> = data.iter().map(|(at, data)| (Pba(*at), &data[..])).collect();
    device.write_many(&writes).unwrap();
    let mut got: Vec<(u64, Vec<u8>)> = data.iter().map(|(at, data)| (*at, vec![0; data.len()])).collect();
    let mut reads: Vec<(Pba, &mut [u8])> =
        got.iter_mut().map(|(at, data)| (Pba(*at), &mut data[..])).collect();
    device.read_many(&mut reads).unwrap();
    assert!(got == data);
}
