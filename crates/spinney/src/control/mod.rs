//! One pool, whoever has it open: this process, or a server that is asked through its control socket.
//!
//! Invariant: a command does and prints the same either way. Protocol, version 1, in lines of JSON over a Unix socket that only its
//! owner can reach: the client sends `{"version":1,"arguments":["vol","list","tank"]}`, the words of a command line; the server answers with at
//! most one `{"version":1,"out":"..."}`, what the command prints, and then `{"version":1,"code":0}`, its exit code, with an `"error"` beside it
//! if it failed. Any number of commands may follow each other.

mod client;
mod server;

pub(crate) use client::ask;
pub(crate) use server::{Control, serve};

use crate::exit::Failure;
use crate::known::Known;
use crate::members::Members;
use crate::pool::open_at;
use spinney_core::DevId;
use spinney_volume::Pool;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The protocol's.
const VERSION: u64 = 1;
/// The longest request: a command line with hundreds of names.
const REQUEST_BYTES_MAX: u64 = 64 << 10;
/// The most that a command may print through the socket; a list of a million rows goes better to a file, with the pool not served.
const OUT_BYTES_MAX: usize = 32 << 20;

/// A pool, and where to print.
pub(crate) struct Desk<'a> {
    /// The name that the command has for it.
    pub(crate) name: &'a str,
    pub(crate) pool: &'a mut Pool,
    /// The devices that it is made of.
    pub(crate) members: &'a Members,
    pub(crate) out: &'a mut dyn Write,
    /// How many clients of the server have a version open; `None` without a server.
    pub(crate) users: Option<&'a dyn Fn(DevId) -> u64>,
}

impl Desk<'_> {
    /// Errors: `Busy` if a client has one of these versions open.
    pub(crate) fn nobody_has(&self, what: &str, devs: &[DevId]) -> Result<(), Failure> {
        let users = |dev: &DevId| self.users.map_or(0, |users| users(*dev));
        match devs.iter().map(users).sum() {
            0 => Ok(()),
            open => {
                Err(Failure::Busy(format!("{what} is open ({open} times); unmount or disconnect it first")))
            }
        }
    }
}

/// Do something at a pool: here, or with the same words at the server that has it.
pub(crate) fn at(name: &str, act: impl FnOnce(&mut Desk<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
    let known = Known::load()?;
    if let Some(answer) = ask(known.path(name)?, &words()?)? {
        return answer.print();
    }
    let (mut pool, members) = open_at(name, known.paths(name)?)?;
    act(&mut Desk { name, pool: &mut pool, members: &members, out: &mut io::stdout(), users: None })
}

/// This command's own line, without the program.
fn words() -> Result<Vec<String>, Failure> {
    let text = |word: std::ffi::OsString| word.into_string();
    let words: Result<_, _> = env::args_os().skip(1).map(text).collect();
    words.map_err(|word| Failure::Usage(format!("{} is no UTF-8", word.display())))
}

/// Where the server of the pool in this file or disk listens, whatever the pool's name and the way to the file.
fn socket(path: &Path) -> io::Result<PathBuf> {
    let about = fs::metadata(path)?;
    let kind = about.file_type();
    let (device, number) =
        if kind.is_block_device() { (0, about.rdev()) } else { (about.dev(), about.ino()) };
    Ok(Known::folder_of_sockets()?.join(format!("{device:x}-{number:x}.sock")))
}

/// The same, in a folder that is there and this user's alone.
fn private_socket_path(path: &Path) -> io::Result<PathBuf> {
    let socket = socket(path)?;
    let folder = socket.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let about = fs::metadata(folder)?;
    if about.uid() != rustix::process::getuid().as_raw() || about.mode() & 0o077 != 0 {
        let what = format!("{} is not this user's alone (chmod 700)", folder.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    }
    Ok(socket)
}
