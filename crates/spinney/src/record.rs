//! `spinney serve --record`: what the clients of one volume do, as a trace that the workload `replay` reads.
//!
//! Invariant: no client waits for the trace. What its writer has no room for is left out and counted; a trace that cannot be written ends, and the
//! server goes on. Memory is bounded by the queue and by what the writer holds, some 4 MiB.

use crate::exit::{Failure, log};
use crate::pool::failed;
use spinney_core::{BLOCK_BYTES, DevId};
use spinney_export::{Seen, Store, What};
use spinney_volume::{Name, Pool};
use spinney_workload::TraceWriter;
use spinney_workload::trace::{Kind, Request};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// Requests that wait for the writer at most: a burst of a second at more requests than a pool carries out.
const QUEUE: usize = 1 << 16;

/// Records one volume.
pub(crate) struct Recorder {
    volume: Name,
    dev: DevId,
    since: Instant,
    /// `None` ends the trace.
    queue: SyncSender<Option<Request>>,
    left_out: AtomicU64,
    /// Whether another version is the volume now, of which nothing is known here.
    over: AtomicBool,
    writer: Mutex<Option<JoinHandle<u64>>>,
}

impl Recorder {
    /// Begin a trace of a volume (`None`: the only one) in a new file. Errors: `Usage` if there is no such volume, or the file is there.
    pub(crate) fn begin(store: &Store, volume: Option<&str>, file: &Path) -> Result<Arc<Recorder>, Failure> {
        let export = store.export(volume.unwrap_or_default()).map_err(|error| match volume {
            Some(name) => failed(&format!("--record-volume {name}"), error),
            None => Failure::Usage(
                "--record: say which with --record-volume, as there is not just one volume".into(),
            ),
        })?;
        if export.read_only {
            return Err(Failure::Usage(
                "--record-volume: a snapshot does not change; name its volume".into(),
            ));
        }
        let to =
            TraceWriter::create(file, false).map_err(|error| Failure::Usage(format!("--record: {error}")))?;
        let used = store.with(|pool| pool.usage(export.dev)).map_err(|error| failed("--record", error))?;
        if used.referenced_blocks > 0 {
            let share = used.referenced_blocks as f64 * BLOCK_BYTES as f64 / export.bytes.max(1) as f64;
            log(&format!("{} has data already: replay this trace with fill = {share:.2}", export.name));
        }
        let (queue, requests) = sync_channel(QUEUE);
        let name = file.display().to_string();
        let writer = thread::Builder::new().name("trace".into()).spawn(move || write(to, &requests, &name));
        let writer = writer.map_err(|error| Failure::Other(format!("--record: {error}")))?;
        let recorder = Arc::new(Recorder {
            volume: export.name,
            dev: export.dev,
            since: Instant::now(),
            queue,
            left_out: AtomicU64::new(0),
            over: AtomicBool::new(false),
            writer: Mutex::new(Some(writer)),
        });
        let told = recorder.clone();
        store.watch(Box::new(move |seen| told.seen(seen)));
        Ok(recorder)
    }

    fn seen(&self, Seen { dev, what, offset, length }: Seen) {
        let kind = match what {
            What::Read => Kind::Read,
            What::Write => Kind::Write,
            What::Flush => Kind::Flush,
            What::Discard => Kind::Discard,
            What::Zero => Kind::Zero,
        };
        if dev == self.dev {
            self.put(kind, offset, length);
        }
    }

    fn put(&self, kind: Kind, offset: u64, length: u64) {
        let time_us = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        if !self.over.load(Ordering::Relaxed)
            && self.queue.try_send(Some(Request { time_us, kind, offset, length })).is_err()
        {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The snapshots of the volume, for [`Recorder::changed`] after a command.
    pub(crate) fn snapshots(&self, pool: &Pool) -> BTreeSet<DevId> {
        let of_volume = |name: &Name| name.volume() == self.volume.volume() && name.snapshot().is_some();
        let names = pool.names().unwrap_or_default().into_iter();
        names.filter(|named| of_volume(&named.name)).map(|named| named.dev).collect()
    }

    /// A command was carried out: snapshots that came and went since.
    pub(crate) fn changed(&self, before: &BTreeSet<DevId>, pool: &Pool) {
        if pool.named(&self.volume) != Ok(self.dev) && !self.over.swap(true, Ordering::Relaxed) {
            log(&format!("{} was rolled back, renamed or destroyed: its trace ends there", self.volume));
        }
        let now = self.snapshots(pool);
        now.difference(before).for_each(|dev| self.put(Kind::Snapshot, dev.0, 0));
        before.difference(&now).for_each(|dev| self.put(Kind::End, dev.0, 0));
    }

    /// Write the rest, and say how it went.
    pub(crate) fn finish(&self) {
        let _ = self.queue.send(None); // a writer that has gone said why
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Ok(requests)) = writer.map(JoinHandle::join) else { return };
        let left_out = self.left_out.load(Ordering::Relaxed);
        let but = if left_out == 0 {
            String::new()
        } else {
            format!("; {left_out} came too fast and are left out")
        };
        log(&format!("trace of {}: {requests} requests{but}", self.volume));
    }
}

/// The writer: how many requests it wrote.
fn write(mut to: TraceWriter, requests: &Receiver<Option<Request>>, name: &str) -> u64 {
    let mut count = 0;
    let written = requests.iter().map_while(|request| request).try_for_each(|request| {
        count += 1;
        to.write(&request)
    });
    if let Err(error) = written.and_then(|()| to.finish()) {
        log(&format!("--record {name}: {error}; the trace ends there"));
    }
    count
}
