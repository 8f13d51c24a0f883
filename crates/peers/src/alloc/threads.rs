//! Threads that allocate at once from one sharded space: pairs of all of them in a second, for each count of threads.
//!
//! Invariant: all counts get the same space at the same level, in as many stretches as there are threads, so that one thread
//! has the plain index and a lock that nobody wants; a thread's stream is its own. Sizes, and what is freed, are
//! the aging program's: log-uniform 1 to 256 blocks, a random run of the thread's own. Knows no peer.

use spinney_alloc::{FreeIndex, Sharded, Want};
use spinney_core::{Extent, Pba};
use spinney_testkit::Dice;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

/// What one thread holds.
struct Stream {
    stream: u32,
    dice: Dice,
    held: Vec<Extent>,
    blocks: u64,
}

impl Stream {
    fn new(stream: u32) -> Stream {
        Stream { stream, dice: Dice::new("threads", stream.into()), held: Vec::new(), blocks: 0 }
    }
    fn fill<I: FreeIndex>(&mut self, space: &Sharded<I>, target: u64) {
        while self.blocks < target {
            let share = (self.dice.any() >> 11) as f64 / (1u64 << 53) as f64;
            let most = (257f64.powf(share) as u64).clamp(1, 256);
            let want = Want { stream: self.stream, ..Want::up_to(most) };
            let run = space.pick(&want).expect("a space that is not full has a block");
            self.blocks += run.blocks;
            self.held.push(run);
        }
    }
    fn pair<I: FreeIndex>(&mut self, space: &Sharded<I>, target: u64) {
        let at = self.dice.below(self.held.len() as u64) as usize;
        let run = self.held.swap_remove(at);
        space.insert(run);
        self.blocks -= run.blocks;
        self.fill(space, target);
    }
}

/// Pairs a second of `threads` threads over 2^`power` blocks that they hold to `percent` together, each after turning over what
/// it holds once.
pub(crate) fn pairs_a_second<I: FreeIndex>(
    make: impl FnMut() -> I,
    power: u32,
    percent: u64,
    threads: u32,
    pairs: u64,
) -> f64 {
    let universe = Extent::new(Pba(0), 1 << power);
    let space = Sharded::new(universe, threads, make);
    space.insert(universe);
    let target = universe.blocks / 100 * percent / u64::from(threads);
    let start = Barrier::new(threads as usize + 1);
    thread::scope(|scope| {
        let run = |stream| {
            let (space, start) = (&space, &start);
            move || {
                let mut stream = Stream::new(stream);
                stream.fill(space, target);
                (0..stream.held.len()).for_each(|_| stream.pair(space, target));
                start.wait();
                (0..pairs).for_each(|_| stream.pair(space, target));
            }
        };
        let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(run(thread))).collect();
        start.wait();
        let begun = Instant::now();
        handles.into_iter().for_each(|handle| handle.join().expect("a thread of the race panicked"));
        (pairs * u64::from(threads)) as f64 / begun.elapsed().as_secs_f64()
    })
}
