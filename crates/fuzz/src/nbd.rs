//! The server's side of an NBD connection: whatever a client may say in the handshake, and requests of every kind in transmission.
//!
//! Invariant: the connection ends by itself; each request is answered once, in order, with what a plain array would have answered; and
//! the pool is sound afterwards.

use crate::bytes::Bytes;
use spinney_alloc::{Composed, reclaim::AtCommit};
use spinney_core::BLOCK_BYTES;
use spinney_device::MemoryDevice;
use spinney_export::{Store, nbd};
use spinney_snap_refcount::RefCount;
use spinney_volume::{Parts, Pool, PoolOptions};
use std::io::{self, Read, Write};
use std::sync::{Arc, OnceLock};

const VOLUME_BYTES: usize = 16 * BLOCK_BYTES;
/// Requests of one input at most.
const REQUESTS_MAX: usize = 64;
/// A server that answers more than this to one input answers without end.
const OUT_BYTES_MAX: usize = 16 << 20;

/// A client that has said everything beforehand.
struct Wire<'a> {
    said: &'a [u8],
    heard: Vec<u8>,
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.said.read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(self.heard.len() + bytes.len() <= OUT_BYTES_MAX, "answers without end");
        self.heard.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn parts() -> Parts {
    let (index, form) =
        (spinney_alloc_bitmap::BitmapIndex::default(), spinney_alloc_bitmap::BitmapForm::new());
    let allocator = Box::new(Composed::new(Box::new(index), Box::new(form), Box::new(AtCommit)));
    let scheme = Box::new(RefCount::new(506, false).expect("a width that it takes"));
    Parts { allocator, scheme, description: String::new() }
}

/// A pool with volume `a`, whose first half holds 7, and its snapshot `a@1`.
fn pool() -> Pool {
    static BASE: OnceLock<MemoryDevice> = OnceLock::new();
    let options = PoolOptions { metadata_blocks: Some(192), cache_pages: 64, ..PoolOptions::default() };
    let device = BASE.get_or_init(|| {
        let device = Arc::new(MemoryDevice::new(400));
        let mut pool = Pool::format(device.clone(), parts(), options).expect("room");
        let name = |text: &str| text.parse().expect("a name");
        let volume = pool.create_named(&name("a"), (VOLUME_BYTES / BLOCK_BYTES) as u64, 0).expect("room");
        pool.write(volume, 0, &[7; VOLUME_BYTES / 2]).expect("room");
        pool.snapshot_as(&name("a@1"), 0).and_then(|_| pool.flush()).expect("room");
        drop(pool);
        (*device).clone()
    });
    Pool::open(Arc::new(device.clone()), options, &|_| Ok(parts())).expect("sound")
}

/// What the server answers to all this. The pool must be sound then, and its snapshot as it was.
fn answers(said: &[u8]) -> Vec<u8> {
    let store = Store::new(pool());
    let mut wire = Wire { said, heard: Vec::new() };
    let _ = nbd::converse(&mut wire, &store, |_| ());
    let pool = store.into_pool();
    let report = pool.check(true).expect("a pool in memory is readable");
    assert!(report.is_sound(), "{:?}", report.findings);
    let (mut bytes, snapshot) =
        ([0; VOLUME_BYTES], pool.named(&"a@1".parse().expect("a name")).expect("it stays"));
    pool.read(snapshot, 0, &mut bytes).expect("inside");
    assert!(bytes[..] == *half(), "a snapshot was written");
    wire.heard
}

fn half() -> Vec<u8> {
    [vec![7; VOLUME_BYTES / 2], vec![0; VOLUME_BYTES / 2]].concat()
}

pub(crate) fn handshake(data: &[u8]) {
    answers(data);
}

fn big(number: u64, bytes: usize) -> Vec<u8> {
    (0..bytes).rev().map(|byte| (number >> (8 * byte)) as u8).collect()
}

fn option(number: u64, data: &[u8]) -> Vec<u8> {
    [b"IHAVEOPT", &big(number, 4)[..], &big(data.len() as u64, 4), data].concat()
}

fn named(name: &str) -> Vec<u8> {
    [&big(name.len() as u64, 4), name.as_bytes()].concat()
}

fn context(name: &str, query: &str) -> Vec<u8> {
    [named(name), big(1, 4), named(query)].concat()
}

const FLAGS: [u8; 4] = [0, 0, 0, 3];

/// Every option once, alone and in the order of a client, and a flood.
pub(crate) fn handshakes() -> Vec<Vec<u8>> {
    let go = [named("a"), big(1, 2), big(3, 2)].concat();
    let whole = [
        FLAGS.to_vec(),
        option(3, &[]),
        option(8, &[]),
        option(9, &context("a", "base:")),
        option(10, &context("a", "base:allocation")),
        option(6, &go),
        option(7, &go),
    ];
    let mut seeds = vec![whole.concat(), [&FLAGS[..], &option(1, b"a@1")].concat()];
    seeds.extend(whole[1..].iter().map(|option| [&FLAGS[..], option].concat()));
    seeds.push([&FLAGS[..], &option(3, &[]).repeat(200)].concat());
    seeds.push(
        [&FLAGS[..], &option(7, &[named("a@1"), big(0, 2)].concat()), &request(0, 0, 1, 0, 100)].concat(),
    );
    seeds.push([&FLAGS[..], &option(5, &[]), &option(2, &[])].concat());
    seeds
}

fn request(flags: u64, command: u64, cookie: u64, offset: u64, length: u64) -> Vec<u8> {
    [big(0x2560_9513, 4), big(flags, 2), big(command, 2), big(cookie, 8), big(offset, 8), big(length, 4)]
        .concat()
}

/// A request as it was sent.
#[derive(Clone, Copy)]
struct Asked {
    command: u64,
    offset: u64,
    length: u64,
    byte: u8,
}

const READ: u64 = 0;
const WRITE: u64 = 1;
const DISCONNECT: u64 = 2;
const TRIM: u64 = 4;
const ZEROES: u64 = 6;

/// A place at or near an end of something.
fn place(input: &mut Bytes<'_>) -> u64 {
    let near = u64::from(input.byte() % 5);
    let of = [
        0,
        BLOCK_BYTES as u64,
        5000,
        VOLUME_BYTES as u64 / 2,
        VOLUME_BYTES as u64,
        1 << 20,
        1 << 32,
        u64::MAX - 1,
    ];
    of[input.below(of.len())].wrapping_add(near).wrapping_sub(2)
}

pub(crate) fn transmission(data: &[u8]) {
    let mut input = Bytes(data);
    let shape = input.byte();
    let (structured, allocation, read_only) = (shape & 1 != 0, shape & 2 != 0, shape & 4 != 0);
    let name = if read_only { "a@1" } else { "a" };
    let mut said = FLAGS.to_vec();
    if structured {
        said.extend(option(8, &[]));
    }
    if structured && allocation {
        said.extend(option(10, &context(name, "base:allocation")));
    }
    said.extend(option(7, &[named(name), big(0, 2)].concat()));
    let greeting = answers(&said).len();
    let (mut asked, mut ends) = (Vec::new(), false);
    while !input.0.is_empty() && asked.len() < REQUESTS_MAX && !ends {
        let (command, flags) = (u64::from(input.byte() % 9), u64::from(input.byte() & input.byte()));
        let (offset, length, byte) = (place(&mut input), place(&mut input) & 0xFFFF_FFFF, input.byte());
        let cookie = asked.len() as u64;
        said.extend(request(flags, command, cookie, offset, length));
        // What is too long, and a disconnect, end the connection; what follows is not read.
        ends = command == DISCONNECT || command == WRITE && length > u64::from(nbd::REQUEST_BYTES_MAX);
        if command == WRITE && !ends {
            let payload = length.min(2 * VOLUME_BYTES as u64);
            said.extend(vec![byte; payload as usize]);
            ends = payload < length;
        }
        if !ends {
            asked.push(Asked { command, offset, length, byte });
        }
    }
    let heard = answers(&said);
    Listener { heard: &heard[greeting..], model: half(), structured }.all(&asked);
}

/// Requests of every kind, over each way to agree.
pub(crate) fn transmissions() -> Vec<Vec<u8>> {
    let kinds = |shape: u8| {
        let requests = (0..9u8).flat_map(|command| [command, 1, 255, 2, 1, 0, 2, 1, 0, command + 40]);
        [shape].into_iter().chain(requests).collect::<Vec<u8>>()
    };
    let mut seeds: Vec<Vec<u8>> = (0..8).map(kinds).collect();
    // Writes, zeroes and trims over the whole volume and past it, each read back.
    let ends = (0..8u8).flat_map(|at| (0..8u8).map(move |to| (at, to)));
    let mixed = ends.flat_map(|(at, to)| {
        [
            [WRITE as u8, ZEROES as u8, TRIM as u8, READ as u8][usize::from(at + to) % 4],
            0,
            0,
            2,
            at,
            0,
            2,
            to,
            0,
            at,
        ]
    });
    seeds.push([3].into_iter().chain(mixed).collect());
    seeds
}

/// A client that knows what it must hear.
struct Listener<'a> {
    heard: &'a [u8],
    model: Vec<u8>,
    structured: bool,
}

impl Listener<'_> {
    fn number(&mut self, bytes: usize) -> u64 {
        self.take(bytes).iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let (taken, rest) = self.heard.split_at_checked(bytes).expect("an answer that ends before its end");
        self.heard = rest;
        taken.to_vec()
    }

    fn all(mut self, asked: &[Asked]) {
        for (cookie, asked) in (0..).zip(asked) {
            let read = if self.structured { self.chunks(cookie, asked) } else { self.simple(cookie, asked) };
            if let Some(read) = read {
                self.hold(asked, &read);
            }
        }
        assert!(self.heard.is_empty(), "answers that nobody asked for");
    }

    /// What was read, if the request succeeded.
    fn simple(&mut self, cookie: u64, asked: &Asked) -> Option<Vec<u8>> {
        assert_eq!(self.number(4), 0x6744_6698, "a simple reply's magic");
        let error = self.number(4);
        assert_eq!(self.number(8), cookie, "answers in order");
        (error == 0)
            .then(|| if asked.command == READ { self.take(asked.length as usize) } else { Vec::new() })
    }

    fn chunks(&mut self, cookie: u64, asked: &Asked) -> Option<Vec<u8>> {
        let (mut read, mut covered, mut failed) =
            (vec![0; asked.length.min(VOLUME_BYTES as u64) as usize], 0, false);
        loop {
            assert_eq!(self.number(4), 0x668e_33ef, "a chunk's magic");
            let (flags, kind) = (self.number(2), self.number(2));
            assert_eq!(self.number(8), cookie, "answers in order");
            let length = self.number(4) as usize;
            let body = self.take(length);
            let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            match kind {
                0 => assert!(body.is_empty() && flags == 1, "nothing, and the end"),
                1 | 2 => {
                    let at = (number(&body[..8]) - asked.offset) as usize;
                    let bytes = if kind == 1 { body.len() - 8 } else { number(&body[8..]) as usize };
                    if kind == 1 {
                        read[at..at + bytes].copy_from_slice(&body[8..]);
                    }
                    covered += bytes as u64;
                }
                5 => {
                    let told: u64 = body[4..].chunks(8).map(|pair| number(&pair[..4])).sum();
                    assert!(told > 0 && told <= asked.length, "a status of the range");
                }
                0x8001 => failed = true,
                kind => panic!("a chunk of type {kind}"),
            }
            if flags & 1 != 0 {
                let whole = asked.command != READ || covered == asked.length;
                assert!(failed || whole, "a read that leaves bytes out");
                return (!failed).then_some(read);
            }
        }
    }

    /// A plain array does what the volume did.
    fn hold(&mut self, asked: &Asked, read: &[u8]) {
        if ![READ, WRITE, TRIM, ZEROES].contains(&asked.command) {
            return;
        }
        let (from, to) = (asked.offset as usize, (asked.offset + asked.length) as usize);
        let range = self.model.get_mut(from..to).expect("only what is inside succeeds");
        match asked.command {
            READ => assert!(*range == *read, "a read of other bytes"),
            WRITE => range.fill(asked.byte),
            ZEROES => range.fill(0),
            _ => {
                let (first, end) = (from.next_multiple_of(BLOCK_BYTES), to / BLOCK_BYTES * BLOCK_BYTES);
                self.model.get_mut(first..end).into_iter().for_each(|blocks| blocks.fill(0));
            }
        }
    }
}
