//! A server over a pool in memory, and a client of its own making.
//!
//! Invariant: the client takes no code from the server, so that both would have to be wrong in the same way.
#![allow(dead_code, clippy::allow_attributes, reason = "each test uses some of it")]

use crate::pool::{after_a_power_cut, formatted};
use spinney_device::MemoryDevice;
use spinney_export::{Store, nbd};
use spinney_volume::Pool;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) const CONNECTIONS_MAX: usize = 6;

pub(crate) mod errno {
    pub(crate) const PERMITTED: u32 = 1;
    pub(crate) const INVALID: u32 = 22;
    pub(crate) const NO_SPACE: u32 = 28;
}

/// The small pool, served.
pub(crate) struct Served {
    device: Arc<MemoryDevice>,
    folder: tempfile::TempDir,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    turn: u32,
    /// What it logged.
    said: Arc<Mutex<Vec<String>>>,
}

impl Served {
    pub(crate) fn new() -> Served {
        Served::with(|_| {})
    }
    /// With more in the pool.
    pub(crate) fn with(more: impl FnOnce(&mut Pool)) -> Served {
        let device = Arc::new(MemoryDevice::new(1000));
        let mut pool = formatted(device.clone());
        more(&mut pool);
        let folder = tempfile::tempdir().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let mut served = Served { device, folder, stop, thread: None, turn: 0, said: Arc::default() };
        served.serve(pool);
        served
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join(format!("{}.sock", self.turn))
    }

    fn serve(&mut self, pool: Pool) {
        let listener = nbd::Listener::Unix(UnixListener::bind(self.socket()).unwrap());
        self.stop = Arc::new(AtomicBool::new(false));
        let (stop, said) = (self.stop.clone(), self.said.clone());
        self.thread = Some(std::thread::spawn(move || {
            let store = Store::new(pool);
            let limits = nbd::Limits { connections_max: CONNECTIONS_MAX, handshake: Duration::from_secs(3) };
            nbd::serve(&listener, &store, limits, &stop, &|line| said.lock().unwrap().push(line.into()))
                .unwrap();
        }));
    }

    /// As if the power had gone: another server over a copy of what the device has now.
    pub(crate) fn restart_without_flush(&mut self) {
        let (device, pool) = after_a_power_cut(&self.device);
        self.end();
        (self.device, self.turn) = (device, self.turn + 1);
        self.serve(pool);
    }

    /// Whether a line of the log has these words, now or in a moment.
    pub(crate) fn says(&self, words: &str) -> bool {
        let has = || self.said.lock().unwrap().iter().any(|line| line.contains(words));
        (0..100).any(|_| {
            has() || {
                std::thread::sleep(Duration::from_millis(50));
                false
            }
        })
    }

    pub(crate) fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().into_iter().for_each(|thread| thread.join().unwrap());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.end();
    }
}

pub(crate) struct Client {
    stream: UnixStream,
    structured: bool,
    /// Whether headers have 64 bits for lengths.
    extended: bool,
    cookie: u64,
    /// Of the last request; extended answers repeat it.
    offset: u64,
}

impl Client {
    /// Connected, greeted, nothing agreed on.
    pub(crate) fn connect(served: &Served) -> Client {
        let mut client = Client::connect_raw(served);
        assert_eq!(client.take(8), b"NBDMAGIC");
        assert_eq!(client.take(8), b"IHAVEOPT");
        assert_eq!(client.take(2), [0, 3]);
        client.send_raw(&[0, 0, 0, 3]);
        client
    }
    pub(crate) fn connect_raw(served: &Served) -> Client {
        let stream = UnixStream::connect(served.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Client { stream, structured: false, extended: false, cookie: 0, offset: 0 }
    }
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }
    /// The same, unless the server has ended the connection.
    pub(crate) fn try_send_raw(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }
    /// The same connection, for another thread.
    pub(crate) fn twin(&self) -> Client {
        Client { stream: self.stream.try_clone().unwrap(), ..*self }
    }
    /// Whether the server ends the connection, after whatever it has still to say.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut rest = [0; 1024];
        loop {
            match self.stream.read(&mut rest) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }
    /// Whether the server greets, rather than end the connection.
    pub(crate) fn greets(&mut self) -> bool {
        self.stream.read_exact(&mut [0; 18]).is_ok()
    }
    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let mut buffer = vec![0; bytes];
        self.stream.read_exact(&mut buffer).unwrap();
        buffer
    }
    fn number(&mut self, bytes: usize) -> u64 {
        self.take(bytes).iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    pub(crate) fn option(&mut self, option: u32, data: &[u8]) {
        let head = [&b"IHAVEOPT"[..], &big(u64::from(option), 4), &big(data.len() as u64, 4)].concat();
        self.send_raw(&[&head[..], data].concat());
    }
    /// Replies until an acknowledgement or an error.
    pub(crate) fn replies(&mut self) -> Result<Vec<(u32, Vec<u8>)>, u32> {
        let mut replies = Vec::new();
        loop {
            assert_eq!(self.number(8), 0x0003_e889_0455_65a9);
            self.number(4);
            let (kind, length) = (self.number(4) as u32, self.number(4) as usize);
            let data = self.take(length);
            match kind {
                1 => return Ok(replies),
                error if error >= 1 << 31 => return Err(error),
                kind => replies.push((kind, data)),
            }
        }
    }
    pub(crate) fn list(&mut self) -> Vec<String> {
        self.option(3, &[]);
        let replies = self.replies().unwrap();
        replies.into_iter().map(|(_, data)| String::from_utf8(data[4..].to_vec()).unwrap()).collect()
    }
    pub(crate) fn structured(&mut self) {
        self.option(8, &[]);
        self.replies().unwrap();
        self.structured = true;
    }
    pub(crate) fn extended(&mut self) {
        self.option(11, &[]);
        self.replies().unwrap();
        (self.structured, self.extended) = (true, true);
    }
    pub(crate) fn allocation(&mut self, name: &str) {
        let query = b"base:allocation";
        let data = [&named(name)[..], &big(1, 4), &big(query.len() as u64, 4), query].concat();
        self.option(10, &data);
        assert_eq!(self.replies().unwrap().len(), 1);
    }
    /// Size and flags of the export, which is used from now on.
    pub(crate) fn go(&mut self, name: &str) -> Result<(u64, u16), u32> {
        self.option(7, &[&named(name)[..], &big(0, 2)].concat());
        let replies = self.replies()?;
        let about = replies.iter().find(|(kind, data)| *kind == 3 && data[..2] == [0, 0]).unwrap();
        let flags = u16::from(about.1[10]) << 8 | u16::from(about.1[11]);
        Ok((about.1[2..10].iter().fold(0, |number, byte| number << 8 | u64::from(*byte)), flags))
    }

    pub(crate) fn send_header(&mut self, flags: u16, command: u16, offset: u64, length: u32) {
        if self.extended {
            // A write says that bytes follow it.
            let flags = if command == 1 { flags | 1 << 5 } else { flags };
            return self.send_extended(flags, command, offset, u64::from(length));
        }
        self.cookie += 1;
        let head =
            [&big(0x2560_9513, 4)[..], &big(u64::from(flags), 2), &big(u64::from(command), 2)].concat();
        let rest = [&big(self.cookie, 8)[..], &big(offset, 8), &big(u64::from(length), 4)].concat();
        self.send_raw(&[head, rest].concat());
    }
    pub(crate) fn send_extended(&mut self, flags: u16, command: u16, offset: u64, length: u64) {
        self.cookie += 1;
        self.offset = offset;
        let head =
            [&big(0x21e4_1c71, 4)[..], &big(u64::from(flags), 2), &big(u64::from(command), 2)].concat();
        let rest = [&big(self.cookie, 8)[..], &big(offset, 8), &big(length, 8)].concat();
        self.send_raw(&[head, rest].concat());
    }
    /// One with bytes behind it.
    pub(crate) fn request_with(
        &mut self,
        flags: u16,
        command: u16,
        offset: u64,
        data: &[u8],
    ) -> Result<(), u32> {
        self.send_extended(flags, command, offset, data.len() as u64);
        self.send_raw(data);
        self.chunks().map(drop)
    }
    /// One request with an extended header, and how it ended.
    pub(crate) fn request_extended(
        &mut self,
        flags: u16,
        command: u16,
        offset: u64,
        length: u64,
    ) -> Result<(), u32> {
        self.send_extended(flags, command, offset, length);
        self.chunks().map(drop)
    }
    /// One request without an answer's data, other than the error.
    pub(crate) fn request(
        &mut self,
        flags: u16,
        command: u16,
        offset: u64,
        length: u32,
        data: &[u8],
    ) -> Result<(), u32> {
        self.send_header(flags, command, offset, length);
        self.send_raw(data);
        if self.structured {
            return self.chunks().map(drop);
        }
        self.simple()
    }
    fn simple(&mut self) -> Result<(), u32> {
        self.answer(self.cookie)
    }
    /// The simple reply to the request of this cookie.
    pub(crate) fn answer(&mut self, cookie: u64) -> Result<(), u32> {
        assert_eq!(self.number(4), 0x6744_6698);
        let error = self.number(4) as u32;
        assert_eq!(self.number(8), cookie);
        if error == 0 { Ok(()) } else { Err(error) }
    }
    fn chunks(&mut self) -> Result<Vec<(u16, Vec<u8>)>, u32> {
        let mut chunks = Vec::new();
        loop {
            assert_eq!(self.number(4), if self.extended { 0x6e8a_278c } else { 0x668e_33ef });
            let (flags, kind) = (self.number(2), self.number(2) as u16);
            assert_eq!(self.number(8), self.cookie);
            if self.extended {
                assert_eq!(self.number(8), self.offset);
            }
            let length = self.number(if self.extended { 8 } else { 4 }) as usize;
            let data = self.take(length);
            if kind >= 1 << 15 {
                return Err(data[..4].iter().fold(0, |number, byte| number << 8 | u32::from(*byte)));
            }
            chunks.push((kind, data));
            if flags & 1 != 0 {
                return Ok(chunks);
            }
        }
    }

    pub(crate) fn read(&mut self, offset: u64, length: u32) -> Result<Vec<u8>, u32> {
        self.send_header(0, 0, offset, length);
        self.simple()?;
        Ok(self.take(length as usize))
    }
    /// The bytes, holes as zeros, and how many chunks were holes.
    pub(crate) fn read_chunks(&mut self, offset: u64, length: u32) -> Result<(Vec<u8>, usize), u32> {
        self.send_header(0, 0, offset, length);
        let (mut bytes, mut holes) = (vec![0; length as usize], 0);
        for (kind, data) in self.chunks()? {
            let at = data[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte)) - offset;
            match kind {
                1 => bytes[at as usize..][..data.len() - 8].copy_from_slice(&data[8..]),
                2 => holes += 1,
                kind => panic!("chunk of type {kind}"),
            }
        }
        Ok((bytes, holes))
    }
    pub(crate) fn write(&mut self, offset: u64, data: &[u8], flags: u16) -> Result<(), u32> {
        self.request(flags, 1, offset, data.len() as u32, data)
    }
    pub(crate) fn flush(&mut self) -> Result<(), u32> {
        self.request(0, 3, 0, 0, &[])
    }
    pub(crate) fn trim(&mut self, offset: u64, length: u32) -> Result<(), u32> {
        self.request(0, 4, offset, length, &[])
    }
    pub(crate) fn zeroes(&mut self, offset: u64, length: u32) -> Result<(), u32> {
        self.request(0, 6, offset, length, &[])
    }
    /// Lengths and flags.
    pub(crate) fn block_status(&mut self, offset: u64, length: u32) -> Result<Vec<(u32, u32)>, u32> {
        self.send_header(0, 7, offset, length);
        let chunks = self.chunks()?;
        let word = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
        Ok(chunks[0].1[4..].chunks(8).map(|pair| (word(&pair[..4]), word(&pair[4..]))).collect())
    }
    /// Lengths and flags, by extended headers.
    pub(crate) fn block_status_extended(&mut self, offset: u64, length: u64) -> Result<Vec<(u64, u64)>, u32> {
        self.send_extended(0, 7, offset, length);
        let chunks = self.chunks()?;
        let (kind, data) = &chunks[0];
        let word = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        assert_eq!((*kind, word(&data[4..8])), (6, (data.len() as u64 - 8) / 16));
        Ok(data[8..].chunks(16).map(|pair| (word(&pair[..8]), word(&pair[8..]))).collect())
    }
}

fn big(number: u64, bytes: usize) -> Vec<u8> {
    (0..bytes).rev().map(|byte| (number >> (8 * byte)) as u8).collect()
}

fn named(name: &str) -> Vec<u8> {
    [&big(name.len() as u64, 4)[..], name.as_bytes()].concat()
}
