//! The structures over the real store: commits, reopenings, aborts and a cache of a few pages change nothing.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spinney_core::{BlockDevice, Extent, Flow, PageKind, PageRead, Pba, Root};
use spinney_device::MemoryDevice;
use spinney_pages::{PageLog, PageStore, RadixArray, StoreOptions, TypedMap};
use std::collections::BTreeMap;
use std::sync::Arc;

const KIND: PageKind = PageKind::OTHER;
const BLOCKS: u64 = 20_000;
/// So few that every operation misses and every epoch spills.
const TIGHT: StoreOptions = StoreOptions { cache_pages: 8, dirty_pages: 8, tables_apart: false };

type Map = TypedMap<u64, (u64, u64)>;

fn commit(store: &mut PageStore, device: &dyn BlockDevice) -> Root {
    let epoch = store.epoch().next();
    let root = store.seal(epoch).unwrap();
    device.flush().unwrap();
    store.committed(epoch);
    root
}

fn content(map: &Map, pages: &dyn PageRead) -> BTreeMap<u64, (u64, u64)> {
    let mut found = BTreeMap::new();
    map.range(.., pages, &mut |key, value| {
        found.insert(key, value);
        Flow::Continue
    })
    .unwrap();
    found
}

#[test]
fn a_map_is_as_of_the_last_commit_after_every_reopening() {
    let device: Arc<dyn BlockDevice> = Arc::new(MemoryDevice::new(BLOCKS));
    let area = [Extent::new(Pba(0), BLOCKS)];
    let mut store = PageStore::format(device.clone(), &area, TIGHT).unwrap();
    let map = Map::create(KIND, &mut store).unwrap();
    let mut root = commit(&mut store, &*device);
    let mut committed = BTreeMap::new();
    let mut random = ChaCha8Rng::seed_from_u64(3);
    for epoch in 0..24u64 {
        let mut model = committed.clone();
        for step in 0..1500 {
            let key = random.random_range(0..9000u64) << 20;
            if random.random_bool(if epoch < 12 { 0.8 } else { 0.3 }) {
                let value = (epoch, step);
                assert_eq!(map.put(&key, &value, &mut store).unwrap(), model.insert(key, value).is_some());
            } else {
                assert_eq!(map.remove(&key, &mut store).unwrap(), model.remove(&key).is_some());
            }
        }
        assert_eq!(content(&map, &store), model, "epoch {epoch}, before the commit");
        assert_eq!(content(&map, &store.view()), committed, "epoch {epoch}, a reader's view");
        match epoch % 4 {
            1 => store.abort().unwrap(),
            2 => store = PageStore::open(device.clone(), &area, &root, TIGHT).unwrap(),
            _ => (root, committed) = (commit(&mut store, &*device), model),
        }
        let again = Map::open(map.root(), KIND, &store).unwrap();
        assert_eq!(content(&again, &store), committed, "epoch {epoch}");
        again.check(&store, &mut |finding| panic!("epoch {epoch}: {finding}"));
        let mut pages = 0;
        again.visit_pages(&store, &mut |_| pages += 1).unwrap();
        assert_eq!(pages, store.pages_live(), "epoch {epoch}: every live page is the map's");
    }
}

#[test]
fn an_array_and_a_log_survive_a_reopening() {
    let device: Arc<dyn BlockDevice> = Arc::new(MemoryDevice::new(BLOCKS));
    let area = [Extent::new(Pba(0), BLOCKS)];
    let mut store = PageStore::format(device.clone(), &area, TIGHT).unwrap();
    let array = RadixArray::create(KIND, 1 << 30, &mut store).unwrap();
    let log = PageLog::create(KIND, 16, &mut store).unwrap();
    for index in 0..300u64 {
        array.edit(index * index * 7919, &mut store).unwrap()[..8].copy_from_slice(&index.to_le_bytes());
        log.append(&[index as u8; 16 * 40], &mut store).unwrap();
    }
    let root = commit(&mut store, &*device);
    let store = PageStore::open(device, &area, &root, TIGHT).unwrap();
    let array = RadixArray::open(array.root(), KIND, 1 << 30, &store).unwrap();
    let log = PageLog::open(log.root(), KIND, 16, &store).unwrap();
    for index in 0..300u64 {
        let leaf = array.read(index * index * 7919, &store).unwrap().unwrap();
        assert_eq!(leaf[..8], index.to_le_bytes());
    }
    assert_eq!(log.len_records(&store).unwrap(), 300 * 40);
    let mut pages = 0;
    array.visit_pages(&store, &mut |_| pages += 1).unwrap();
    log.visit_pages(&store, &mut |_| pages += 1).unwrap();
    assert_eq!(pages, store.pages_live());
}
