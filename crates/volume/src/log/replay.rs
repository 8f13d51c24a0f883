//! Opening a pool whose log has records on top of its last commit.
//!
//! Invariant: what a flush covered is there again, as it was, and durable by a commit before anybody sees it; of what no flush covered, a
//! record is replayed whole or not at all. Less only by `accept_damaged`. Nothing that was read is trusted: a record that does not fit the pool is `Corrupt`.

use super::record::{Header, LogEntry, LogRecord};
use super::{PIECE_BLOCKS, pieces};
use crate::discard;
use crate::{Pool, Superblock, copies};
use spinney_core::{BLOCK_BYTES, BlockDevice, DevId, Error, Extent, Lba, LbaRange, Pba, Place, Result};
use spinney_snap::Access;

const PIECE_BYTES: usize = PIECE_BLOCKS as usize * BLOCK_BYTES;
/// What is said of a record that was flushed, since one after it was begun.
const DAMAGED: &str = "intent log (a record that a flush covered; the option accept_damaged_log opens the pool without it and what \
     came after it)";
/// And of a block of the log, or of data of its last record, that cannot be read.
const UNREADABLE: &str = "read of the intent log (try again; if it stays unreadable, the option accept_damaged_log opens the pool without \
     that record and what came after it)";

/// What the log holds on top of the last commit.
#[derive(Default)]
pub(crate) struct Tail {
    /// Whole records in order. Each but the last was covered by a flush, or the next one would not be there.
    records: Vec<(Pba, LogRecord)>,
    /// Whether anything of that commit is there, be it in parts, or may be: then no other record may be put on it, lest the two mix.
    any: bool,
    /// Blocks of the log that the device does not give; they were taken for zeros.
    unreadable: Vec<Pba>,
    accept_damaged: bool,
}

impl Tail {
    /// Read the log of a superblock. Errors, unless `accept_damaged`: `Corrupt` where a record is missing or damaged that has a
    /// successor, be it in parts; `Io`.
    pub(crate) fn read(
        superblock: &Superblock,
        device: &dyn BlockDevice,
        accept_damaged: bool,
    ) -> Result<Tail> {
        let area = superblock.layout.log;
        let mut tail = Tail { accept_damaged, ..Tail::default() };
        let images = tail.read_images(area, device)?;
        tail.any = !tail.unreadable.is_empty();
        let (epoch, seal) = (superblock.epoch, superblock.seal());
        let mut at = 0;
        while at < area.blocks as usize {
            let place = Pba(area.start.0 + at as u64);
            let next = tail.records.len() as u64;
            let (mut found, mut later) = (None, false);
            for image in &images {
                let rest = &image[at * BLOCK_BYTES..];
                let stands =
                    Header::decode(rest).filter(|header| header.base == epoch && header.seal == seal);
                tail.any |= stands.is_some();
                later |= stands.as_ref().is_some_and(|header| header.sequence > next);
                let record = stands.and_then(|_| LogRecord::decode(rest, place));
                found = found.or(record.filter(|(record, _)| record.sequence == next));
            }
            // Records are written in order, each after the flush of the one before.
            if !accept_damaged && found.is_none() && later {
                return Err(Error::Corrupt { what: DAMAGED, place: Place::Block(place) });
            }
            at += found.map_or(1, |(record, blocks)| {
                tail.records.push((place, record));
                blocks as usize
            });
        }
        Ok(tail)
    }

    /// The whole log, of each copy that the device has of it and can read. A record is taken from whichever copy has it whole.
    fn read_images(&mut self, area: Extent, device: &dyn BlockDevice) -> Result<Vec<Vec<u8>>> {
        let copies = device.copies();
        if copies > 1 && area.blocks > 0 {
            return copies::read_each(device, area).map_err(unreadable);
        }
        let mut bytes = vec![0; area.blocks as usize * BLOCK_BYTES];
        for (piece, buffer) in pieces(area).zip(bytes.chunks_mut(PIECE_BYTES)) {
            self.read_piece(piece, buffer, device)?;
        }
        Ok(vec![bytes])
    }

    /// At once, or block by block if that fails and damage is accepted.
    fn read_piece(&mut self, piece: Extent, buffer: &mut [u8], device: &dyn BlockDevice) -> Result<()> {
        match device.read(piece.start, buffer) {
            Err(Error::Io { .. }) if self.accept_damaged => {}
            read => return read.map_err(unreadable),
        }
        for (block, at) in buffer.chunks_mut(BLOCK_BYTES).zip(piece.start.0..) {
            match device.read(Pba(at), block) {
                Err(Error::Io { .. }) => {
                    block.fill(0);
                    self.unreadable.push(Pba(at));
                }
                read => read?,
            }
        }
        Ok(())
    }
}

impl Pool {
    /// Do again what the records say, and commit. Errors: `Corrupt`, `Io`, of the commit; the pool on the device is then as before.
    pub(crate) fn replay(&mut self, tail: Tail) -> Result<()> {
        if !tail.any {
            return Ok(());
        }
        let Tail { mut records, unreadable, accept_damaged, .. } = tail;
        let last = records.pop();
        records.iter().try_for_each(|(at, record)| self.replay_record(*at, record))?;
        if let Some((at, record)) = last
            && self.arrived(at, &record, accept_damaged)?
        {
            self.replay_record(at, &record)?;
        }
        self.commit()?;
        // Most drives give such a block a new place when it is written. If this one fails instead, the next opening says so.
        unreadable.into_iter().try_for_each(|at| match self.device.write(at, &[0; BLOCK_BYTES]) {
            Err(Error::Io { .. }) => Ok(()),
            written => written,
        })
    }

    /// Whether the data of a record is on the device. It, too, may have been read from a cache after a flush that failed, so it is stored
    /// once more, as the superblock is. What cannot be read is not there if damage is accepted. Errors: `Io`; `Corrupt` if the record leads
    /// outside the data.
    fn arrived(&self, place: Pba, record: &LogRecord, accept_damaged: bool) -> Result<bool> {
        for entry in &record.entries {
            let LogEntry::Map { on, sums, .. } = entry else { continue };
            self.inside(*on).map_err(|_| strange(place))?;
            for (piece, sums) in (0..).zip(sums.chunks(PIECE_BLOCKS as usize)) {
                let start = Pba(on.start.0 + piece * PIECE_BLOCKS);
                let mut data = vec![0; sums.len() * BLOCK_BYTES];
                match self.device.read(start, &mut data) {
                    Err(Error::Io { .. }) if accept_damaged => return Ok(false),
                    read => read.map_err(unreadable)?,
                }
                if !self.checksums.hold(sums, start, &mut data, &*self.device)? {
                    return Ok(false);
                }
                self.device.write(start, &data)?;
            }
        }
        Ok(true)
    }

    fn replay_record(&mut self, place: Pba, record: &LogRecord) -> Result<()> {
        for entry in &record.entries {
            let replayed = match entry {
                LogEntry::Map { dev, at, on, sums } => self.replay_map(*dev, *at, *on, sums),
                LogEntry::Unmap { dev, range } => self.replay_unmap(*dev, *range),
            };
            replayed.map_err(|error| match error {
                Error::NoSpace { .. }
                | Error::NotFound(_)
                | Error::ReadOnly(_)
                | Error::OutOfRange { .. } => strange(place),
                other => other,
            })?;
        }
        self.stats.log_records_replayed += 1;
        Ok(())
    }

    fn replay_map(&mut self, dev: DevId, at: Lba, on: Extent, sums: &[u64]) -> Result<()> {
        self.inside(on)?;
        self.takes_changes(dev, LbaRange::new(at, on.blocks))?;
        self.allocator.claim(on, &self.pages)?;
        self.loggable(|pool| {
            pool.checksums.put(on.start, sums.iter().copied(), &mut pool.pages)?;
            pool.map_fresh(dev, at, on)
        })?;
        self.release_freed()
    }

    fn replay_unmap(&mut self, dev: DevId, range: LbaRange) -> Result<()> {
        self.takes_changes(dev, range)?;
        let limit = discard::PIECE_BLOCKS;
        if range.blocks > limit {
            return Err(Error::OutOfRange { start: range.start.0, length: range.blocks, limit });
        }
        self.unmap(dev, range)
    }

    /// Errors: those of a request that has no place in the version.
    fn takes_changes(&self, dev: DevId, range: LbaRange) -> Result<()> {
        let version = self.scheme.version(dev, &self.pages)?;
        let limit = version.blocks;
        if version.access != Access::Writable {
            return Err(Error::ReadOnly(dev));
        }
        let past = Error::OutOfRange { start: range.start.0, length: range.blocks, limit };
        if range.end().0 <= limit { Ok(()) } else { Err(past) }
    }
}

fn unreadable(error: Error) -> Error {
    match error {
        Error::Io { at, code, .. } => Error::Io { operation: UNREADABLE, at, code },
        other => other,
    }
}

fn strange(place: Pba) -> Error {
    Error::Corrupt { what: "intent log (a record that does not fit the pool)", place: Place::Block(place) }
}
