//! A folder with a file for each volume and each snapshot, mounted by FUSE without libfuse.
//!
//! Invariant: what a client reads is what the pool has, since the kernel's page cache holds nothing of these files but pages that somebody
//! maps (FUSE_DIRECT_IO_ALLOW_MMAP), which writes by NBD do not change. Knows no format inside a volume and looks at none.

mod answer;
mod bytes;
mod files;

use crate::Store;
use files::Files;
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// Threads that answer the kernel. The pool's one lock makes more than a few useless: while one has it, another takes the next
/// request from the kernel and a third copies bytes. Each has a buffer of 16 MiB, of which only what a request fills is real.
const THREADS: usize = 4;

/// Where a line for a person goes.
pub type Log = Arc<dyn Fn(&str) + Send + Sync>;

/// A folder that is mounted, until it is unmounted by this or by anybody else.
pub struct Mounted {
    at: PathBuf,
    unmounter: fuser::SessionUnmounter,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// Mount `store` at the empty folder `at`. With `allow_root` root may use the files too (losetup and mount need it), which an
/// unprivileged server can offer only if `/etc/fuse.conf` has `user_allow_other`. What a server that died left mounted there is
/// detached first. Errors: the system's; `AlreadyExists` if something is in the folder.
pub fn mount(store: Arc<Store>, at: &Path, allow_root: bool, log: Log) -> io::Result<Mounted> {
    detach_dead(at, &log)?;
    if fs::read_dir(at)?.next().is_some() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the folder is not empty"));
    }
    let at = fs::canonicalize(at)?;
    let mut config = fuser::Config::default();
    config.mount_options = vec![
        fuser::MountOption::FSName("spinney".into()),
        fuser::MountOption::Subtype("spinney".into()),
        fuser::MountOption::DefaultPermissions,
        fuser::MountOption::NoExec,
        fuser::MountOption::NoAtime,
    ];
    config.acl = if allow_root { fuser::SessionACL::RootAndOwner } else { fuser::SessionACL::Owner };
    config.n_threads = Some(THREADS);
    config.clone_fd = true;
    let mut session = fuser::Session::new(Files::new(store, log), &at, &config)?;
    let unmounter = session.unmount_callable();
    let thread = thread::Builder::new().name("fuse".into()).spawn(move || session.run())?;
    Ok(Mounted { at, unmounter, thread: Some(thread) })
}

/// The folder of a server that was killed answers "not connected" until it is unmounted.
fn detach_dead(at: &Path, log: &Log) -> io::Result<()> {
    let Err(error) = fs::metadata(at) else { return Ok(()) };
    if error.raw_os_error() != Some(Errno::NOTCONN.raw_os_error()) {
        return Err(error);
    }
    log(&format!("{}: what a server that died had mounted here is detached", at.display()));
    match unmount(at, UnmountFlags::DETACH) {
        Err(Errno::PERM) => {
            Err(io::Error::other("a server that died left it mounted: `fusermount3 -u -z` it"))
        }
        done => Ok(done?),
    }
}

/// As an unprivileged user: fuser's own way is lazy, and would pull the folder away from under an open file. Errors: `ResourceBusy`; the
/// system's, or what the helper said.
fn unmount_by_helper(at: &Path) -> io::Result<()> {
    let output = Command::new("fusermount3").arg("-u").arg("--").arg(at).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(()),
        false if said.contains("busy") => Err(io::ErrorKind::ResourceBusy.into()),
        false if said.contains("not found in") => Ok(()), // somebody else was quicker
        false => Err(io::Error::other(said.trim().to_owned())),
    }
}

impl Mounted {
    /// Whether somebody has unmounted it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Unmount it, and wait for the requests under way. Errors: `ResourceBusy` while a file is open, a loop device is on one, or somebody is in
    /// the folder: nothing has changed then.
    pub fn unmount(&mut self) -> io::Result<()> {
        if !self.is_over() {
            match unmount(&self.at, UnmountFlags::empty()) {
                Err(Errno::PERM) => unmount_by_helper(&self.at)?,
                Err(Errno::INVAL) => {} // somebody else was quicker
                done => done?,
            }
        }
        let ended = self.thread.take().map_or(Ok(Ok(())), JoinHandle::join);
        ended.unwrap_or_else(|_| Err(io::Error::other("a thread of the mount ended by a panic")))
    }
}

impl Drop for Mounted {
    /// Without a word: gone from the folder at once, and for whoever has a file open when it is closed.
    fn drop(&mut self) {
        if !self.is_over() && unmount(&self.at, UnmountFlags::DETACH).is_err() {
            let _ = self.unmounter.unmount();
        }
    }
}
