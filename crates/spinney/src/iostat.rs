//! `spinney iostat`: what a served pool's clients ask and how long they wait, live.
//!
//! Invariant: all figures are differences of the server's sums, so that any two looks at the same server add up.

use crate::args;
use crate::control::ask;
use crate::exit::{Failure, say};
use crate::known::Known;
use crate::record::Recorder;
use serde_json::{Value, json};
use spinney_core::{BLOCK_BYTES, BlockDevice, Flow};
use spinney_device::MeterDevice;
use spinney_export::{Kind, Store, Tally};
use spinney_lab::config::format_bytes;
use spinney_lab::report::aligned;
use spinney_lab::table::Table;
use spinney_volume::Pool;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// The device of a served pool, which counts.
pub(crate) type Meter = Arc<MeterDevice<Arc<dyn BlockDevice>>>;

/// How often, and after how long each time, the server looks whether the pool is free for its sums.
const LOOKS: u32 = 500;
const LOOK: Duration = Duration::from_millis(1);

/// The server's side: sums since it began.
pub(crate) struct Books {
    pub(crate) meter: Meter,
    pub(crate) since: Instant,
    /// Whoever records a volume meanwhile.
    pub(crate) recorder: Option<Arc<Recorder>>,
}

impl Books {
    /// Everything, as JSON; `pool` is null if a request has the pool for long, which may be what there is to see. Errors: the pool's.
    pub(crate) fn totals(&self, store: &Store) -> Result<Value, spinney_core::Error> {
        let kinds = Kind::ALL.iter().zip(store.activity().tallies()).map(|(kind, tally)| {
            let sums = json!({ "requests": tally.requests, "bytes": tally.bytes, "errors": tally.errors, "time_us": tally.time_us, "by_time": tally.by_time });
            (kind.name().to_owned(), sums)
        });
        let kinds = Value::Object(kinds.collect());
        let under_way = store.activity().under_way();
        let under_way: Vec<Value> = under_way
            .iter()
            .map(|request| json!({ "kind": request.kind.name(), "bytes": request.bytes, "age_us": request.age.as_micros() as u64, "where": if request.inside { "in the pool" } else { "waits for the pool" } }))
            .collect();
        let pool = self.pool(store).transpose()?;
        let since_us = self.since.elapsed().as_micros() as u64;
        Ok(json!({ "since_us": since_us, "kinds": kinds, "under_way": under_way, "pool": pool }))
    }

    /// `None` if the pool is not free at any of many looks: it is between two requests, but not while one is stuck.
    fn pool(&self, store: &Store) -> Option<Result<Value, spinney_core::Error>> {
        (0..LOOKS).find_map(|look| {
            thread::sleep(LOOK * look.min(1));
            store.try_with(|pool| self.of_pool(pool))
        })
    }

    fn of_pool(&self, pool: &Pool) -> Result<Value, spinney_core::Error> {
        let counts = self.meter.counts();
        let (mut runs, mut longest) = (0u64, 0);
        pool.visit_free(&mut |run| {
            (runs, longest) = (runs + 1, run.blocks.max(longest));
            Flow::Continue
        })?;
        let (space, stats, block) = (pool.space(), pool.stats(), BLOCK_BYTES as u64);
        let names = pool.names()?;
        let snapshots = names.iter().filter(|named| named.name.snapshot().is_some()).count();
        Ok(json!({
            "total_bytes": space.total_blocks * block, "free_bytes": space.free_blocks * block, "free_runs": runs, "longest_free_run_bytes": longest * block,
            "client_bytes_written": stats.user_bytes_written, "device_bytes_written": counts.write_bytes(), "device_bytes_read": counts.read_bytes(),
            "device_flushes": counts.flushes, "commits": stats.commits, "log_records": stats.log_records,
            "metadata_pages": pool.pages().pages_live(), "volumes": names.len() - snapshots, "snapshots": snapshots,
        }))
    }
}

/// The client's side.
pub(crate) fn iostat(args: &args::Iostat) -> Result<ExitCode, Failure> {
    let known = Known::load()?;
    let path = known.path(&args.pool)?;
    let look = || -> Result<Value, Failure> {
        let words = ["iostat", &args.pool, "--totals"].map(str::to_owned);
        let served = || Failure::Usage(format!("`{}` is not being served", args.pool));
        let answer = ask(path, &words)?.ok_or_else(served)?;
        serde_json::from_str(&answer.out)
            .map_err(|error| Failure::Other(format!("the server's sums: {error}")))
    };
    let mut before = look()?;
    if args.totals {
        return say(format!("{before:#}")).map(|()| ExitCode::SUCCESS);
    }
    for _ in 0..args.count.unwrap_or(u64::MAX) {
        thread::sleep(Duration::from_secs_f64(args.interval));
        let now = look()?;
        let rates = Rates::between(&before, &now);
        if args.json {
            say(rates.json())?
        } else {
            say(rates.text(&now))?
        }
        before = now;
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn sum(of: &Value, key: &str) -> u64 {
    of[key].as_u64().unwrap_or(0)
}

/// What was added to a sum; a server that was started anew begins at 0.
fn added(before: &Value, now: &Value, key: &str) -> u64 {
    sum(now, key).saturating_sub(sum(before, key))
}

/// One kind of request in one interval.
struct Rate {
    kind: &'static str,
    requests_per_s: f64,
    bytes_per_s: f64,
    /// Half, 99 % and all of the requests took at most so long.
    time_us: [u64; 3],
    errors: u64,
}

struct Rates {
    kinds: Vec<Rate>,
    /// Bytes that the device wrote for each that a client did; `None` if none did, or a request had the pool at either look.
    write_amplification: Option<f64>,
}

impl Rates {
    fn between(before: &Value, now: &Value) -> Rates {
        let seconds = added(before, now, "since_us").max(1) as f64 / 1e6;
        let kinds = Kind::ALL.map(|kind| {
            let [before, now] = [before, now].map(|sums| &sums["kinds"][kind.name()]);
            let counts = |sums: &Value| -> Vec<u64> {
                sums["by_time"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|count| count.as_u64().unwrap_or(0))
                    .collect()
            };
            let by_time: Vec<u64> = counts(now)
                .iter()
                .zip(counts(before))
                .map(|(now, before)| now.saturating_sub(before))
                .collect();
            Rate {
                kind: kind.name(),
                requests_per_s: added(before, now, "requests") as f64 / seconds,
                bytes_per_s: added(before, now, "bytes") as f64 / seconds,
                time_us: [500, 990, 1000].map(|permille| Tally::percentile_us(&by_time, permille)),
                errors: added(before, now, "errors"),
            }
        });
        let [before, now] = [before, now].map(|sums| &sums["pool"]);
        let clients = added(before, now, "client_bytes_written");
        let device = added(before, now, "device_bytes_written") as f64;
        let write_amplification = (clients > 0 && before.is_object()).then(|| device / clients as f64);
        Rates { kinds: kinds.into(), write_amplification }
    }

    fn json(&self) -> Value {
        let kind = |rate: &Rate| {
            let [half, most, all] = rate.time_us;
            json!({ "kind": rate.kind, "requests_per_s": rate.requests_per_s, "bytes_per_s": rate.bytes_per_s, "p50_us": half, "p99_us": most, "max_us": all, "errors": rate.errors })
        };
        let version = json!({ "command": "spinney iostat", "vers_major": 1, "vers_minor": 0 });
        let kinds: Vec<Value> = self.kinds.iter().map(kind).collect();
        json!({ "output_version": version, "kinds": kinds, "write_amplification": self.write_amplification })
    }

    fn text(&self, now: &Value) -> String {
        let mut table = Table::new(["requests", "a second", "MB/s", "half took us", "99 %", "all", "errors"]);
        for rate in &self.kinds {
            let [half, most, all] = rate.time_us.map(|time| time.to_string());
            let rates = [format!("{:.0}", rate.requests_per_s), format!("{:.1}", rate.bytes_per_s / 1e6)];
            table.push(
                [vec![rate.kind.to_owned()], rates.to_vec(), vec![half, most, all, rate.errors.to_string()]]
                    .concat(),
            );
        }
        let pool = &now["pool"];
        let amplification = self.write_amplification.map_or("-".into(), |factor| format!("{factor:.2}"));
        let space = || {
            format!(
                "device bytes written a client's byte {amplification}; free {} in {} runs, longest {}",
                format_bytes(sum(pool, "free_bytes")),
                sum(pool, "free_runs"),
                format_bytes(sum(pool, "longest_free_run_bytes"))
            )
        };
        let space =
            if pool.is_object() { space() } else { "a request has the pool: space is not known".into() };
        let oldest = now["under_way"].as_array().into_iter().flatten().take(5).map(|request| {
            let [kind, place] = ["kind", "where"].map(|key| request[key].as_str().unwrap_or("?"));
            format!(
                "\nunder way: {kind} of {} bytes for {} us, {place}",
                sum(request, "bytes"),
                sum(request, "age_us")
            )
        });
        format!("{}\n{space}{}\n", aligned(&table), oldest.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinney_device::MemoryDevice;
    use spinney_registry::Registry;
    use spinney_volume::PoolOptions;

    #[test]
    fn a_request_that_has_the_pool_hides_no_sums() {
        let registry = Registry::standard();
        let parts = registry.parts(&registry.spec("bitmap", "refcount").unwrap()).unwrap();
        let device: Arc<dyn BlockDevice> = Arc::new(MemoryDevice::new(1000));
        let meter: Meter = Arc::new(MeterDevice::new(device));
        let pool = Pool::format(meter.clone(), parts, PoolOptions::default()).unwrap();
        let (store, books) = (Store::new(pool), Books { meter, since: Instant::now(), recorder: None });
        let free = books.totals(&store).unwrap();
        assert!(sum(&free["pool"], "total_bytes") > 0);
        let taken = store.request(Kind::Flush, 0, |_| books.totals(&store)).unwrap();
        assert!(taken["pool"].is_null());
        assert_eq!(taken["under_way"][0]["where"], "in the pool");
        for (before, now) in [(&free, &taken), (&taken, &free)] {
            assert_eq!(Rates::between(before, now).write_amplification, None);
        }
        assert!(Rates::between(&free, &taken).text(&taken).contains("a request has the pool"));
    }
}
