//! A page log of a few pages, damaged, then read and appended to.
//!
//! Invariant: what is read has no more records than the pages hold.

use crate::bytes::Bytes;
use crate::sheet::Sheet;
use spinney_core::{Flow, PAYLOAD_BYTES, PageKind};
use spinney_pages::PageLog;
use spinney_testkit::MemoryPages;
use std::sync::OnceLock;

const KIND: PageKind = PageKind::SPACE;
const RECORD_BYTES: usize = 8;

fn base() -> &'static Sheet {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    BASE.get_or_init(|| {
        let mut pages = MemoryPages::new();
        let log = PageLog::create(KIND, RECORD_BYTES, &mut pages).expect("room");
        log.append(&[7; 1600 * RECORD_BYTES], &mut pages).expect("room");
        Sheet::new(&log.root().0.to_le_bytes(), pages)
    })
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Bytes(data);
    let mut sheet = base().damaged(&mut input);
    let (root, pages) = (sheet.page(0), &mut sheet.pages);
    let Ok(log) = PageLog::open(root, KIND, RECORD_BYTES, pages) else { return };
    for _ in 0..8 {
        let held = pages.live().count() * PAYLOAD_BYTES;
        match input.byte() % 6 {
            0 | 1 => {
                let mut bytes = 0;
                let read = log.read(pages, &mut |records| {
                    bytes += records.len();
                    Flow::Continue
                });
                assert!(bytes <= held, "{bytes} bytes of records on pages of {held}");
                assert!(read.is_err() || log.len_records(pages) == Ok((bytes / RECORD_BYTES) as u64));
            }
            2 | 3 => drop(log.append(&vec![1; input.below(1200) * RECORD_BYTES], pages)),
            4 => drop(log.visit_pages(pages, &mut |_| ())),
            _ => drop(log.clear(pages)),
        }
    }
    let _ = log.destroy(pages);
}
