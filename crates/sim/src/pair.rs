//! What a life runs on: an allocator, a scheme, a geometry, and maybe a planted fault.
//!
//! Invariant: names come from the registry; no allocator or scheme is named here.

use crate::Geometry;
use spinney_backref::BackrefOptions;
use spinney_core::{BlockDevice, Fallback, Setting};
use spinney_registry::{AllocatorSpec, PoolSpec, Registry};
use spinney_volume::{ChecksumKind, Parts, Placement, PoolOptions};
use std::fmt;
use std::sync::Arc;

/// Blocks of a group in a life: pools have some dozens of data blocks.
const GROUP_BLOCKS: u64 = 13;

/// Sizes of what keeps counts, and what they are for each slot of an index node: small, so that it is full again and again.
const COUNT_SIZES: [&str; 2] = ["log_changes", "range_steps"];
const COUNT_SIZE_PER_SLOT: u64 = 3;
/// Blocks of a copy unit in a life.
const UNIT_BLOCKS: u64 = 9;
/// Seeks in one that reads pay for before it is copied.
const READ_SEEKS: u64 = 3;

/// Wraps a pool's parts, to plant a fault in them.
pub type PlantParts = fn(&Registry, &PoolSpec) -> Parts;
/// Wraps the device under a pool, to plant a fault there.
pub type PlantDevice = fn(Arc<dyn BlockDevice>) -> Arc<dyn BlockDevice>;

/// Parameters of reclaim policies, if they have them.
const SHORT_QUEUES: [(&str, u64); 5] = [
    ("slop_blocks_min", 0),
    ("batch_runs", 5),
    ("slice_runs", 2),
    ("threshold_percent", 4),
    ("group_blocks", 8),
];

/// What a life runs on.
#[derive(Clone)]
pub struct Pair {
    /// Allocator, as the registry names it.
    pub allocator: String,
    /// Scheme.
    pub scheme: String,
    /// Sizes and tunables.
    pub geometry: Geometry,
    /// Where both come from.
    pub registry: Arc<Registry>,
    /// A planted fault, or how parts are built without one.
    pub parts: PlantParts,
    /// The same for the device.
    pub device: PlantDevice,
}

impl Pair {
    /// The pair of these names, sound.
    #[must_use]
    pub fn new(registry: &Arc<Registry>, allocator: &str, scheme: &str) -> Pair {
        Pair {
            allocator: allocator.into(),
            scheme: scheme.into(),
            geometry: Geometry::default(),
            registry: registry.clone(),
            parts: |registry, spec| registry.parts(spec).expect("registered names build"),
            device: |device| device,
        }
    }

    /// The same on another pool.
    #[must_use]
    pub fn on(&self, geometry: Geometry) -> Pair {
        Pair { geometry, ..self.clone() }
    }

    /// The same on the pool that this seed's life has; sectors are shorn as before, and a log that there is stays.
    #[must_use]
    pub fn for_seed(&self, seed: u64) -> Pair {
        let (here, drawn) = (self.geometry, Geometry::draw(seed));
        let log_blocks = if here.log_blocks > 0 { here.log_blocks } else { drawn.log_blocks };
        self.on(Geometry { shears: here.shears, log_blocks, ..drawn })
    }

    /// The first line of a case: `pair ALLOCATOR SCHEME GEOMETRY`.
    #[must_use]
    pub fn line(&self) -> String {
        format!("pair {} {} {}", self.allocator, self.scheme, self.geometry).trim_end().into()
    }

    /// Every pair of a registry.
    #[must_use]
    pub fn all(registry: &Arc<Registry>) -> Vec<Pair> {
        let schemes = || registry.schemes.iter().map(|scheme| scheme.name);
        let pairs = registry
            .allocator_names()
            .into_iter()
            .flat_map(|allocator| schemes().map(move |scheme| (allocator, scheme)));
        pairs.map(|(allocator, scheme)| Pair::new(registry, allocator, scheme)).collect()
    }

    /// What a parameter of the scheme is unless it is set, if there is one of this name.
    fn default_of(&self, parameter: &str) -> Option<Fallback> {
        let scheme = self.registry.schemes.iter().find(|entry| entry.name == self.scheme)?;
        let found = scheme.parameters.iter().find(|other| other.name == parameter)?;
        Some(found.default)
    }
    /// Whether the scheme has a parameter of this name.
    fn has(&self, parameter: &str) -> bool {
        self.default_of(parameter).is_some()
    }

    /// Whether blocks are overwritten in place.
    #[must_use]
    pub fn overwrites(&self) -> bool {
        self.geometry.in_place > 0 && self.has("in_place")
    }

    /// The plug-ins, with the geometry's settings.
    #[must_use]
    pub fn spec(&self) -> PoolSpec {
        let mut spec = self.registry.spec(&self.allocator, &self.scheme).expect("registered names");
        if self.overwrites() {
            spec.scheme.settings = spec.scheme.settings.with("in_place", Setting::Switch(true));
        }
        if self.geometry.fanout > 0 && self.has("fanout") {
            let fanout = Setting::Integer(self.geometry.fanout);
            spec.scheme.settings = spec.scheme.settings.with("fanout", fanout);
        }
        for name in COUNT_SIZES {
            if self.geometry.fanout > 0 && matches!(self.default_of(name), Some(Fallback::Integer(1..))) {
                let size = Setting::Integer(self.geometry.fanout * COUNT_SIZE_PER_SLOT);
                spec.scheme.settings = spec.scheme.settings.with(name, size);
            }
        }
        if self.has("unit_blocks") {
            spec.scheme.settings = spec.scheme.settings.with("unit_blocks", Setting::Integer(UNIT_BLOCKS));
        }
        if self.has("read_seeks") {
            spec.scheme.settings = spec.scheme.settings.with("read_seeks", Setting::Integer(READ_SEEKS));
        }
        if self.geometry.fanout > 0 && self.has("livelists") {
            spec.scheme.settings = spec.scheme.settings.with("livelists", Setting::Switch(true));
        }
        cut_small(&self.registry, &mut spec);
        spec
    }

    /// How the pool is made and opened.
    #[must_use]
    pub fn options(&self) -> PoolOptions {
        let Geometry {
            metadata_blocks,
            cache_pages,
            commit_blocks,
            tend_budget,
            checksums,
            shears,
            segments,
            back_references,
            log_blocks,
            ..
        } = self.geometry;
        let in_place = self.overwrites();
        PoolOptions {
            metadata_blocks: Some(metadata_blocks),
            placement: if segments > 0 { Placement::Segments } else { Placement::Area },
            cache_pages: cache_pages as usize,
            commit_blocks,
            tend_budget,
            in_place,
            log_blocks,
            back_references: (back_references > 0).then(|| BackrefOptions {
                compact_commits: back_references,
                partition_blocks: 128, // lives cross the border
                ..BackrefOptions::default()
            }),
            checksums: if in_place { ChecksumKind::None } else { checksums },
            // A shorn slot is damaged as no whole sector is; the pool does not open past it unasked.
            accept_unreadable_slot: shears > 0,
            ..PoolOptions::default()
        }
    }
}

/// Groups, if the allocator has them, are so small that lives cross their borders; queues of a reclaim policy so short that
/// they turn over.
pub(crate) fn cut_small(registry: &Registry, spec: &mut PoolSpec) {
    let AllocatorSpec::Composed { groups, reclaim, .. } = &mut spec.allocator else { return };
    let entry = registry.groups.iter().find(|entry| entry.name == groups.name);
    if entry.is_some_and(|entry| entry.parameters.iter().any(|other| other.name == "group_blocks")) {
        groups.settings.0.insert("group_blocks".into(), Setting::Integer(GROUP_BLOCKS));
    }
    let entry = registry.reclaims.iter().find(|entry| entry.name == reclaim.name);
    for parameter in entry.into_iter().flat_map(|entry| entry.parameters) {
        let small = SHORT_QUEUES.iter().find(|(name, _)| *name == parameter.name);
        reclaim.settings.0.extend(small.map(|(name, value)| ((*name).into(), Setting::Integer(*value))));
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {}", self.allocator, self.scheme)
    }
}
