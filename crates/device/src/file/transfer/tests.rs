//! Short, interrupted and failing system calls under whole transfers.

use super::*;
use std::collections::VecDeque;

/// What the next call does.
#[derive(Clone, Copy, Debug)]
enum Call {
    Short(usize),
    Fails(i32),
}
use Call::{Fails, Short};

const EINTR: i32 = 4;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// Bytes in memory behind calls that go by a script, and are whole after it.
struct Bad {
    bytes: Mutex<Vec<u8>>,
    script: Mutex<VecDeque<Call>>,
    calls: Mutex<u32>,
}

impl Bad {
    fn new(script: &[Call]) -> Transfer<Bad> {
        let bytes = (0..16 * BLOCK_BYTES).map(|at| (at / 7) as u8).collect();
        let script = Mutex::new(script.iter().copied().collect());
        Transfer::new(Bad { bytes: Mutex::new(bytes), script, calls: Mutex::default() }, false)
    }
    fn length(&self, wanted: usize) -> io::Result<usize> {
        *self.calls.lock().unwrap() += 1;
        match self.script.lock().unwrap().pop_front() {
            Some(Short(bytes)) => Ok(bytes.min(wanted)),
            Some(Fails(code)) => Err(io::Error::from_raw_os_error(code)),
            None => Ok(wanted),
        }
    }
}

impl Positioned for Bad {
    fn read_at(&self, buffer: &mut [u8], start: u64) -> io::Result<usize> {
        let length = self.length(buffer.len())?;
        buffer[..length].copy_from_slice(&self.bytes.lock().unwrap()[start as usize..][..length]);
        Ok(length)
    }
    fn write_at(&self, data: &[u8], start: u64) -> io::Result<usize> {
        let length = self.length(data.len())?;
        self.bytes.lock().unwrap()[start as usize..][..length].copy_from_slice(&data[..length]);
        Ok(length)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.length(0).map(drop)
    }
}

fn read(transfer: &Transfer<Bad>) -> io::Result<()> {
    let mut buffer = vec![0xEE; 4 * BLOCK_BYTES];
    transfer.read(BLOCK_BYTES as u64, &mut buffer)?;
    assert!(buffer == transfer.io.bytes.lock().unwrap()[BLOCK_BYTES..5 * BLOCK_BYTES], "wrong bytes");
    Ok(())
}

fn write(transfer: &Transfer<Bad>) -> io::Result<()> {
    let data = vec![0xAA; 4 * BLOCK_BYTES];
    transfer.write(BLOCK_BYTES as u64, &data)?;
    assert!(data == transfer.io.bytes.lock().unwrap()[BLOCK_BYTES..5 * BLOCK_BYTES], "wrong bytes");
    Ok(())
}

#[test]
fn a_short_read_or_write_goes_on_where_it_stopped() {
    let script = [Short(BLOCK_BYTES), Short(2 * BLOCK_BYTES)];
    for transfer in [read, write] {
        let bad = Bad::new(&script);
        transfer(&bad).unwrap();
        assert_eq!(*bad.io.calls.lock().unwrap(), 3);
    }
}

#[test]
fn a_transfer_that_stops_inside_a_block_does_that_block_again() {
    for transfer in [read, write] {
        transfer(&Bad::new(&[Short(1), Short(BLOCK_BYTES + 17), Short(511)])).unwrap();
    }
}

#[test]
fn interrupted_calls_are_made_again() {
    for transfer in [read, write] {
        transfer(&Bad::new(&[Fails(EINTR), Short(BLOCK_BYTES), Fails(EINTR), Fails(EINTR)])).unwrap();
    }
}

#[test]
fn a_call_that_never_gets_further_is_an_error_and_not_a_hang() {
    for script in [vec![Fails(EINTR); 1000], vec![Short(1); 1000]] {
        assert!(read(&Bad::new(&script)).is_err());
        assert!(write(&Bad::new(&script)).is_err());
    }
}

#[test]
fn the_end_of_the_file_and_a_full_host_are_errors() {
    assert_eq!(read(&Bad::new(&[Short(0)])).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(write(&Bad::new(&[Short(0)])).unwrap_err().kind(), io::ErrorKind::WriteZero);
    let full = Bad::new(&[Short(BLOCK_BYTES), Fails(ENOSPC)]);
    assert_eq!(write(&full).unwrap_err().raw_os_error(), Some(ENOSPC));
}

#[test]
fn a_failed_flush_is_not_retried_into_success() {
    let bad = Bad::new(&[Fails(EIO)]);
    assert_eq!(bad.flush().unwrap_err().raw_os_error(), Some(EIO));
    assert!(bad.flush().is_err() && bad.flush().is_err());
    assert_eq!(*bad.io.calls.lock().unwrap(), 1, "the system is not asked again");
    write(&bad).unwrap();
    assert!(bad.flush().is_err());
}
