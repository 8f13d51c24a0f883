//! Each bit of a small pool's metadata, flipped in turn and not sealed again: found, or of no effect.
//!
//! Invariant: for one pair every bit of every live page and of every map page, by the page store alone; for a sample of
//! pairs (all allocators, all schemes) a share of the bits by the page store, and for another by the whole pool. The superblock's bits are `crates/volume/tests/pool/damage.rs`.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use spinney_core::{BLOCK_BYTES, BlockDevice, Error, PageKind, PageNo, Pba, Place};
use spinney_device::MemoryDevice;
use spinney_fuzz::image::{open, pools};
use spinney_pages::{PageStore, StoreOptions};
use spinney_volume::{Pool, Superblock};
use std::sync::Arc;

const BITS: usize = BLOCK_BYTES * 8;

fn read(device: &MemoryDevice, at: Pba) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    device.read(at, &mut block).unwrap();
    block
}

/// Call `each` with every `stride`th bit of the block flipped.
fn flip(device: &MemoryDevice, at: Pba, stride: usize, mut each: impl FnMut(usize)) {
    let mut block = read(device, at);
    for bit in (0..BITS).step_by(stride) {
        block[bit / 8] ^= 1 << (bit % 8);
        device.write(at, &block).unwrap();
        each(bit);
        block[bit / 8] ^= 1 << (bit % 8);
    }
    device.write(at, &block).unwrap();
}

fn store(device: &Arc<MemoryDevice>, superblock: &Superblock) -> Result<PageStore, Error> {
    PageStore::open(device.clone(), &[superblock.layout.area], &superblock.pages, StoreOptions::default())
}

/// The kind and number in the header of a metadata block.
fn header(device: &MemoryDevice, at: Pba) -> (PageKind, PageNo) {
    let block = read(device, at);
    (PageKind(block[4]), PageNo(u64::from_le_bytes(block[8..16].try_into().unwrap())))
}

/// Flip bits of every live page and map page of one pool.
fn pages_of(name: &str, device: MemoryDevice, stride: usize) {
    let device = Arc::new(device);
    let superblock = Superblock::load(&*device, false).unwrap();
    let sound = store(&device, &superblock).unwrap();
    let (mut live, mut maps) = (0, 0);
    for at in superblock.layout.area.iter() {
        let (kind, number) = header(&device, at);
        if kind == PageKind::MAP {
            maps += map_page(name, &device, at, &superblock, stride);
            continue;
        }
        // What a freed page left behind is no page, with or without its block.
        if sound.verify(number).is_err() {
            continue;
        }
        let before = read(&device, at);
        device.write(at, &[0; BLOCK_BYTES]).unwrap();
        let is_live = sound.verify(number).is_err();
        device.write(at, &before).unwrap();
        if is_live {
            live += 1;
            flip(&device, at, stride, |bit| {
                let verified = sound.verify(number);
                let place = Place::Page(number);
                let seen = matches!(verified, Err(Error::Corrupt { place: at, .. }) if at == place);
                assert!(seen, "{name}: bit {bit} of page {number} on block {at}: {verified:?}");
            });
        }
    }
    assert!(live as u64 == sound.pages_live() && maps > 0, "{name}: {live} live pages, {maps} map pages");
}

/// One slot of a map page: 1 if it is the one in use, every bit of which matters.
fn map_page(
    name: &str,
    device: &Arc<MemoryDevice>,
    at: Pba,
    superblock: &Superblock,
    stride: usize,
) -> usize {
    let before = read(device, at);
    device.write(at, &[0; BLOCK_BYTES]).unwrap();
    let in_use = store(device, superblock).is_err();
    device.write(at, &before).unwrap();
    flip(device, at, stride, |bit| {
        let opened = store(device, superblock).map(drop);
        let right = if in_use { matches!(opened, Err(Error::Corrupt { .. })) } else { opened.is_ok() };
        assert!(right, "{name}: bit {bit} of the map page on block {at} (in use: {in_use}): {opened:?}");
    });
    usize::from(in_use)
}

#[test]
fn each_flipped_bit_of_each_page_is_seen() {
    for (number, (name, device)) in pools(0).into_iter().enumerate() {
        pages_of(&name, device, if number == 0 { 1 } else { 61 });
    }
}

/// What every version holds, block by block; `None` where it cannot be read.
fn content(pool: &Pool) -> Result<Vec<Option<Vec<u8>>>, Error> {
    let mut content = Vec::new();
    for version in pool.versions()? {
        for at in 0..version.blocks {
            let mut block = vec![0; BLOCK_BYTES];
            let read = pool.read(version.dev, at * BLOCK_BYTES as u64, &mut block);
            assert!(matches!(read, Ok(()) | Err(Error::Corrupt { .. })), "{read:?}");
            content.push(read.is_ok().then_some(block));
        }
    }
    Ok(content)
}

#[test]
fn a_flipped_bit_of_a_pool_is_found_or_of_no_effect() {
    for (name, device) in pools(1) {
        let sound = content(&open(Arc::new(device.clone())).unwrap()).unwrap();
        let area = Superblock::load(&device, false).unwrap().layout.area;
        let written = area.iter().filter(|at| read(&device, *at) != [0; BLOCK_BYTES]).collect::<Vec<_>>();
        let (mut found, mut harmless) = (0, 0);
        // A prime, so that the bits fall on all fields.
        for bit in (0..written.len() * BITS).step_by(9973) {
            let image = device.clone();
            let (at, bit) = (written[bit / BITS], bit % BITS);
            let mut block = read(&image, at);
            block[bit / 8] ^= 1 << (bit % 8);
            image.write(at, &block).unwrap();
            let held =
                open(Arc::new(image)).and_then(|pool| Ok((content(&pool)?, pool.check(false)?.is_sound())));
            match held {
                Ok((held, passed)) => {
                    let same = held.iter().zip(&sound).all(|(now, then)| now.is_none() || now == then);
                    assert!(
                        same && held.len() == sound.len(),
                        "{name}: bit {bit} of block {at}: wrong bytes"
                    );
                    assert!(
                        !passed || held == sound,
                        "{name}: bit {bit} of block {at}: the checker missed what hurt"
                    );
                    harmless += u64::from(passed);
                    found += u64::from(!passed);
                }
                Err(Error::Corrupt { .. }) => found += 1,
                Err(error) => panic!("{name}: bit {bit} of block {at}: {error}"),
            }
        }
        assert!(found > 30, "{name}: {found} found, {harmless} of no effect");
    }
}
