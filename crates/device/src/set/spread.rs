//! Several devices as one: each block is on one of them. Concatenated, one behind the other; striped, in turns.
//!
//! Invariant: every block of the whole has one place, and every place of a member that counts is that of one block. Members are asked one after the other, each
//! with all that a request has for it. Knows no label and keeps no copy.

use crate::bounds;
use spinney_core::{BLOCK_BYTES, BlockDevice, Error, Extent, Healed, Pba, Result};
use std::sync::Arc;

type Member = Arc<dyn BlockDevice>;

/// Devices that hold one device's blocks between them.
pub struct Spread {
    members: Vec<Member>,
    order: Order,
    blocks: u64,
}

enum Order {
    /// The first block of each member, and the end.
    Concat(Vec<u64>),
    /// Blocks of a turn.
    Stripe(u64),
}

impl Spread {
    /// One behind the other. No member at all is a programmer error.
    #[must_use]
    pub fn concat(members: Vec<Member>) -> Spread {
        assert!(!members.is_empty(), "a set has members");
        let mut firsts = vec![0];
        for member in &members {
            let first = firsts.last().copied().unwrap_or(0);
            firsts.push(first + member.blocks());
        }
        let blocks = firsts.last().copied().unwrap_or(0);
        Spread { members, order: Order::Concat(firsts), blocks }
    }
    /// In turns of `stripe_blocks`; of each member as many whole turns as the smallest one has. No member, or turns of no blocks, are
    /// programmer errors.
    #[must_use]
    pub fn stripe(members: Vec<Member>, stripe_blocks: u64) -> Spread {
        assert!(!members.is_empty() && stripe_blocks > 0, "a stripe has members and a width");
        let turns = members.iter().map(|member| member.blocks() / stripe_blocks).min().unwrap_or(0);
        let blocks = turns * stripe_blocks * members.len() as u64;
        Spread { members, order: Order::Stripe(stripe_blocks), blocks }
    }

    /// The member that has a block, where, and how many that follow it are there too.
    fn locate(&self, at: u64) -> (usize, Pba, u64) {
        match &self.order {
            Order::Concat(firsts) => {
                let member = firsts.partition_point(|first| *first <= at) - 1;
                (member, Pba(at - firsts[member]), firsts[member + 1] - at)
            }
            Order::Stripe(width) => {
                let (turn, inside) = (at / width, at % width);
                let members = self.members.len() as u64;
                ((turn % members) as usize, Pba(turn / members * width + inside), width - inside)
            }
        }
    }

    /// Each part of a run that one member has: the member, its place, and how many blocks.
    fn parts(&self, run: Extent) -> impl Iterator<Item = (usize, Pba, u64)> + '_ {
        let mut at = run.start.0;
        std::iter::from_fn(move || {
            let left = (run.start.0 + run.blocks).checked_sub(at).filter(|left| *left > 0)?;
            let (member, place, blocks) = self.locate(at);
            let blocks = blocks.min(left);
            at += blocks;
            Some((member, place, blocks))
        })
    }

    fn run(&self, at: Pba, bytes: usize) -> Result<Extent> {
        bounds::request(self.blocks, at, bytes).map(|blocks| Extent { start: at, blocks })
    }
}

impl BlockDevice for Spread {
    fn blocks(&self) -> u64 {
        self.blocks
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.read_many(&mut [(at, buffer)])
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        self.write_many(&[(at, data)])
    }
    fn flush(&self) -> Result<()> {
        // All are flushed even if one fails: the others need not lose what they have.
        self.members.iter().map(|member| member.flush()).fold(Ok(()), Result::and)
    }
    fn discard(&self, run: Extent) -> Result<()> {
        bounds::run(self.blocks, run)?;
        self.parts(run).try_for_each(|(member, start, blocks)| {
            self.members[member].discard(Extent { start, blocks }).map_err(|error| at_whole(error, run.start))
        })
    }
    fn read_many(&self, reads: &mut [(Pba, &mut [u8])]) -> Result<()> {
        let mut each: Vec<Vec<(Pba, &mut [u8])>> = self.members.iter().map(|_| Vec::new()).collect();
        let first = reads.first().map_or(Pba(0), |(at, _)| *at);
        for (at, buffer) in reads {
            let run = self.run(*at, buffer.len())?;
            let mut rest = &mut **buffer;
            for (member, place, blocks) in self.parts(run) {
                let (now, later) = rest.split_at_mut(blocks as usize * BLOCK_BYTES);
                each[member].push((place, now));
                rest = later;
            }
        }
        self.members
            .iter()
            .zip(&mut each)
            .try_for_each(|(member, reads)| match &mut reads[..] {
                [] => Ok(()),
                [(at, buffer)] => member.read(*at, buffer),
                reads => member.read_many(reads),
            })
            .map_err(|error| at_whole(error, first))
    }
    fn write_many(&self, writes: &[(Pba, &[u8])]) -> Result<()> {
        let mut each: Vec<Vec<(Pba, &[u8])>> = self.members.iter().map(|_| Vec::new()).collect();
        let first = writes.first().map_or(Pba(0), |(at, _)| *at);
        for (at, data) in writes {
            let mut rest = *data;
            for (member, place, blocks) in self.parts(self.run(*at, data.len())?) {
                let (now, later) = rest.split_at(blocks as usize * BLOCK_BYTES);
                each[member].push((place, now));
                rest = later;
            }
        }
        self.members
            .iter()
            .zip(&each)
            .try_for_each(|(member, writes)| match &writes[..] {
                [] => Ok(()),
                [(at, data)] => member.write(*at, data),
                writes => member.write_many(writes),
            })
            .map_err(|error| at_whole(error, first))
    }
    fn copies(&self) -> usize {
        self.members.iter().map(|member| member.copies()).max().unwrap_or(1)
    }
    fn read_copy(&self, copy: usize, at: Pba, buffer: &mut [u8]) -> Result<()> {
        let mut rest = buffer;
        for (member, place, blocks) in self.parts(self.run(at, rest.len())?) {
            let (now, later) = rest.split_at_mut(blocks as usize * BLOCK_BYTES);
            self.members[member].read_copy(copy, place, now).map_err(|error| at_whole(error, at))?;
            rest = later;
        }
        Ok(())
    }
    fn heal(&self, at: Pba, buffer: &mut [u8], is_sound: &mut dyn FnMut(&[u8]) -> bool) -> Result<Healed> {
        self.run(at, buffer.len())?;
        let (member, place, _) = self.locate(at.0);
        self.members[member].heal(place, buffer, is_sound).map_err(|error| at_whole(error, at))
    }
}

/// A member's error, with the place of the request that met it.
fn at_whole(error: Error, at: Pba) -> Error {
    match error {
        Error::Io { operation, code, .. } => Error::Io { operation, at, code },
        other => other,
    }
}
