//! The scheme laws. Plans that offer blocks to overwrite are taken up every other time, so both ways of writing are met.

use spinney_snap::SnapshotScheme;
use spinney_snap_keyver::KeyVersions;

spinney_testkit::scheme_laws!(|| Box::new(KeyVersions::new(true)) as Box<dyn SnapshotScheme>);
