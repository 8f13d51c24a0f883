//! Any flipped bit, and pages of another life: `Corrupt`, or the same answers, or other answers; never a panic.
//!
//! Invariant: pages have no checksums here, so the structure's own rules are all that stands between damage and a panic.

#[path = "support/driver.rs"]
mod driver;

use driver::{Driver, Shape, UNIVERSE};
use spinney_backref::{BackReferences, BackrefOptions};
use spinney_core::{PageTxn, Root};
use spinney_testkit::MemoryPages;

const OPTIONS: BackrefOptions = BackrefOptions { compact_commits: 4, partition_blocks: 512, inherit: true };

fn aged() -> (Root, MemoryPages) {
    let mut driver = Driver::new(9, Shape::CLONES, OPTIONS);
    (0..160).for_each(|_| driver.step());
    let root = driver.commit_with(0);
    (root, driver.view())
}

/// Use what is on the pages. How many owners there are, if the damage was not seen.
fn used(root: &Root, pages: &mut MemoryPages) -> Option<u64> {
    let mut references = BackReferences::open(UNIVERSE, root, OPTIONS, pages).ok()?;
    let _ = references.check(pages, &mut |_| ());
    let mut owners = 0;
    let found = references.owners(UNIVERSE, pages, &mut |_| owners += 1);
    let _ = references.visit_pages(pages, &mut |_| ());
    let _ = references.commit(u64::MAX, pages);
    found.ok().map(|_| owners)
}

#[test]
fn any_flipped_bit_is_corrupt_or_harmless() {
    let (root, pages) = aged();
    let sound = used(&root, &mut pages.view()).expect("sound");
    let live: Vec<_> = pages.live().collect();
    let (mut tried, mut seen) = (0, 0);
    for (page, kind) in live {
        for bit in (0..4064 * 8).step_by(97) {
            let mut pages = pages.view();
            pages.edit(page, kind).unwrap()[bit / 8] ^= 1 << (bit % 8);
            tried += 1;
            seen += u64::from(used(&root, &mut pages) != Some(sound));
        }
    }
    assert!(tried > 1_000 && seen > tried / 20, "{seen} of {tried} seen");
}

#[test]
fn any_flipped_bit_of_the_root_is_corrupt_or_harmless() {
    let (root, pages) = aged();
    for bit in 0..root.bytes().len() * 8 {
        let mut bytes = root.bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        used(&Root::new(&bytes), &mut pages.view());
    }
}

#[test]
fn a_page_of_another_run_is_corrupt() {
    let (root, pages) = aged();
    let sound = used(&root, &mut pages.view()).expect("sound");
    let live: Vec<_> = pages.live().collect();
    let mut swapped = 0;
    for &(to, kind) in &live {
        for &(from, _) in &live {
            let mut pages = pages.view();
            let bytes = *spinney_core::PageRead::read(&pages, from, kind).unwrap();
            let there = pages.edit(to, kind).unwrap();
            if *there != bytes {
                *there = bytes;
                swapped += 1;
                assert_ne!(
                    used(&root, &mut pages),
                    Some(sound),
                    "{from:?} in the place of {to:?} goes unseen"
                );
            }
        }
    }
    assert!(swapped > 20);
}
