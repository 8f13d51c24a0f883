//! The folder of files, by the system's own calls. Where FUSE cannot be mounted, each test says so and ends.
#![cfg(feature = "fuse")]
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod pool;

use pool::{after_a_power_cut, formatted, name};
use rustix::fs::{FallocateFlags, OFlags, SeekFrom, fallocate, seek, statvfs};
use rustix::io::Errno;
use spinney_core::BLOCK_BYTES;
use spinney_device::MemoryDevice;
use spinney_export::{Store, fuse};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;

const BLOCK: u64 = BLOCK_BYTES as u64;

struct Folder {
    device: Arc<MemoryDevice>,
    store: Arc<Store>,
    mounted: fuse::Mounted,
    folder: tempfile::TempDir,
}

/// Why FUSE cannot be used here.
fn lacks() -> Option<String> {
    let device = File::options().read(true).write(true).open("/dev/fuse");
    let root = rustix::process::geteuid().is_root();
    let helps = || {
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .any(|folder| folder.join("fusermount3").exists())
    };
    match device {
        Err(error) => Some(format!("/dev/fuse: {error}")),
        Ok(_) if !root && !helps() => Some("neither root nor fusermount3".into()),
        Ok(_) => None,
    }
}

/// The small pool, mounted; `None` with a message where that cannot be.
fn mounted() -> Option<Folder> {
    if let Some(lacks) = lacks() {
        eprintln!("skipped: {lacks}");
        return None;
    }
    let (device, folder) = (Arc::new(MemoryDevice::new(1000)), tempfile::tempdir().unwrap());
    let store = Arc::new(Store::new(formatted(device.clone())));
    let mounted =
        fuse::mount(store.clone(), folder.path(), false, Arc::new(|line| eprintln!("{line}"))).unwrap();
    Some(Folder { device, store, mounted, folder })
}

impl Folder {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    fn open(&self, name: &str) -> File {
        File::options().read(true).write(true).open(self.path(name)).unwrap()
    }
    fn bytes(&self, file: &File, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![1; length];
        file.read_exact_at(&mut bytes, offset).unwrap();
        bytes
    }
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn every_name_is_a_file_and_snapshots_are_read_only() {
    let Some(folder) = mounted() else { return };
    assert_eq!(folder.names(), ["a", "a@1"]);
    let (volume, snapshot) = ["a", "a@1"].map(|name| fs::metadata(folder.path(name)).unwrap()).into();
    assert_eq!((volume.len(), volume.mode() & 0o777), (64 * BLOCK, 0o600));
    assert_eq!((snapshot.len(), snapshot.mode() & 0o777), (64 * BLOCK, 0o400));
    let refused = File::options().write(true).open(folder.path("a@1")).unwrap_err().kind();
    assert!([ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied].contains(&refused), "{refused}");
    assert_eq!(folder.bytes(&File::open(folder.path("a@1")).unwrap(), 8 * BLOCK - 1, 2), [7, 0]);
    assert_eq!(fs::metadata(folder.path("b")).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(File::create(folder.path("b")).is_err(), "a volume is made by its own command");
    assert!(fs::remove_file(folder.path("a")).is_err());
}

#[test]
fn what_is_written_is_read_at_any_byte_and_nothing_is_past_the_end() {
    let Some(folder) = mounted() else { return };
    let file = folder.open("a");
    file.write_all_at(&[3; 10_000], 5000).unwrap();
    let found = folder.bytes(&file, 4999, 10_002);
    assert_eq!((found[0], found[1], found[10_000], found[10_001]), (7, 3, 3, 7));
    let end = 64 * BLOCK;
    assert_eq!(file.write_at(&[5; 2], end - 1).unwrap(), 1);
    assert_eq!(file.write_at(&[5; 2], end).unwrap_err().raw_os_error(), Some(Errno::NOSPC.raw_os_error()));
    assert_eq!(file.read_at(&mut [0; 9], end - 4).unwrap(), 4);
    assert_eq!(file.read_at(&mut [0; 9], end).unwrap(), 0);
    file.set_len(end).unwrap();
    assert_eq!(file.set_len(end - 1).unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(file.metadata().unwrap().len(), end);
}

#[test]
fn a_punched_hole_reads_as_zeros_to_the_byte_and_is_a_hole_in_whole_blocks() {
    let Some(folder) = mounted() else { return };
    let file = folder.open("a");
    let free = |folder: &Folder| statvfs(folder.folder.path()).unwrap().f_bfree;
    file.write_all_at(&[7; 64 * BLOCK_BYTES], 0).unwrap();
    file.sync_all().unwrap();
    let before = free(&folder);
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    fallocate(&file, punch, 2 * BLOCK - 1, 3 * BLOCK + 2).unwrap();
    file.sync_all().unwrap();
    let found = folder.bytes(&file, 2 * BLOCK - 2, 3 * BLOCK_BYTES + 4);
    assert_eq!((found[0], found[3 * BLOCK_BYTES + 3]), (7, 7));
    assert!(found[1..3 * BLOCK_BYTES + 3].iter().all(|byte| *byte == 0));
    assert_eq!(seek(&file, SeekFrom::Hole(0)), Ok(2 * BLOCK));
    assert_eq!(seek(&file, SeekFrom::Data(2 * BLOCK)), Ok(5 * BLOCK));
    assert_eq!(seek(&file, SeekFrom::Hole(6 * BLOCK)), Ok(64 * BLOCK));
    assert_eq!(seek(&file, SeekFrom::Data(64 * BLOCK)), Err(Errno::NXIO));
    // Block 2 to 4 were the volume's alone.
    assert_eq!(free(&folder), before + 3);
    fallocate(&file, FallocateFlags::ZERO_RANGE, 63 * BLOCK, BLOCK).unwrap();
    assert_eq!(folder.bytes(&file, 63 * BLOCK, 2), [0, 0]);
    assert_eq!(fallocate(&file, FallocateFlags::ZERO_RANGE, 63 * BLOCK, BLOCK + 1), Err(Errno::FBIG));
    assert_eq!(fallocate(&file, FallocateFlags::empty(), 0, BLOCK), Err(Errno::OPNOTSUPP));
}

#[test]
fn the_folder_tells_the_space_of_the_pool() {
    let Some(folder) = mounted() else { return };
    let space = folder.store.with(|pool| Ok(pool.space())).unwrap();
    let told = statvfs(folder.folder.path()).unwrap();
    assert_eq!(
        (told.f_blocks, told.f_bfree, told.f_bavail),
        (space.total_blocks, space.free_blocks, space.free_blocks)
    );
    assert_eq!((told.f_frsize, told.f_files), (BLOCK, 2));
}

#[test]
fn what_was_synced_is_there_after_a_power_cut() {
    let Some(folder) = mounted() else { return };
    let file = folder.open("a");
    file.write_all_at(&[1; 512], 0).unwrap();
    file.sync_data().unwrap();
    let mut durable = File::options();
    let durable =
        durable.write(true).custom_flags(OFlags::DSYNC.bits().cast_signed()).open(folder.path("a")).unwrap();
    durable.write_all_at(&[2; 512], 512).unwrap();
    file.write_all_at(&[3; 512], 1024).unwrap();
    let (_, pool) = after_a_power_cut(&folder.device);
    let (mut bytes, volume) = (vec![0; 1536], pool.named(&name("a")).unwrap());
    pool.read(volume, 0, &mut bytes).unwrap();
    assert_eq!((bytes[0], bytes[511], bytes[512], bytes[1023]), (1, 1, 2, 2));
    assert_eq!(bytes[1024], 7, "a write alone is not durable");
}

#[test]
fn names_come_and_go_while_it_is_mounted() {
    let Some(folder) = mounted() else { return };
    let (old, dev) = (folder.open("a"), folder.store.export("a").unwrap().dev);
    assert_eq!(folder.store.users_of(dev), 1);
    old.write_all_at(&[9; 8], 0).unwrap();
    folder.store.with(|pool| pool.clone_as(&name("a@1"), &name("b"), 0)).unwrap();
    folder.store.with(|pool| pool.rollback(&name("a@1"))).unwrap();
    assert_eq!(folder.names(), ["a", "a@1", "b"]);
    assert_eq!(folder.bytes(&folder.open("a"), 0, 2), [7, 7]);
    folder.open("b").write_all_at(&[5], 0).unwrap();
    let stale = old.read_at(&mut [0; 8], 0).unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::StaleNetworkFileHandle);
    drop(old);
}

#[test]
fn a_folder_in_use_stays_until_it_is_not() {
    let Some(mut folder) = mounted() else { return };
    let file = folder.open("a");
    assert_eq!(folder.mounted.unmount().unwrap_err().kind(), ErrorKind::ResourceBusy);
    assert_eq!(folder.bytes(&file, 0, 1), [7]);
    drop(file);
    // The kernel tells of a closed file a moment later.
    while let Err(error) = folder.mounted.unmount() {
        assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    }
    assert!(folder.mounted.is_over());
    assert!(folder.names().is_empty(), "the folder itself is seen again");
}
