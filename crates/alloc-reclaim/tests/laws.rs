//! The laws of an allocator for both policies, in settings small enough that queues turn over in a test.

use spinney_alloc::{Allocator, Composed, ReclaimEntry};
use spinney_alloc_reclaim::{BATCHED, THRESHOLD};
use spinney_core::{Setting, Settings};
use spinney_testkit::allocator_damage::every_flipped_bit_is_an_error_or_harmless;
use spinney_testkit::{DumpForm, FirstFit};

fn composed(entry: &ReclaimEntry, settings: &[(&str, u64)]) -> Box<dyn Allocator> {
    let settings = settings
        .iter()
        .fold(Settings::new(), |settings, (name, value)| settings.with(name, Setting::Integer(*value)));
    let reclaim = (entry.build)(&settings).expect("lawful settings");
    Box::new(Composed::new(Box::new(FirstFit::default()), Box::new(DumpForm::default()), reclaim))
}

fn batched() -> Box<dyn Allocator> {
    composed(&BATCHED, &[("batch_runs", 5), ("slice_runs", 2)])
}

fn threshold() -> Box<dyn Allocator> {
    composed(&THRESHOLD, &[("threshold_percent", 3), ("group_blocks", 24), ("slice_runs", 3)])
}

spinney_testkit::allocator_laws!(batched_laws, batched);
spinney_testkit::allocator_laws!(threshold_laws, threshold);

#[test]
fn every_flipped_bit_of_a_sorted_log_is_an_error_or_harmless() {
    every_flipped_bit_is_an_error_or_harmless(&batched, 60);
}

#[test]
fn every_flipped_bit_of_a_log_by_groups_is_an_error_or_harmless() {
    every_flipped_bit_is_an_error_or_harmless(&threshold, 60);
}
