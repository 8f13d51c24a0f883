//! The label ahead of a member's data: which set it is of, which member, and what the set knew of every member when it was written.
//!
//! Invariant: one label is one sector, so a cut leaves an old or a new one; of a member's two slots the higher generation counts. Byte
//! diagram: `FORMAT.md`. Nothing in one is trusted. Knows no data.

use spinney_core::{BLOCK_BYTES, BlockDevice, Error, Pba, Place, Result};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Blocks at the start of each member that are the label's: two slots, and room beside them.
pub const LABEL_BLOCKS: u64 = 16;
/// The most members of a set: as many as one sector has roles for.
pub const MEMBERS_MAX: usize = 16;

/// 32 KiB apart, so that one bad physical page of a disk does not take both.
const SLOTS: [Pba; 2] = [Pba(0), Pba(8)];
const MAGIC: &[u8; 8] = b"spinside";
const VERSION: u32 = 1;
const SECTOR_BYTES: usize = 512;
const SEAL_AT: usize = SECTOR_BYTES - 8;
const ROLES_AT: usize = 64;
const ROLE_BYTES: usize = 24;
/// More than any set reaches.
const GENERATION_MAX: u64 = 1 << 62;
const BLOCKS_MAX: u64 = 1 << 40;

/// How the members' blocks make one device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetKind {
    /// One behind the other.
    Concat = 1,
    /// In turns.
    Stripe = 2,
    /// Each has all.
    Mirror = 3,
}

impl SetKind {
    /// Its name at the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SetKind::Concat => "concat",
            SetKind::Stripe => "stripe",
            SetKind::Mirror => "mirror",
        }
    }
    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<SetKind> {
        [SetKind::Concat, SetKind::Stripe, SetKind::Mirror].into_iter().find(|kind| kind.name() == name)
    }
}

/// What a set knows of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Has everything that a flush covered.
    InSync,
    /// Lacks what was written since it left.
    Out {
        /// The first generation of labels that it does not have.
        left: u64,
        /// If it left while it was brought up to date: as in `Resilvering`. Else it has all that was durable when it left.
        since: Option<u64>,
    },
    /// Gets everything that is written, is brought up to date, and is not read yet.
    Resilvering {
        /// The epoch up to which it has all; 0: it has nothing.
        since: u64,
    },
}

/// What a member says of itself and its set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Label {
    /// How the members make one device.
    pub kind: SetKind,
    /// The set's number, drawn by whoever made it.
    pub set: [u8; 16],
    /// Rises with each change of a role, and by two with each opening that changes something.
    pub generation: u64,
    /// Which member this is, from 0.
    pub member: usize,
    /// Blocks of its data, behind the label.
    pub blocks: u64,
    /// Blocks of a turn; 0 unless a stripe.
    pub stripe_blocks: u64,
    /// Of each member.
    pub roles: Vec<Role>,
}

impl Label {
    /// The newest label of a device; `None` if it has none. Errors: `Io` if neither slot can be read, `Corrupt` if it had one.
    pub fn load(device: &dyn BlockDevice) -> Result<Option<Label>> {
        let slots = [0, 1].map(|slot| Label::read(device, slot));
        let newest = slots.iter().filter_map(|slot| slot.as_ref().ok()?.as_ref());
        if let Some(newest) = newest.max_by_key(|label| label.generation) {
            return Ok(Some(newest.clone()));
        }
        let [first, second] = slots;
        first.and(second)
    }

    fn read(device: &dyn BlockDevice, slot: usize) -> Result<Option<Label>> {
        if SLOTS[slot].0 >= device.blocks() {
            return Ok(None);
        }
        let mut block = vec![0; BLOCK_BYTES];
        device.read(SLOTS[slot], &mut block)?;
        Label::decode(&block, slot)
    }

    /// Store it in both slots, one after the other, each durable before the next: a cut leaves at least one whole. Errors: `Io`.
    pub fn store(&self, device: &dyn BlockDevice) -> Result<()> {
        (0..SLOTS.len()).try_for_each(|slot| {
            device.write(SLOTS[slot], &self.encode(slot))?;
            device.flush()
        })
    }

    /// The generation after this one. Errors: `Corrupt` if a label of it would not be read again, which only a forged one comes to.
    pub(super) fn next_generation(&self) -> Result<u64> {
        let what = "generation of a set's label";
        let next = self.generation.checked_add(1).filter(|next| *next <= GENERATION_MAX);
        next.ok_or(Error::Corrupt { what, place: Place::Block(SLOTS[0]) })
    }

    /// Leave no label on a device. Errors: `Io`.
    pub fn erase(device: &dyn BlockDevice) -> Result<()> {
        SLOTS.iter().try_for_each(|slot| device.write(*slot, &[0; BLOCK_BYTES]))?;
        device.flush()
    }

    /// The block that stores it in a slot.
    #[must_use]
    pub fn encode(&self, slot: usize) -> Vec<u8> {
        assert!(self.roles.len() <= MEMBERS_MAX, "a set has at most {MEMBERS_MAX} members");
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((self.kind as u32).to_le_bytes());
        bytes.extend(self.set);
        bytes.extend(self.generation.to_le_bytes());
        bytes.extend((self.member as u32).to_le_bytes());
        bytes.extend((self.roles.len() as u32).to_le_bytes());
        bytes.extend(self.blocks.to_le_bytes());
        bytes.extend(self.stripe_blocks.to_le_bytes());
        for role in &self.roles {
            let words = match *role {
                Role::InSync => [0, 0, 0],
                Role::Out { left, since: None } => [1, left, 0],
                Role::Out { left, since: Some(since) } => [2, left, since],
                Role::Resilvering { since } => [3, 0, since],
            };
            words.iter().for_each(|word: &u64| bytes.extend(word.to_le_bytes()));
        }
        bytes.resize(SEAL_AT, 0);
        bytes.extend(xxh3_64_with_seed(&bytes, slot as u64).to_le_bytes());
        bytes.resize(BLOCK_BYTES, 0);
        bytes
    }

    /// What a block read from a slot says; `None` if it is no label. Errors: `Corrupt`.
    pub fn decode(block: &[u8], slot: usize) -> Result<Option<Label>> {
        let corrupt = |what| Error::Corrupt { what, place: Place::Block(SLOTS[slot]) };
        let sector = block.get(..SECTOR_BYTES).ok_or(corrupt("label of a set's member (length)"))?;
        if !sector.starts_with(MAGIC) {
            return Ok(None);
        }
        if half(sector, 8) != VERSION {
            return Err(corrupt("version of a set's label (made by another release, or damaged)"));
        }
        if word(sector, SEAL_AT) != xxh3_64_with_seed(&sector[..SEAL_AT], slot as u64) {
            return Err(corrupt("checksum of a set's label"));
        }
        Label::decode_fields(sector).map(Some).ok_or(corrupt("label of a set's member"))
    }

    fn decode_fields(sector: &[u8]) -> Option<Label> {
        let kind = [SetKind::Concat, SetKind::Stripe, SetKind::Mirror];
        let kind = kind.into_iter().find(|kind| *kind as u32 == half(sector, 12))?;
        let (member, members) = (half(sector, 40) as usize, half(sector, 44) as usize);
        let (generation, blocks, stripe_blocks) = (word(sector, 32), word(sector, 48), word(sector, 56));
        let sound = member < members
            && members <= MEMBERS_MAX
            && (1..=GENERATION_MAX).contains(&generation)
            && (1..=BLOCKS_MAX).contains(&blocks)
            && (kind == SetKind::Stripe) == (stripe_blocks > 0)
            && (stripe_blocks == 0 || blocks.is_multiple_of(stripe_blocks));
        let roles = (0..members).map(|member| role(sector, ROLES_AT + member * ROLE_BYTES));
        let roles = sound.then(|| roles.collect::<Option<Vec<Role>>>())??;
        let set = sector[16..32].try_into().ok()?;
        Some(Label { kind, set, generation, member, blocks, stripe_blocks, roles })
    }
}

fn role(sector: &[u8], at: usize) -> Option<Role> {
    let (left, since) = (word(sector, at + 8), word(sector, at + 16));
    match word(sector, at) {
        0 => Some(Role::InSync),
        1 => Some(Role::Out { left, since: None }),
        2 => Some(Role::Out { left, since: Some(since) }),
        3 => Some(Role::Resilvering { since }),
        _ => None,
    }
}

fn half(sector: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(sector[at..at + 4].try_into().expect("four bytes"))
}

fn word(sector: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(sector[at..at + 8].try_into().expect("eight bytes"))
}
