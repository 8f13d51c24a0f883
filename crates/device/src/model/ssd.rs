//! A flash drive: dies behind channels behind one controller and one link, with a buffer for writes.
//!
//! Invariant: each die, channel, link direction and the controller serve one thing at a time, first come first served, except that a
//! die's reads go before its waiting programs (a program under way is not interrupted). Reads find a page by its address, dealt round the dies; writes go to
//! the next die in turn, as a log does. Not modelled: garbage collection, wear, slower flash behind a fast cache, pages scattered by
//! small writes, and reads served from the write buffer.

use super::{Mechanism, SsdParameters, transfer_ns};
use spinney_core::{BLOCK_BYTES, Extent};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

#[derive(Clone, Default)]
struct Die {
    free_ns: u64,
    /// When the data of each waiting program was there.
    programs: VecDeque<u64>,
    /// The page last sensed, and when it was.
    register: Option<(u64, u64)>,
}

/// A read's next step. Steps are taken in order of time, so each resource sees its customers in order of arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// The controller takes the command.
    Command,
    /// The page's die senses it.
    Sense { page: u64, blocks: u64 },
    /// The die's channel carries it to the controller.
    Channel { page: u64, blocks: u64 },
    /// The link carries it to the host.
    Link { blocks: u64 },
}

/// Steps to come: (time, order of making, index of the request, step), earliest first.
type Agenda = BinaryHeap<Reverse<(u64, u64, usize, Step)>>;

pub(super) struct Ssd {
    parameters: SsdParameters,
    blocks: u64,
    page_blocks: u64,
    unit_blocks: u64,
    buffer_blocks: u64,
    program_ns: u64,
    dies: Vec<Die>,
    channels_ns: Vec<u64>,
    controller_ns: u64,
    link_in_ns: u64,
    link_out_ns: u64,
    /// The die that the next program goes to.
    turn: usize,
    /// Programs that wait for their dies, and blocks that wait for a full program.
    waiting_units: u64,
    open_blocks: u64,
    /// The end of the last program that has begun.
    programmed_ns: u64,
    /// One past the last block read.
    read_end: u64,
}

impl Ssd {
    pub(super) fn new(parameters: &SsdParameters, blocks: u64) -> Ssd {
        let page_blocks = parameters.page_kib * 1024 / BLOCK_BYTES as u64;
        let unit_blocks = page_blocks * parameters.planes;
        let carry_ns = transfer_ns(unit_blocks, parameters.channel_mb_per_s);
        Ssd {
            parameters: parameters.clone(),
            blocks,
            page_blocks,
            unit_blocks,
            buffer_blocks: parameters.write_buffer_kib * 1024 / BLOCK_BYTES as u64,
            program_ns: parameters.program_us * 1000 + carry_ns,
            dies: vec![Die::default(); (parameters.channels * parameters.dies_per_channel) as usize],
            channels_ns: vec![0; parameters.channels as usize],
            controller_ns: 0,
            link_in_ns: 0,
            link_out_ns: 0,
            turn: 0,
            waiting_units: 0,
            open_blocks: 0,
            programmed_ns: 0,
            read_end: u64::MAX,
        }
    }

    /// The die of a page: dealt round, each round from another die, so that no stride of a power of two meets one die only.
    fn die_of(&self, page: u64) -> usize {
        let dies = self.dies.len() as u64;
        let turn = (page / dies).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        ((page + turn) % dies) as usize
    }
    /// Programs that a die began before `time_ns`.
    fn begin_programs(&mut self, die: usize, time_ns: u64) {
        while let Some(start_ns) = self.dies[die].next_program_ns().filter(|start_ns| *start_ns < time_ns) {
            self.begin_program(die, start_ns);
        }
    }
    fn begin_program(&mut self, die: usize, start_ns: u64) {
        let die = &mut self.dies[die];
        die.programs.pop_front();
        die.free_ns = start_ns + self.program_ns;
        die.register = None;
        self.programmed_ns = self.programmed_ns.max(die.free_ns);
        self.waiting_units -= 1;
    }
    fn sense(&mut self, page: u64, time_ns: u64) -> u64 {
        let index = self.die_of(page);
        self.begin_programs(index, time_ns);
        let die = &mut self.dies[index];
        match die.register {
            Some((held, sensed_ns)) if held == page => sensed_ns.max(time_ns),
            _ => {
                die.free_ns = die.free_ns.max(time_ns) + self.parameters.read_us * 1000;
                die.register = Some((page, die.free_ns));
                die.free_ns
            }
        }
    }
    /// The blocks of each page of a run.
    fn pages(&self, run: Extent) -> impl Iterator<Item = (u64, u64)> + use<> {
        let (start, end, size) = (run.start.0, run.end().0, self.page_blocks);
        (start / size..end.div_ceil(size))
            .map(move |page| (page, end.min((page + 1) * size) - start.max(page * size)))
    }
    /// Take one step of the read of `run`; returns when its host sees the last of these blocks, if this was a last step.
    fn step(
        &mut self,
        agenda: &mut Agenda,
        made: &mut u64,
        now: (u64, usize, Step),
        run: Extent,
    ) -> Option<u64> {
        let (time_ns, request, step) = now;
        let mut plan = |time_ns, step| {
            *made += 1;
            agenda.push(Reverse((time_ns, *made, request, step)));
        };
        match step {
            Step::Command => {
                self.controller_ns = self.controller_ns.max(time_ns) + self.parameters.command_read_ns;
                for (page, blocks) in self.pages(run) {
                    plan(self.controller_ns, Step::Sense { page, blocks });
                }
            }
            Step::Sense { page, blocks } => {
                plan(self.sense(page, time_ns), Step::Channel { page, blocks });
            }
            Step::Channel { page, blocks } => {
                let channel = self.die_of(page) % self.channels_ns.len();
                let free_ns = &mut self.channels_ns[channel];
                *free_ns = (*free_ns).max(time_ns) + transfer_ns(blocks, self.parameters.channel_mb_per_s);
                plan(*free_ns, Step::Link { blocks });
            }
            Step::Link { blocks } => {
                let carry_ns = transfer_ns(blocks, self.parameters.link_read_mb_per_s);
                self.link_out_ns = self.link_out_ns.max(time_ns) + carry_ns;
                return Some(self.link_out_ns);
            }
        }
        None
    }
    /// After a read that went on where the one before it ended, sense the next pages into their dies' registers, none of them in the
    /// place of an earlier one that is still to come.
    fn read_on(&mut self, time_ns: u64, end: u64) {
        let (next, last) = (end / self.page_blocks, self.blocks.div_ceil(self.page_blocks));
        for page in next..last.min(next + self.parameters.read_ahead_pages) {
            let held = self.dies[self.die_of(page)].register;
            if held.is_none_or(|(held, _)| !(next..=page).contains(&held)) {
                self.sense(page, time_ns);
            }
        }
    }

    /// Wait until the buffer takes `blocks` more.
    fn make_room(&mut self, mut time_ns: u64, blocks: u64) -> u64 {
        while self.waiting_units * self.unit_blocks + self.open_blocks + blocks > self.buffer_blocks {
            let starts =
                self.dies.iter().enumerate().filter_map(|(index, die)| Some((die.next_program_ns()?, index)));
            // A buffer holds at least two programs and a piece at most one, so a full one has a program waiting.
            let (start_ns, index) = starts.min().expect("a full buffer has a program waiting");
            self.begin_program(index, start_ns);
            time_ns = time_ns.max(start_ns);
        }
        time_ns
    }
    /// As after a long time of writes: all that the buffer holds waits for its programs, and a write waits for one of them.
    pub(super) fn fill_buffer(&mut self) {
        while (self.waiting_units + 1) * self.unit_blocks <= self.buffer_blocks {
            self.queue_program(0);
        }
    }
    fn queue_program(&mut self, time_ns: u64) {
        self.dies[self.turn].programs.push_back(time_ns);
        self.turn = (self.turn + 1) % self.dies.len();
        self.waiting_units += 1;
    }
    /// Carry a write into the buffer; returns when all of it is there.
    fn take_in(&mut self, issued_ns: u64, run: Extent) -> u64 {
        self.controller_ns = self.controller_ns.max(issued_ns) + self.parameters.command_write_ns;
        let (mut left, mut time_ns) = (run.blocks, self.controller_ns);
        while left > 0 {
            let piece = left.min(self.unit_blocks);
            let carried_ns =
                time_ns.max(self.link_in_ns) + transfer_ns(piece, self.parameters.link_write_mb_per_s);
            time_ns = self.make_room(carried_ns, piece);
            self.link_in_ns = time_ns;
            self.open_blocks += piece;
            if self.open_blocks >= self.unit_blocks {
                self.open_blocks -= self.unit_blocks;
                self.queue_program(time_ns);
            }
            left -= piece;
        }
        time_ns
    }
}

impl Die {
    fn next_program_ns(&self) -> Option<u64> {
        self.programs.front().map(|ready_ns| self.free_ns.max(*ready_ns))
    }
}

impl Mechanism for Ssd {
    fn read(&mut self, now_ns: u64, runs: &[Extent]) -> u64 {
        let (mut agenda, mut made, mut last_ns) = (Agenda::new(), 0, now_ns);
        let depth = runs.len().min(self.parameters.queue_depth as usize);
        let mut issued = depth;
        for request in 0..depth {
            made += 1;
            agenda.push(Reverse((now_ns, made, request, Step::Command)));
        }
        let mut left: Vec<u64> = runs.iter().map(|run| run.blocks).collect();
        while let Some(Reverse((time_ns, _, request, step))) = agenda.pop() {
            let Some(carried_ns) = self.step(&mut agenda, &mut made, (time_ns, request, step), runs[request])
            else {
                continue;
            };
            let Step::Link { blocks } = step else { unreachable!("only the link ends a page") };
            left[request] -= blocks;
            if left[request] == 0 {
                let done_ns = carried_ns + self.parameters.read_overhead_us * 1000;
                last_ns = last_ns.max(done_ns);
                if issued < runs.len() {
                    made += 1;
                    agenda.push(Reverse((done_ns, made, issued, Step::Command)));
                    issued += 1;
                }
            }
        }
        for run in runs {
            if run.start.0 == self.read_end {
                self.read_on(last_ns, run.end().0);
            }
            self.read_end = run.end().0;
        }
        last_ns
    }
    fn write(&mut self, now_ns: u64, runs: &[Extent]) -> u64 {
        let depth = self.parameters.queue_depth as usize;
        let mut in_flight = VecDeque::with_capacity(depth.min(runs.len()));
        let mut last_ns = now_ns;
        for run in runs {
            let freed_ns = if in_flight.len() == depth { in_flight.pop_front() } else { None };
            let buffered_ns = self.take_in(freed_ns.unwrap_or(now_ns), *run);
            last_ns = buffered_ns + self.parameters.write_overhead_us * 1000;
            in_flight.push_back(last_ns);
        }
        last_ns
    }
    fn flush(&mut self, now_ns: u64) -> u64 {
        let flush_ns = self.parameters.flush_us * 1000;
        if self.parameters.power_loss_protected {
            return now_ns + flush_ns;
        }
        if self.open_blocks > 0 {
            self.open_blocks = 0;
            self.queue_program(now_ns);
        }
        for die in 0..self.dies.len() {
            self.begin_programs(die, u64::MAX);
        }
        self.programmed_ns.max(now_ns) + flush_ns
    }
    fn discard(&mut self, now_ns: u64, _: Extent) -> u64 {
        self.controller_ns = self.controller_ns.max(now_ns) + self.parameters.command_write_ns;
        self.controller_ns
    }
    fn reset(&mut self) {
        *self = Ssd::new(&self.parameters, self.blocks);
    }
}
