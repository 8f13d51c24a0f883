//! Power cuts under a real file system: load on a loop device over FUSE, SIGKILL of the server, and all that had been fsynced is there.
//!
//! Invariant: the server holds what is not flushed in its own memory, so a kill loses it as a power cut would. `SPINNEY_KILL_ROUNDS` sets how
//! many rounds; `cargo xtask kills` runs fifty of each file system.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod bench;

use bench::{Bench, Server, attempt, lacks, run};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const SERVE: &str = "--hold-unflushed --fuse pool";

/// A file system, how it is made, and who proves it clean.
struct Kind {
    name: &'static str,
    make: &'static [&'static str],
    check: &'static [&'static str],
}

const KINDS: [Kind; 3] = [
    Kind { name: "ext4", make: &["mkfs.ext4", "-q", "-F"], check: &["e2fsck", "-f", "-n"] },
    Kind { name: "xfs", make: &["mkfs.xfs", "-q", "-f"], check: &["xfs_repair", "-n"] },
    Kind { name: "btrfs", make: &["mkfs.btrfs", "-q", "-f"], check: &["btrfs", "check", "--readonly"] },
];

/// Numbers without a pattern, from a seed.
fn mix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

/// What file `number` holds: one byte to 96 KiB.
fn content(number: u64) -> Vec<u8> {
    let bytes = mix(number) % (96 << 10) + 1;
    (0..bytes).map(|at| mix(number << 20 | at >> 3) as u8).collect()
}

/// One file system on one volume, in a pool that a server can be killed of.
struct Life {
    bench: Bench,
    kind: &'static Kind,
    server: Option<Server>,
    device: String,
    /// The files that fsync returned for, and how long each is.
    synced: Mutex<BTreeMap<u64, PathBuf>>,
    next: AtomicU64,
}

impl Life {
    fn new(kind: &'static Kind) -> Life {
        let bench = Bench::with("1G", "512M", "");
        ["pool", "mnt"].iter().for_each(|folder| fs::create_dir(bench.path(folder)).unwrap());
        let mut life = Life {
            bench,
            kind,
            server: None,
            device: String::new(),
            synced: Mutex::default(),
            next: AtomicU64::new(1),
        };
        life.start();
        run(kind.make[0], &[&kind.make[1..], &[life.device.as_str()]].concat());
        life
    }
    fn mount_point(&self) -> String {
        self.bench.path("mnt").display().to_string()
    }
    fn start(&mut self) {
        self.server = Some(self.bench.serve(SERVE));
        let file = self.bench.path("pool/home").display().to_string();
        self.device = run("losetup", &["--find", "--show", "--direct-io=on", &file]).trim().to_owned();
    }
    fn mount(&self) -> Result<(), String> {
        attempt("mount", &[&self.device, &self.mount_point()]).map(drop)
    }

    /// Files are written and fsynced by one thread, and written, renamed and removed without by another, until the power is cut.
    fn load_and_cut(&mut self, seed: u64) {
        let stop = AtomicBool::new(false);
        let mut server = self.server.take().unwrap();
        std::thread::scope(|scope| {
            let life = &*self;
            let on = || !stop.load(Ordering::Relaxed);
            scope.spawn(move || (0..).take_while(|_| on()).find(|_| life.write_synced().is_err()));
            scope.spawn(move || (0..).take_while(|_| on()).find(|turn| life.noise(*turn).is_err()));
            let (before, begun) = (life.files(), Instant::now());
            while life.files() < before + 3 && begun.elapsed() < Duration::from_secs(60) {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(mix(seed) % 500));
            server.kill();
            stop.store(true, Ordering::Relaxed);
        });
        self.clear();
    }

    /// How many files were fsynced.
    fn files(&self) -> usize {
        self.synced.lock().unwrap().len()
    }

    /// Everything that a dead server leaves in the system.
    fn clear(&mut self) {
        let _ = attempt("umount", &["--lazy", &self.mount_point()]);
        // Once: a moment later the number may be somebody else's.
        let device = std::mem::take(&mut self.device);
        let _ = if device.is_empty() { Ok(device) } else { attempt("losetup", &["--detach", &device]) };
        let _ = attempt("umount", &["--lazy", &self.bench.path("pool").display().to_string()]);
        self.server = None;
    }

    fn write_synced(&self) -> std::io::Result<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let folder = self.bench.path("mnt").join(format!("d{}", number % 7));
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("f{number}"));
        let mut file = File::create(&path)?;
        file.write_all(&content(number))?;
        file.sync_all()?;
        // The name is durable once its folder is, and the folder's once the root is.
        File::open(&folder)?.sync_all()?;
        File::open(self.bench.path("mnt"))?.sync_all()?;
        self.synced.lock().unwrap().insert(number, path);
        Ok(())
    }

    fn noise(&self, turn: u64) -> std::io::Result<()> {
        let path = |turn: u64| self.bench.path("mnt").join(format!("noise{}", turn % 5));
        fs::write(path(turn), content(turn))?;
        if turn.is_multiple_of(3) {
            fs::rename(path(turn), path(turn + 1))?;
        }
        if turn.is_multiple_of(4) {
            fs::remove_file(path(turn + 1)).or_else(|error| match error.kind() {
                std::io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })?;
        }
        Ok(())
    }

    /// Start, mount (which replays the journal), find every file that had been fsynced, unmount, check.
    fn recover(&mut self) -> Result<(), String> {
        self.start();
        self.mount()?;
        let whole = |(number, path): (&u64, &PathBuf)| {
            let found = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            if found == content(*number) { Ok(()) } else { Err(format!("{}: other bytes", path.display())) }
        };
        let lost = self.synced.lock().unwrap().iter().try_for_each(whole);
        let clean = attempt("umount", &[&self.mount_point()]).and_then(|_| {
            let [program, words @ ..] = self.kind.check else { return Err("no checker".into()) };
            attempt(program, &[words, &[self.device.as_str()]].concat())
        });
        lost.and(clean.map(drop))
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        drop(self.server.take());
        self.clear();
    }
}

fn rounds() -> u64 {
    std::env::var("SPINNEY_KILL_ROUNDS").map_or(2, |rounds| rounds.parse().expect("a number of rounds"))
}

fn rounds_of(kind: &'static Kind) {
    if let Some(lacks) = lacks(&["losetup", kind.make[0], kind.check[0]]) {
        eprintln!("skipped: {lacks} is missing");
        return;
    }
    let mut life = Life::new(kind);
    for round in 0..rounds() {
        life.mount().unwrap();
        let before = life.files();
        life.load_and_cut(round);
        assert!(life.files() > before, "{}, round {round}: killed before one fsync", kind.name);
        life.recover().unwrap_or_else(|lost| panic!("{}, round {round}: {lost}", kind.name));
    }
    eprintln!("{}: {} rounds, {} fsynced files", kind.name, rounds(), life.files());
    let server = life.server.take().unwrap();
    life.clear();
    server.end();
    assert!(life.bench.text("pool scrub tank", 0).contains("sound"));
}

#[test]
fn ext4_has_every_fsynced_file_after_a_kill() {
    rounds_of(&KINDS[0]);
}

#[test]
fn xfs_has_every_fsynced_file_after_a_kill() {
    rounds_of(&KINDS[1]);
}

#[test]
fn btrfs_has_every_fsynced_file_after_a_kill() {
    rounds_of(&KINDS[2]);
}

/// Also the proof that the rounds can fail: the pool's file is put back to before the last fsyncs, as if their flushes had been lies.
#[test]
fn flushes_that_lied_are_seen() {
    let kind = &KINDS[0];
    if let Some(lacks) = lacks(&["losetup", kind.make[0]]) {
        eprintln!("skipped: {lacks} is missing");
        return;
    }
    let mut life = Life::new(kind);
    life.mount().unwrap();
    life.write_synced().unwrap();
    run("sync", &["-f", &life.mount_point()]);
    fs::copy(life.bench.path("tank.img"), life.bench.path("old.img")).unwrap();
    (0..20).try_for_each(|_| life.write_synced()).unwrap();
    life.server.take().unwrap().kill();
    life.clear();
    // The same file, as the pool's socket and lock are those of the file.
    fs::write(life.bench.path("tank.img"), fs::read(life.bench.path("old.img")).unwrap()).unwrap();
    let seen = life.recover().unwrap_err();
    assert!(seen.contains("/f"), "{seen}");
}

#[test]
fn a_kill_loses_what_was_not_flushed_and_nothing_else() {
    if let Some(lacks) = lacks(&[]) {
        eprintln!("skipped: {lacks} is missing");
        return;
    }
    let bench = Bench::new();
    fs::create_dir(bench.path("pool")).unwrap();
    let mut server = bench.serve(SERVE);
    let open = |path: &Path| File::options().read(true).write(true).open(path).unwrap();
    let file = open(&bench.path("pool/home"));
    file.write_all_at(&[1; 8192], 0).unwrap();
    file.sync_data().unwrap();
    file.write_all_at(&[2; 4096], 4096).unwrap();
    server.kill();
    drop(file);
    let server = bench.serve(SERVE);
    let mut bytes = [0; 8192];
    open(&bench.path("pool/home")).read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!((bytes[0], bytes[4095], bytes[4096], bytes[8191]), (1, 1, 1, 1));
    server.end();
}
