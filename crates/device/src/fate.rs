//! What a power cut may do to each unflushed request, and the lists of such choices that tests go through.
//!
//! Invariant: every choice listed or drawn is one that a device keeping the block-device contract can show; [`Fate::Shorn`], which breaks
//! it, is only there for whoever asks ([`Fate::shear`]). Knows no device state.

use rand::{Rng, RngExt};
use spinney_core::BLOCK_BYTES;
use std::ops::Range;

/// Bytes that a device writes whole or not at all.
pub const SECTOR_BYTES: usize = 512;

/// What becomes of one pending request. Fates apply in order of issue, so of two writes to one sector that both survive the later
/// wins; since any may be lost, every order in which a device could have stored them is covered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// All of it is on the medium.
    Kept,
    /// None of it is.
    Lost,
    /// The sectors whose bit is set are: bit `s` of byte `b` is sector `s` of the request's block `b`. Missing bytes count as 0.
    Torn(Vec<u8>),
    /// A discard's blocks hold noise now; for a write the same as [`Fate::Kept`].
    Scrambled,
    /// Only these bytes of the request are there (none, if it does not have them all), so a sector may be part old, part new: what a
    /// drive without power-safe overwrite may leave. Outside the contract that whole sectors are written or not ([`SECTOR_BYTES`],
    /// `crates/volume/FORMAT.md`), so never listed and never drawn with the others.
    Shorn(Range<usize>),
}

impl Fate {
    /// A tear after the first `sectors` sectors of a request of `blocks` blocks.
    #[must_use]
    pub fn prefix(blocks: u64, sectors: u64) -> Fate {
        let byte = |block: u64| (1u16 << sectors.saturating_sub(block * 8).min(8)) - 1;
        Fate::Torn((0..blocks).map(|block| byte(block) as u8).collect())
    }
    /// A tear that lost the first `sectors` sectors of a request of `blocks` blocks and kept the rest.
    #[must_use]
    pub fn suffix(blocks: u64, sectors: u64) -> Fate {
        match Fate::prefix(blocks, sectors) {
            Fate::Torn(bytes) => Fate::Torn(bytes.iter().map(|byte| !byte).collect()),
            other => other,
        }
    }
    /// A random shear inside sector `sector` of a request of `blocks` blocks: all before a byte in it is there and nothing behind, or
    /// the reverse.
    #[must_use]
    pub fn shear(rng: &mut impl Rng, blocks: u64, sector: usize) -> Fate {
        let at = sector * SECTOR_BYTES + rng.random_range(1..SECTOR_BYTES);
        Fate::Shorn(if rng.random() { 0..at } else { at..blocks as usize * BLOCK_BYTES })
    }
    /// Its text, which [`Fate::parse`] reads back: `+` kept, `-` lost, `?` scrambled, `FIRST..END` shorn to these
    /// bytes, or a tear's bytes in hexadecimal.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Fate::Kept => "+".into(),
            Fate::Lost => "-".into(),
            Fate::Scrambled => "?".into(),
            Fate::Torn(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            Fate::Shorn(kept) => format!("{}..{}", kept.start, kept.end),
        }
    }
    /// The fate that a text stands for, if any.
    #[must_use]
    pub fn parse(text: &str) -> Option<Fate> {
        let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
        if let Some((first, end)) = text.split_once("..") {
            return Some(Fate::Shorn(first.parse().ok()?..end.parse().ok()?));
        }
        match text {
            "+" => Some(Fate::Kept),
            "-" => Some(Fate::Lost),
            "?" => Some(Fate::Scrambled),
            _ => (0..text.len()).step_by(2).map(byte).collect::<Option<Vec<u8>>>().map(Fate::Torn),
        }
    }
    /// A random fate for a request of `blocks` blocks, kept with a chance of `kept` in 8 unless torn.
    fn draw(rng: &mut impl Rng, blocks: u64, discard: bool, kept: u32, torn: bool) -> Fate {
        match (torn && rng.random_ratio(1, 4), discard && rng.random_ratio(1, 4)) {
            (_, true) => Fate::Scrambled,
            (true, _) if rng.random_ratio(1, 2) => Fate::prefix(blocks, rng.random_range(0..=blocks * 8)),
            (true, _) => Fate::Torn((0..blocks).map(|_| rng.random()).collect()),
            _ if rng.random_ratio(kept, 8) => Fate::Kept,
            _ => Fate::Lost,
        }
    }
}

/// Draw a fate for each of the requests, given as (blocks, is it a discard). A cut has a mood: all kept, all lost, a prefix kept, or each
/// its own way with a bias, since bugs hide at the extremes that independent coin tosses hardly visit.
pub(crate) fn draw_all(rng: &mut impl Rng, requests: &[(u64, bool)]) -> Vec<Fate> {
    let torn = rng.random_ratio(1, 2);
    let (kept, prefix) = match rng.random_range(0..8) {
        0 => (0, 0),
        1 => (8, requests.len()),
        2 | 3 => (0, rng.random_range(0..=requests.len())),
        4 => (1, 0),
        5 => (7, 0),
        _ => (4, 0),
    };
    let fate = |(index, &(blocks, discard)): (usize, &(u64, bool))| match index < prefix {
        true => Fate::Kept,
        false => Fate::draw(rng, blocks, discard, kept, torn),
    };
    requests.iter().enumerate().map(fate).collect()
}

/// Untorn choices for `pending` requests, without chance. Up to ten requests: all subsets. More: none, each prefix (all among them), each
/// single one kept, each single one lost, and for each pair everything up to the later kept but the earlier and what is between lost,
/// which is what a missing barrier allows.
pub fn choices(pending: usize) -> Box<dyn Iterator<Item = Vec<Fate>>> {
    if pending <= 10 {
        return Box::new((0..1u32 << pending).map(move |set| fates(pending, |index| set >> index & 1 == 1)));
    }
    let prefixes = (0..=pending).map(move |end| fates(pending, |index| index < end));
    let alone = (1..pending).map(move |one| fates(pending, |index| index == one));
    let missing = (0..pending - 2).map(move |one| fates(pending, |index| index != one));
    let pairs = (1..pending).flat_map(move |earlier| {
        (earlier + 1..pending).map(move |later| fates(pending, |index| index < earlier || index == later))
    });
    Box::new(prefixes.chain(alone).chain(missing).chain(pairs))
}

/// `count` random subsets of `pending` requests, by fair coins.
pub fn random_choices(pending: usize, rng: &mut impl Rng, count: usize) -> Vec<Vec<Fate>> {
    (0..count).map(|_| fates(pending, |_| rng.random())).collect()
}

/// The tears of one request of `blocks` blocks that a test goes through: each prefix, each suffix, and every second sector either way.
#[must_use]
pub fn tears(blocks: u64) -> Vec<Fate> {
    let cuts = 1..blocks * (BLOCK_BYTES / SECTOR_BYTES) as u64;
    let interleaved = [0x55, 0xAA].map(|byte| Fate::Torn(vec![byte; blocks as usize]));
    let suffixes = cuts.clone().map(|sectors| Fate::suffix(blocks, sectors));
    cuts.map(|sectors| Fate::prefix(blocks, sectors)).chain(suffixes).chain(interleaved).collect()
}

fn fates(pending: usize, mut kept: impl FnMut(usize) -> bool) -> Vec<Fate> {
    (0..pending).map(|index| if kept(index) { Fate::Kept } else { Fate::Lost }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use std::collections::BTreeSet;

    fn text(fates: &[Fate]) -> String {
        fates.iter().map(|fate| if *fate == Fate::Kept { 'k' } else { '-' }).collect()
    }

    #[test]
    fn few_requests_are_enumerated_whole() {
        let all: BTreeSet<String> = choices(4).map(|fates| text(&fates)).collect();
        assert_eq!(all.len(), 16);
        assert_eq!(choices(0).count(), 1);
        assert_eq!(choices(10).count(), 1024);
    }

    #[test]
    fn many_requests_are_covered_by_distinct_shapes() {
        let listed: Vec<String> = choices(12).map(|fates| text(&fates)).collect();
        let distinct: BTreeSet<&String> = listed.iter().collect();
        assert_eq!(distinct.len(), listed.len(), "a choice is listed twice");
        assert_eq!(listed.len(), 13 + 11 + 10 + 55);
        assert!(distinct.contains(&"kk---k------".to_owned()), "a later write without the earlier ones");
    }

    #[test]
    fn a_prefix_tear_keeps_the_first_sectors() {
        assert_eq!(Fate::prefix(2, 0), Fate::Torn(vec![0, 0]));
        assert_eq!(Fate::prefix(2, 3), Fate::Torn(vec![0b111, 0]));
        assert_eq!(Fate::prefix(2, 11), Fate::Torn(vec![0xFF, 0b111]));
        assert_eq!(Fate::prefix(1, 99), Fate::Torn(vec![0xFF]));
    }

    #[test]
    fn tears_are_prefixes_suffixes_and_interleavings_each_once() {
        let listed = tears(2);
        let distinct: BTreeSet<String> = listed.iter().map(Fate::text).collect();
        assert_eq!((listed.len(), distinct.len()), (15 + 15 + 2, 15 + 15 + 2));
        for wanted in ["0100", "ff01", "fe ff", "5555", "aaaa", "0080"] {
            assert!(distinct.contains(&wanted.replace(' ', "")), "{wanted} in {distinct:?}");
        }
    }

    #[test]
    fn a_fate_reads_back_from_its_text() {
        for fate in [
            Fate::Kept,
            Fate::Lost,
            Fate::Scrambled,
            Fate::prefix(3, 11),
            Fate::suffix(1, 5),
            Fate::Shorn(7..4096),
        ] {
            assert_eq!(Fate::parse(&fate.text()), Some(fate));
        }
        assert_eq!(Fate::parse("0g"), None);
        assert_eq!(Fate::parse("123"), None);
        assert_eq!(Fate::parse("1..x"), None);
    }

    #[test]
    fn shears_follow_their_seed_and_fall_inside_the_sector_from_either_side() {
        let draw = |seed| Fate::shear(&mut ChaCha8Rng::seed_from_u64(seed), 2, 3);
        let (mut heads, mut tails) = (0, 0);
        for seed in 0..100 {
            let Fate::Shorn(kept) = draw(seed) else { panic!("no shear, seed {seed}") };
            assert_eq!(draw(seed), Fate::Shorn(kept.clone()), "seed {seed}");
            let inside = |byte: usize| byte > 3 * SECTOR_BYTES && byte < 4 * SECTOR_BYTES;
            match kept.start {
                0 if inside(kept.end) => heads += 1,
                start if inside(start) && kept.end == 2 * BLOCK_BYTES => tails += 1,
                _ => panic!("{kept:?}, seed {seed}"),
            }
        }
        assert!(heads > 20 && tails > 20, "{heads} and {tails}");
    }

    #[test]
    fn random_subsets_follow_their_seed_and_differ() {
        let draw = |seed| random_choices(14, &mut ChaCha8Rng::seed_from_u64(seed), 256);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let distinct: BTreeSet<String> = draw(1).iter().map(|fates| text(fates)).collect();
        assert!(distinct.len() > 200, "only {} distinct subsets", distinct.len());
    }

    #[test]
    fn draws_reach_every_kind_of_fate_and_both_extremes() {
        let requests = [(1, false), (3, false), (2, true), (1, false)];
        let (mut kinds, mut extremes) = (BTreeSet::new(), BTreeSet::new());
        for seed in 0..400 {
            let fates = draw_all(&mut ChaCha8Rng::seed_from_u64(seed), &requests);
            assert_eq!(fates, draw_all(&mut ChaCha8Rng::seed_from_u64(seed), &requests), "seed {seed}");
            kinds.extend(fates.iter().map(|fate| match fate {
                Fate::Kept => 0,
                Fate::Lost => 1,
                Fate::Torn(_) => 2,
                Fate::Scrambled => 3,
                Fate::Shorn(_) => panic!("a shear is drawn only by who asks for one, seed {seed}"),
            }));
            extremes.insert(text(&fates));
        }
        assert_eq!(kinds.len(), 4);
        assert!(extremes.contains("kkkk") && extremes.contains("----"));
    }
}
