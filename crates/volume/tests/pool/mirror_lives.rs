//! Lives of pools on mirrors whose sides lose power at once, each with its own part of what was not flushed.
//!
//! Invariant: after a cut the pool is as its last flush left it, or as it was at some moment since; and what was read then is what every side
//! alone gives ever after.

use crate::bench::{get, metadata, open, parts, put, sound, stamped};
use crate::mirror::{found, mirror_of, resilvered, shared};
use rand_chacha::rand_core::SeedableRng;
use spinney_core::{BLOCK_BYTES, BlockDevice, DevId, Epoch, Extent, Pba, Result};
use spinney_device::set::{LABEL_BLOCKS, Mirror, Role, Window};
use spinney_device::{CrashDevice, MemoryDevice};
use spinney_testkit::Dice;
use spinney_volume::{Pool, PoolOptions, Superblock};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const VOLUME_BLOCKS: u64 = 40;
const BLOCKS: u64 = 16 + 120 + 8 + 100;
/// Stamps of the volume's blocks; 0 is a hole.
type Content = Vec<u64>;

/// One side; the power of all goes when the changes that are left, of all together, are used up.
struct Side {
    disk: Arc<CrashDevice>,
    left: Arc<AtomicU64>,
}

impl Side {
    /// The change that finds none left is under way when the power goes.
    fn change(&self) {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_err() {
            self.disk.crash_after(0);
        }
    }
}

impl BlockDevice for Side {
    fn blocks(&self) -> u64 {
        self.disk.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.disk.read(at, buffer)
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        self.change();
        self.disk.write(at, data)
    }
    fn flush(&self) -> Result<()> {
        self.change();
        self.disk.flush()
    }
    fn discard(&self, run: Extent) -> Result<()> {
        self.change();
        self.disk.discard(run)
    }
}

fn options(log_blocks: u64) -> PoolOptions {
    PoolOptions { log_blocks, ..metadata(120) }
}

fn read_all(pool: &Pool, volume: DevId) -> Vec<Vec<u8>> {
    (0..VOLUME_BLOCKS).map(|at| get(pool, volume, at).unwrap()).collect()
}

fn is(seen: &[Vec<u8>], content: &Content) -> bool {
    let wanted =
        |(at, stamp): (u64, &u64)| if *stamp == 0 { vec![0; BLOCK_BYTES] } else { stamped(*stamp, at) };
    (0..).zip(content).map(wanted).eq(seen.iter().cloned())
}

/// Write and flush until the power goes: the content as the last flush left it, and after each write since, as a pool commits by itself, too.
fn live(pool: &mut Pool, volume: DevId, content: Content, stamp: u64, dice: &mut Dice) -> Vec<Content> {
    let (mut now, mut may) = (content.clone(), vec![content]);
    for step in 1..200 {
        let (at, stamp) = (dice.below(VOLUME_BLOCKS), stamp + step);
        let blocks = dice.between(1, 4).min(VOLUME_BLOCKS - at);
        let done = if dice.one_in(4) {
            pool.flush().map(|()| may.clear())
        } else {
            now[at as usize..(at + blocks) as usize].fill(stamp);
            put(pool, volume, at, blocks, stamp)
        };
        may.push(now.clone());
        if done.is_err() {
            break;
        }
    }
    may
}

/// Give a side that is out what it lacks; whether it was.
fn bring_back(mirror: &Mirror, pool: &mut Pool, side: usize, disk: &Arc<Side>) -> bool {
    let since = match mirror.sides()[side].role {
        Role::InSync => return false,
        Role::Out { since: Some(since), .. } | Role::Resilvering { since } => Epoch(since),
        Role::Out { since: None, .. } => {
            let data = Window::new(disk.clone(), Extent::new(Pba(LABEL_BLOCKS), BLOCKS)).unwrap();
            Superblock::shared_until(&data)
        }
    };
    mirror.begin_resilver(side, None, since.0).unwrap();
    resilvered(pool, since);
    mirror.finish_resilver(side).unwrap();
    true
}

/// Whether two sides hold other data.
fn differ(one: &MemoryDevice, other: &MemoryDevice) -> bool {
    let mut blocks = [[0; BLOCK_BYTES]; 2];
    (LABEL_BLOCKS..LABEL_BLOCKS + BLOCKS).any(|at| {
        one.read(Pba(at), &mut blocks[0]).unwrap();
        other.read(Pba(at), &mut blocks[1]).unwrap();
        blocks[0] != blocks[1]
    })
}

#[test]
fn after_any_cut_every_side_alone_has_what_was_read() {
    let (mut replayed, mut apart, mut came_back) = (0, 0, 0);
    for seed in 0..40 {
        let mut dice = Dice::new("mirror lives", seed);
        let mut chance = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let sides = 2 + dice.below(2) as usize;
        let empty: Vec<Arc<MemoryDevice>> =
            (0..sides).map(|_| Arc::new(MemoryDevice::new(LABEL_BLOCKS + BLOCKS))).collect();
        let log_blocks = if dice.one_in(3) { 0 } else { 8 };
        let mut pool = Pool::format(mirror_of(shared(&empty)), parts(), options(log_blocks)).unwrap();
        let volume = pool.create(VOLUME_BLOCKS).unwrap();
        pool.flush().unwrap();
        drop(pool);
        let mut images: Vec<MemoryDevice> = empty.iter().map(|device| (**device).clone()).collect();
        let mut may = vec![vec![0; VOLUME_BLOCKS as usize]];
        for life in 0..5 {
            let left = Arc::new(AtomicU64::new(u64::MAX));
            let disks: Vec<Arc<Side>> = images
                .iter()
                .map(|image| Arc::new(CrashDevice::from_image(image.clone())))
                .map(|disk| Arc::new(Side { disk, left: left.clone() }))
                .collect();
            let mirror = found(&shared(&disks), false);
            let mut pool = open(mirror.clone()).unwrap();
            replayed += pool.stats().log_records_replayed;
            let seen = read_all(&pool, volume);
            let content = may.iter().find(|content| is(&seen, content));
            let content =
                content.unwrap_or_else(|| panic!("seed {seed} life {life}: invented or lost")).clone();
            sound(&pool);
            // The power may have gone while a side was marked out for having failed, which it had by losing power first.
            came_back +=
                (0..sides).filter(|side| bring_back(&mirror, &mut pool, *side, &disks[*side])).count();
            // Only what is durable now, and each side on its own.
            for (side, disk) in disks.iter().enumerate() {
                let alone = Arc::new(disk.disk.durable());
                let pool = open(found(&shared(&[alone]), true)).unwrap();
                assert!(read_all(&pool, volume) == seen, "seed {seed} life {life}: side {side} differs");
            }
            left.store(dice.between(3, 150), Ordering::Relaxed);
            may = live(&mut pool, volume, content, (seed << 8 | life) << 32, &mut dice);
            // Power goes for all at once, at the latest now.
            images = disks.iter().map(|disk| disk.disk.cut(&mut chance)).collect();
            apart += u64::from(images.windows(2).any(|two| differ(&two[0], &two[1])));
        }
    }
    let seen = format!("{replayed} records replayed, sides apart {apart} times, {came_back} came back");
    assert!(replayed > 20 && apart > 50 && came_back > 3, "{seen}");
}
