//! The table as a whole: every row can be built, named once, and found again from a pool's description.
//!
//! Invariant of the tests: they speak of all rows, so a new one is tested by being there.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use spinney_core::{Fallback, Parameter, Setting, Settings};
use spinney_registry::{AllocatorSpec, Choice, PoolSpec, Registry, RegistryError, check_kind, resolved};
use std::collections::BTreeSet;

type Row = (&'static str, &'static str, &'static str, &'static str, &'static [Parameter]);

/// Column, name, summary, paper and parameters of every row.
fn rows(registry: &Registry) -> Vec<Row> {
    let mut all: Vec<Row> = Vec::new();
    macro_rules! add {
        ($column:literal, $entries:expr) => {
            all.extend($entries.iter().map(|e| ($column, e.name, e.summary, e.paper, e.parameters)))
        };
    }
    add!("groups", registry.groups);
    add!("index", registry.indexes);
    add!("form", registry.forms);
    add!("reclaim", registry.reclaims);
    add!("allocator", registry.allocators);
    add!("scheme", registry.schemes);
    let none: &'static [Parameter] = &[];
    all.extend(registry.presets.iter().map(|e| ("allocator", e.name, e.summary, e.paper, none)));
    all
}

fn default(parameter: &Parameter) -> Setting {
    match parameter.default {
        Fallback::Integer(value) => Setting::Integer(value),
        Fallback::Real(value) => Setting::Real(value),
        Fallback::Switch(value) => Setting::Switch(value),
        Fallback::Word(value) => Setting::Word(value.into()),
    }
}

#[test]
fn names_are_unique_within_a_column_and_plain() {
    let mut seen = BTreeSet::new();
    for (column, name, summary, paper, _) in rows(&Registry::standard()) {
        assert!(seen.insert((column, name)), "{column} {name} stands there twice");
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
        assert!(!summary.is_empty() && !paper.is_empty(), "{column} {name} says nothing of itself");
    }
    assert!(seen.len() >= 12, "the table has lost rows: {seen:?}");
}

#[test]
fn every_parameter_has_a_reason_a_plain_name_and_a_default_of_its_kind() {
    for (column, name, _, _, parameters) in rows(&Registry::standard()) {
        let mut seen = BTreeSet::new();
        for parameter in parameters {
            assert!(seen.insert(parameter.name), "{column} {name}: {} twice", parameter.name);
            assert!(parameter.reason.len() > 40, "{column} {name}: {} has no reason", parameter.name);
            assert_eq!(check_kind(parameter, &default(parameter)), Ok(()), "{column} {name}");
            // A name with a blank or a dot would not survive the description in the superblock.
            assert!(!parameter.name.contains([' ', '.', '\n']), "{column} {name}: {:?}", parameter.name);
        }
    }
}

/// Every allocator with every scheme, with defaults left out and written out.
fn specs(registry: &Registry) -> Vec<PoolSpec> {
    let mut all = Vec::new();
    let parameters = |column: &str, name: &str| {
        rows(registry).into_iter().find(|row| (row.0, row.1) == (column, name)).map_or(&[][..], |row| row.4)
    };
    let spelled = |column: &str, choice: &Choice| Choice {
        name: choice.name.clone(),
        settings: resolved(parameters(column, &choice.name), &Settings::new()),
    };
    for allocator in registry.allocator_names() {
        for scheme in &registry.schemes {
            let plain = registry.spec(allocator, scheme.name).unwrap();
            let allocator = match &plain.allocator {
                AllocatorSpec::Composed { groups, index, form, reclaim } => AllocatorSpec::Composed {
                    groups: spelled("groups", groups),
                    index: spelled("index", index),
                    form: spelled("form", form),
                    reclaim: spelled("reclaim", reclaim),
                },
                AllocatorSpec::Whole(whole) => AllocatorSpec::Whole(spelled("allocator", whole)),
            };
            let scheme = spelled("scheme", &plain.scheme);
            all.extend([plain, PoolSpec { allocator, scheme }]);
        }
    }
    all
}

#[test]
fn every_pair_builds_and_its_description_builds_the_same_pair_again() {
    let registry = Registry::standard();
    let specs = specs(&registry);
    assert!(specs.len() >= 12);
    for spec in specs {
        let parts = registry.parts(&spec).unwrap_or_else(|error| panic!("{spec:?}: {error}"));
        assert_eq!(PoolSpec::parse(&parts.description), Ok(spec));
        let again = registry.parts_of(&parts.description).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again.description, parts.description);
    }
}

#[test]
fn any_index_goes_with_any_form() {
    let registry = Registry::standard();
    for index in &registry.indexes {
        for form in &registry.forms {
            for groups in &registry.groups {
                let names = [groups.name, index.name, form.name, "at-commit"];
                let [groups, index, form, reclaim] = names.map(Choice::named);
                let allocator = AllocatorSpec::Composed { groups, index, form, reclaim };
                let spec = PoolSpec { allocator, scheme: Choice::named("refcount") };
                assert!(registry.parts(&spec).is_ok(), "{spec:?}");
            }
        }
    }
}

#[test]
fn unknown_names_come_with_the_right_ones() {
    let registry = Registry::standard();
    let error = registry.allocator("bitmpa").unwrap_err();
    assert_eq!(error.suggestion(), Some("bitmap"));
    let error = registry.parts(&registry.spec("bitmap", "refcuont").unwrap()).err();
    assert_eq!(error.as_ref().and_then(RegistryError::suggestion), Some("refcount"));
}

#[test]
fn settings_that_an_entry_did_not_declare_are_refused() {
    let registry = Registry::standard();
    let mut spec = registry.spec("bitmap", "refcount").unwrap();
    spec.scheme.settings = Settings::new().with("no_such_setting", Setting::Integer(1));
    let error = registry.parts(&spec).err().expect("it is unknown");
    assert!(error.to_string().contains("parameter of scheme refcount"), "{error}");
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_before_it_reaches_an_entry() {
    for (column, name, _, _, parameters) in rows(&Registry::standard()) {
        for parameter in parameters {
            let wrong = match parameter.default {
                Fallback::Word(_) => Setting::Switch(true),
                _ => Setting::Word("x".into()),
            };
            let checked = check_kind(parameter, &wrong);
            assert!(
                matches!(checked, Err(RegistryError::WrongKind { .. })),
                "{column} {name} {}",
                parameter.name
            );
        }
    }
}

#[test]
fn any_text_is_a_description_or_an_error() {
    let registry = Registry::standard();
    let whole = registry.parts(&registry.spec("extent", "flat").unwrap()).unwrap().description;
    for end in 0..whole.trim_end().len() {
        if let Ok(parts) = registry.parts_of(&whole[..end]) {
            panic!("a cut description built {}", parts.description);
        }
    }
    for text in
        ["", "\n", "index", "index \n", "index.a i1", "scheme x\nscheme.y i", "scheme refcount\nscheme.z q1"]
    {
        assert!(registry.parts_of(text).is_err(), "{text:?}");
    }
}
