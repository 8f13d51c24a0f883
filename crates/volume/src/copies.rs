//! Blocks of which the device may keep several copies and which no checksum stands above: what all must have, and whether they do.
//!
//! Invariant: with one copy each of these is a plain read. Knows no structure.

use spinney_core::{BLOCK_BYTES, BlockDevice, Error, Extent, Healed, Pba, Result};

/// Whether the device has `wanted`, which was just written and flushed, at `at`. A copy that lost it has it again, durably. Errors: `Io`.
pub(crate) fn holds(device: &dyn BlockDevice, at: Pba, wanted: &[u8]) -> Result<bool> {
    let mut found = vec![0; wanted.len()];
    if device.copies() <= 1 {
        device.read(at, &mut found)?;
        return Ok(found == wanted);
    }
    let blocks = (at.0..).map(Pba).zip(wanted.chunks_exact(BLOCK_BYTES));
    let mut all = Healed::default();
    for ((at, wanted), found) in blocks.zip(found.chunks_exact_mut(BLOCK_BYTES)) {
        let healed = device.heal(at, found, &mut |copy| copy == wanted)?;
        all += healed;
        if healed.sound == 0 {
            return Ok(false);
        }
    }
    if all.repaired > 0 {
        device.flush()?;
    }
    Ok(true)
}

/// Read `run` of each copy that can be read. Errors: `Io` if none can.
pub(crate) fn read_each(device: &dyn BlockDevice, run: Extent) -> Result<Vec<Vec<u8>>> {
    let read = |copy| {
        let mut bytes = vec![0; run.blocks as usize * BLOCK_BYTES];
        device.read_copy(copy, run.start, &mut bytes).map(|()| bytes)
    };
    let (mut found, mut failure) = (Vec::new(), Error::Closed);
    for copy in 0..device.copies() {
        match read(copy) {
            Ok(bytes) => found.push(bytes),
            Err(error) => failure = error,
        }
    }
    if found.is_empty() { Err(failure) } else { Ok(found) }
}
