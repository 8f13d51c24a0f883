//! Reads, writes and zeros as a file of fixed size has them.
//!
//! Invariant: nothing lies past the end: reads stop there, writes find no space as at the end of a disk, zeros need none.

use crate::{Kind, Store, What};
use rustix::fs::FallocateFlags;
use spinney_core::{BLOCK_BYTES, DevId, Error, Result};
use spinney_volume::Pool;

/// What is zeroed while others wait.
const PIECE_BYTES: u64 = 1 << 30;

fn end(pool: &Pool, dev: DevId) -> Result<u64> {
    Ok(pool.version(dev)?.blocks * BLOCK_BYTES as u64)
}

/// At most `size` bytes from `offset`: fewer at the end, none behind it.
pub(super) fn read(store: &Store, dev: DevId, offset: u64, size: u32) -> Result<Vec<u8>> {
    let read = store.request(Kind::Read, u64::from(size), |pool| {
        let mut bytes = vec![0; size as usize];
        match pool.read(dev, offset, &mut bytes) {
            Err(Error::OutOfRange { .. }) => {
                let end = end(pool, dev)?;
                bytes.truncate(end.saturating_sub(offset).min(u64::from(size)) as usize);
                pool.read(dev, offset.min(end), &mut bytes)?;
            }
            read => read?,
        }
        Ok(bytes)
    });
    read.inspect(|bytes| store.seen(dev, What::Read, offset, bytes.len() as u64))
}

/// How many bytes fitted; `durable` makes them so. Errors: `NoSpace` if none did.
pub(super) fn write(store: &Store, dev: DevId, offset: u64, data: &[u8], durable: bool) -> Result<u32> {
    let written = store.request(Kind::Write, data.len() as u64, |pool| {
        let mut taken = data;
        match pool.write(dev, offset, data) {
            Err(Error::OutOfRange { .. }) => {
                let fits = end(pool, dev)?.saturating_sub(offset).min(data.len() as u64);
                if fits == 0 {
                    return Err(Error::NoSpace { needed: 1, free: 0 });
                }
                taken = &data[..fits as usize];
                pool.write(dev, offset, taken)?;
            }
            written => written?,
        }
        if durable {
            pool.flush()?;
        }
        Ok(taken.len() as u32)
    });
    written.inspect(|bytes| {
        store.seen(dev, What::Write, offset, u64::from(*bytes));
        if durable {
            store.seen(dev, What::Flush, 0, 0);
        }
    })
}

/// What fallocate may do: zeros, which are holes where whole blocks are. Preallocation is refused: an overwrite goes to fresh blocks, so
/// none could be promised. Errors: `Unsupported`; `OutOfRange` if the size would have to grow.
pub(super) fn zero(store: &Store, dev: DevId, offset: u64, length: u64, mode: i32) -> Result<()> {
    let keeps = FallocateFlags::KEEP_SIZE;
    let mode = FallocateFlags::from_bits_retain(mode.cast_unsigned());
    if mode != FallocateFlags::PUNCH_HOLE | keeps && mode.difference(keeps) != FallocateFlags::ZERO_RANGE {
        return Err(Error::Unsupported("preallocation"));
    }
    let end = store.with(|pool| end(pool, dev))?;
    let asked = offset.saturating_add(length);
    if asked > end && !mode.contains(keeps) {
        return Err(Error::OutOfRange { start: offset, length, limit: end });
    }
    let what = if mode.contains(FallocateFlags::PUNCH_HOLE) { What::Discard } else { What::Zero };
    let (mut at, until) = (offset, asked.min(end));
    while at < until {
        let bytes = PIECE_BYTES.min(until - at);
        store.request(Kind::Zero, bytes, |pool| pool.zero(dev, at, bytes))?;
        store.seen(dev, what, at, bytes);
        at += bytes;
    }
    Ok(())
}
