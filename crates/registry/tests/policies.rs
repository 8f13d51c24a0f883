//! Every form with every reclaim policy: each makes an allocator, and crashes at any commit leak and double nothing.
//!
//! Invariant of the tests: they speak of all rows, so a new one is tested by being there.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use spinney_alloc::Allocator;
use spinney_registry::{AllocatorSpec, Choice, PoolSpec, Registry};
use spinney_testkit::allocator_laws::a_crash_at_any_commit_leaks_and_doubles_nothing;

fn allocator(registry: &Registry, form: &str, reclaim: &str) -> Box<dyn Allocator> {
    let [groups, index, form, reclaim] = ["one", "twin", form, reclaim].map(Choice::named);
    let allocator = AllocatorSpec::Composed { groups, index, form, reclaim };
    registry.parts(&PoolSpec { allocator, scheme: Choice::named("flat") }).unwrap().allocator
}

/// A form whose root leaves no room for the head of a policy's log would be refused here.
#[test]
fn any_form_goes_with_any_policy() {
    let registry = Registry::standard();
    for form in &registry.forms {
        for reclaim in &registry.reclaims {
            println!("{} with {}", form.name, reclaim.name);
            a_crash_at_any_commit_leaks_and_doubles_nothing(&|| {
                allocator(&registry, form.name, reclaim.name)
            });
        }
    }
}
