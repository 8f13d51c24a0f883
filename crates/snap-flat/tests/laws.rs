//! The scheme laws.

use spinney_snap_flat::Flat;

spinney_testkit::scheme_laws!(|| Box::new(Flat::new()) as Box<dyn spinney_snap::SnapshotScheme>);
