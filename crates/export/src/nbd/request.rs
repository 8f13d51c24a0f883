//! One request, as it came and as it may be.
//!
//! Invariant: a `Request` that passed [`Request::check`] lies inside its export and has only flags that its command takes.

use super::wire::{
    EXTENDED_REQUEST_MAGIC, REQUEST_BYTES_MAX, REQUEST_MAGIC, ReadNumbers, broken, command, command_flag,
    errno,
};
use crate::Export;
use std::io::{self, Read};

/// The header of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) flags: u16,
    pub(super) command: u16,
    pub(super) cookie: u64,
    pub(super) offset: u64,
    pub(super) length: u64,
    extended: bool,
}

impl Request {
    /// Errors: `InvalidData` without the magic; `UnexpectedEof` if the client left.
    pub(super) fn read(from: &mut dyn Read, extended: bool) -> io::Result<Request> {
        if from.u32()? != if extended { EXTENDED_REQUEST_MAGIC } else { REQUEST_MAGIC } {
            return Err(broken("a request's magic"));
        }
        let (flags, command, cookie, offset) = (from.u16()?, from.u16()?, from.u64()?, from.u64()?);
        let length = if extended { from.u64()? } else { u64::from(from.u32()?) };
        Ok(Request { flags, command, cookie, offset, length, extended })
    }

    /// The bytes that follow it. Errors: `InvalidData` if they are more than any client was told it may send.
    pub(super) fn payload(&self, from: &mut dyn Read) -> io::Result<Vec<u8>> {
        // QEMU 10 writes with extended headers and does not say that bytes follow, as its own server does not mind.
        let says = self.extended && self.has(command_flag::PAYLOAD);
        let follows = says || self.command == command::WRITE;
        match u32::try_from(self.length) {
            _ if !follows => Ok(Vec::new()),
            Ok(length) if length <= REQUEST_BYTES_MAX => from.take_bytes(length),
            _ => Err(broken("a request with more bytes than was agreed on")),
        }
    }

    /// Errors: the number that the client is told.
    pub(super) fn check(&self, export: &Export) -> Result<(), u32> {
        let taken = match self.command {
            command::READ => command_flag::DF,
            command::WRITE if self.extended => command_flag::FUA | command_flag::PAYLOAD,
            command::WRITE | command::TRIM => command_flag::FUA,
            command::WRITE_ZEROES => command_flag::FUA | command_flag::NO_HOLE | command_flag::FAST_ZERO,
            command::BLOCK_STATUS => command_flag::REQ_ONE,
            // Clients set FUA on anything that they like; what changes nothing is durable already.
            _ => command_flag::FUA,
        };
        if self.flags & !(taken | command_flag::FUA) != 0 {
            return Err(errno::INVALID);
        }
        let writes = [command::WRITE, command::TRIM, command::WRITE_ZEROES].contains(&self.command);
        if writes && export.read_only {
            return Err(errno::PERMITTED);
        }
        let end = self.offset.checked_add(self.length);
        if self.command != command::FLUSH && end.is_none_or(|end| end > export.bytes) {
            return Err(if writes { errno::NO_SPACE } else { errno::INVALID });
        }
        match self.command {
            command::READ if self.length > u64::from(REQUEST_BYTES_MAX) => Err(errno::OVERFLOW),
            command::BLOCK_STATUS if self.length == 0 => Err(errno::INVALID),
            _ => Ok(()),
        }
    }

    pub(super) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}
