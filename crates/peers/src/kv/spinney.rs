//! spinney's ordered map on its page store on a file device, with a superblock of two slots.
//!
//! Invariant: a commit is seal, flush, root into the slot not in use, flush: what the store's documentation asks of its owner.

use crate::error::Outcome;
use crate::store::{Entry, Store};
use spinney_core::{BLOCK_BYTES, BlockDevice, Extent, Flow, PageKind, Pba};
use spinney_device::{FileDevice, MeterDevice};
use spinney_pages::{PageStore, StoreOptions, TypedMap, store};
use std::path::Path;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

const KIND: PageKind = PageKind::TREE;
/// Blocks before the area: the superblock's two slots.
const SLOTS: u64 = 2;
/// Entries that a page of the map holds on average under random puts, rounded down.
const PAGE_ENTRIES: u64 = 150;

pub(crate) struct Spinney {
    device: Arc<MeterDevice<FileDevice>>,
    engine: String,
    store: PageStore,
    map: TypedMap<u64, (u64, u64)>,
    sorted: Vec<Entry>,
}

impl Spinney {
    pub(crate) fn create(folder: &Path, entries: u64, batch: u64, cache_bytes: u64) -> Outcome<Spinney> {
        // Room for two batches that each rewrite a page an entry: half of it is enough to work.
        let live = entries / PAGE_ENTRIES + 64;
        let blocks = store::area_blocks_for_epochs(live, 2 * batch.min(live)).ok_or("too many entries")?;
        let file = FileDevice::create(&folder.join("pool"), SLOTS + blocks)?;
        let engine = file.engine().to_string();
        let device = Arc::new(MeterDevice::new(file));
        let area = [Extent::new(Pba(SLOTS), blocks)];
        let cache_pages = usize::try_from(cache_bytes / BLOCK_BYTES as u64)?;
        let options = StoreOptions { cache_pages, ..StoreOptions::default() };
        let mut store = PageStore::format(device.clone(), &area, options)?;
        let map = TypedMap::create(KIND, &mut store)?;
        Ok(Spinney { device, engine, store, map, sorted: Vec::new() })
    }
    fn commit(&mut self) -> Outcome<()> {
        let epoch = self.store.epoch().next();
        let root = self.store.seal(epoch)?;
        self.device.flush()?;
        let mut block = vec![0; BLOCK_BYTES];
        block[8..16].copy_from_slice(&self.map.root().0.to_le_bytes());
        block[16..16 + root.bytes().len()].copy_from_slice(root.bytes());
        let checksum = xxh3_64(&block[8..]);
        block[..8].copy_from_slice(&checksum.to_le_bytes());
        self.device.write(Pba(epoch.0 % SLOTS), &block)?;
        self.device.flush()?;
        self.store.committed(epoch);
        Ok(())
    }
}

impl Store for Spinney {
    fn put_batch(&mut self, batch: &[Entry]) -> Outcome<()> {
        self.sorted.clear();
        self.sorted.extend_from_slice(batch);
        self.sorted.sort_unstable_by_key(|(key, _)| *key);
        for (key, value) in &self.sorted {
            self.map.put(key, value, &mut self.store)?;
        }
        self.commit()
    }
    fn gets(&self, keys: &[u64]) -> Outcome<u64> {
        let view = self.store.view();
        let mut sum = 0_u64;
        for key in keys {
            let (first, _) = self.map.get(key, &view)?.ok_or("a key is missing")?;
            sum = sum.wrapping_add(first);
        }
        Ok(sum)
    }
    fn scan(&self, from: u64, count: u64) -> Outcome<u64> {
        let (view, mut sum, mut left) = (self.store.view(), 0_u64, count);
        self.map.range(from.., &view, &mut |key, _value| {
            sum = sum.wrapping_add(key);
            left -= 1;
            if left == 0 { Flow::Stop } else { Flow::Continue }
        })?;
        Ok(sum)
    }
    fn notes(&self) -> String {
        let (stats, counts) = (self.store.stats(), self.device.counts());
        format!(
            "{}; {} pages live, {} written ({} spilled), {:.1} a write; {} in cache",
            self.engine,
            stats.live.total(),
            stats.written.total(),
            stats.spilled,
            counts.write_blocks as f64 / counts.writes as f64,
            stats.cached_pages
        )
    }
}
