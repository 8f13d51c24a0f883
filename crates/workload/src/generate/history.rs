//! A tree of files under a version history: checked out once, then pulled again and again, then read in the order of names.
//!
//! Invariant: what is read at the end is the tree after the last pull, each file once; with `copy` the same tree (same names, same
//! sizes) is all that is ever written. Knows no directories: neighbors in the order of names stand for them.

use super::geriatrix::profile::Weighted;
use super::ground::{Ground, Stretch};
use super::{Commits, part, real_in, share, share_of};
use crate::chance::{Chance, Permutation};
use crate::compose::Begin;
use crate::error::{Result, WorkloadError};
use crate::op::{Op, Phase};
use crate::workload::{Steps, Stream, Workload, WorkloadContext, WorkloadEntry};
use spinney_core::{Parameter, Settings};
use std::collections::VecDeque;

const FILL: Parameter = Parameter::real(
    "fill",
    0.3,
    "Share of the volume that the tree takes, 0.001 to 0.97. Pulls leave it as it is, within a file.",
);
const SIZES: Parameter = Parameter::word(
    "sizes",
    "4096:45 8192:20 16384:15 32768:11 65536:6 131072:2 262144:1",
    "Sizes of files in bytes, each with its weight, as `size:weight` with spaces between; at most 64. The default is a tree of \
     sources: a median of two blocks, a mean of 17 KiB.",
);
const PULLS: Parameter = Parameter::integer(
    "pulls",
    1000,
    "How often it is pulled, each a commit. A few hundred halved the read speed of file systems; the published history has 10,000.",
);
const CHANGED: Parameter = Parameter::real(
    "changed",
    0.002,
    "Share of the files that a pull writes anew, over 0 and at most 1 (at least one file). A commit of a large project touches a few in a \
     thousand; what counts is pulls x changed, how often a file was written.",
);
const TURNOVER: Parameter = Parameter::real(
    "turnover",
    0.1,
    "Share of these that go, and another comes somewhere else in the tree. The rest keep name and size: an edit seldom \
     changes the number of blocks.",
);
const TOGETHER: Parameter = Parameter::integer(
    "together",
    3,
    "Neighbors in the order of names that change at once. A commit stays within few directories, and what it writes there lies \
     together again; 1 scatters every file by itself, which ages most. Assumed.",
);
const COPY: Parameter = Parameter::word(
    "copy",
    "none",
    "`none`: the volume lives through the pulls. `names`: only the tree after the last pull is written, in the order of names: the \
     unaged copy. `shuffled`: the same in a random order.",
);

/// Pulls of a row.
const ROUND_PULLS: u64 = 100;
/// Files between two flushes of a first write or a copy.
const COPY_FILES: u64 = 64;

/// A history.
pub const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "history",
    summary: "a tree of small files is pulled again and again and then read in the order of names; or a fresh copy of it is",
    paper: "Conway et al., FAST 2017 and HotStorage 2019 (git pull, then grep -r, aged against a copy); sizes and shares are ours",
    parameters: &[FILL, SIZES, PULLS, CHANGED, TURNOVER, TOGETHER, COPY],
    build,
};

fn build(context: &WorkloadContext, settings: &Settings) -> Result<Box<dyn Workload>> {
    let fill = real_in(settings, &FILL, 0.001, 0.97, "0.001 to 0.97")?;
    let sizes = Weighted::parse(&SIZES, settings)?;
    let level = share_of(context.volume_blocks, fill);
    if sizes.blocks_max() > level || sizes.blocks_max() > context.volume_blocks - level {
        let rule =
            "none larger than the tree, nor than what it leaves free: a file is written beside its old one";
        return Err(WorkloadError::bad_setting(SIZES.name, settings.word(&SIZES), rule));
    }
    let together = settings.integer(&TOGETHER);
    if !(1..=1 << 20).contains(&together) {
        return Err(WorkloadError::bad_setting(TOGETHER.name, together, "1 to 1048576"));
    }
    let copy = super::choice(settings, &COPY, &["none", "names", "shuffled"], "none, names or shuffled")?;
    let mut history = History {
        tree: Tree::new(context, level, sizes),
        pulls: settings.integer(&PULLS),
        changed: real_in(settings, &CHANGED, 1e-9, 1.0, "over 0 and at most 1")?,
        turnover: share(settings, &TURNOVER)?,
        together,
        commits: Commits::new(0),
        pulled: 0,
        order: None,
        at: At::First(0),
    };
    if copy > 0 {
        history.be_a_copy(context, copy == 2);
    }
    Ok(Box::new(Begin::new(None, Box::new(Stream::new(history)))))
}

/// A file, by its place in the order of names.
struct File {
    blocks: u64,
    /// Where it lies; nothing yet in a tree that is about to be written.
    stretches: Vec<Stretch>,
}

/// The files in the order of names.
struct Tree {
    files: Vec<File>,
    level: u64,
    blocks: u64,
    sizes: Weighted,
    ground: Ground,
    chance: Chance,
}

impl Tree {
    fn new(context: &WorkloadContext, level: u64, sizes: Weighted) -> Tree {
        let ground = Ground::new(context.volume_blocks, 1);
        let chance = Chance::new(context.seed, 10);
        let mut tree = Tree { files: Vec::new(), level, blocks: 0, sizes, ground, chance };
        while let Some(file) = tree.missing() {
            tree.files.push(file);
        }
        tree
    }
    /// One more file while the tree is below its level: whatever its size, so that small ones are not favored.
    fn missing(&mut self) -> Option<File> {
        if self.blocks >= self.level {
            return None;
        }
        let blocks = self.sizes.blocks(self.sizes.draw(&mut self.chance));
        self.blocks += blocks;
        Some(File { blocks, stretches: Vec::new() })
    }
    /// Write a file that lies nowhere. The tree leaves room for it, in pieces if need be.
    fn write(&mut self, at: usize, commits: &mut Commits, out: &mut VecDeque<Op>) {
        let stretches = self.ground.take(self.files[at].blocks).expect("a tree leaves room in its volume");
        stretches.iter().for_each(|stretch| commits.push(self.ground.write(*stretch), out));
        self.files[at].stretches = stretches;
    }
    /// What a file had goes.
    fn drop(&mut self, file: File, commits: &mut Commits, out: &mut VecDeque<Op>) {
        for stretch in file.stretches {
            commits.push(self.ground.discard(stretch), out);
            self.ground.give(stretch);
        }
    }
    /// The file at `at` with new content: written beside the old one, which then goes.
    fn renew(&mut self, at: usize, commits: &mut Commits, out: &mut VecDeque<Op>) {
        let blocks = self.files[at].blocks;
        let old = std::mem::replace(&mut self.files[at], File { blocks, stretches: Vec::new() });
        self.write(at, commits, out);
        self.drop(old, commits, out);
    }
    /// The file at `at` goes, and others come anywhere until the tree has its level.
    fn replace(&mut self, at: usize, commits: &mut Commits, out: &mut VecDeque<Op>) {
        let old = self.files.remove(at);
        self.blocks -= old.blocks;
        self.drop(old, commits, out);
        while let Some(file) = self.missing() {
            let place = self.chance.below(self.files.len() as u64 + 1) as usize;
            self.files.insert(place, file);
            self.write(place, commits, out);
        }
    }
}

enum At {
    /// This file of the first tree is written next.
    First(usize),
    Pulling,
    /// This file is read next.
    Reading(usize),
    Over,
}

struct History {
    tree: Tree,
    pulls: u64,
    changed: f64,
    turnover: f64,
    together: u64,
    commits: Commits,
    pulled: u64,
    /// A random order of the first tree, if it is not written in that of names.
    order: Option<Permutation>,
    at: At,
}

impl History {
    /// Live through all pulls and forget where it was written.
    fn be_a_copy(&mut self, context: &WorkloadContext, shuffled: bool) {
        let mut unseen = VecDeque::new();
        for at in 0..self.tree.files.len() {
            self.tree.write(at, &mut self.commits, &mut unseen);
        }
        for _ in 0..std::mem::take(&mut self.pulls) {
            self.pull(&mut unseen);
            unseen.clear();
        }
        self.tree.ground = Ground::new(context.volume_blocks, 1);
        self.tree.files.iter_mut().for_each(|file| file.stretches.clear());
        self.commits = Commits::new(0);
        let count = self.tree.files.len() as u64;
        self.order = shuffled.then(|| Permutation::new(count, &mut self.tree.chance));
    }
    fn write_first(&mut self, at: usize, out: &mut VecDeque<Op>) {
        let count = self.tree.files.len();
        let place = self.order.as_ref().map_or(at, |order| order.at(at as u64) as usize);
        self.tree.write(place, &mut self.commits, out);
        let next = at + 1;
        if next.is_multiple_of(COPY_FILES as usize) {
            self.commits.flush(out);
        }
        self.at = At::First(next);
        if next == count {
            self.commits.end_round(out);
            self.at = At::Pulling;
        }
    }
    fn pull(&mut self, out: &mut VecDeque<Op>) {
        let mut left = ((self.tree.files.len() as f64 * self.changed) as u64).max(1);
        while left > 0 {
            let group = left.min(self.together);
            left -= group;
            let start = self.tree.chance.below(self.tree.files.len() as u64) as usize;
            for at in start..start + group as usize {
                let at = at % self.tree.files.len();
                // One that is alone is never removed, so that there always is a tree.
                if self.tree.files.len() > 1 && self.tree.chance.happens(self.turnover) {
                    self.tree.replace(at, &mut self.commits, out);
                } else {
                    self.tree.renew(at, &mut self.commits, out);
                }
            }
        }
    }
    fn pull_or_begin(&mut self, out: &mut VecDeque<Op>) {
        if self.pulled == self.pulls {
            out.push_back(Op::Phase(Phase::Scan));
            self.commits = Commits::new(0);
            self.at = At::Reading(0);
            return;
        }
        self.pull(out);
        self.pulled += 1;
        if self.pulled.is_multiple_of(ROUND_PULLS) || self.pulled == self.pulls {
            self.commits.end_round(out);
        } else {
            self.commits.flush(out);
        }
    }
    fn read(&mut self, at: usize, out: &mut VecDeque<Op>) {
        match self.tree.files.get(at) {
            Some(file) => {
                file.stretches
                    .iter()
                    .for_each(|stretch| self.commits.push(self.tree.ground.read(*stretch), out));
                self.at = At::Reading(at + 1);
            }
            None => {
                self.commits.end_round(out);
                self.at = At::Over;
            }
        }
    }
}

impl Steps for History {
    fn step(&mut self, out: &mut VecDeque<Op>) -> Result<bool> {
        match self.at {
            At::First(at) => self.write_first(at, out),
            At::Pulling => self.pull_or_begin(out),
            At::Reading(at) => self.read(at, out),
            At::Over => return Ok(false),
        }
        Ok(true)
    }
    fn progress(&self) -> f64 {
        let files = self.tree.files.len() as u64;
        match self.at {
            At::First(at) => 0.1 * part(at as u64, files),
            At::Pulling => 0.1 + 0.8 * part(self.pulled, self.pulls),
            At::Reading(at) => 0.9 + 0.1 * part(at as u64, files),
            At::Over => 1.0,
        }
    }
}
