//! A log, or what it rests on, that was damaged after a flush: nothing is given up in silence, and what is left opens if that is accepted.
//!
//! Invariant: each damage is refused first, or shown to be told where it is met.

use super::*;
use spinney_volume::SUPERBLOCK_SLOTS;

fn accepting(device: Arc<dyn BlockDevice>) -> Result<Pool> {
    Pool::open(device, PoolOptions { accept_damaged_log: true, ..options() }, &|_| Ok(parts()))
}

fn refuses_to_read(device: &Arc<FaultDevice<MemoryDevice>>, unreadable: Extent) {
    device.set_script(&[Fault::forever(FaultKind::ReadError, 0).within(unreadable)]);
    let refused = open(device.clone()).err().unwrap();
    assert!(matches!(refused, Error::Io { .. }), "{refused}");
    assert!(refused.to_string().contains("accept_damaged_log"), "{refused}");
}

#[test]
fn an_unreadable_block_of_the_log_is_an_error_that_can_be_accepted() {
    let device = Arc::new(FaultDevice::new(MemoryDevice::new(16 + 400 + LOG_BLOCKS + 200), &[]));
    let (pool, volume) = pool_on(device.clone());
    drop(pool); // settled: no record stands on the last commit
    let log = Superblock::load(&*device, false).unwrap().layout.log;
    let never_used = Extent::new(Pba(log.end().0 - 1), 1);
    refuses_to_read(&device, never_used);
    let pool = accepting(device).expect("nothing of the pool is lost");
    holds(&pool, volume, 0, 40, 1);
    sound(&pool);
}

#[test]
fn an_unreadable_record_takes_itself_and_what_came_after_it_and_is_written_anew() {
    let (device, volume, found) = three_records();
    let device = Arc::new(FaultDevice::new(device, &[]));
    refuses_to_read(&device, Extent::new(found[1].0, 1));
    let pool = accepting(device.clone()).unwrap();
    holds(&pool, volume, 2, 1, 2);
    holds(&pool, volume, 3, 2, 1);
    sound(&pool);
    drop(pool);
    device.set_script(&[]);
    let mut block = [7; BLOCK_BYTES];
    device.read(found[1].0, &mut block).unwrap();
    assert_eq!(block, [0; BLOCK_BYTES], "a drive may find another place for it");
    let pool = open(device).unwrap();
    assert_eq!(pool.stats().log_records_replayed, 0);
    holds(&pool, volume, 3, 2, 1);
}

#[test]
fn unreadable_data_of_the_last_record_is_an_error_that_can_be_accepted() {
    let (device, volume, found) = three_records();
    let device = Arc::new(FaultDevice::new(device, &[]));
    refuses_to_read(&device, data_of(&found[2].1));
    let pool = accepting(device).unwrap();
    holds(&pool, volume, 2, 1, 2);
    holds(&pool, volume, 3, 1, 3);
    holds(&pool, volume, 4, 1, 1);
    sound(&pool);
}

#[test]
fn a_damaged_record_is_told_by_parts_of_the_one_behind_it() {
    let (device, volume, found) = three_records();
    device.write(found[1].0, &[0; BLOCK_BYTES]).unwrap();
    let mut torn = found[2].1.encode(found[2].0);
    torn[64] ^= 1; // the header stands
    device.write(found[2].0, &torn).unwrap();
    let device = Arc::new(device);
    let refused = open(device.clone()).err().unwrap();
    assert!(matches!(refused, Error::Corrupt { place: Place::Block(at), .. } if at == found[2].0));
    let pool = accepting(device).unwrap();
    holds(&pool, volume, 2, 1, 2);
    holds(&pool, volume, 3, 2, 1);
}

/// Without the checkpoint the same damage gives the bytes before: `a_last_record_whose_data_is_not_there_is_dropped_for_good`.
#[test]
fn after_a_checkpoint_damage_is_told_and_undoes_no_flush() {
    let (device, mut pool, volume) = pool_in_memory();
    put(&mut pool, volume, 4, 2, 2).unwrap();
    pool.flush().unwrap();
    let (place, record) = records(&*device).pop().unwrap();
    put(&mut pool, volume, 8, 1, 3).unwrap(); // no flush of its own
    let epoch = pool.epoch();
    pool.checkpoint().unwrap();
    assert_eq!((pool.epoch(), records(&*device).len()), (epoch.next(), 0));
    pool.checkpoint().unwrap();
    assert_eq!(pool.epoch(), epoch.next(), "nothing is new");
    drop(pool);
    let damaged = data_of(&record).start;
    let mut block = [0; BLOCK_BYTES];
    device.read(damaged, &mut block).unwrap();
    block[100] ^= 1;
    device.write(damaged, &block).unwrap();
    device.write(place, &[0; BLOCK_BYTES]).unwrap();
    let pool = open(device).unwrap();
    let read = get(&pool, volume, 4);
    assert!(matches!(read, Err(Error::Corrupt { place: Place::Block(at), .. }) if at == damaged), "{read:?}");
    holds(&pool, volume, 5, 1, 2);
    holds(&pool, volume, 8, 1, 3);
}

#[test]
fn an_older_slot_opens_although_the_log_was_begun_anew_since() {
    let (device, mut pool, volume) = pool_in_memory();
    for stamp in 2..5 {
        put(&mut pool, volume, stamp, 1, stamp).unwrap();
        pool.flush().unwrap();
    }
    pool.snapshot(volume).unwrap();
    pool.flush().unwrap(); // a commit
    put(&mut pool, volume, 9, 1, 9).unwrap();
    pool.flush().unwrap(); // a record, over the first of the older ones
    drop(pool);
    let newest = Superblock::load(&*device, false).unwrap().epoch.0 as usize % 2;
    device.write(SUPERBLOCK_SLOTS[newest], &[0xAA; BLOCK_BYTES]).unwrap();
    assert!(matches!(open(device.clone()), Err(Error::Corrupt { place: Place::Superblock(_), .. })));
    let accepting = PoolOptions { accept_unreadable_slot: true, ..options() };
    let pool = Pool::open(device, accepting, &|_| Ok(parts())).expect("one commit older, as the option says");
    holds(&pool, volume, 5, 35, 1);
    let findings = pool.check(true).unwrap().findings;
    assert_eq!(findings.len(), 1, "a block that the lost commit let go of has stamp 9: {findings:?}");
}
