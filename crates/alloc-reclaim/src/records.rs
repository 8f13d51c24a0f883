//! Records of a log of frees: 16 bytes, a run and a flag.
//!
//! Invariant: whatever is read is a run inside the universe or `Corrupt`. Knows no policy.

use alloc::vec::Vec;
use spinney_core::{Error, Extent, Flow, PageKind, PageNo, PageRead, PageTxn, Result};
use spinney_pages::PageLog;

pub(crate) const RECORD_BYTES: usize = 16;
/// In the second word, above the blocks: what is queued of this run was recorded as free.
const DRAINED: u64 = 1 << 63;

/// A log of frees with its length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Records {
    pub(crate) log: PageLog,
    pub(crate) count: u64,
}

/// One record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Record {
    Queued(Extent),
    Drained(Extent),
}

impl Records {
    pub(crate) fn create(pages: &mut dyn PageTxn) -> Result<Records> {
        Ok(Records { log: PageLog::create(PageKind::SPACE, RECORD_BYTES, pages)?, count: 0 })
    }
    pub(crate) fn open(page: PageNo, pages: &dyn PageRead) -> Result<Records> {
        let log = PageLog::open(page, PageKind::SPACE, RECORD_BYTES, pages)?;
        Ok(Records { log, count: log.len_records(pages)? })
    }
    pub(crate) fn append(
        &mut self,
        records: impl Iterator<Item = Record>,
        pages: &mut dyn PageTxn,
    ) -> Result<()> {
        let mut bytes = Vec::new();
        for record in records {
            let (run, flag) = match record {
                Record::Queued(run) => (run, 0),
                Record::Drained(run) => (run, DRAINED),
            };
            bytes.extend_from_slice(&run.start.0.to_le_bytes());
            bytes.extend_from_slice(&(run.blocks | flag).to_le_bytes());
        }
        self.log.append(&bytes, pages)?;
        self.count += (bytes.len() / RECORD_BYTES) as u64;
        Ok(())
    }
    pub(crate) fn clear(&mut self, pages: &mut dyn PageTxn) -> Result<()> {
        self.count = 0;
        self.log.clear(pages)
    }
    /// Pages of the log if it had `more` records more.
    pub(crate) fn pages_for(&self, more: u64) -> u64 {
        self.log.pages_for(self.count.saturating_add(more))
    }
    /// Every record in order, until one is refused: then, or if one is none, `Corrupt`.
    pub(crate) fn replay(
        &self,
        universe: Extent,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Record) -> bool,
    ) -> Result<()> {
        let mut bad = false;
        self.log.read(pages, &mut |bytes| {
            for record in bytes.as_chunks::<RECORD_BYTES>().0 {
                bad |= !decode(record, universe).is_some_and(&mut *each);
                if bad {
                    return Flow::Stop;
                }
            }
            Flow::Continue
        })?;
        if bad { Err(Error::corrupt_page("log of frees", self.log.root())) } else { Ok(()) }
    }
}

fn decode(bytes: &[u8; RECORD_BYTES], universe: Extent) -> Option<Record> {
    let (start, blocks) = bytes.split_first_chunk()?;
    let (start, blocks) = (u64::from_le_bytes(*start), u64::from_le_bytes(*blocks.first_chunk()?));
    let run = Extent::checked(start, blocks & !DRAINED).filter(|run| universe.contains(*run))?;
    Some(if blocks & DRAINED == 0 { Record::Queued(run) } else { Record::Drained(run) })
}
