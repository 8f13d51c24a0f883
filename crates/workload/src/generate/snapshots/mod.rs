//! Snapshots or clones taken, kept and deleted beside a load of random writes: the workload of studies on snapshot schemes.
//!
//! Invariant: a round is its versions and its writes, spread evenly; versions that live are at most what the settings keep. Writes go to
//! the volume, or to the newest clone, and always into the same spots.

mod age;
mod spots;
mod versions;

use super::{Commits, FILL, FLUSH_EVERY, UNIT_BLOCKS, choice, part, real_in, share};
use crate::chance::Chance;
use crate::compose;
use crate::error::{Result, WorkloadError};
use crate::op::Op;
use crate::workload::{Steps, Stream, Workload, WorkloadContext, WorkloadEntry};
use age::Age;
use spinney_core::{Parameter, Settings};
use spots::Spots;
use std::collections::VecDeque;
use versions::{Order, Versions};

const ROUNDS: Parameter = Parameter::integer(
    "rounds",
    10,
    "Rounds that are measured: a row can be taken after each. 10 show what is steady.",
);
const ROUND_WRITES: Parameter = Parameter::integer(
    "round_writes",
    1000,
    "Writes (and reads) of a round: a number, not a share, so that volumes of different sizes get the same load. 0: only versions come and go.",
);
const VERSION_WRITES: Parameter = Parameter::integer(
    "version_writes",
    0,
    "Writes for each version taken, in place of round_writes: the same change from one version to the next, however many there are (0: \
     round_writes holds).",
);
const QUIET: Parameter = Parameter::integer(
    "quiet",
    0,
    "The first so many rounds have no writes, so that what a version or its deletion costs by itself stands in a row alone.",
);
const READ_SHARE: Parameter = Parameter::real(
    "read_share",
    0.0,
    "Share of these that read a unit instead of writing one. 0 because reads share nothing.",
);
const SPOTS: Parameter = Parameter::integer(
    "spots",
    0,
    "Writes go into so many stretches of spot_blocks, evenly spread over the live share (0: anywhere). What a write costs depends only on \
     the index nodes above it, so a few spots show a commit of a volume that would take hours to age as a whole.",
);
const SPOT_BLOCKS: Parameter = Parameter::integer(
    "spot_blocks",
    506,
    "Blocks of a spot; each begins at a multiple of it. 506 is what one index leaf maps.",
);
const HOLES: Parameter = Parameter::integer(
    "holes",
    0,
    "So many single blocks, evenly spread over the live share outside of the spots, are discarded before anything else: the free space of \
     an aged volume, in which what is written anew lies scattered. Some more than the spots have blocks, so that none of theirs is near.",
);
const AGE: Parameter = Parameter::integer(
    "age",
    0,
    "How often each unit of the spots is overwritten, in random order, before anything is measured. 1 scatters them over the free space; 0 \
     leaves them as the fill laid them out.",
);
const TAKE: Parameter = Parameter::integer(
    "take",
    1,
    "Versions taken in a round, evenly spread over its writes, the first before them.",
);
const TAKE_UNTIL: Parameter =
    Parameter::integer("take_until", 0, "The last round in which versions are taken (0: to the end).");
const CLONES: Parameter = Parameter::switch(
    "clones",
    false,
    "Whether the versions are writable clones; the newest one is written then, and the next one is cloned from it. Off: snapshots of the \
     volume, which goes on.",
);
const FROM_ORIGIN: Parameter = Parameter::switch(
    "from_origin",
    false,
    "Whether each clone is one of the volume instead of the newest clone: a star and not a chain.",
);
const KEEP: Parameter = Parameter::integer(
    "keep",
    0,
    "Versions that stay: when one more was taken one is deleted (0: all stay).",
);
const DELETE_FROM: Parameter = Parameter::integer(
    "delete_from",
    0,
    "The first round in which versions are deleted whatever their number (0: none).",
);
const DELETES: Parameter = Parameter::integer(
    "deletes",
    0,
    "Versions deleted in each of those rounds, evenly spread over its writes (0: all there are, at its beginning).",
);
const DELETE_ORDER: Parameter = Parameter::word(
    "delete_order",
    "oldest",
    "Which version is deleted: the `oldest`, the `newest`, a `random` one, or the one in the `middle`. Schemes differ by it.",
);
const SETTLE: Parameter = Parameter::switch(
    "settle",
    false,
    "Whether the pool works at the end, in a round of its own, until deletes have left nothing to do: what they give back then shows.",
);

/// Versions beside writes.
pub const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "snapshots",
    summary: "snapshots or clones are taken, kept and deleted in an order, beside random writes into a few spots or anywhere",
    paper: "Rodeh, IBM report H-0245, 2006; Dragga and Santry, MSST 2015 (writes after a snapshot); users' deletes of many snapshots",
    parameters: &[
        FILL,
        UNIT_BLOCKS,
        ROUNDS,
        ROUND_WRITES,
        VERSION_WRITES,
        QUIET,
        READ_SHARE,
        FLUSH_EVERY,
        SPOTS,
        SPOT_BLOCKS,
        HOLES,
        AGE,
        TAKE,
        TAKE_UNTIL,
        CLONES,
        FROM_ORIGIN,
        KEEP,
        DELETE_FROM,
        DELETES,
        DELETE_ORDER,
        SETTLE,
        compose::SCAN,
    ],
    build,
};

fn build(context: &WorkloadContext, settings: &Settings) -> Result<Box<dyn Workload>> {
    let fill = share(settings, &FILL)?;
    let live = match super::share_of(context.volume_blocks, fill) {
        0 => context.volume_blocks,
        live => live,
    };
    let unit = settings.integer(&UNIT_BLOCKS);
    let spots = Spots::new(live, unit, settings.integer(&SPOTS), settings.integer(&SPOT_BLOCKS))?;
    let holes = settings.integer(&HOLES);
    if holes > live {
        return Err(WorkloadError::bad_setting(HOLES.name, holes, "at most the live blocks"));
    }
    let words = ["oldest", "newest", "random", "middle"];
    let order = match choice(settings, &DELETE_ORDER, &words, "oldest, newest, random or middle")? {
        0 => Order::Oldest,
        1 => Order::Newest,
        2 => Order::Random,
        _ => Order::Middle,
    };
    let snapshots = Snapshots {
        spots,
        targets: Chance::new(context.seed, 2),
        reads: Chance::new(context.seed, 3),
        read_share: real_in(settings, &READ_SHARE, 0.0, 1.0, "a share, 0 to 1")?,
        writes: match settings.integer(&VERSION_WRITES) {
            0 => settings.integer(&ROUND_WRITES),
            each => each.saturating_mul(settings.integer(&TAKE)),
        },
        quiet: settings.integer(&QUIET),
        rounds: settings.integer(&ROUNDS),
        commits: Commits::new(settings.integer(&FLUSH_EVERY)),
        take: settings.integer(&TAKE),
        take_until: settings.integer(&TAKE_UNTIL),
        delete_from: settings.integer(&DELETE_FROM),
        deletes: settings.integer(&DELETES),
        versions: Versions::new(
            settings.switch(&CLONES),
            settings.switch(&FROM_ORIGIN),
            settings.integer(&KEEP),
            order,
            context.seed,
        ),
        settle: settings.switch(&SETTLE),
        done: 0,
    };
    let age =
        Age::new(spots, live, holes, settings.integer(&AGE), context.seed, settings.integer(&FLUSH_EVERY));
    compose::age_and_scan(
        Box::new(Stream::new(age)),
        Box::new(Stream::new(snapshots)),
        context,
        settings,
        fill,
    )
}

struct Snapshots {
    spots: Spots,
    targets: Chance,
    reads: Chance,
    read_share: f64,
    /// Of a round that is not quiet.
    writes: u64,
    /// Rounds without writes.
    quiet: u64,
    rounds: u64,
    commits: Commits,
    take: u64,
    take_until: u64,
    delete_from: u64,
    deletes: u64,
    versions: Versions,
    settle: bool,
    /// Writes of this round that are done.
    done: u64,
}

/// How many of `count` things, spread evenly over `writes` writes, stand just before write `done`: the first before write 0, and all
/// there if there are no writes.
fn now(count: u64, writes: u64, done: u64) -> u64 {
    let upto = |done: u64| (u128::from(count) * u128::from(done)).div_ceil(u128::from(writes.max(1)));
    u64::try_from(upto(done + 1) - upto(done)).unwrap_or(u64::MAX)
}

impl Snapshots {
    fn round(&self) -> u64 {
        self.commits.rounds() + 1
    }
    /// Writes of this round.
    fn due(&self) -> u64 {
        if self.round() <= self.quiet { 0 } else { self.writes }
    }
    fn versions(&mut self, out: &mut VecDeque<Op>) {
        let deletes = self.delete_from > 0 && self.round() >= self.delete_from;
        let dropped = match self.deletes {
            _ if !deletes => 0,
            0 if self.done == 0 => self.versions.live(),
            each => now(each, self.due(), self.done),
        };
        (0..dropped).for_each(|_| self.versions.delete(&mut self.commits, out));
        let takes = self.take_until == 0 || self.round() <= self.take_until;
        let taken = if takes { now(self.take, self.due(), self.done) } else { 0 };
        (0..taken).for_each(|_| self.versions.take(&mut self.commits, out));
    }
    fn operation(&mut self, out: &mut VecDeque<Op>) {
        let bytes = self.spots.bytes(self.targets.below(self.spots.units()));
        let of = self.versions.written();
        let reads = self.read_share > 0.0 && self.reads.happens(self.read_share);
        let op = if reads { Op::Read { of, bytes } } else { Op::Write { to: of, bytes } };
        self.commits.push(op, out);
        self.done += 1;
    }
}

impl Steps for Snapshots {
    fn step(&mut self, out: &mut VecDeque<Op>) -> Result<bool> {
        if self.commits.rounds() >= self.rounds {
            if std::mem::take(&mut self.settle) {
                self.commits.push(Op::Settle, out);
                self.commits.end_round(out);
                return Ok(true);
            }
            return Ok(false);
        }
        self.versions(out);
        if self.done < self.due() {
            self.operation(out);
        }
        if self.done == self.due() {
            self.done = 0;
            self.commits.end_round(out);
        }
        Ok(true)
    }
    fn progress(&self) -> f64 {
        part(self.commits.rounds() * self.writes.max(1) + self.done, self.rounds * self.writes.max(1))
    }
}

#[cfg(test)]
mod tests;
