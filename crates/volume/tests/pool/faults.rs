//! An error at every request: a workload is run once in peace, then once for each request with that one failing.
//!
//! Invariant: after a failure the pool is closed, or is as before the step and takes it again; reopened, it is at a state
//! between the last flush and the step that failed.

use crate::bench::{BLOCK, get, parts, put, sound, stamped};
use spinney_core::{DevId, Error, Result};
use spinney_device::{Fault, FaultDevice, FaultKind, MemoryDevice};
use spinney_volume::{Pool, PoolOptions};
use std::sync::Arc;

type Device = Arc<FaultDevice<MemoryDevice>>;
/// Versions by rising id, each as the stamps of its blocks.
type State = Vec<Vec<u64>>;

const STEPS: usize = 17;
const VOLUME_BLOCKS: u64 = 40;

fn options() -> PoolOptions {
    // A cache of a few pages, so that reads of metadata reach the device.
    PoolOptions { metadata_blocks: Some(300), cache_pages: 4, tend_budget: 8, ..PoolOptions::default() }
}

fn step(pool: &mut Pool, number: usize) -> Result<()> {
    let dev = |index: usize| pool.versions().map(|all| all[index].dev);
    match number {
        0 => pool.create(VOLUME_BLOCKS).map(drop),
        1 => put(pool, DevId(1), 0, 30, 1),
        3 => pool.snapshot(DevId(1)).map(drop),
        4 => put(pool, DevId(1), 10, 20, 2),
        6 => dev(1).and_then(|snapshot| pool.clone_of(snapshot)).map(drop),
        7 => dev(2).and_then(|clone| put(pool, clone, 25, 10, 3)),
        8 => pool.discard(DevId(1), 0, 5 * BLOCK),
        10 => dev(1).and_then(|snapshot| pool.delete(snapshot)),
        11 => pool.tend(3).map(drop),
        12 => put(pool, DevId(1), 0, 40, 4),
        14 => dev(1).and_then(|clone| pool.delete(clone)),
        15 => pool.settle(),
        _ => pool.flush(),
    }
}

fn observe(pool: &Pool) -> State {
    let stamp = |dev, at| {
        let bytes = get(pool, dev, at).unwrap();
        let found = (1..=4).find(|stamp| bytes == stamped(*stamp, at));
        found.unwrap_or_else(|| {
            assert!(bytes.iter().all(|byte| *byte == 0), "block {at} of {dev} holds what nobody wrote");
            0
        })
    };
    let all = pool.versions().unwrap();
    all.iter().map(|version| (0..version.blocks).map(|at| stamp(version.dev, at)).collect()).collect()
}

fn fresh() -> (Device, Pool) {
    let device = Arc::new(FaultDevice::new(MemoryDevice::new(16 + 300 + 150), &[]));
    let pool = Pool::format(device.clone(), parts(), options()).unwrap();
    (device, pool)
}

/// The state before each step and after the last, and the index of the first step's first request.
fn calm() -> (Vec<State>, u64) {
    let (device, mut pool) = fresh();
    let first = device.requests();
    let mut states = vec![observe(&pool)];
    for number in 0..STEPS {
        step(&mut pool, number).unwrap();
        states.push(observe(&pool));
    }
    sound(&pool);
    (states, first)
}

/// Run all steps with `kind` striking the first request from `index` on that it can. Which that was.
fn stormy(kind: FaultKind, index: u64, states: &[State]) -> Option<u64> {
    let (device, mut pool) = fresh();
    device.set_script(&[Fault::once(kind, index)]);
    let mut durable = 0;
    for number in 0..STEPS {
        let name = format!("{kind:?} at request {index}, step {number}");
        if let Err(error) = step(&mut pool, number) {
            assert!(matches!(error, Error::Io { .. }), "{name}: {error}");
            let alive = pool.versions() != Err(Error::Closed);
            let mut now = pool;
            if alive {
                assert_eq!(observe(&now), states[number], "{name}");
                sound(&now);
            } else {
                drop(now);
                now = Pool::open(device.clone(), options(), &|_| Ok(parts())).unwrap();
                let found = observe(&now);
                assert!(states[durable..=number + 1].contains(&found), "{name}: reopened as {found:?}");
                sound(&now);
                if found != states[number] {
                    return Some(device.fired()[0].0);
                }
            }
            pool = now;
            step(&mut pool, number).unwrap_or_else(|error| panic!("{name}, again: {error}"));
        }
        if matches!(number, 2 | 5 | 9 | 13 | 15 | 16) {
            durable = number + 1;
        }
    }
    device.set_script(&[]);
    assert_eq!(&observe(&pool), states.last().unwrap());
    sound(&pool);
    device.fired().first().map(|(index, _)| *index)
}

#[test]
fn an_error_at_any_request_of_a_workload_loses_nothing() {
    let (states, first) = calm();
    for (kind, at_least) in
        [(FaultKind::ReadError, 20), (FaultKind::WriteError, 25), (FaultKind::FlushError, 12)]
    {
        let (mut index, mut struck) = (first, 0);
        while let Some(at) = stormy(kind, index, &states) {
            (index, struck) = (at + 1, struck + 1);
        }
        assert!(struck >= at_least, "{kind:?} struck at {struck} requests only");
    }
}
