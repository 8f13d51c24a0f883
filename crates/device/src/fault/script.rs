//! The lines of a fault script: what goes wrong, when, how often, where.
//!
//! Invariant: plain data; whether a line applies depends on the request's index, kind and place alone. Knows no device.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spinney_core::{Extent, Pba};

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// A read fails with EIO.
    ReadError,
    /// A write fails with EIO and changes nothing.
    WriteError,
    /// A write fails with ENOSPC and changes nothing: the file system below the device is full.
    NoSpace,
    /// A flush fails with EIO.
    FlushError,
    /// Any request fails with EIO; repeated forever, the device is gone.
    AnyError,
    /// A read returns one wrong bit: `bit`, counted from the start of its first block, modulo its length.
    FlipOnRead {
        /// Which bit.
        bit: u64,
    },
    /// A write arrives with one wrong bit: `bit`, counted from the start of its first block, modulo its length.
    FlipOnWrite {
        /// Which bit.
        bit: u64,
    },
    /// A write is acknowledged, but only some of its 512-byte sectors arrive: sector `i` if bit `i % 64` of the mask is set.
    TornWrite {
        /// Which sectors arrive.
        sectors: u64,
    },
    /// The request is served, but takes so much longer; see [`FaultDevice::delayed_ns`](crate::FaultDevice::delayed_ns).
    Slow {
        /// How much.
        nanoseconds: u64,
    },
    /// Before the request, a bit of a block changes on the medium.
    FlipAtRest {
        /// The block.
        at: Pba,
        /// Which of its bits, modulo a block's.
        bit: u64,
    },
    /// A write is acknowledged and dropped.
    LostWrite,
    /// A write lands this many blocks further on (round the end).
    MisdirectedWrite {
        /// How far.
        shift_blocks: u64,
    },
    /// A read comes from this many blocks further on (round the end).
    MisdirectedRead {
        /// How far.
        shift_blocks: u64,
    },
    /// A read returns what its blocks held before their last write.
    StaleRead,
}

/// How often a fault strikes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repeat {
    /// The first time that it applies.
    Once,
    /// Each time from then on.
    Forever,
    /// From then on, one time in `one_in`, as a generator of this seed draws (by the request's index, so that runs repeat).
    Chance {
        /// One in how many.
        one_in: u64,
        /// Of the draw.
        seed: u64,
    },
}

/// One line of a script: `kind` strikes the first request of index `at` or later that it applies to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// From which request index on.
    pub at: u64,
    /// How often.
    pub repeat: Repeat,
    /// Only requests that touch this run (flushes touch everything).
    pub within: Option<Extent>,
}

impl Fault {
    /// A fault that strikes once.
    #[must_use]
    pub fn once(kind: FaultKind, at: u64) -> Fault {
        Fault { kind, at, repeat: Repeat::Once, within: None }
    }
    /// A fault that stays.
    #[must_use]
    pub fn forever(kind: FaultKind, at: u64) -> Fault {
        Fault { kind, at, repeat: Repeat::Forever, within: None }
    }
    /// A fault that strikes one time in `one_in`.
    #[must_use]
    pub fn chance(kind: FaultKind, at: u64, one_in: u64, seed: u64) -> Fault {
        Fault { kind, at, repeat: Repeat::Chance { one_in, seed }, within: None }
    }
    /// The same for requests that touch `run` only.
    #[must_use]
    pub fn within(self, run: Extent) -> Fault {
        Fault { within: Some(run), ..self }
    }
    /// Whether the draw falls on the request of this index.
    pub(super) fn drawn(&self, index: u64) -> bool {
        match self.repeat {
            Repeat::Once | Repeat::Forever => true,
            Repeat::Chance { one_in, seed } => ChaCha8Rng::seed_from_u64(seed ^ index.rotate_left(32))
                .random_ratio(1, one_in.clamp(1, 1 << 31) as u32),
        }
    }
}
