//! The laws of an index, of every choice of groups over an index of every family.
//!
//! Invariant of the tests: groups are so small that every law's universe has many, and all borders of runs are met.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use spinney_alloc::FreeIndex;
use spinney_core::{Setting, Settings};
use spinney_registry::{Choice, Registry};

fn build(groups: &str, index: &str, settings: &[(&str, Setting)]) -> Box<dyn FreeIndex> {
    let settings = settings.iter().fold(Settings::new(), |all, (name, value)| all.with(name, value.clone()));
    let settings = settings.with("group_blocks", Setting::Integer(97));
    Registry::standard().index(&Choice { name: groups.into(), settings }, &Choice::named(index)).unwrap()
}

macro_rules! laws {
    ($($module:ident: $groups:literal $index:literal $settings:expr;)+) => {
        $(spinney_testkit::index_laws!($module, || build($groups, $index, $settings));)+
    };
}
laws! {
    first_twin: "first" "twin" &[];
    first_bitmap: "first" "bitmap" &[];
    near_twin: "near" "twin" &[];
    rotor_range: "rotor" "range" &[];
    most_free_twin: "most-free" "twin" &[];
    most_free_bitmap: "most-free" "bitmap" &[];
    size_class_twin: "size-class" "twin" &[];
    no_class_twin: "size-class" "twin" &[("classes", Setting::Switch(false))];
    mean_run_twin: "mean-run" "twin" &[];
    exact_mean_twin: "mean-run" "twin" &[("means", Setting::Word("exact".into()))];
}

/// A choice that is added must be added above as well.
#[test]
fn every_choice_is_held_to_the_laws() {
    let names: Vec<_> = Registry::standard().groups.iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["one", "first", "near", "rotor", "most-free", "size-class", "mean-run"]);
}

#[test]
fn settings_that_no_choice_can_keep_are_refused() {
    let refused = |groups: &str, name: &str, value: Setting| {
        let choice = Choice { name: groups.into(), settings: Settings::new().with(name, value) };
        Registry::standard().index(&choice, &Choice::named("twin")).err().unwrap().to_string()
    };
    assert!(refused("mean-run", "means", Setting::Word("median".into())).contains("buckets or exact"));
    assert!(refused("size-class", "medium_blocks_max", Setting::Integer(3)).contains("small_blocks_max"));
}
