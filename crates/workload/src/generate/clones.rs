//! Clone and write a little, again and again: the load of test databases, build farms and containers.
//!
//! Invariant: every clone but the last `keep_clones` is deleted, the first volume never; writes go to the newest clone only.

use super::target::Target;
use super::{Commits, FILL, FLUSH_EVERY, UNIT_BLOCKS, Units, choice, part, real_in, share};
use crate::chance::Chance;
use crate::compose::{self, SCAN, SCAN_BLOCKS};
use crate::error::Result;
use crate::op::{Handle, Op};
use crate::workload::{Steps, Stream, Workload, WorkloadContext, WorkloadEntry};
use spinney_core::{Parameter, Settings};
use std::collections::VecDeque;

const ROUNDS: Parameter = Parameter::integer(
    "rounds",
    50,
    "How many clones are made. Chains of clones in practice are tens deep; 50 shows what depth costs.",
);
const CLONE_WRITES: Parameter = Parameter::real(
    "clone_writes",
    0.05,
    "Share of the live units that is written, at random places, in each new clone. 0.05 is small enough that most of a \
     clone stays shared, which is what clones are for.",
);
const DEALT: Parameter = Parameter::switch(
    "dealt",
    false,
    "Whether the writes of a round are dealt out: the live units are cut into as many equal stretches as there are writes, and each gets one, \
     from front to back. So a benchmark writes a little into every file of a directory. Off: any unit, in any order.",
);
const FROM: Parameter = Parameter::word(
    "from",
    "newest",
    "What is cloned: the `newest` version (a chain of clones), the `origin` (a star), or a `random` live version (a tree). \
     A chain is where schemes that walk from parent to parent suffer.",
);
const KEEP_CLONES: Parameter = Parameter::integer(
    "keep_clones",
    0,
    "How many clones stay; older ones are deleted, oldest first (0: all stay). Deleting in the middle of a chain is the \
     hard case of every scheme that keeps differences.",
);

/// Clone rounds.
pub const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "clones",
    summary: "clone, write a small share at random, perhaps delete the oldest; again",
    paper: "Zhan et al., FAST 2020 (clones in BetrFS); Rodeh, IBM report H-0245, 2006 (ACM TOS 3(4), 2008)",
    parameters: &[
        FILL,
        UNIT_BLOCKS,
        ROUNDS,
        CLONE_WRITES,
        DEALT,
        FROM,
        KEEP_CLONES,
        FLUSH_EVERY,
        SCAN,
        SCAN_BLOCKS,
    ],
    build,
};

fn build(context: &WorkloadContext, settings: &Settings) -> Result<Box<dyn Workload>> {
    let fill = share(settings, &FILL)?;
    let units = Units::new(context, fill, settings.integer(&UNIT_BLOCKS))?;
    let writes = real_in(settings, &CLONE_WRITES, 0.0, 1e6, "at least 0")?;
    let from = match choice(settings, &FROM, &["newest", "origin", "random"], "newest, origin or random")? {
        0 => From::Newest,
        1 => From::Origin,
        _ => From::Random,
    };
    let clones = Clones {
        units,
        target: Target::uniform(units.count, context.seed),
        chance: Chance::new(context.seed, 5),
        round_writes: (units.count as f64 * writes) as u64,
        dealt: settings.switch(&DEALT),
        from,
        keep: settings.integer(&KEEP_CLONES),
        rounds: settings.integer(&ROUNDS),
        commits: Commits::new(settings.integer(&FLUSH_EVERY)),
        live: VecDeque::new(),
        left: 0,
    };
    compose::begin_and_scan(Box::new(Stream::new(clones)), context, settings, fill)
}

enum From {
    Newest,
    Origin,
    Random,
}

struct Clones {
    units: Units,
    target: Target,
    chance: Chance,
    round_writes: u64,
    dealt: bool,
    from: From,
    keep: u64,
    rounds: u64,
    commits: Commits,
    /// Clones that were not deleted, oldest first; without the first volume.
    live: VecDeque<Handle>,
    /// Writes left in this round.
    left: u64,
}

impl Clones {
    fn newest(&self) -> Handle {
        self.live.back().copied().unwrap_or(Handle::VOLUME)
    }
    fn parent(&mut self) -> Handle {
        match self.from {
            From::Newest => self.newest(),
            From::Origin => Handle::VOLUME,
            From::Random => {
                let index = self.chance.below(self.live.len() as u64 + 1);
                let place = usize::try_from(index).expect("an index of the list");
                self.live.get(place).copied().unwrap_or(Handle::VOLUME)
            }
        }
    }
    /// The next unit of a round, `left` writes before its end.
    fn unit(&mut self) -> u64 {
        if !self.dealt {
            return self.target.unit();
        }
        let border = |stretch: u64| {
            (u128::from(self.units.count) * u128::from(stretch) / u128::from(self.round_writes)) as u64
        };
        let stretch = self.round_writes - self.left;
        let (first, end) = (border(stretch), border(stretch + 1));
        first + self.chance.below((end - first).max(1))
    }
    fn begin_round(&mut self, out: &mut VecDeque<Op>) {
        let (of, named) = (self.parent(), Handle(self.commits.rounds() + 1));
        self.commits.push(Op::Clone { of, named }, out);
        self.live.push_back(named);
        if self.keep > 0 && self.live.len() as u64 > self.keep {
            let oldest = self.live.pop_front().expect("more than none live");
            self.commits.push(Op::Delete { of: oldest }, out);
        }
        self.left = self.round_writes;
    }
}

impl Steps for Clones {
    fn step(&mut self, out: &mut VecDeque<Op>) -> Result<bool> {
        if self.left == 0 {
            if self.commits.rounds() == self.rounds {
                return Ok(false);
            }
            self.begin_round(out);
        }
        if self.left > 0 {
            let unit = self.unit();
            let bytes = self.units.bytes(unit);
            self.commits.push(Op::Write { to: self.newest(), bytes }, out);
            self.left -= 1;
        }
        if self.left == 0 {
            self.commits.end_round(out);
        }
        Ok(true)
    }
    fn progress(&self) -> f64 {
        part(self.commits.rounds(), self.rounds)
    }
}
