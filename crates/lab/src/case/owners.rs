//! What it takes to ask who maps a block: queries on the pool that was opened a second time, beside the run.
//!
//! Invariant: the same places for the same sizes; each query begins with empty caches but for what opening keeps (the filters).

use super::load::Load;
use spinney_backref::QueryCost;
use spinney_core::{Extent, Pba, Result};
use spinney_device::TimedDevice;
use spinney_volume::Pool;
use std::collections::BTreeMap;

/// Queries of a row ask for so many blocks together, if that takes from 20 to 2,000 of them.
const ASKED_BLOCKS: u64 = 200_000;
/// Of the golden ratio: multiples of it, taken as fractions, lie evenly and in no order.
const STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

/// What the queries of a row took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Queries {
    count: u64,
    blocks: u64,
    time_ns: u64,
    owners: u64,
    cost: QueryCost,
}

impl Queries {
    /// Ask for `blocks` blocks at a time; none if the pool has no back references or not so many blocks.
    pub(super) fn ask(pool: &Pool, device: &dyn TimedDevice, blocks: u64) -> Result<Option<Queries>> {
        let data = pool.layout().data;
        let Some(places) = data.blocks.checked_sub(blocks).filter(|_| pool.back_references().is_some())
        else {
            return Ok(None);
        };
        let count = (ASKED_BLOCKS / blocks).clamp(20, 2000);
        let mut all = Queries { count, blocks, ..Queries::default() };
        for number in 1..=count {
            let fraction = u128::from(number.wrapping_mul(STRIDE));
            let by = ((fraction * u128::from(places + 1)) >> 64) as u64;
            pool.drop_caches();
            let began = device.time_ns();
            let cost = pool.owners(Extent::new(Pba(data.start.0 + by), blocks), &mut |_| all.owners += 1)?;
            all.time_ns += device.time_ns() - began;
            all.cost.filters_asked += cost.filters_asked;
            all.cost.filters_without += cost.filters_without;
            all.cost.filters_wrong += cost.filters_wrong;
            all.cost.runs_read += cost.runs_read;
            all.cost.pages_read += cost.pages_read;
        }
        Ok(Some(all))
    }

    /// The columns.
    pub(super) fn put(&self, values: &mut BTreeMap<String, f64>) {
        let (count, cost) = (self.count as f64, self.cost);
        let seconds = self.time_ns as f64 / 1e9;
        let counted = [
            ("owner_query_ms", seconds * 1e3 / count),
            ("owner_query_pages", cost.pages_read as f64 / count),
            ("owner_query_runs", cost.runs_read as f64 / count),
            ("owner_query_owners", self.owners as f64 / count),
            ("owner_blocks_per_s", count * self.blocks as f64 / seconds),
            ("filter_false_share", cost.filters_wrong as f64 / cost.filters_without as f64),
        ];
        values.extend(counted.map(|(name, value)| (name.to_owned(), value)));
    }
}

impl Load {
    /// What asking took, if anything was asked.
    pub(super) fn put_queries(&self, values: &mut BTreeMap<String, f64>) {
        if let Some(queries) = &self.queries {
            queries.put(values);
        }
    }
}
