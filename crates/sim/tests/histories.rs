//! Random histories of each scheme alone, against plain maps and mark and sweep. 20,000 of each are for `cargo xtask sim --histories`.

use spinney_registry::Registry;
use spinney_sim::histories;

const HISTORIES: u64 = 900;

#[test]
fn nine_hundred_histories_of_every_scheme_agree_with_plain_maps_and_mark_and_sweep() {
    for entry in &Registry::standard().schemes {
        let (tally, failed, first) = histories::all(entry, 0..HISTORIES);
        assert_eq!((failed, &first), (0, &None), "{}: {failed} of {HISTORIES} failed", entry.name);
        println!("{}: {tally:?}", entry.name);
        assert!(tally.sets >= 1000, "{}: too few sets: {tally:?}", entry.name);
        assert!(tally.crashes > HISTORIES && tally.operations > HISTORIES * 300, "{tally:?}");
        assert_eq!(tally.high_moments, 0, "{}: garbage above 15 % of what is live: {tally:?}", entry.name);
    }
}
