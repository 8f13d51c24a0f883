//! The table of regions: a fixed record for each, on the leaves of a radix array.
//!
//! Invariant: a leaf that is not there is a leaf of zeros, and a record of zeros is a region that nothing was written about. Every
//! field is checked against the region's size; the histogram is a hint and may be anything.

use super::region::{BUCKETS, Histogram, MapPlace};
use alloc::vec::Vec;
use spinney_core::{Epoch, Error, PAYLOAD_BYTES, PageKind, PageNo, PageRead, PageTxn, Place, Result};
use spinney_pages::RadixArray;

const RECORD_BYTES: usize = 32 + 4 * BUCKETS;
const RECORDS: u64 = (PAYLOAD_BYTES / RECORD_BYTES) as u64;

/// What is stored of a region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Record {
    pub(super) map: MapPlace,
    /// Free blocks by its map.
    pub(super) free_blocks: u64,
    pub(super) flushed: Epoch,
    pub(super) histogram: Histogram,
}

/// The table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    array: RadixArray,
}

impl Table {
    pub(super) fn create(regions: u64, pages: &mut dyn PageTxn) -> Result<Table> {
        let array = RadixArray::create(PageKind::SPACE, regions.div_ceil(RECORDS), pages)?;
        Ok(Table { array })
    }
    pub(super) fn open(root: PageNo, regions: u64, pages: &dyn PageRead) -> Result<Table> {
        let array = RadixArray::open(root, PageKind::SPACE, regions.div_ceil(RECORDS), pages)?;
        Ok(Table { array })
    }
    pub(super) fn root(&self) -> PageNo {
        self.array.root()
    }
    /// The records of `regions` regions, in order; `None` for one that nothing was written about.
    pub(super) fn load(&self, regions: u64, pages: &dyn PageRead) -> Result<Vec<Option<Record>>> {
        let mut records = Vec::new();
        for leaf in 0..self.array.leaves() {
            let count = RECORDS.min(regions - leaf * RECORDS) as usize;
            match self.array.read(leaf, pages)? {
                None => records.extend((0..count).map(|_| None)),
                Some(bytes) => {
                    for record in bytes.chunks_exact(RECORD_BYTES).take(count) {
                        records.push(decode(record)?);
                    }
                }
            }
        }
        Ok(records)
    }
    /// Store one.
    pub(super) fn put(&self, region: u64, record: &Record, pages: &mut dyn PageTxn) -> Result<()> {
        let leaf = self.array.edit(region / RECORDS, pages)?;
        let at = (region % RECORDS) as usize * RECORD_BYTES;
        let words = [record.map.page.0, record.map.words, record.free_blocks, record.flushed.0];
        let words = words.iter().flat_map(|word| word.to_le_bytes());
        let counts = record.histogram.iter().flat_map(|count| count.to_le_bytes());
        leaf[at..at + RECORD_BYTES].iter_mut().zip(words.chain(counts)).for_each(|(to, byte)| *to = byte);
        Ok(())
    }
    pub(super) fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.array.visit_pages(pages, each)
    }
    /// Pages that storing so many records changes, at most.
    pub(super) fn pages_bound(&self, records: u64) -> u64 {
        self.array.pages_bound(records)
    }
}

fn decode(bytes: &[u8]) -> Result<Option<Record>> {
    let (words, counts) = bytes.split_at(32);
    let mut fields = words.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
    let mut next = || fields.next().unwrap_or(0);
    let map = MapPlace { page: PageNo(next()), words: next() };
    let (free_blocks, flushed) = (next(), Epoch(next()));
    if map.page.0 == 0 {
        let zeros = bytes.iter().all(|byte| *byte == 0);
        let strange = Error::Corrupt { what: "record of a region", place: Place::Pool };
        return if zeros { Ok(None) } else { Err(strange) };
    }
    let mut histogram = [0; BUCKETS];
    for (to, count) in histogram.iter_mut().zip(counts.as_chunks().0) {
        *to = u32::from_le_bytes(*count);
    }
    Ok(Some(Record { map, free_blocks, flushed, histogram }))
}
