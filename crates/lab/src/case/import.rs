//! The free space that a case begins with, if its config names a file: a tool's text, or a raw image whose tool is run.
//!
//! Invariant: a file is read and parsed in full or is an error in words; an image is only ever given to the tool of its own
//! file system, for reading, by a path that begins with a folder. What the tool prints is untrusted like any text.

use spinney_import::{FreeState, TEXT_BYTES_MAX, parse};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};

/// A file system that is known by its magic number, and how its free space is printed.
struct Known {
    name: &'static str,
    magic: (u64, &'static [u8]),
    tool: &'static str,
    package: &'static str,
    /// Before the image's path; the second way, if there is one, for what the first does not print.
    ways: &'static [&'static [&'static str]],
}

const KNOWN: [Known; 3] = [
    Known {
        name: "ext4",
        magic: (1080, &[0x53, 0xef]),
        tool: "dumpe2fs",
        package: "e2fsprogs",
        ways: &[&[]],
    },
    Known {
        name: "XFS",
        magic: (0, b"XFSB"),
        tool: "xfs_db",
        package: "xfsprogs",
        ways: &[&["-r", "-c", "sb 0", "-c", "print blocksize agblocks agcount dblocks", "-c", "freesp -d"]],
    },
    Known {
        name: "BTRFS",
        magic: (65_600, b"_BHRfS_M"),
        tool: "btrfs",
        package: "btrfs-progs",
        ways: &[
            &["inspect-internal", "dump-tree", "-t", "10"],
            &["inspect-internal", "dump-tree", "-t", "2"],
        ],
    },
];

/// The free space in `path`: an image of a file system that is known, else a text. Errors: in words, with the file's name.
pub(crate) fn free_space(path: &Path, seed: u64) -> Result<FreeState, String> {
    let shown = path.display();
    let failed = |error: std::io::Error| format!("cannot read {shown}: {error}");
    let mut file = File::open(path).map_err(failed)?;
    let parsed = |text: &str| parse(text, seed).map_err(|error| format!("{shown}: {error}"));
    if let Some(known) = KNOWN.iter().find(|known| has_magic(&mut file, known.magic)) {
        let read = |way: &&[&str]| printed(known, way, path).and_then(|text| parsed(&text));
        let (last, first) = known.ways.split_last().expect("each has a way");
        return first.iter().find_map(|way| read(way).ok()).map_or_else(|| read(last), Ok);
    }
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    parsed(&text_of(file).map_err(|error| format!("cannot read {shown}: {error}"))?)
}

fn has_magic(file: &mut File, (at, magic): (u64, &[u8])) -> bool {
    let mut found = vec![0; magic.len()];
    file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut found)).is_ok() && found == magic
}

/// Text of bounded length.
fn text_of(from: impl Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    from.take(TEXT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > TEXT_BYTES_MAX {
        return Err(format!("it has more than {} MiB", TEXT_BYTES_MAX >> 20));
    }
    String::from_utf8(bytes).map_err(|_| {
        "it is neither text nor an image of ext4, XFS or BTRFS; for another file system, save what its own tool prints".to_owned()
    })
}

/// What the file system's own tool prints of an image.
fn printed(known: &Known, way: &[&str], path: &Path) -> Result<String, String> {
    let Known { name, tool, package, .. } = known;
    let shown = path.display();
    // An absolute path cannot be taken for an option.
    let whole = path.canonicalize().map_err(|error| format!("cannot read {shown}: {error}"))?;
    let mut command = Command::new(tool);
    command.args(way).arg(whole).env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!(
            "{shown} is an image of {name}, which `{tool}` reads, and that is not installed: install the package {package}, or name a \
             file with its output"
        ),
        _ => format!("{shown}: cannot run `{tool}`: {error}"),
    })?;
    let text = child.stdout.take().map_or(Ok(String::new()), text_of);
    if text.is_err() {
        let _ = child.kill(); // what it would still print is not wanted
    }
    let ended = child.wait().map_err(|error| format!("{shown}: `{tool}`: {error}"))?;
    let text = text.map_err(|error| format!("{shown}: output of `{tool}`: {error}"))?;
    if ended.success() {
        Ok(text)
    } else {
        Err(format!("{shown}: `{tool}` failed ({ended}); is the image whole?"))
    }
}
