//! The writers of each test, as fsperf's fio jobs have them, and how far each file is.
//!
//! Invariant: the stretches of a test's files do not overlap. Sizes, counts and waiting times are fio's; how long a call
//! takes besides is assumed (below), since fio runs as fast as the machine lets it.

use spinney_core::BLOCK_BYTES;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// One `fallocate` on a fast device, assumed; it sets how many of them pass while a writer with a waiting time waits.
const FALLOCATE_US: u64 = 50;
/// One append and its `fdatasync`, assumed likewise, besides fio's waiting time.
const APPEND_US: u64 = 100;

/// A test.
#[derive(Clone, Copy)]
pub(super) struct Test {
    pub(super) name: &'static str,
    jobs: &'static [Job],
}

/// One section of a fio file.
#[derive(Clone, Copy)]
struct Job {
    write_bytes: u64,
    file_bytes: u64,
    /// Writers, each with its own file.
    files: u64,
    /// Times that a file is written for each of the parameter `loops`; 0: once, appended to, and it stays.
    loops: u64,
    wait_us: u64,
    /// The last file is kept.
    stays: bool,
}

const fn fallocate(write_bytes: u64, file_bytes: u64, loops: u64) -> Job {
    Job { write_bytes, file_bytes, files: 1, loops, wait_us: 0, stays: false }
}

/// 32 files that grow by small synchronous appends and stay.
const fn append(write_bytes: u64) -> Job {
    Job { write_bytes, file_bytes: 128 * MIB, files: 32, loops: 0, wait_us: 1000, stays: true }
}

const LARGE: Job = fallocate(128 * MIB, GIB, 1);
const SMALL: Job = fallocate(128 * KIB, 128 * MIB, 10);

/// Every test.
pub(super) const TESTS: [Test; 6] = [
    Test { name: "correlated-lifetimes", jobs: &[LARGE, Job { stays: true, ..SMALL }] },
    Test {
        name: "mixed-lifetimes",
        jobs: &[Job { wait_us: 10_000, ..LARGE }, LARGE, SMALL, append(128 * KIB)],
    },
    Test {
        name: "four-sizes",
        jobs: &[fallocate(2 * GIB, 2 * GIB, 1), LARGE, fallocate(8 * MIB, GIB, 1), append(128 * KIB)],
    },
    Test {
        name: "funny-sizes-high",
        jobs: &[fallocate(129 * MIB, GIB, 1), fallocate(9 * MIB, GIB, 1), append(129 * KIB)],
    },
    Test {
        name: "funny-sizes-low",
        jobs: &[fallocate(127 * MIB, GIB, 1), fallocate(7 * MIB, GIB, 1), append(127 * KIB)],
    },
    Test {
        name: "append-vs-fallocate",
        // fio ends the first after 20 s, 40 files of each writer: twice the default of `loops`.
        jobs: &[Job { files: 4, wait_us: 500_000, ..fallocate(256 * MIB, 256 * MIB, 2) }, append(64 * KIB)],
    },
];

/// A file that is being written.
#[derive(Clone, Copy)]
pub(super) struct File {
    /// First block.
    pub(super) start: u64,
    write_blocks: u64,
    /// Writes that fill it.
    writes: u64,
    /// Writes of the present loop that are done.
    done: u64,
    loops_left: u64,
    stays: bool,
    /// How fast this writer goes.
    pub(super) writes_per_s: u64,
}

impl Test {
    /// Its files, one behind the other.
    pub(super) fn files(&self, scale: u64, loops: u64) -> Vec<File> {
        let scaled = |bytes: u64| bytes.div_ceil(scale).div_ceil(BLOCK_BYTES as u64);
        let mut files: Vec<File> = Vec::new();
        for job in self.jobs {
            let write_blocks = scaled(job.write_bytes);
            let call_us = if job.loops == 0 { APPEND_US } else { FALLOCATE_US };
            for _ in 0..job.files {
                files.push(File {
                    start: files.last().map_or(0, File::end),
                    write_blocks,
                    writes: scaled(job.file_bytes) / write_blocks,
                    done: 0,
                    loops_left: (job.loops * loops).max(1),
                    stays: job.stays,
                    writes_per_s: 1_000_000 / (job.wait_us + call_us),
                });
            }
        }
        files
    }
}

impl File {
    pub(super) fn blocks(&self) -> u64 {
        self.write_blocks * self.writes
    }
    /// First block behind it.
    pub(super) fn end(&self) -> u64 {
        self.start + self.blocks()
    }
    /// Writes until its job is over.
    pub(super) fn writes_left(&self) -> u64 {
        self.loops_left * self.writes - self.done
    }
    /// First block and length of the next write.
    pub(super) fn advance(&mut self) -> (u64, u64) {
        let at = self.start + self.done * self.write_blocks;
        self.done += 1;
        (at, self.write_blocks)
    }
    /// Whether it is full and goes; if so the next loop begins.
    pub(super) fn goes(&mut self) -> bool {
        if self.done < self.writes {
            return false;
        }
        self.loops_left -= 1;
        self.done = 0;
        self.loops_left > 0 || !self.stays
    }
}
