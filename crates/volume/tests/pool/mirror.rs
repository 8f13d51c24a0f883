//! Pools on mirrors: a side that is damaged, lies, is missing or new costs nothing that can be read, and what is repaired is counted exactly.

use crate::bench::{holds, metadata, open, parts, put, sound};
use spinney_core::{BLOCK_BYTES, BlockDevice, DevId, Epoch, Healed, Pba};
use spinney_device::set::{DeviceSet, LABEL_BLOCKS, Label, Mirror, SetKind, arrange};
use spinney_device::{Fault, FaultDevice, FaultKind, MemoryDevice, MeterDevice};
use spinney_testkit::Dice;
use spinney_volume::{Placement, Pool, PoolOptions, Scrub, Superblock};
use std::collections::BTreeSet;
use std::sync::Arc;

const BLOCKS: u64 = 16 + 200 + 300;
pub(crate) type Shared = Arc<dyn BlockDevice>;

fn memories(sides: usize) -> Vec<Arc<MemoryDevice>> {
    (0..sides).map(|_| Arc::new(MemoryDevice::new(LABEL_BLOCKS + BLOCKS))).collect()
}

pub(crate) fn shared<D: BlockDevice + 'static>(devices: &[Arc<D>]) -> Vec<Shared> {
    devices.iter().map(|device| device.clone() as Shared).collect()
}

pub(crate) fn mirror_of(devices: Vec<Shared>) -> Arc<Mirror> {
    DeviceSet::create(SetKind::Mirror, 0, devices, [1; 16]).unwrap().mirror.unwrap()
}

pub(crate) fn found(devices: &[Shared], degraded: bool) -> Arc<Mirror> {
    let labels: Vec<_> = devices.iter().map(|device| Label::load(&**device).unwrap()).collect();
    DeviceSet::open(&arrange(&labels, degraded).unwrap(), devices).unwrap().mirror.unwrap()
}

/// A pool with a volume of stamps 1 and 2 and a snapshot from before the second.
fn fill(mirror: &Arc<Mirror>, options: PoolOptions) -> (Pool, DevId, DevId) {
    let mut pool = Pool::format(mirror.clone(), parts(), options).unwrap();
    let volume = pool.create(120).unwrap();
    put(&mut pool, volume, 0, 80, 1).unwrap();
    let snapshot = pool.snapshot(volume).unwrap();
    put(&mut pool, volume, 30, 20, 2).unwrap();
    pool.checkpoint().unwrap();
    (pool, volume, snapshot)
}

#[track_caller]
fn is_filled(pool: &Pool, volume: DevId, snapshot: DevId) {
    holds(pool, snapshot, 0, 80, 1);
    holds(pool, snapshot, 80, 40, 0);
    holds(pool, volume, 0, 30, 1);
    holds(pool, volume, 30, 20, 2);
    holds(pool, volume, 50, 30, 1);
}

fn whole(pool: &Pool, mut scrub: Scrub) -> Scrub {
    while !pool.scrub_step(&mut scrub, 50).unwrap() {}
    scrub
}

pub(crate) fn resilvered(pool: &mut Pool, since: Epoch) -> Healed {
    let scrub = pool.resilver(since).unwrap();
    let scrub = whole(pool, scrub);
    assert_eq!(scrub.lost(), []);
    scrub.progress().healed
}

fn scrubbed(pool: &mut Pool) -> Healed {
    let scrub = pool.scrub().unwrap();
    let scrub = whole(pool, scrub);
    assert_eq!(scrub.lost(), []);
    scrub.progress().healed
}

fn garbage(device: &MemoryDevice, at: u64) {
    device.write(Pba(LABEL_BLOCKS + at), &[0xA5; BLOCK_BYTES]).unwrap();
}

fn flip(device: &MemoryDevice, at: u64, bit: usize) {
    let mut block = [0; BLOCK_BYTES];
    device.read(Pba(LABEL_BLOCKS + at), &mut block).unwrap();
    block[bit / 8] ^= 1 << (bit % 8);
    device.write(Pba(LABEL_BLOCKS + at), &block).unwrap();
}

#[test]
fn every_read_is_right_with_one_side_full_of_garbage() {
    for options in [metadata(200), PoolOptions { placement: Placement::Segments, ..metadata(64) }] {
        for sides in [2, 3] {
            for lost in 0..sides {
                let devices = memories(sides);
                let (pool, volume, snapshot) = fill(&mirror_of(shared(&devices)), options);
                drop(pool);
                (0..BLOCKS).for_each(|at| garbage(&devices[lost], at));
                let mut pool = open(found(&shared(&devices), false)).unwrap();
                is_filled(&pool, volume, snapshot);
                put(&mut pool, volume, 100, 10, 3).unwrap();
                pool.flush().unwrap();
                sound(&pool);
                scrubbed(&mut pool);
                drop(pool);
                // What the others had is on that side now, too.
                let alone = found(&shared(&devices[lost..=lost]), true);
                let pool = open(alone).unwrap();
                is_filled(&pool, volume, snapshot);
                holds(&pool, volume, 100, 10, 3);
                sound(&pool);
            }
        }
    }
}

#[test]
fn a_scrub_repairs_what_is_damaged_and_allocated_and_counts_just_that() {
    let devices = memories(2);
    let mirror = mirror_of(shared(&devices));
    let (mut pool, volume, snapshot) = fill(&mirror, metadata(200));
    let whole = scrubbed(&mut pool);
    assert_eq!((whole.bad, whole.repaired), (0, 0));
    // Which blocks count is found by damaging each alone.
    let allocated: BTreeSet<u64> = (0..BLOCKS)
        .filter(|at| {
            garbage(&devices[1], *at);
            let healed = scrubbed(&mut pool);
            assert!(healed.repaired <= 1 && healed.repaired == healed.bad);
            healed.repaired == 1
        })
        .collect();
    assert_eq!(allocated.len() as u64 * 2, whole.sound, "two copies of each block that counts");
    for seed in 0..10 {
        let mut dice = Dice::new("mirror", seed);
        let mut hit = [0, 0];
        let before: Vec<_> = mirror.sides().iter().map(|side| side.counts).collect();
        for at in 0..BLOCKS {
            let side = dice.below(4) as usize;
            if side < 2 {
                flip(&devices[side], at, dice.below(BLOCK_BYTES as u64 * 8) as usize);
                hit[side] += u64::from(allocated.contains(&at));
            }
        }
        let healed = scrubbed(&mut pool);
        assert_eq!((healed.bad, healed.repaired), (hit[0] + hit[1], hit[0] + hit[1]), "seed {seed}");
        for (side, before) in before.iter().enumerate() {
            let now = mirror.sides()[side].counts;
            let more = (now.checksum_errors - before.checksum_errors, now.repaired - before.repaired);
            assert_eq!(more, (hit[side], hit[side]), "seed {seed}, side {side}");
        }
        assert_eq!(scrubbed(&mut pool), whole, "seed {seed}");
    }
    pool.drop_caches();
    is_filled(&pool, volume, snapshot);
    sound(&pool);
}

#[test]
fn what_no_side_has_is_named_and_not_made_up() {
    let devices = memories(3);
    let (mut pool, volume, _) = fill(&mirror_of(shared(&devices)), metadata(200));
    let mut on = Vec::new();
    let range = spinney_core::LbaRange::new(spinney_core::Lba(31), 1);
    pool.runs(volume, range, &mut |run| on.extend(run.on)).unwrap();
    devices.iter().for_each(|device| garbage(device, on[0].0));
    let scrub = pool.scrub().unwrap();
    let scrub = whole(&pool, scrub);
    let places: Vec<_> = scrub.lost().iter().map(|finding| finding.place).collect();
    assert_eq!(places, [spinney_core::Place::Block(on[0])]);
    assert_eq!((scrub.progress().lost_blocks, scrub.progress().healed.repaired), (1, 0));
    assert!(scrub.lost_only_data());
    assert!(crate::bench::get(&pool, volume, 31).is_err());
    holds(&pool, volume, 32, 1, 2);
    // Once nobody has it, it is no loss.
    let mut late = pool.scrub().unwrap();
    put(&mut pool, volume, 31, 1, 5).unwrap();
    pool.flush().unwrap();
    while !pool.scrub_step(&mut late, 7).unwrap() {}
    assert_eq!(late.lost(), []);
}

#[test]
fn a_side_that_lies_is_healed_around() {
    let lies = [
        FaultKind::LostWrite,
        FaultKind::FlipOnWrite { bit: 77 },
        FaultKind::FlipOnRead { bit: 9 },
        FaultKind::MisdirectedWrite { shift_blocks: 3 },
        FaultKind::MisdirectedRead { shift_blocks: 5 },
        FaultKind::StaleRead,
        FaultKind::TornWrite { sectors: 0b1101 },
    ];
    for lie in lies {
        for seed in 0..3 {
            let devices: Vec<Arc<FaultDevice<MemoryDevice>>> = (0..2)
                .map(|_| Arc::new(FaultDevice::new(MemoryDevice::new(LABEL_BLOCKS + BLOCKS), &[])))
                .collect();
            let (mut pool, volume, snapshot) = fill(&mirror_of(shared(&devices)), metadata(200));
            let data = spinney_core::Extent::new(Pba(LABEL_BLOCKS), BLOCKS);
            devices[1].set_script(&[Fault::chance(lie, 0, 3, seed).within(data)]);
            for round in 0..6 {
                put(&mut pool, volume, 80 + round * 5, 5, 10 + round).unwrap();
                pool.flush().unwrap();
                pool.drop_caches();
                is_filled(&pool, volume, snapshot);
                (0..=round).for_each(|round| holds(&pool, volume, 80 + round * 5, 5, 10 + round));
            }
            assert!(!devices[1].fired().is_empty(), "{lie:?} seed {seed}");
            devices[1].set_script(&[]);
            scrubbed(&mut pool);
            assert_eq!(scrubbed(&mut pool).bad, 0, "{lie:?} seed {seed}");
        }
    }
}

#[test]
fn a_new_side_gets_what_is_allocated_and_nothing_else() {
    let devices = memories(2);
    let (mut pool, volume, snapshot) = fill(&mirror_of(shared(&devices)), metadata(200));
    let allocated = scrubbed(&mut pool).sound / 2;
    drop(pool);
    let mirror = found(&shared(&devices[..1]), true);
    let mut pool = open(mirror.clone()).unwrap();
    let new = Arc::new(MeterDevice::new(MemoryDevice::new(LABEL_BLOCKS + BLOCKS)));
    mirror.begin_resilver(1, Some(new.clone()), 0).unwrap();
    let mut scrub = pool.resilver(Epoch(0)).unwrap();
    let writes = new.counts().write_blocks;
    while !pool.scrub_step(&mut scrub, 50).unwrap() {}
    let healed = scrub.progress().healed;
    assert_eq!(healed.rebuilt, healed.sound, "one copy was there of each, and now there are two");
    assert_eq!(new.counts().write_blocks - writes, healed.rebuilt, "what is not allocated is not written");
    assert!(healed.rebuilt.abs_diff(allocated) <= 4 && healed.rebuilt < BLOCKS / 2, "{healed:?} {allocated}");
    mirror.finish_resilver(1).unwrap();
    drop((pool, mirror));
    let pool = open(found(&[new as Shared], true)).unwrap();
    is_filled(&pool, volume, snapshot);
    sound(&pool);
}

/// Growing changes the table in memory after the commit that the resilver begins with: the new side needs the one that is durable.
#[test]
fn a_new_side_has_the_table_of_segments_that_is_durable() {
    let blocks = 16 + 64 + 6_000;
    let device = || Arc::new(MemoryDevice::new(LABEL_BLOCKS + blocks));
    let mirror = mirror_of(shared(&[device(), device()]));
    let options = PoolOptions { placement: Placement::Segments, ..metadata(64) };
    let mut pool = Pool::format(mirror.clone(), parts(), options).unwrap();
    let volume = pool.create(100_000).unwrap();
    let mut grown = 0;
    for stamp in 1..=30 {
        (0..20).for_each(|at| put(&mut pool, volume, at * 4_001 + stamp, 1, stamp).unwrap());
        pool.snapshot(volume).unwrap();
        let new = device();
        mirror.take_out(1).unwrap();
        mirror.begin_resilver(1, Some(new.clone()), 0).unwrap();
        let before = pool.segments().len();
        let scrub = pool.resilver(Epoch(0)).unwrap();
        grown += u64::from(pool.segments().len() > before && before > 0);
        assert_eq!(whole(&pool, scrub).lost(), []);
        mirror.finish_resilver(1).unwrap();
        let alone = device();
        let mut block = [0; BLOCK_BYTES];
        for at in (0..LABEL_BLOCKS + blocks).map(Pba) {
            new.read(at, &mut block).unwrap();
            alone.write(at, &block).unwrap();
        }
        let pool = open(found(&[alone], true)).unwrap_or_else(|error| panic!("round {stamp}: {error}"));
        (1..=stamp).for_each(|stamp| holds(&pool, volume, 8_002 + stamp, 1, stamp));
    }
    assert!(grown > 1, "the area grew right after {grown} of the commits");
}

/// A large pool, so that what has not changed is most of it.
#[test]
fn a_side_that_comes_back_gets_what_changed_and_is_not_read_beyond() {
    let blocks = 16 + 1000 + 8000;
    let devices: Vec<Arc<MeterDevice<MemoryDevice>>> =
        (0..2).map(|_| Arc::new(MeterDevice::new(MemoryDevice::new(LABEL_BLOCKS + blocks)))).collect();
    let mirror = mirror_of(shared(&devices));
    let mut pool = Pool::format(mirror.clone(), parts(), metadata(1000)).unwrap();
    let volume = pool.create(7000).unwrap();
    put(&mut pool, volume, 0, 6000, 1).unwrap();
    pool.checkpoint().unwrap();
    // What only its newest superblock reaches is copied again, as a cut may have kept that one from the other side.
    put(&mut pool, volume, 6900, 1, 4).unwrap();
    pool.checkpoint().unwrap();
    drop((pool, mirror));
    let mirror = found(&shared(&devices[..1]), true);
    let mut pool = open(mirror.clone()).unwrap();
    put(&mut pool, volume, 6000, 50, 2).unwrap();
    put(&mut pool, volume, 17, 10, 3).unwrap();
    pool.checkpoint().unwrap();
    drop((pool, mirror));
    let mirror = found(&shared(&devices), false);
    let side = spinney_device::set::Window::new(
        devices[1].clone(),
        spinney_core::Extent::new(Pba(LABEL_BLOCKS), blocks),
    );
    let since = Superblock::shared_until(&side.unwrap());
    let mut pool = open(mirror.clone()).unwrap();
    mirror.begin_resilver(1, None, since.0).unwrap();
    let before = devices[1].counts();
    let healed = resilvered(&mut pool, since);
    let took = devices[1].counts() - before;
    // 60 data blocks in at most 2 leaves of checksums (1,016 blocks), and pages: what they are is the scheme's affair.
    assert!((60..160).contains(&healed.rebuilt), "{healed:?}");
    assert!(took.write_blocks < 170 && took.read_blocks < 1_300, "{took:?}");
    mirror.finish_resilver(1).unwrap();
    assert_eq!(scrubbed(&mut pool).bad, 0, "nothing was forgotten");
    drop((pool, mirror));
    let pool = open(found(&shared(&devices[1..]), true)).unwrap();
    holds(&pool, volume, 6000, 50, 2);
    holds(&pool, volume, 17, 10, 3);
    holds(&pool, volume, 27, 2000, 1);
    sound(&pool);
}

#[test]
fn a_resilver_that_is_broken_off_goes_on_from_where_the_side_left() {
    for seed in 0..30 {
        let mut dice = Dice::new("mirror", seed);
        let devices = memories(2);
        let mirror = mirror_of(shared(&devices));
        let (mut pool, volume, snapshot) = fill(&mirror, metadata(200));
        let left = pool.epoch().0 - 1;
        mirror.take_out(1).unwrap();
        for round in 0..4 {
            put(&mut pool, volume, 80 + round * 10, 10, 20 + round).unwrap();
            pool.flush().unwrap();
        }
        mirror.begin_resilver(1, None, left).unwrap();
        let mut scrub = pool.resilver(Epoch(left)).unwrap();
        for _ in 0..dice.below(4) {
            pool.scrub_step(&mut scrub, dice.between(1, 40)).unwrap();
        }
        put(&mut pool, volume, 0, 5, 30).unwrap();
        pool.flush().unwrap();
        drop((pool, mirror));
        let mirror = found(&shared(&devices), false);
        let spinney_device::set::Role::Resilvering { since } = mirror.sides()[1].role else {
            panic!("seed {seed}: {mirror:?}")
        };
        assert_eq!(since, left, "seed {seed}: not what its superblock says, which is written to by now");
        let mut pool = open(mirror.clone()).unwrap();
        resilvered(&mut pool, Epoch(since));
        mirror.finish_resilver(1).unwrap();
        assert_eq!(scrubbed(&mut pool).bad, 0, "seed {seed}");
        drop((pool, mirror));
        let pool = open(found(&shared(&devices[1..]), true)).unwrap();
        holds(&pool, volume, 0, 5, 30);
        (0..4).for_each(|round| holds(&pool, volume, 80 + round * 10, 10, 20 + round));
        holds(&pool, snapshot, 0, 80, 1);
        sound(&pool);
    }
}
