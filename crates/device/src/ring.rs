//! Batches of reads or writes through io_uring, for the file device.
//!
//! Invariant: when a batch returns, the kernel holds no pointer into the caller's memory. What the ring did not finish whole is
//! told to the caller, who does it again by positioned I/O: that path reports errors, this one never does. Knows no device.

use crate::{
    aligned::{AlignedBuffer, is_aligned},
    sync,
};
use io_uring::{IoUring, Probe, opcode, squeue, types::Fd};
use spinney_core::{BLOCK_BYTES, Pba};
use std::{fs::File, ops::Range, os::fd::AsRawFd, sync::Mutex};

/// Requests in flight at once. A batch is waited for as a whole, so a short one leaves the disk idle at its end: 256 random
/// writes of 4 KiB at a time were 1.6 to 2.2 times as fast as 64 at a time on a virtio disk, and 1024 no faster. Entries of both
/// queues take 24 KiB.
const DEPTH: usize = 256;
/// Bytes in flight at once, beyond a single request: enough for 64 requests of 1 MiB, and the most that bounce buffers take.
const BATCH_BYTES: usize = 64 << 20;

pub(crate) struct Ring(Mutex<IoUring>);

impl Ring {
    /// A ring, if this kernel (and its sandbox) has one that can read and write.
    pub(crate) fn probe() -> Option<Ring> {
        let ring = IoUring::new(DEPTH as u32).ok()?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe).ok()?;
        let able = probe.is_supported(opcode::Read::CODE) && probe.is_supported(opcode::Write::CODE);
        able.then(|| Ring(Mutex::new(ring)))
    }
    /// Returns the indexes that are still to be read.
    pub(crate) fn read(&self, file: &File, reads: &mut [(Pba, &mut [u8])], direct: bool) -> Vec<usize> {
        let mut left = Vec::new();
        for batch in batches(reads.iter().map(|(_, buffer)| buffer.len())) {
            let part = &mut reads[batch.clone()];
            let mut bounces = bounces(part.iter().map(|(_, buffer)| &**buffer), direct);
            let transfers = part.iter_mut().zip(&mut bounces).map(|((at, buffer), bounce)| {
                let target = bounce.as_mut().map_or(&mut **buffer, AlignedBuffer::bytes);
                let (pointer, length) = (target.as_mut_ptr(), length(target));
                opcode::Read::new(Fd(file.as_raw_fd()), pointer, length).offset(byte(*at)).build()
            });
            let done = self.run(transfers.collect());
            for (index, ((_, buffer), bounce)) in part.iter_mut().zip(&mut bounces).enumerate() {
                if done[index] != Some(buffer.len()) {
                    left.push(batch.start + index);
                } else if let Some(bounce) = bounce {
                    buffer.copy_from_slice(bounce.bytes());
                }
            }
        }
        left
    }
    /// Returns the indexes that are still to be written.
    pub(crate) fn write(&self, file: &File, writes: &[(Pba, &[u8])], direct: bool) -> Vec<usize> {
        let mut left = Vec::new();
        for batch in batches(writes.iter().map(|(_, data)| data.len())) {
            let part = &writes[batch.clone()];
            let mut bounces = bounces(part.iter().map(|(_, data)| *data), direct);
            let transfers = part.iter().zip(&mut bounces).map(|((at, data), bounce)| {
                let source: &[u8] = match bounce {
                    Some(bounce) => {
                        bounce.bytes().copy_from_slice(data);
                        bounce.bytes()
                    }
                    None => data,
                };
                let (pointer, length) = (source.as_ptr(), length(source));
                opcode::Write::new(Fd(file.as_raw_fd()), pointer, length).offset(byte(*at)).build()
            });
            let done = self.run(transfers.collect());
            let short = (0..part.len()).filter(|&index| done[index] != Some(part[index].1.len()));
            left.extend(short.map(|index| batch.start + index));
        }
        left
    }
    /// Bytes done for each entry (`None`: failed). All entries are finished when it returns.
    fn run(&self, entries: Vec<squeue::Entry>) -> Vec<Option<usize>> {
        let mut ring = sync::lock(&self.0);
        let mut done = vec![None; entries.len()];
        for (entry, index) in entries.iter().zip(0u64..) {
            let entry = entry.clone().user_data(index);
            #[expect(unsafe_code, reason = "the kernel is handed raw pointers")]
            // SAFETY: the pointers are into buffers that the callers keep borrowed until this function returns, and it returns
            // only after a completion for each entry (or ends the process). Entries are at most DEPTH, the queue's size.
            unsafe { ring.submission().push(&entry) }.expect("a batch fits into an empty queue");
        }
        let mut waiting = entries.len();
        while waiting > 0 {
            // For all at once: to be woken for each is to wait for a processor each time, if others want it too.
            match ring.submit_and_wait(waiting) {
                Ok(_) => {}
                Err(error) if matches!(error.raw_os_error(), Some(4 | 11 | 16)) => {} // EINTR, EAGAIN, EBUSY
                // The kernel may still write into the buffers and nothing can stop it: going on would be unsound.
                Err(_) => std::process::abort(),
            }
            for completion in ring.completion() {
                done[completion.user_data() as usize] = usize::try_from(completion.result()).ok();
                waiting -= 1;
            }
        }
        done
    }
}

/// Requests of these lengths, cut into batches of at most `DEPTH` requests and, unless one alone is longer, `BATCH_BYTES`.
fn batches(lengths: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let (mut cut, mut batch, mut bytes) = (Vec::new(), 0..0, 0_usize);
    for length in lengths {
        if batch.len() == DEPTH || (!batch.is_empty() && bytes + length > BATCH_BYTES) {
            cut.push(batch.clone());
            (batch, bytes) = (batch.end..batch.end, 0);
        }
        (batch.end, bytes) = (batch.end + 1, bytes + length);
    }
    cut.push(batch);
    cut
}

/// An aligned stand-in for each buffer that direct I/O would refuse.
fn bounces<'a>(buffers: impl Iterator<Item = &'a [u8]>, direct: bool) -> Vec<Option<AlignedBuffer>> {
    buffers.map(|buffer| (direct && !is_aligned(buffer)).then(|| AlignedBuffer::new(buffer.len()))).collect()
}

/// What one request can carry; a longer one ends short and is finished by positioned I/O.
fn length(buffer: &[u8]) -> u32 {
    buffer.len().min(1 << 30) as u32
}

fn byte(at: Pba) -> u64 {
    at.0 * BLOCK_BYTES as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_cover_all_requests_within_both_limits() {
        assert_eq!(batches(std::iter::repeat_n(4096, 600)), [0..256, 256..512, 512..600]);
        assert_eq!(batches([BATCH_BYTES, 1, BATCH_BYTES - 1, 1].into_iter()), [0..1, 1..3, 3..4]);
        assert_eq!(batches([BATCH_BYTES * 2, BATCH_BYTES * 2].into_iter()), [0..1, 1..2]);
    }
}
