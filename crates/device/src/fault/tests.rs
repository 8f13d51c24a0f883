//! Each fault does what its name says, when its line says, and leaves a note.

use super::*;
use crate::{
    MemoryDevice,
    tests::{block, conforms, read_block},
};

/// Blocks 0..8 hold their own number.
fn filled(script: &[Fault]) -> FaultDevice<MemoryDevice> {
    let memory = MemoryDevice::new(8);
    (0..8).for_each(|at| memory.write(Pba(at), &block(at)).unwrap());
    FaultDevice::new(memory, script)
}

fn read(device: &FaultDevice<MemoryDevice>, at: u64) -> Result<Vec<u8>> {
    let mut buffer = vec![0; BLOCK_BYTES];
    device.read(Pba(at), &mut buffer).map(|()| buffer)
}

#[test]
fn an_empty_script_changes_nothing() {
    let device = FaultDevice::new(MemoryDevice::new(64), &[]);
    conforms(&device, 1, 300);
    assert!(device.fired().is_empty());
}

#[test]
fn an_error_strikes_the_first_request_that_it_applies_to() {
    let device = filled(&[Fault::once(FaultKind::ReadError, 1)]);
    assert!(read(&device, 0).is_ok());
    device.flush().unwrap();
    device.write(Pba(0), &block(9)).unwrap();
    assert_eq!(read(&device, 3), Err(Error::Io { operation: "read", at: Pba(3), code: 5 }));
    assert!(read(&device, 3).is_ok());
    assert_eq!(device.fired(), [(3, Fault::once(FaultKind::ReadError, 1))]);
    assert_eq!(device.requests(), 5);
}

#[test]
fn a_failed_write_changes_nothing_and_a_failed_flush_says_so() {
    let device = filled(&[Fault::once(FaultKind::WriteError, 0), Fault::once(FaultKind::FlushError, 0)]);
    assert!(device.write(Pba(1), &block(9)).is_err());
    assert_eq!(read(&device, 1), Ok(block(1)));
    assert!(device.flush().is_err());
    assert!(device.flush().is_ok());
}

#[test]
fn a_device_that_is_gone_stays_gone() {
    let device = filled(&[Fault::forever(FaultKind::AnyError, 2)]);
    assert!(read(&device, 0).is_ok() && device.flush().is_ok());
    for _ in 0..3 {
        assert!(read(&device, 0).is_err() && device.flush().is_err());
        assert!(device.write(Pba(0), &block(0)).is_err() && device.discard(Extent::new(Pba(0), 1)).is_err());
    }
}

#[test]
fn a_bit_flipped_on_read_is_right_the_next_time() {
    let device = filled(&[Fault::once(FaultKind::FlipOnRead { bit: 8 * 100 + 3 }, 0)]);
    let got = read(&device, 2).unwrap();
    let differing: Vec<usize> = (0..BLOCK_BYTES).filter(|&at| got[at] != block(2)[at]).collect();
    assert_eq!(differing, [100]);
    assert_eq!(got[100] ^ block(2)[100], 1 << 3);
    assert_eq!(read(&device, 2), Ok(block(2)));
}

#[test]
fn a_bit_flipped_at_rest_stays_flipped() {
    let device = filled(&[Fault::once(FaultKind::FlipAtRest { at: Pba(5), bit: 7 }, 1)]);
    assert_eq!(read(&device, 5), Ok(block(5)));
    device.flush().unwrap();
    let first = read(&device, 5).unwrap();
    assert_eq!(first[0] ^ block(5)[0], 1 << 7);
    assert_eq!(read(&device, 5), Ok(first));
}

#[test]
fn a_lost_write_is_acknowledged() {
    let device = filled(&[Fault::once(FaultKind::LostWrite, 0)]);
    device.write(Pba(1), &block(9)).unwrap();
    assert_eq!(read(&device, 1), Ok(block(1)));
    device.write(Pba(1), &block(9)).unwrap();
    assert_eq!(read(&device, 1), Ok(block(9)));
}

#[test]
fn misdirected_requests_land_elsewhere_on_the_device() {
    let device = filled(&[Fault::once(FaultKind::MisdirectedWrite { shift_blocks: 3 }, 0)]);
    device.write(Pba(6), &block(9)).unwrap();
    assert_eq!(read_block(device.below(), 6), block(6));
    assert_eq!(read_block(device.below(), 1), block(9));
    let device = filled(&[Fault::once(FaultKind::MisdirectedRead { shift_blocks: u64::MAX }, 0)]);
    let mut buffer = block(0).repeat(3);
    device.read(Pba(2), &mut buffer).unwrap();
    assert!(buffer[..BLOCK_BYTES] != block(2)[..]);
}

#[test]
fn a_stale_read_shows_the_content_before_the_last_write() {
    let device = filled(&[Fault::once(FaultKind::StaleRead, 0)]);
    assert_eq!(read(&device, 4), Ok(block(4)), "never written since, so there is nothing stale");
    device.write(Pba(4), &block(10)).unwrap();
    device.write(Pba(4), &block(11)).unwrap();
    assert_eq!(read(&device, 4), Ok(block(10)));
    assert_eq!(read(&device, 4), Ok(block(11)));
}

#[test]
fn a_fault_can_be_bound_to_a_region() {
    let fault = Fault::forever(FaultKind::WriteError, 0).within(Extent::new(Pba(2), 2));
    let device = filled(&[fault]);
    assert!(device.write(Pba(1), &block(0)).is_ok() && device.write(Pba(4), &block(0)).is_ok());
    assert!(device.write(Pba(1), &block(0).repeat(2)).is_err());
    assert_eq!(device.fired(), [(2, fault)]);
}

#[test]
fn a_fault_can_be_put_at_each_request_of_a_batch() {
    for at in 0..4 {
        let device = filled(&[Fault::once(FaultKind::WriteError, at)]);
        let data = block(9);
        let writes: Vec<(Pba, &[u8])> = (0..4).map(|at| (Pba(at), &data[..])).collect();
        assert!(device.write_many(&writes).is_err());
        let written = (0..4).filter(|&at| read_block(device.below(), at) == data).count();
        assert_eq!(written as u64, at);
    }
}

#[test]
fn a_full_host_refuses_writes_with_its_own_number() {
    let device = filled(&[Fault::once(FaultKind::NoSpace, 0)]);
    assert_eq!(device.write(Pba(1), &block(9)), Err(Error::Io { operation: "write", at: Pba(1), code: 28 }));
    assert_eq!(read(&device, 1), Ok(block(1)));
}

#[test]
fn a_bit_flipped_on_its_way_stays_wrong() {
    let device = filled(&[Fault::once(FaultKind::FlipOnWrite { bit: 8 * 100 + 3 }, 0)]);
    device.write(Pba(2), &block(9)).unwrap();
    let mut wanted = block(9);
    wanted[100] ^= 8;
    assert_eq!(read(&device, 2), Ok(wanted.clone()));
    assert_eq!(read(&device, 2), Ok(wanted));
}

#[test]
fn of_a_torn_write_the_chosen_sectors_arrive() {
    let device = filled(&[Fault::once(FaultKind::TornWrite { sectors: 0b101 }, 0)]);
    device.write(Pba(2), &block(9)).unwrap();
    let (old, new) = (block(2), block(9));
    let wanted: Vec<u8> = [&new[..512], &old[512..1024], &new[1024..1536], &old[1536..]].concat();
    assert_eq!(read(&device, 2), Ok(wanted));
}

#[test]
fn a_slow_device_is_right_and_says_how_slow_it_was() {
    let device = filled(&[Fault::forever(FaultKind::Slow { nanoseconds: 7 }, 1)]);
    assert_eq!((read(&device, 2), read(&device, 3)), (Ok(block(2)), Ok(block(3))));
    device.flush().unwrap();
    assert_eq!(device.delayed_ns(), 14);
}

#[test]
fn a_fault_of_chance_strikes_about_as_often_as_it_says_and_repeats_itself() {
    let strikes = || {
        let device = filled(&[Fault::chance(FaultKind::ReadError, 100, 5, 3)]);
        (0..1100).filter(|_| read(&device, 0).is_err()).count()
    };
    assert!((150..250).contains(&strikes()), "one in five of a thousand: {}", strikes());
    assert_eq!(strikes(), strikes());
}
