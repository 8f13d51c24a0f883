//! What the tests of several devices share: recognizable blocks, and a random comparison with a plain array.
//!
//! Invariant: a failure names the seed and the step. Test code only.

use crate::{
    FaultDevice, HoldingDevice, MemoryDevice, MeterDevice, RecorderDevice, build,
    model::{PRESETS, preset},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spinney_core::{BLOCK_BYTES, BlockDevice, Error, Extent, Pba};
use std::sync::Arc;

/// A block that tells which number it was made from.
pub(crate) fn block(number: u64) -> Vec<u8> {
    number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes().repeat(BLOCK_BYTES / 8)
}

pub(crate) fn read_block(device: &dyn BlockDevice, at: u64) -> Vec<u8> {
    let mut buffer = vec![0xEE; BLOCK_BYTES];
    device.read(Pba(at), &mut buffer).unwrap();
    buffer
}

/// Random requests against an array of block numbers. A discarded block is written before it is read again, since what it reads is
/// the device's affair.
pub(crate) fn conforms(device: &dyn BlockDevice, seed: u64, steps: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let size = device.blocks();
    let mut model: Vec<Option<u64>> = vec![None; size as usize];
    for step in 1..=steps {
        let start = rng.random_range(0..size);
        let blocks = rng.random_range(1..=(size - start).min(40));
        let run = start as usize..(start + blocks) as usize;
        match rng.random_range(0..10) {
            0..4 => {
                let data: Vec<u8> = (start..start + blocks).flat_map(|at| block(step << 32 | at)).collect();
                device.write(Pba(start), &data).unwrap();
                run.for_each(|at| model[at] = Some(step << 32 | at as u64));
            }
            4 => {
                device.discard(Extent::new(Pba(start), blocks)).unwrap();
                run.for_each(|at| model[at] = None);
            }
            5 => device.flush().unwrap(),
            6 => many(device, &mut rng, &mut model, step),
            _ => {
                let mut buffer = vec![0xEE; blocks as usize * BLOCK_BYTES];
                device.read(Pba(start), &mut buffer).unwrap();
                compare(&buffer, start, &model, seed, step);
            }
        }
    }
    refuses_what_lies_outside(device);
}

fn many(device: &dyn BlockDevice, rng: &mut ChaCha8Rng, model: &mut [Option<u64>], step: u64) {
    let picks: Vec<u64> = (0..8).map(|slot| slot * device.blocks() / 8 + rng.random_range(0..2)).collect();
    let data: Vec<Vec<u8>> = picks.iter().map(|at| block(step << 32 | at)).collect();
    let writes: Vec<(Pba, &[u8])> = picks.iter().zip(&data).map(|(at, data)| (Pba(*at), &data[..])).collect();
    device.write_many(&writes).unwrap();
    picks.iter().for_each(|at| model[*at as usize] = Some(step << 32 | at));
    let mut buffers = vec![vec![0; BLOCK_BYTES]; 8];
    let mut reads: Vec<(Pba, &mut [u8])> =
        picks.iter().zip(&mut buffers).map(|(at, buffer)| (Pba(*at), &mut buffer[..])).collect();
    device.read_many(&mut reads).unwrap();
    assert_eq!(buffers, data, "step {step}");
}

fn compare(buffer: &[u8], start: u64, model: &[Option<u64>], seed: u64, step: u64) {
    for (at, got) in (start..).zip(buffer.chunks_exact(BLOCK_BYTES)) {
        if let Some(number) = model[at as usize] {
            assert!(got == &block(number)[..], "seed {seed}, step {step}: block {at} differs");
        }
    }
}

fn refuses_what_lies_outside(device: &dyn BlockDevice) {
    let size = device.blocks();
    let refused = |result| matches!(result, Err(Error::OutOfRange { .. }));
    assert!(refused(device.read(Pba(size), &mut block(0))));
    assert!(refused(device.write(Pba(u64::MAX), &block(0))));
    assert!(refused(device.discard(Extent { start: Pba(size - 1), blocks: 2 })));
    assert!(refused(device.read_many(&mut [(Pba(size), &mut block(0)[..])])));
    assert!(refused(device.write_many(&[(Pba(size), &block(0)[..])])));
}

/// A flush that a wrapper swallows would lose data that was called durable.
#[test]
fn every_wrapper_passes_flushes_and_discards_on() {
    let passes = |wrap: &dyn Fn(Arc<MeterDevice<MemoryDevice>>) -> Arc<dyn BlockDevice>, name: &str| {
        let meter = Arc::new(MeterDevice::new(MemoryDevice::new(16)));
        let device = wrap(Arc::clone(&meter));
        device.write(Pba(3), &block(3)).unwrap();
        device.discard(Extent::new(Pba(0), 2)).unwrap();
        device.flush().unwrap();
        let counts = meter.counts();
        assert_eq!((counts.write_blocks, counts.discard_blocks, counts.flushes), (1, 2, 1), "{name}");
    };
    passes(&|below| Arc::new(MeterDevice::new(below)), "meter");
    passes(&|below| Arc::new(RecorderDevice::new(below, || 0, drop)), "recorder");
    passes(&|below| Arc::new(FaultDevice::new(below, &[])), "fault");
    passes(&|below| Arc::new(HoldingDevice::new(below)), "holding");
    for model in PRESETS {
        passes(&|below| build(&preset(model.name).unwrap(), below).unwrap(), model.name);
    }
}
