//! The table. To add an allocator part, a scheme or a workload: one row here.
//!
//! Invariant: names within a column are unique (a test checks it); settings reach a constructor only after their names
//! and kinds were checked against its parameters.

use crate::{AllocatorSpec, Choice, ONE_GROUP, PoolSpec, RegistryError};
use spinney_alloc::groups::entry as groups;
use spinney_alloc::{AllocatorEntry, Composed, FormEntry, FreeIndex, GroupsEntry, IndexEntry, ReclaimEntry};
use spinney_core::{Fallback, Parameter, Setting, Settings};
use spinney_snap::SchemeEntry;
use spinney_volume::Parts;

/// A named combination of groups, index, form and reclaim policy.
#[derive(Clone, Copy, Debug)]
pub struct AllocatorPreset {
    /// As a config names it.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Where the combination comes from.
    pub paper: &'static str,
    /// Its choice of groups.
    pub groups: &'static str,
    /// Its index.
    pub index: &'static str,
    /// Its form.
    pub form: &'static str,
    /// Its reclaim policy.
    pub reclaim: &'static str,
}

/// Anything that can be registered.
#[derive(Clone, Copy, Debug)]
pub enum Entry {
    /// A choice between groups.
    Groups(GroupsEntry),
    /// An in-memory index.
    Index(IndexEntry),
    /// A form on pages.
    Form(FormEntry),
    /// A reclaim policy.
    Reclaim(ReclaimEntry),
    /// A combination by name.
    Preset(AllocatorPreset),
    /// An allocator that is whole.
    Allocator(AllocatorEntry),
    /// A snapshot scheme.
    Scheme(SchemeEntry),
}

/// Every entry that this build knows.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// Choices between groups.
    pub groups: Vec<GroupsEntry>,
    /// Indexes.
    pub indexes: Vec<IndexEntry>,
    /// Forms.
    pub forms: Vec<FormEntry>,
    /// Reclaim policies.
    pub reclaims: Vec<ReclaimEntry>,
    /// Combinations.
    pub presets: Vec<AllocatorPreset>,
    /// Whole allocators.
    pub allocators: Vec<AllocatorEntry>,
    /// Schemes.
    pub schemes: Vec<SchemeEntry>,
}

const fn preset(
    name: &'static str,
    [index, form, reclaim]: [&'static str; 3],
    paper: &'static str,
    summary: &'static str,
) -> Entry {
    grouped(name, [ONE_GROUP, index, form, reclaim], paper, summary)
}

const fn grouped(
    name: &'static str,
    [groups, index, form, reclaim]: [&'static str; 4],
    paper: &'static str,
    summary: &'static str,
) -> Entry {
    Entry::Preset(AllocatorPreset { name, summary, paper, groups, index, form, reclaim })
}

/// The rows.
const STANDARD: &[Entry] = &[
    Entry::Groups(groups::ONE),
    Entry::Groups(groups::FIRST),
    Entry::Groups(groups::NEAR),
    Entry::Groups(groups::ROTOR),
    Entry::Groups(groups::MOST_FREE),
    Entry::Groups(groups::SIZE_CLASS),
    Entry::Groups(groups::MEAN_RUN),
    Entry::Index(spinney_alloc_bitmap::INDEX),
    Entry::Index(spinney_alloc_bitmap::AREAS),
    Entry::Index(spinney_alloc_bitmap::CURSOR),
    Entry::Index(spinney_alloc_bitmap::BLUESTORE),
    Entry::Index(spinney_alloc_bitmap::ROARING),
    Entry::Form(spinney_alloc_bitmap::FORM),
    Entry::Form(spinney_alloc_bitmap::COUNTED),
    Entry::Index(spinney_alloc_spacemap::INDEX),
    Entry::Form(spinney_alloc_spacemap::FORM),
    Entry::Index(spinney_alloc_extent::INDEX),
    Entry::Index(spinney_alloc_extent::NEAR),
    Entry::Form(spinney_alloc_extent::FORM),
    Entry::Index(spinney_alloc_buddy::BUDDY),
    Entry::Index(spinney_alloc_buddy::SLAB),
    Entry::Index(spinney_alloc_buddy::VMEM),
    Entry::Index(spinney_alloc_hybrid::AVL),
    Entry::Index(spinney_alloc_hybrid::BTREE2),
    Entry::Index(spinney_alloc_hybrid::STUPID),
    Entry::Index(spinney_alloc_hybrid::HYBRID),
    Entry::Form(spinney_alloc_extent::FREE_SPACE_TREE),
    Entry::Reclaim(spinney_alloc::reclaim::AT_COMMIT),
    Entry::Reclaim(spinney_alloc::reclaim::HOLD),
    Entry::Reclaim(spinney_alloc::reclaim::NO_READER),
    Entry::Reclaim(spinney_alloc_reclaim::THRESHOLD),
    Entry::Reclaim(spinney_alloc_reclaim::BATCHED),
    Entry::Index(spinney_alloc_skiplist::INDEX),
    Entry::Allocator(spinney_alloc_freelist::ALLOCATOR),
    preset(
        "bitmap",
        ["bitmap", "activemap", "at-commit"],
        "WAFL (2008, 2017)",
        "bitmap with summary levels, kept as activemap pages",
    ),
    preset(
        "wafl",
        ["areas", "activemap", "at-commit"],
        "WAFL (2008, 2017)",
        "allocation areas by score, the emptiest used up in order, kept as activemap pages",
    ),
    preset(
        "dm-thin",
        ["cursor", "counted-bitmap", "at-commit"],
        "dm-thin (Linux, persistent-data)",
        "the next free blocks after one cursor, kept as pages of two-bit counts with an index",
    ),
    preset(
        "roaring",
        ["roaring", "activemap", "at-commit"],
        "Lemire et al. (2014 to 2018)",
        "the crate roaring with next fit, kept as activemap pages",
    ),
    preset(
        "bluestore-bitmap",
        ["bluestore-bitmap", "activemap", "at-commit"],
        "Ceph BlueStore (2018)",
        "three levels of bits that split freely, kept as activemap pages",
    ),
    preset(
        "spacemap",
        ["range", "spacemap", "at-commit"],
        "ZFS (2003)",
        "extents by address and size with dynamic fit, kept as a condensed log",
    ),
    preset(
        "extent",
        ["twin", "extent-tree", "at-commit"],
        "XFS; key-value article (2024)",
        "twin ordered maps with best fit, kept as a tree by offset",
    ),
    preset(
        "bitmap-threshold",
        ["bitmap", "activemap", "threshold"],
        "FlexVol (2008)",
        "as bitmap, with frees that wait until they are 2 % of the pool, richest group first",
    ),
    preset(
        "bitmap-batched",
        ["bitmap", "activemap", "batched"],
        "WAFL (2017)",
        "as bitmap, with frees that are logged, sorted and applied by address",
    ),
    preset(
        "spacemap-hold",
        ["range", "spacemap", "hold"],
        "ZFS (2003); OpenZFS deferred frees",
        "as spacemap, with freed blocks held for two commits more",
    ),
    preset(
        "extent-no-reader",
        ["twin", "extent-tree", "no-reader"],
        "LMDB (2011)",
        "as extent, with freed blocks held until they are older than every reader",
    ),
    preset(
        "skiplist",
        ["skiplist", "extent-tree", "at-commit"],
        "Pugh (1990); key-value article (2024)",
        "two skip lists with best fit, kept as a tree by offset",
    ),
    grouped(
        "xfs",
        ["near", "near-fit", "extent-tree", "at-commit"],
        "XFS (1996), and its sources as read for the notes",
        "allocation groups, in each the run nearest to the wish, kept as a tree by offset",
    ),
    grouped(
        "btrfs",
        ["size-class", "near-fit", "free-space-tree", "at-commit"],
        "BTRFS (2012), and its sources as read for the notes",
        "block groups by size class, in each the run nearest to the wish, kept as extents or bitmaps by group",
    ),
    Entry::Allocator(spinney_alloc_spacemap::METASLAB),
    Entry::Allocator(spinney_alloc_spacemap::ZFS),
    preset(
        "buddy",
        ["buddy", "activemap", "at-commit"],
        "Knowlton (1965); ext4 mballoc",
        "pieces of powers of two, split in halves and merged, kept as activemap pages",
    ),
    preset(
        "slab",
        ["slab", "activemap", "at-commit"],
        "Bonwick (1994)",
        "regions of 2 MiB, each cut into pieces of one size, kept as activemap pages",
    ),
    preset(
        "vmem",
        ["vmem", "activemap", "at-commit"],
        "Bonwick and Adams (2001)",
        "instant fit: the head of the first list where every run fits, kept as activemap pages",
    ),
    preset(
        "bluestore-avl",
        ["bluestore-avl", "activemap", "at-commit"],
        "Ceph BlueStore (2020)",
        "first fit from a cursor with two bounds, best fit when space is short, kept as activemap pages",
    ),
    preset(
        "bluestore-btree2",
        ["bluestore-btree2", "activemap", "at-commit"],
        "Ceph BlueStore (2024)",
        "buckets by size that break long runs only while most free space is in them, kept as activemap pages",
    ),
    preset(
        "bluestore-stupid",
        ["bluestore-stupid", "activemap", "at-commit"],
        "Ceph BlueStore (2015)",
        "bins by powers of two, searched from a hint, kept as activemap pages",
    ),
    preset(
        "bluestore-hybrid",
        ["bluestore-hybrid", "activemap", "at-commit"],
        "Ceph BlueStore (2020)",
        "the longest runs in a capped tree, the others in a bitmap, kept as activemap pages",
    ),
    Entry::Scheme(spinney_snap_flat::ENTRY),
    Entry::Scheme(spinney_snap_refcount::ENTRY),
    Entry::Scheme(spinney_snap_refcount::LOGGED),
    Entry::Scheme(spinney_snap_refcount::RANGES),
    Entry::Scheme(spinney_snap_gctree::EPOCHS),
    Entry::Scheme(spinney_snap_gctree::BITS),
    Entry::Scheme(spinney_snap_gctree::COUNTED),
    Entry::Scheme(spinney_snap_deadlist::ENTRY),
    Entry::Scheme(spinney_snap_time::ENTRY),
    Entry::Scheme(spinney_snap_snapmap::ENTRY),
    Entry::Scheme(spinney_snap_chain::ENTRY),
    Entry::Scheme(spinney_snap_caw::entry(
        "caw",
        "copy-on-abundant-write over reference counts: units of a clone are copied once enough of them was written",
        |settings| spinney_snap_caw::over(&spinney_snap_refcount::ENTRY, settings),
    )),
    Entry::Scheme(spinney_snap_caw::entry(
        "caw-gct",
        "copy-on-abundant-write over GCTrees by birth epochs",
        |settings| spinney_snap_caw::over(&spinney_snap_gctree::EPOCHS, settings),
    )),
    Entry::Scheme(spinney_snap_betree::ENTRY),
    Entry::Scheme(spinney_snap_keyver::ENTRY),
    Entry::Scheme(spinney_snap_eager::ENTRY),
];

impl Registry {
    /// What spinney ships.
    #[must_use]
    pub fn standard() -> Registry {
        STANDARD.iter().fold(Registry::default(), |registry, entry| registry.with(*entry))
    }

    /// The same with one more entry.
    #[must_use]
    pub fn with(mut self, entry: Entry) -> Registry {
        match entry {
            Entry::Groups(entry) => self.groups.push(entry),
            Entry::Index(entry) => self.indexes.push(entry),
            Entry::Form(entry) => self.forms.push(entry),
            Entry::Reclaim(entry) => self.reclaims.push(entry),
            Entry::Preset(entry) => self.presets.push(entry),
            Entry::Allocator(entry) => self.allocators.push(entry),
            Entry::Scheme(entry) => self.schemes.push(entry),
        }
        self
    }

    /// Names that a config can give as `allocator`.
    #[must_use]
    pub fn allocator_names(&self) -> Vec<&'static str> {
        let presets = self.presets.iter().map(|entry| entry.name);
        presets.chain(self.allocators.iter().map(|entry| entry.name)).collect()
    }

    /// The parts behind an allocator's name.
    pub fn allocator(&self, name: &str) -> Result<AllocatorSpec, RegistryError> {
        if let Some(preset) = self.presets.iter().find(|entry| entry.name == name) {
            let names = [preset.groups, preset.index, preset.form, preset.reclaim];
            let [groups, index, form, reclaim] = names.map(Choice::named);
            return Ok(AllocatorSpec::Composed { groups, index, form, reclaim });
        }
        if self.allocators.iter().any(|entry| entry.name == name) {
            return Ok(AllocatorSpec::Whole(Choice::named(name)));
        }
        Err(unknown("allocator", name, self.allocator_names()))
    }

    /// The allocator and scheme by name, with defaults.
    pub fn spec(&self, allocator: &str, scheme: &str) -> Result<PoolSpec, RegistryError> {
        Ok(PoolSpec { allocator: self.allocator(allocator)?, scheme: Choice::named(scheme) })
    }

    /// Build a pool's plug-ins.
    pub fn parts(&self, spec: &PoolSpec) -> Result<Parts, RegistryError> {
        let allocator = match &spec.allocator {
            AllocatorSpec::Composed { groups, index, form, reclaim } => {
                let index = self.index(groups, index)?;
                let two = find("form", form, self.forms.iter().map(|e| (e.name, e.parameters, e.build)))?;
                let three =
                    find("reclaim", reclaim, self.reclaims.iter().map(|e| (e.name, e.parameters, e.build)))?;
                Box::new(Composed::new(index, two(&form.settings)?, three(&reclaim.settings)?))
            }
            AllocatorSpec::Whole(choice) => {
                let entries = self.allocators.iter().map(|e| (e.name, e.parameters, e.build));
                find("allocator", choice, entries)?(&choice.settings)?
            }
        };
        let schemes = self.schemes.iter().map(|e| (e.name, e.parameters, e.build));
        let scheme = find("scheme", &spec.scheme, schemes)?(&spec.scheme.settings)?;
        Ok(Parts { allocator, scheme, description: spec.text() })
    }

    /// Build an index, in groups if so chosen.
    pub fn index(&self, groups: &Choice, index: &Choice) -> Result<Box<dyn FreeIndex>, RegistryError> {
        let rows = self.groups.iter().map(|e| (e.name, e.parameters, e));
        let entry = find("groups", groups, rows)?;
        let build = find("index", index, self.indexes.iter().map(|e| (e.name, e.parameters, e.build)))?;
        let settings = index.settings.clone();
        Ok(groups::build(entry, &groups.settings, move || build(&settings))?)
    }

    /// Build the plug-ins that a superblock's description names: what `Pool::open` asks for.
    pub fn parts_of(&self, description: &str) -> Result<Parts, RegistryError> {
        self.parts(&PoolSpec::parse(description)?)
    }
}

fn unknown(what: &str, name: &str, known: Vec<&'static str>) -> RegistryError {
    let known = known.into_iter().map(String::from).collect();
    RegistryError::Unknown { what: what.into(), name: name.into(), known }
}

/// The entry that a choice names, its settings checked.
fn find<B>(
    what: &str,
    choice: &Choice,
    entries: impl Iterator<Item = (&'static str, &'static [Parameter], B)>,
) -> Result<B, RegistryError> {
    let mut known = Vec::new();
    for (name, parameters, build) in entries {
        if name == choice.name {
            return check(what, choice, parameters).map(|()| build);
        }
        known.push(name);
    }
    Err(unknown(what, &choice.name, known))
}

/// Names and kinds of settings against the declaration.
fn check(what: &str, choice: &Choice, parameters: &'static [Parameter]) -> Result<(), RegistryError> {
    for (name, value) in &choice.settings.0 {
        let what = format!("parameter of {what} {}", choice.name);
        let names = || parameters.iter().map(|parameter| parameter.name).collect();
        let parameter = parameters.iter().find(|parameter| parameter.name == name);
        check_kind(parameter.ok_or_else(|| unknown(&what, name, names()))?, value)?;
    }
    Ok(())
}

/// One value against its parameter. A whole number passes for a real one.
pub fn check_kind(parameter: &Parameter, value: &Setting) -> Result<(), RegistryError> {
    let wanted = match (&parameter.default, value) {
        (Fallback::Integer(_), Setting::Integer(_))
        | (Fallback::Real(_), Setting::Real(_) | Setting::Integer(_))
        | (Fallback::Switch(_), Setting::Switch(_))
        | (Fallback::Word(_), Setting::Word(_)) => return Ok(()),
        (Fallback::Integer(_), _) => "a whole number, not negative",
        (Fallback::Real(_), _) => "a number",
        (Fallback::Switch(_), _) => "true or false",
        (Fallback::Word(_), _) => "a word in quotes",
    };
    let given = format!("`{value}`");
    Err(RegistryError::WrongKind { parameter: parameter.name.into(), given, wanted })
}

/// Settings with every parameter's default written out, for provenance.
#[must_use]
pub fn resolved(parameters: &[Parameter], settings: &Settings) -> Settings {
    let value = |parameter: &Parameter| match parameter.default {
        Fallback::Integer(value) => Setting::Integer(value),
        Fallback::Real(value) => Setting::Real(value),
        Fallback::Switch(value) => Setting::Switch(value),
        Fallback::Word(value) => Setting::Word(value.into()),
    };
    let mut all = Settings(parameters.iter().map(|p| (p.name.to_owned(), value(p))).collect());
    all.0.extend(settings.0.clone());
    all
}
