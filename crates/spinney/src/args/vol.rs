//! What can be asked of volumes.
//!
//! Invariant: as that of `args.rs`.

use super::Output;
use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum VolCommand {
    /// A new volume, all zeros; it takes space as it is written.
    #[command(after_help = "Example: spinney vol create tank/home --size 40G")]
    Create {
        /// POOL/VOLUME.
        name: String,
        /// Its size.
        #[arg(long)]
        size: String,
    },
    /// Volumes and snapshots, with their space.
    #[command(after_help = "Example: spinney vol list tank -o name,exclusive")]
    List {
        /// The pool.
        pool: String,
        #[command(flatten)]
        output: Output,
    },
    /// Keep a volume as it is now.
    #[command(after_help = "Example: spinney vol snapshot tank/home@monday")]
    Snapshot {
        /// POOL/VOLUME@SNAPSHOT.
        name: String,
    },
    /// A writable volume with the content of a snapshot; it shares all that neither changes.
    #[command(after_help = "Example: spinney vol clone tank/home@monday tank/try")]
    Clone {
        /// POOL/VOLUME@SNAPSHOT.
        of: String,
        /// POOL/VOLUME.
        name: String,
    },
    /// Give a clone the snapshots that it came from, so that the other volume can be destroyed.
    #[command(after_help = "Example: spinney vol promote tank/try")]
    Promote {
        /// POOL/VOLUME of a clone.
        name: String,
    },
    /// Give a volume the content of its snapshot again; later snapshots stay.
    #[command(after_help = "Example: spinney vol rollback tank/home@monday")]
    Rollback {
        /// POOL/VOLUME@SNAPSHOT.
        name: String,
    },
    /// Another name for a volume or a snapshot.
    #[command(after_help = "Example: spinney vol rename tank/home@monday tank/home@before-upgrade")]
    Rename {
        /// POOL/VOLUME or POOL/VOLUME@SNAPSHOT.
        from: String,
        /// The new name, in the same pool.
        to: String,
    },
    /// Limit a volume: quota=SIZE, the most data that it may reference (snapshots do not count), and reservation=SIZE, data that it
    /// can come to own alone whatever others write; none takes a limit away.
    #[command(after_help = "Example: spinney vol set tank/home quota=20G reservation=5G")]
    Set {
        /// POOL/VOLUME.
        name: String,
        /// quota=SIZE|none and reservation=SIZE|none.
        #[arg(required = true, value_name = "PROPERTY=VALUE")]
        properties: Vec<String>,
    },
    /// Properties of volumes and snapshots, a line each.
    #[command(after_help = "Example: spinney vol get quota,reservation tank/home")]
    Get {
        /// Which: all, or names with commas between them.
        properties: String,
        /// POOL/VOLUME or POOL/VOLUME@SNAPSHOT, of one pool.
        #[arg(required = true)]
        names: Vec<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Destroy volumes and snapshots; POOL/VOLUME@A%B is every snapshot from A to B.
    #[command(after_help = "Example: spinney vol destroy -n -v tank/home@january%march")]
    Destroy {
        /// POOL/VOLUME, POOL/VOLUME@SNAPSHOT, POOL/VOLUME@A%B, also @%B and @A%.
        #[arg(required = true)]
        names: Vec<String>,
        /// A volume's snapshots, too.
        #[arg(short)]
        recursive: bool,
        /// Change nothing.
        #[arg(short = 'n', long)]
        dry_run: bool,
        /// Say what goes, and how much space comes back.
        #[arg(short)]
        verbose: bool,
        /// What goes and what comes back, as JSON.
        #[arg(short = 'j', long)]
        json: bool,
    },
    /// What a volume or snapshot takes, or what comes back if a set is destroyed.
    #[command(after_help = "Example: spinney vol space --if-destroyed tank/home@january%march")]
    Space {
        /// POOL/VOLUME, POOL/VOLUME@SNAPSHOT or a set.
        #[arg(required = true)]
        names: Vec<String>,
        /// Exactly the bytes that destroying all of these together would give back.
        #[arg(long)]
        if_destroyed: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Where two versions differ: offset, length and kind (+ only in the second, - only in the first, M both).
    #[command(after_help = "Example: spinney vol diff tank/home@monday tank/home")]
    Diff {
        /// The older one.
        old: String,
        /// The newer one, in the same pool.
        new: String,
        #[command(flatten)]
        output: Output,
    },
}
