//! `PageLog` against a vector, its page bound, and what it does with damaged pages.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spinney_core::{Error, Flow, PageKind, PageTxn, Result};
use spinney_pages::PageLog;
use spinney_testkit::MemoryPages;

const KIND: PageKind = PageKind::SPACE;

fn all(log: &PageLog, pages: &MemoryPages) -> Result<Vec<u8>> {
    let mut found = Vec::new();
    log.read(pages, &mut |records| {
        found.extend_from_slice(records);
        Flow::Continue
    })?;
    Ok(found)
}

fn assert_pages_are_reached_once(log: &PageLog, pages: &MemoryPages) {
    let mut reached = Vec::new();
    log.visit_pages(pages, &mut |page| reached.push(page)).unwrap();
    reached.sort_unstable();
    assert_eq!(reached, pages.live().map(|(page, _)| page).collect::<Vec<_>>());
}

#[test]
fn agrees_with_a_vector_over_random_histories() {
    for (seed, record) in [1, 8, 12, 16, 1000, 2024, PageLog::RECORD_BYTES_MAX].into_iter().enumerate() {
        let mut random = ChaCha8Rng::seed_from_u64(seed as u64);
        let (mut pages, mut model) = (MemoryPages::new(), Vec::new());
        let log = PageLog::create(KIND, record, &mut pages).unwrap();
        for step in 0..120 {
            pages.seal();
            let count = random.random_range(0..20_000 / record + 2);
            let more: Vec<u8> = (0..count * record).map(|_| random.random()).collect();
            log.append(&more, &mut pages).unwrap();
            assert!(pages.seal() <= log.pages_bound(count as u64), "seed {seed} step {step}: over the bound");
            model.extend(more);
            if random.random_bool(0.05) {
                log.clear(&mut pages).unwrap();
                model.clear();
                assert_eq!(pages.live().count(), 1);
            }
            let length = log.len_records(&pages).unwrap();
            assert_eq!(length, (model.len() / record) as u64, "seed {seed} step {step}");
            assert_eq!(pages.live().count() as u64, log.pages_for(length), "seed {seed} step {step}");
        }
        let again = PageLog::open(log.root(), KIND, record, &pages).unwrap();
        assert!(all(&again, &pages).unwrap() == model, "seed {seed}");
        assert_pages_are_reached_once(&log, &pages);
        log.destroy(&mut pages).unwrap();
        assert_eq!(pages.live().count(), 0);
    }
}

#[test]
fn records_past_the_recorded_length_are_ignored_and_overwritten() {
    let mut pages = MemoryPages::new();
    let log = PageLog::create(KIND, 8, &mut pages).unwrap();
    log.append(&[1; 16], &mut pages).unwrap();
    let before = pages.view();
    log.append(&[2; 5000 * 8], &mut pages).unwrap();
    // The head as it was, the other pages as they are now: what a reader of an old root would meet.
    let head = *before.clone().edit(log.root(), KIND).unwrap();
    pages.edit(log.root(), KIND).unwrap()[..40].copy_from_slice(&head[..40]);
    assert_eq!(all(&log, &pages).unwrap(), [1; 16]);
    log.append(&[3; 8], &mut pages).unwrap();
    assert_eq!(all(&log, &pages).unwrap()[16..], [3; 8]);
}

#[test]
fn a_reader_can_stop() {
    let mut pages = MemoryPages::new();
    let log = PageLog::create(KIND, 8, &mut pages).unwrap();
    log.append(&[0; 80_000], &mut pages).unwrap();
    let mut calls = 0;
    log.read(&pages, &mut |_| {
        calls += 1;
        Flow::Stop
    })
    .unwrap();
    assert_eq!(calls, 1);
}

#[test]
fn another_record_size_or_kind_is_refused() {
    let mut pages = MemoryPages::new();
    let log = PageLog::create(KIND, 8, &mut pages).unwrap();
    assert!(matches!(PageLog::open(log.root(), KIND, 16, &pages), Err(Error::Corrupt { .. })));
    assert!(matches!(PageLog::open(log.root(), KIND, 0, &pages), Err(Error::Corrupt { .. })));
    assert!(matches!(PageLog::open(log.root(), PageKind::TREE, 8, &pages), Err(Error::Corrupt { .. })));
    let blank = pages.alloc(KIND).unwrap();
    assert!(matches!(PageLog::open(blank, KIND, 8, &pages), Err(Error::Corrupt { .. })));
}

#[test]
fn any_flipped_header_bit_is_corrupt_or_harmless() {
    let mut sound = MemoryPages::new();
    let log = PageLog::create(KIND, 500, &mut sound).unwrap();
    log.append(&[7; 500 * 20], &mut sound).unwrap();
    let (expected, mut refused) = (all(&log, &sound).unwrap(), 0);
    for (page, _) in sound.clone().live() {
        for bit in 0..48 * 8 {
            let mut pages = sound.clone();
            pages.edit(page, KIND).unwrap()[bit / 8] ^= 1 << (bit % 8);
            match all(&log, &pages) {
                // A flip in a count may end inside the last page; a flip in a record is data.
                Ok(found) => assert!(found.len() <= expected.len() + 8 * 500, "page {page} bit {bit}"),
                Err(Error::Corrupt { .. }) => refused += 1,
                Err(other) => panic!("page {page} bit {bit}: {other}"),
            }
            let _ = log.append(&[9; 500], &mut pages);
            let _ = log.clear(&mut pages);
            let _ = log.destroy(&mut pages);
        }
    }
    assert!(refused > 300, "only {refused} flips were seen");
}

#[test]
fn a_chain_that_turns_back_is_corrupt() {
    let mut pages = MemoryPages::new();
    let log = PageLog::create(KIND, 8, &mut pages).unwrap();
    log.append(&[1; 3000 * 8], &mut pages).unwrap();
    let mut chain = Vec::new();
    log.visit_pages(&pages, &mut |page| chain.push(page)).unwrap();
    for back in 0..3 {
        let mut forged = pages.clone();
        forged.edit(chain[2], KIND).unwrap()[..8].copy_from_slice(&chain[back].0.to_le_bytes());
        assert_eq!(all(&log, &forged), Err(Error::corrupt_page("page log", chain[back])));
        let walked = log.visit_pages(&forged, &mut |_| ());
        assert!(matches!(walked, Err(Error::Corrupt { .. })), "{walked:?}");
        assert!(log.clear(&mut forged).is_err());
    }
}

/// Head and tail agree on as many records as 64 bits can count.
#[test]
fn a_count_that_cannot_grow_is_corrupt() {
    let mut pages = MemoryPages::new();
    let log = PageLog::create(KIND, 8, &mut pages).unwrap();
    log.append(&[1; 600 * 8], &mut pages).unwrap();
    let tail = pages.live().map(|(page, _)| page).find(|page| *page != log.root()).unwrap();
    let place = log.pages_for(u64::MAX) - 1;
    pages.edit(log.root(), KIND).unwrap()[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
    pages.edit(tail, KIND).unwrap()[8..16].copy_from_slice(&place.to_le_bytes());
    assert_eq!(log.append(&[2; 8], &mut pages), Err(Error::corrupt_page("page log", log.root())));
    assert!(all(&log, &pages).is_err());
}
