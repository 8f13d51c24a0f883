//! The transmission phase: requests in, answers out.
//!
//! Invariant: every request but a disconnect is answered once, in order; an error of the pool is an answer, not the end of the
//! connection. A write is answered once the pool has it; durable is what a flush, or FUA, has made durable.

use super::handshake::{ALLOCATION_ID, Agreed, Headers};
use super::request::Request;
use super::wire::{
    CHUNK_MAGIC, EXTENDED_CHUNK_MAGIC, Message, SIMPLE_REPLY_MAGIC, chunk, command, command_flag, errno,
};
use crate::store::WINDOW_BYTES;
use crate::{Kind, Store, What};
use spinney_core::{BLOCK_BYTES, Error, Result};
use std::io::{self, Read, Write};

const BLOCK: u64 = BLOCK_BYTES as u64;
/// The most stretches in one answer to a block status request; the client asks on.
const STRETCHES_MAX: usize = 4096;
/// Flags of `base:allocation`: a hole that reads as zeros.
const HOLE_AND_ZERO: u32 = 3;

/// Handle requests until the client disconnects or leaves.
pub(super) fn transmit<S: Read + Write>(stream: &mut S, store: &Store, agreed: &Agreed) -> io::Result<()> {
    loop {
        let request = match Request::read(stream, agreed.headers == Headers::Extended) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        };
        if request.command == command::DISCONNECT {
            return Ok(());
        }
        let payload = request.payload(stream)?;
        let mut connection = Connection { stream, store, agreed, request };
        connection.handle(&payload)?;
        connection.stream.flush()?;
    }
}

struct Connection<'a, S: Read + Write> {
    stream: &'a mut S,
    store: &'a Store,
    agreed: &'a Agreed,
    request: Request,
}

impl<S: Read + Write> Connection<'_, S> {
    fn handle(&mut self, payload: &[u8]) -> io::Result<()> {
        let request = self.request;
        if let Err(code) = request.check(&self.agreed.export) {
            return self.fail(code);
        }
        match request.command {
            command::READ if self.agreed.headers == Headers::Simple => self.read_simple(),
            command::READ => self.read_in_chunks(),
            command::BLOCK_STATUS if self.agreed.allocation => self.block_status(),
            _ => match self.change(payload) {
                Ok(()) => {
                    self.seen();
                    self.done()
                }
                Err(error) => self.fail(code(&error)),
            },
        }
    }

    fn seen(&self) {
        let Request { command, offset, length, .. } = self.request;
        let what = match command {
            command::READ => What::Read,
            command::WRITE => What::Write,
            command::TRIM => What::Discard,
            command::WRITE_ZEROES => What::Zero,
            command::FLUSH => What::Flush,
            _ => return,
        };
        let dev = self.agreed.export.dev;
        let (offset, length) = if what == What::Flush { (0, 0) } else { (offset, length) };
        self.store.seen(dev, what, offset, length);
        if self.request.has(command_flag::FUA) && ![What::Read, What::Flush].contains(&what) {
            self.store.seen(dev, What::Flush, 0, 0);
        }
    }

    fn change(&self, payload: &[u8]) -> Result<()> {
        let Request { command, offset, length, .. } = self.request;
        let (dev, durable) = (self.agreed.export.dev, self.request.has(command_flag::FUA));
        match command {
            command::WRITE => self.store.request(Kind::Write, length, |pool| {
                pool.write(dev, offset, payload)?;
                if durable { pool.flush() } else { Ok(()) }
            }),
            command::FLUSH => self.store.request(Kind::Flush, 0, |pool| pool.flush()),
            command::WRITE_ZEROES if self.request.has(command_flag::FAST_ZERO) && ragged(offset, length) => {
                Err(Error::Unsupported("fast zeroes of parts of blocks"))
            }
            command::TRIM | command::WRITE_ZEROES => self.make_holes(durable),
            command::CACHE => Ok(()),
            _ => Err(Error::BadSetting("a command that this server does not know")),
        }
    }

    /// Piece by piece, between which others are served.
    fn make_holes(&self, durable: bool) -> Result<()> {
        let Request { command, offset, length, .. } = self.request;
        let (dev, end) = (self.agreed.export.dev, offset + length);
        let mut at = offset;
        loop {
            let piece_end = (at.saturating_add(WINDOW_BYTES) / BLOCK * BLOCK).min(end);
            let bytes = piece_end - at;
            self.store.request(Kind::Zero, bytes, |pool| {
                match command {
                    command::TRIM => pool.discard(dev, at, bytes)?,
                    _ => pool.zero(dev, at, bytes)?,
                }
                if durable && piece_end == end { pool.flush() } else { Ok(()) }
            })?;
            at = piece_end;
            if at == end {
                return Ok(());
            }
        }
    }

    fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length as usize];
        let dev = self.agreed.export.dev;
        self.store.request(Kind::Read, length, |pool| pool.read(dev, offset, &mut bytes)).map(|()| bytes)
    }

    fn read_simple(&mut self) -> io::Result<()> {
        match self.read(self.request.offset, self.request.length) {
            Ok(bytes) => {
                self.seen();
                self.simple(0)?;
                self.stream.write_all(&bytes)
            }
            Err(error) => self.simple(code(&error)),
        }
    }

    /// Holes need not be sent, unless the client wants all in one piece.
    fn read_in_chunks(&mut self) -> io::Result<()> {
        let Request { offset, length, .. } = self.request;
        let whole = || Ok(vec![(length, false)]);
        let stretches = match self.request.has(command_flag::DF) || length == 0 {
            true => whole(),
            false => self.store.stretches(self.agreed.export.dev, offset, length),
        };
        let stretches = match stretches {
            Ok(stretches) => stretches,
            Err(error) => return self.fail(code(&error)),
        };
        self.seen();
        let (mut at, last) = (offset, stretches.len() - 1);
        for (index, (bytes, hole)) in stretches.into_iter().enumerate() {
            let flags = if index == last { chunk::DONE } else { 0 };
            if hole {
                let body = Message::default().u64(at).u32(bytes as u32).into_bytes();
                self.chunk(flags, chunk::OFFSET_HOLE, &[&body])?;
            } else {
                match self.read(at, bytes) {
                    Ok(data) => {
                        let place = Message::default().u64(at).into_bytes();
                        self.chunk(flags, chunk::OFFSET_DATA, &[&place, &data])?;
                    }
                    Err(error) => return self.fail(code(&error)),
                }
            }
            at += bytes;
        }
        Ok(())
    }

    fn block_status(&mut self) -> io::Result<()> {
        let Request { offset, length, .. } = self.request;
        let window = length.min(WINDOW_BYTES); // the client asks on
        let mut stretches = match self.store.stretches(self.agreed.export.dev, offset, window) {
            Ok(stretches) => stretches,
            Err(error) => return self.fail(code(&error)),
        };
        stretches.truncate(if self.request.has(command_flag::REQ_ONE) { 1 } else { STRETCHES_MAX });
        let id = Message::default().u32(ALLOCATION_ID);
        let flags = |hole| if hole { HOLE_AND_ZERO } else { 0 };
        if self.agreed.headers == Headers::Extended {
            let head = id.u32(stretches.len() as u32);
            let body = stretches.into_iter();
            let body = body.fold(head, |body, (bytes, hole)| body.u64(bytes).u64(u64::from(flags(hole))));
            return self.chunk(chunk::DONE, chunk::BLOCK_STATUS_EXTENDED, &[&body.into_bytes()]);
        }
        let body = stretches.into_iter();
        let body = body.fold(id, |body, (bytes, hole)| body.u32(bytes as u32).u32(flags(hole)));
        self.chunk(chunk::DONE, chunk::BLOCK_STATUS, &[&body.into_bytes()])
    }

    fn done(&mut self) -> io::Result<()> {
        match self.agreed.headers {
            Headers::Simple => self.simple(0),
            _ => self.chunk(chunk::DONE, chunk::NONE, &[]),
        }
    }

    fn fail(&mut self, code: u32) -> io::Result<()> {
        if self.agreed.headers == Headers::Simple {
            return self.simple(code);
        }
        let body = Message::default().u32(code).u16(0).into_bytes();
        self.chunk(chunk::DONE, chunk::ERROR, &[&body])
    }

    fn simple(&mut self, code: u32) -> io::Result<()> {
        Message::default().u32(SIMPLE_REPLY_MAGIC).u32(code).u64(self.request.cookie).send(self.stream)
    }

    fn chunk(&mut self, flags: u16, kind: u16, parts: &[&[u8]]) -> io::Result<()> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let Request { cookie, offset, .. } = self.request;
        let head = Message::default();
        let head = match self.agreed.headers {
            Headers::Extended => {
                let head = head.u32(EXTENDED_CHUNK_MAGIC).u16(flags).u16(kind);
                head.u64(cookie).u64(offset).u64(length as u64)
            }
            _ => head.u32(CHUNK_MAGIC).u16(flags).u16(kind).u64(cookie).u32(length as u32),
        };
        head.send(self.stream)?;
        parts.iter().try_for_each(|part| self.stream.write_all(part))
    }
}

fn ragged(offset: u64, length: u64) -> bool {
    !offset.is_multiple_of(BLOCK) || !length.is_multiple_of(BLOCK)
}

/// What a client is told of an error.
fn code(error: &Error) -> u32 {
    match error {
        Error::NoSpace { .. } | Error::OverQuota { .. } | Error::NoPages { .. } => errno::NO_SPACE,
        Error::ReadOnly(_) => errno::PERMITTED,
        Error::OutOfRange { .. } | Error::BadSetting(_) => errno::INVALID,
        Error::Unsupported(_) => errno::NOT_SUPPORTED,
        Error::Closed | Error::NotFound(_) => errno::SHUTDOWN,
        _ => errno::IO,
    }
}
