//! The models against the data sheets they are made from, and the laws of virtual time.

use super::*;
use crate::{
    FileDevice, MemoryDevice,
    tests::{block, conforms},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// 4 GiB.
const BLOCKS: u64 = 1 << 20;

/// A backing that keeps nothing: time does not depend on content, and copying it is all that such a test would cost.
struct Nothing;

impl BlockDevice for Nothing {
    fn blocks(&self) -> u64 {
        BLOCKS
    }
    fn read(&self, _: Pba, _: &mut [u8]) -> Result<()> {
        Ok(())
    }
    fn write(&self, _: Pba, _: &[u8]) -> Result<()> {
        Ok(())
    }
    fn flush(&self) -> Result<()> {
        Ok(())
    }
    fn discard(&self, _: Extent) -> Result<()> {
        Ok(())
    }
}

fn device(name: &str) -> Arc<dyn TimedDevice> {
    build(&preset(name).unwrap(), Arc::new(Nothing)).unwrap()
}

fn hdd_with(change: impl FnOnce(&mut HddParameters)) -> Arc<dyn TimedDevice> {
    let DeviceParameters::Hdd(mut hdd) = preset("hdd").unwrap() else { panic!("hdd is a disk") };
    change(&mut hdd);
    build(&DeviceParameters::Hdd(hdd), Arc::new(Nothing)).unwrap()
}

fn ssd_with(change: impl FnOnce(&mut SsdParameters)) -> Arc<dyn TimedDevice> {
    let DeviceParameters::Ssd(mut ssd) = preset("ssd-nvme").unwrap() else { panic!("ssd-nvme is flash") };
    change(&mut ssd);
    build(&DeviceParameters::Ssd(ssd), Arc::new(Nothing)).unwrap()
}

fn places(count: usize, seed: u64) -> Vec<u64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(0..BLOCKS)).collect()
}

/// Virtual time that `work` takes.
fn timed(device: &dyn TimedDevice, work: impl FnOnce()) -> u64 {
    let before = device.time_ns();
    work();
    device.time_ns() - before
}

/// Random 4 KiB requests a second with the model's queue full (`many`) or one by one.
fn random_iops(device: &dyn TimedDevice, write: bool, many: bool, count: usize) -> u64 {
    let at = places(count, 7);
    let mut buffers = vec![vec![1; BLOCK_BYTES]; count];
    let time_ns = timed(device, || match (write, many) {
        (false, true) => {
            let mut reads: Vec<(Pba, &mut [u8])> =
                at.iter().zip(&mut buffers).map(|(at, buffer)| (Pba(*at), &mut buffer[..])).collect();
            device.read_many(&mut reads).unwrap();
        }
        (true, true) => {
            let writes: Vec<(Pba, &[u8])> =
                at.iter().zip(&buffers).map(|(at, buffer)| (Pba(*at), &buffer[..])).collect();
            device.write_many(&writes).unwrap();
        }
        (false, false) => at.iter().for_each(|at| device.read(Pba(*at), &mut buffers[0]).unwrap()),
        (true, false) => at.iter().for_each(|at| device.write(Pba(*at), &buffers[0]).unwrap()),
    });
    count as u64 * 1_000_000_000 / time_ns
}

/// MB/s of a sequential pass with requests of `request_kib`, all in one batch; after writes, with the flush.
fn sequential_mb_per_s(device: &dyn TimedDevice, write: bool, megabytes: u64, request_kib: usize) -> u64 {
    let bytes = megabytes as usize * 1_000_000 / BLOCK_BYTES * BLOCK_BYTES;
    let mut content = vec![0; bytes];
    let starts = (0..BLOCKS).step_by(request_kib / 4);
    let time_ns = timed(device, || {
        if write {
            let writes: Vec<(Pba, &[u8])> = starts.map(Pba).zip(content.chunks(request_kib * 1024)).collect();
            device.write_many(&writes).unwrap();
            device.flush().unwrap();
        } else {
            let mut reads: Vec<(Pba, &mut [u8])> =
                starts.map(Pba).zip(content.chunks_mut(request_kib * 1024)).collect();
            device.read_many(&mut reads).unwrap();
        }
    });
    bytes as u64 * 1000 / time_ns
}

#[track_caller]
fn within(got: u64, wanted: u64, percent: u64, what: &str) {
    assert!(got.abs_diff(wanted) * 100 <= wanted * percent, "{what}: {got}, the data sheet says {wanted}");
}

#[test]
fn the_disk_reads_at_random_as_its_data_sheet_implies() {
    // 7.4 ms + 4.16 ms + 0.1 ms.
    within(random_iops(&*device("hdd"), false, false, 2000), 86, 5, "depth 1");
    let deep = hdd_with(|hdd| hdd.queue_depth = 16);
    within(random_iops(&*deep, false, true, 2000), 170, 25, "depth 16, perfectly scheduled");
}

#[test]
fn the_disk_streams_at_its_sustained_rate() {
    let outer = || hdd_with(|hdd| hdd.capacity_gb = 6000);
    within(sequential_mb_per_s(&*outer(), false, 200, 128), 255, 3, "batched reads");
    within(sequential_mb_per_s(&*outer(), true, 300, 128), 255, 4, "writes through the cache");
    let one_by_one = outer();
    let mut buffer = vec![0; 128 * 1024];
    let time_ns = timed(&*one_by_one, || {
        (0..1000).for_each(|step| one_by_one.read(Pba(step * 32), &mut buffer).unwrap());
    });
    within(1000 * buffer.len() as u64 * 1000 / time_ns, 255, 4, "reads one by one, by read-ahead");
    let uncached = hdd_with(|hdd| (hdd.capacity_gb, hdd.write_cache_kib) = (6000, 0));
    within(sequential_mb_per_s(&*uncached, true, 200, 128), 255, 4, "batched writes without a cache");
}

#[test]
fn the_inner_tracks_of_the_disk_are_slow() {
    let disk = device("hdd");
    let mut buffer = vec![0; 64 << 20];
    let end = BLOCKS - (buffer.len() / BLOCK_BYTES) as u64;
    let time_ns = timed(&*disk, || disk.read(Pba(end), &mut buffer).unwrap());
    within(buffer.len() as u64 * 1000 / time_ns, 120, 8, "inner edge, with one positioning");
}

#[test]
fn cached_random_writes_beat_random_reads_and_a_flush_pays_for_them() {
    let disk = device("hdd");
    let cached = timed(&*disk, || {
        places(500, 3).iter().for_each(|at| disk.write(Pba(*at), &block(0)).unwrap());
    });
    assert!(cached < 500 * 1_000_000, "the cache takes a write in well under a millisecond: {cached}");
    let drained = timed(&*disk, || disk.flush().unwrap());
    // Five hundred blocks in one or two sweeps: most of a rotation each, and hardly any seek.
    assert!((500 * 2_000_000..500 * 7_000_000).contains(&drained), "{drained}");
    let idle = timed(&*disk, || disk.flush().unwrap());
    assert!(idle <= 100_000, "nothing is left to drain: {idle}");
}

#[test]
fn a_full_write_cache_slows_writes_down_to_the_platter() {
    let small = hdd_with(|hdd| hdd.write_cache_kib = 256);
    let iops = random_iops(&*small, true, false, 1000);
    assert!((100..400).contains(&iops), "{iops}");
    let none = hdd_with(|hdd| hdd.write_cache_kib = 0);
    // 8.2 ms + 4.16 ms + 0.1 ms.
    within(random_iops(&*none, true, false, 1000), 80, 5, "no cache");
}

#[test]
fn a_write_larger_than_the_cache_passes_through_it() {
    let small = hdd_with(|hdd| (hdd.write_cache_kib, hdd.capacity_gb) = (64, 6000));
    let content = vec![1; 16 << 20];
    let time_ns = timed(&*small, || {
        small.write(Pba(0), &content).unwrap();
        small.flush().unwrap();
    });
    assert!((16 << 20) * 1000 / time_ns > 40, "{time_ns}");
}

#[test]
fn reads_overtake_cached_writes_and_see_them_at_once() {
    let disk = device("hdd");
    places(300, 5).iter().for_each(|at| disk.write(Pba(*at), &block(0)).unwrap());
    let hit = timed(&*disk, || disk.read(Pba(places(300, 5)[299]), &mut block(0)).unwrap());
    assert!(hit < 200_000, "the last write is still in the cache: {hit}");
    let miss = timed(&*disk, || disk.read(Pba(12345), &mut block(0)).unwrap());
    assert!(miss < 60_000_000, "a read waits for the write under way, not for all: {miss}");
}

#[test]
fn an_idle_disk_empties_its_cache() {
    let (disk, clock) = disk_with_clock();
    places(100, 5).iter().for_each(|at| disk.write(Pba(*at), &block(0)).unwrap());
    clock.think(10_000_000_000);
    disk.read(Pba(4711), &mut block(0)).unwrap();
    let flush = timed(&*disk, || disk.flush().unwrap());
    assert!(flush <= 20_000_000, "{flush}");
}

/// A disk and a clock that lets it idle.
fn disk_with_clock() -> (Arc<dyn TimedDevice>, Arc<VirtualClock>) {
    let clock = Arc::new(VirtualClock::default());
    (build_on(&preset("hdd").unwrap(), Arc::new(Nothing), Arc::clone(&clock)).unwrap(), clock)
}

#[test]
fn a_write_after_a_pause_is_not_drained_in_the_past() {
    let (disk, clock) = disk_with_clock();
    clock.think(1_000_000_000);
    disk.write(Pba(BLOCKS / 2), &block(0)).unwrap();
    let flush = timed(&*disk, || disk.flush().unwrap());
    assert!(flush > 8_000_000, "half a stroke at least: {flush}");
}

#[test]
fn a_pause_fills_the_read_ahead_buffer_and_no_more() {
    let (disk, clock) = disk_with_clock();
    disk.read(Pba(0), &mut block(0)).unwrap();
    clock.think(1_000_000_000);
    let buffered = timed(&*disk, || disk.read(Pba(1), &mut vec![0; 1 << 20]).unwrap());
    assert!(buffered < 2_500_000, "at the speed of the interface: {buffered}");
    clock.think(1_000_000_000);
    let long = timed(&*disk, || disk.read(Pba(257), &mut vec![0; 16 << 20]).unwrap());
    assert!((14 << 20) * 1000 / long < 270, "14 of the 16 MiB come from the platter: {long}");
}

#[test]
fn contiguity_decides_the_time_of_a_scan() {
    let scan = |name: &str, stride: u64| {
        let device = device(name);
        timed(&*device, || (0..1000).for_each(|step| device.read(Pba(step * stride), &mut block(0)).unwrap()))
    };
    assert!(scan("hdd", 1000) > 20 * scan("hdd", 1), "a disk seeks");
    assert!(scan("ssd-nvme", 1000) > 2 * scan("ssd-nvme", 1), "a flash drive senses a page for each block");
}

#[test]
fn the_flash_drives_meet_their_data_sheets() {
    for (name, read_1, read_n, write_1, write_n, stream_read, stream_write) in [
        ("ssd-nvme", 19_000, 600_000, 60_000, 550_000, 3500, 3300),
        ("ssd-sata", 13_000, 98_000, 36_000, 88_000, 560, 530),
    ] {
        let what = |text: &str| format!("{name}: {text}");
        within(random_iops(&*device(name), false, false, 2000), read_1, 5, &what("random read, depth 1"));
        within(
            random_iops(&*device(name), false, true, 20_000),
            read_n,
            10,
            &what("random read, full depth"),
        );
        within(random_iops(&*device(name), true, false, 2000), write_1, 5, &what("random write, depth 1"));
        within(
            random_iops(&*device(name), true, true, 20_000),
            write_n,
            10,
            &what("random write, full depth"),
        );
        within(
            sequential_mb_per_s(&*device(name), false, 200, 128),
            stream_read,
            10,
            &what("sequential read"),
        );
        within(
            sequential_mb_per_s(&*device(name), true, 200, 128),
            stream_write,
            10,
            &what("sequential write"),
        );
    }
}

#[test]
fn a_flash_flush_waits_for_programs_unless_capacitors_do() {
    let flush = |protected| {
        let drive = ssd_with(|ssd| ssd.power_loss_protected = protected);
        drive.write(Pba(0), &block(0)).unwrap();
        timed(&*drive, || drive.flush().unwrap())
    };
    assert!((770_000..900_000).contains(&flush(false)), "a program and 500 us: {}", flush(false));
    assert_eq!(flush(true), 500_000);
}

#[test]
fn flash_writes_wait_when_the_buffer_is_full() {
    let drive = ssd_with(|ssd| {
        (ssd.write_buffer_kib, ssd.channels, ssd.dies_per_channel, ssd.read_ahead_pages) = (1024, 1, 1, 0);
    });
    let quick = timed(&*drive, || drive.write(Pba(0), &vec![1; 512 * 1024]).unwrap());
    let slow = timed(&*drive, || {
        for step in 1..20 {
            drive.write(Pba(step * 128), &vec![1; 512 * 1024]).unwrap();
        }
    });
    assert!(quick < 300_000, "{quick}");
    // One die: 16 programs of 32 KiB, 316 us each, for each of these writes.
    within(slow / 19, 16 * 316_000, 10, "a write into a full buffer");
}

#[test]
fn a_flash_read_goes_before_the_programs_that_wait() {
    // Eight dies with some 50 programs each to come.
    let drive = ssd_with(|ssd| (ssd.dies_per_channel, ssd.read_ahead_pages) = (1, 0));
    drive.write(Pba(0), &vec![1; 16 << 20]).unwrap();
    let read = timed(&*drive, || drive.read(Pba(900_000), &mut block(0)).unwrap());
    assert!(read < 450_000, "at most the program under way: {read}");
}

#[test]
fn strides_of_a_power_of_two_do_not_meet_on_one_die() {
    let drive = device("ssd-nvme");
    let mut buffers = vec![block(0); 256];
    let mut reads: Vec<(Pba, &mut [u8])> =
        (0..).step_by(4 * 32 * 8).map(Pba).zip(buffers.iter_mut().map(|buffer| &mut buffer[..])).collect();
    let time_ns = timed(&*drive, || drive.read_many(&mut reads).unwrap());
    assert!(time_ns < 256 * 40_000 / 8, "at least eight dies at work: {time_ns}");
}

/// A mixed load of reads, writes, batches, discards and flushes.
fn mixed(device: &dyn TimedDevice, seed: u64) -> u64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..200 {
        let blocks = rng.random_range(1..20);
        let at = Pba(rng.random_range(0..device.blocks() - blocks));
        let mut buffer = vec![0; blocks as usize * BLOCK_BYTES];
        match rng.random_range(0..8) {
            0 => device.flush().unwrap(),
            1 => device.discard(Extent::new(at, blocks)).unwrap(),
            2 => device.read_many(&mut [(at, &mut buffer), (Pba(0), &mut block(0)[..])]).unwrap(),
            3..5 => device.read(at, &mut buffer).unwrap(),
            _ => device.write(at, &buffer).unwrap(),
        }
    }
    device.time_ns()
}

#[test]
fn memory_and_file_backings_tell_the_same_nanoseconds() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["hdd", "ssd-nvme", "ssd-sata", "memory"] {
        let file = FileDevice::create(&folder.path().join(name), 4096).unwrap();
        let parameters = preset(name).unwrap();
        let on_file = build(&parameters, Arc::new(file)).unwrap();
        let in_memory = build(&parameters, Arc::new(MemoryDevice::new(4096))).unwrap();
        let time_ns = mixed(&*in_memory, 1);
        assert_eq!(mixed(&*on_file, 1), time_ns, "{name}");
        assert_eq!(time_ns == 0, name == "memory");
    }
}

#[test]
fn a_reset_device_repeats_itself() {
    for name in ["hdd", "ssd-nvme", "ssd-sata"] {
        let device = device(name);
        let first = mixed(&*device, 2);
        device.reset_time();
        assert_eq!(device.time_ns(), 0);
        assert_eq!(mixed(&*device, 2), first, "{name}");
    }
}

#[test]
fn content_and_bounds_are_those_of_the_backing() {
    for name in ["hdd", "ssd-nvme", "memory"] {
        let small = build(&preset(name).unwrap(), Arc::new(MemoryDevice::new(128))).unwrap();
        conforms(&small, 3, 300);
    }
}

#[test]
fn a_refused_or_empty_request_takes_no_time() {
    for name in ["hdd", "ssd-sata"] {
        let device = device(name);
        device.read(Pba(BLOCKS), &mut block(0)).unwrap_err();
        device.write(Pba(BLOCKS), &block(0)).unwrap_err();
        device.read_many(&mut []).unwrap();
        device.write(Pba(3), &[]).unwrap();
        assert_eq!(device.time_ns(), 0, "{name}");
    }
}

#[test]
fn a_disk_smaller_than_its_device_is_refused() {
    let DeviceParameters::Hdd(mut hdd) = preset("hdd").unwrap() else { panic!("hdd is a disk") };
    hdd.capacity_gb = 1;
    let built = build(&DeviceParameters::Hdd(hdd), Arc::new(Nothing));
    assert!(matches!(built.map(drop), Err(spinney_core::Error::BadSetting(_))));
}

#[test]
fn devices_on_one_clock_share_its_time() {
    let clock = Arc::new(VirtualClock::default());
    let memory = || Arc::new(MemoryDevice::new(1024));
    let disk = build_on(&preset("hdd").unwrap(), memory(), Arc::clone(&clock)).unwrap();
    let flash = build_on(&preset("ssd-sata").unwrap(), memory(), Arc::clone(&clock)).unwrap();
    disk.read(Pba(700), &mut block(0)).unwrap();
    let after_disk = clock.now_ns();
    flash.read(Pba(700), &mut block(0)).unwrap();
    assert!(after_disk > 0 && flash.time_ns() > after_disk);
    assert_eq!(disk.time_ns(), clock.now_ns());
}
