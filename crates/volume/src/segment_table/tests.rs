//! The table alone: what is stored reads back, however long, and what is damaged is refused.

use super::*;
use spinney_device::MemoryDevice;

const DEVICE_BLOCKS: u64 = 20_000;

fn layout() -> Layout {
    Layout::new(DEVICE_BLOCKS, 192, 0).unwrap()
}

/// A table of `count` runs of one block with gaps between, full parts in data blocks from 15,000 on.
fn table(count: u64, device: &MemoryDevice) -> (Segments, SegmentTable) {
    let mut segments = Segments::default();
    for at in 0..count {
        if segments.is_full() {
            segments.store_full(Pba(15_000 + at), device).unwrap();
        }
        segments.push(Extent::new(Pba(300 + 2 * at), 1));
    }
    let stored = segments.store(device).unwrap();
    (segments, stored)
}

#[test]
fn tables_of_any_length_read_back() {
    let device = MemoryDevice::new(DEVICE_BLOCKS);
    for count in [1, 2, 252, 253, 254, 506, 507, 1_000] {
        let (segments, stored) = table(count, &device);
        let loaded = Segments::load(stored, &layout(), &device).unwrap();
        assert_eq!((loaded.runs(), &loaded.full), (segments.runs(), &segments.full), "{count} runs");
    }
    assert!(Segments::load(SegmentTable::default(), &layout(), &device).unwrap().runs().is_empty());
}

#[test]
fn runs_leave_in_reverse_order_and_full_blocks_with_them() {
    let device = MemoryDevice::new(DEVICE_BLOCKS);
    let (mut segments, _) = table(600, &device);
    let (mut blocks, mut runs) = (0, 0);
    while let (Some(run), block) = segments.pop() {
        runs += 1;
        blocks += u64::from(block.is_some());
        assert_eq!(run.start, Pba(300 + 2 * (600 - runs)));
        let stored = segments.store(&device).unwrap();
        let loaded = Segments::load(stored, &layout(), &device).unwrap();
        assert_eq!(loaded.runs(), segments.runs(), "after {runs} went");
    }
    assert_eq!((runs, blocks), (600, 2));
}

#[test]
fn a_changed_table_never_lands_on_the_one_before() {
    let device = MemoryDevice::new(DEVICE_BLOCKS);
    let (mut segments, first) = table(5, &device);
    let before = Segments::load(first, &layout(), &device).unwrap();
    segments.push(Extent::new(Pba(9_000), 7));
    let second = segments.store(&device).unwrap();
    assert_ne!(first.at, second.at);
    assert_eq!(Segments::load(first, &layout(), &device).unwrap().runs(), before.runs());
    assert_eq!(segments.store(&device).unwrap(), second, "nothing changed, nothing is written");
}

#[test]
fn a_scrub_looks_at_what_is_stored_whatever_changed_since() {
    let device = MemoryDevice::new(DEVICE_BLOCKS);
    for (count, change) in [(5, 1), (254, -1), (253, 1)] {
        let (mut segments, stored) = table(count, &device);
        let reached: Vec<Pba> = segments.table_blocks().chain([stored.at]).collect();
        match change {
            -1 => drop(segments.pop()),
            _ if segments.is_full() => segments.store_full(Pba(14_000), &device).unwrap(),
            _ => segments.push(Extent::new(Pba(9_000), 7)),
        }
        let mut seen = Vec::new();
        segments.scrub(&device, &mut |at, healed| {
            assert_eq!(healed.unwrap().sound, 1, "{count} runs");
            seen.push(at);
        });
        assert_eq!(seen, reached, "{count} runs");
    }
}

#[test]
fn every_flipped_bit_of_a_table_is_refused() {
    let device = MemoryDevice::new(DEVICE_BLOCKS);
    let (segments, stored) = table(300, &device);
    for at in segments.table_blocks().chain([stored.at]).collect::<Vec<_>>() {
        let mut block = vec![0; BLOCK_BYTES];
        device.read(at, &mut block).unwrap();
        for bit in 0..BLOCK_BYTES * 8 {
            block[bit / 8] ^= 1 << (bit % 8);
            device.write(at, &block).unwrap();
            let loaded = Segments::load(stored, &layout(), &device);
            assert!(matches!(loaded, Err(Error::Corrupt { .. })), "bit {bit} of block {at}");
            block[bit / 8] ^= 1 << (bit % 8);
        }
        device.write(at, &block).unwrap();
    }
}

#[test]
fn a_forged_table_is_refused() {
    let (device, layout) = (MemoryDevice::new(DEVICE_BLOCKS), layout());
    let forged = |runs: &[(u64, u64)], count: u64| {
        let runs: Vec<Extent> =
            runs.iter().map(|(start, blocks)| Extent { start: Pba(*start), blocks: *blocks }).collect();
        let mut segments = Segments { runs, changed: true, ..Segments::default() };
        let stored = segments.store(&device).unwrap();
        Segments::load(SegmentTable { runs: count, ..stored }, &layout, &device).is_ok()
    };
    assert!(forged(&[(300, 10), (500, 10)], 2));
    assert!(!forged(&[(300, 10), (309, 10)], 2), "two runs share a block");
    assert!(!forged(&[(300, 0)], 1), "a run without blocks");
    assert!(!forged(&[(100, 10)], 1), "a run before the data");
    assert!(!forged(&[(300, u64::MAX - 300)], 1), "a run past the end");
    assert!(!forged(&[(300, 10)], 2) && !forged(&[(300, 10)], 0), "another count");
    assert!(!forged(&[(300, 10)], u64::MAX));
}
