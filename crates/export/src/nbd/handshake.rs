//! The handshake: options until the client has chosen an export.
//!
//! Invariant: an option is answered or the connection ends; at most so many options, each of bounded length, before either.

use super::wire::{
    FIXED_NEWSTYLE, MAGIC, Message, NO_ZEROES, OPTION_BYTES_MAX, OPTION_MAGIC, OPTION_REPLY_MAGIC,
    REQUEST_BYTES_MAX, ReadNumbers, broken, flag, info, option, reply,
};
use crate::{Export, Store};
use std::io::{self, Read, Write};

/// Options that a client may send: far more than any does, and an end to a flood.
const OPTIONS_MAX: u32 = 128;
/// The one metadata context that is offered.
const ALLOCATION: &[u8] = b"base:allocation";
/// Its number on this server.
pub(super) const ALLOCATION_ID: u32 = 1;

/// How answers look, and with `Extended` requests, too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Headers {
    Simple,
    Structured,
    Extended,
}

/// What was agreed on.
pub(super) struct Agreed {
    pub(super) export: Export,
    pub(super) headers: Headers,
    /// Whether block status may be asked for.
    pub(super) allocation: bool,
}

/// A client in its handshake.
struct Client<'a, S: Read + Write> {
    stream: &'a mut S,
    store: &'a Store,
    no_zeroes: bool,
    headers: Headers,
    /// The export that block status was agreed on for.
    allocation_of: Option<String>,
}

/// Greet, and answer options until an export is chosen; `None` if the client left. Errors: `InvalidData` if it broke the protocol.
pub(super) fn greet<S: Read + Write>(stream: &mut S, store: &Store) -> io::Result<Option<Agreed>> {
    Message::default().u64(MAGIC).u64(OPTION_MAGIC).u16(FIXED_NEWSTYLE | NO_ZEROES).send(stream)?;
    stream.flush()?;
    let flags = stream.u32()?;
    if flags & !u32::from(FIXED_NEWSTYLE | NO_ZEROES) != 0 || flags & u32::from(FIXED_NEWSTYLE) == 0 {
        return Err(broken("handshake flags: fixed newstyle is needed, and no flag that is not known"));
    }
    let no_zeroes = flags & u32::from(NO_ZEROES) != 0;
    let mut client = Client { stream, store, no_zeroes, headers: Headers::Simple, allocation_of: None };
    for _ in 0..OPTIONS_MAX {
        match client.option()? {
            Next::More => {}
            Next::Chosen(export) => return Ok(Some(client.agreed(export))),
            Next::Leaves => return Ok(None),
        }
    }
    Err(broken("too many options"))
}

enum Next {
    More,
    Chosen(Export),
    Leaves,
}

impl<S: Read + Write> Client<'_, S> {
    fn agreed(&self, export: Export) -> Agreed {
        let chunks = self.headers > Headers::Simple;
        let allocation = chunks && self.allocation_of.as_deref() == Some(&export.name.to_string());
        Agreed { export, headers: self.headers, allocation }
    }

    fn option(&mut self) -> io::Result<Next> {
        if self.stream.u64()? != OPTION_MAGIC {
            return Err(broken("an option's magic"));
        }
        let (option, length) = (self.stream.u32()?, self.stream.u32()?);
        if length > OPTION_BYTES_MAX {
            return self.too_big(option, length);
        }
        let data = self.stream.take_bytes(length)?;
        match option {
            option::EXPORT_NAME if self.headers == Headers::Extended => {
                Err(broken("the oldest way to an export after extended headers"))
            }
            option::EXPORT_NAME => self.export_name(&data),
            option::ABORT => {
                self.reply(option, reply::ACK, &[])?;
                Ok(Next::Leaves)
            }
            option::LIST if data.is_empty() => self.list(),
            option::INFO | option::GO => self.info(option, &data),
            option::STRUCTURED_REPLY if data.is_empty() && self.headers == Headers::Extended => {
                self.reply(option, reply::ERROR_EXTENDED_HEADERS, b"extended headers were agreed on")
            }
            option::STRUCTURED_REPLY if data.is_empty() => {
                self.headers = Headers::Structured;
                self.reply(option, reply::ACK, &[])
            }
            option::EXTENDED_HEADERS if data.is_empty() => {
                self.headers = Headers::Extended;
                self.reply(option, reply::ACK, &[])
            }
            option::LIST | option::STRUCTURED_REPLY | option::EXTENDED_HEADERS => {
                self.reply(option, reply::ERROR_INVALID, b"has no data")
            }
            option::LIST_META_CONTEXT | option::SET_META_CONTEXT => self.contexts(option, &data),
            _ => self.reply(option, reply::ERROR_UNSUPPORTED, &[]),
        }
    }

    /// Read past it in small steps, and say so.
    fn too_big(&mut self, option: u32, length: u32) -> io::Result<Next> {
        if length > REQUEST_BYTES_MAX {
            return Err(broken("an option longer than any"));
        }
        io::copy(&mut (&mut *self.stream).take(u64::from(length)), &mut io::sink())?;
        self.reply(option, reply::ERROR_TOO_BIG, b"an option has at most 16 KiB")
    }

    fn reply(&mut self, option: u32, kind: u32, data: &[u8]) -> io::Result<Next> {
        let head = Message::default().u64(OPTION_REPLY_MAGIC).u32(option).u32(kind).u32(data.len() as u32);
        head.bytes(data).send(self.stream)?;
        self.stream.flush()?;
        Ok(Next::More)
    }

    /// The oldest way: no answer but the export or the end.
    fn export_name(&mut self, name: &[u8]) -> io::Result<Next> {
        let text = std::str::from_utf8(name).map_err(|_| broken("an export's name is UTF-8"))?;
        let export = self.store.export(text).map_err(|error| broken(&format!("export {text:?}: {error}")))?;
        let zeroes = if self.no_zeroes { 0 } else { 124 };
        let answer = Message::default().u64(export.bytes).u16(flags_of(&export, self.headers));
        answer.bytes(&vec![0; zeroes]).send(self.stream)?;
        self.stream.flush()?;
        Ok(Next::Chosen(export))
    }

    fn list(&mut self) -> io::Result<Next> {
        let exports = self.store.exports().map_err(|error| broken(&error.to_string()))?;
        for export in exports {
            let name = export.name.to_string();
            let entry = Message::default().u32(name.len() as u32).bytes(name.as_bytes()).into_bytes();
            self.reply(option::LIST, reply::SERVER, &entry)?;
        }
        self.reply(option::LIST, reply::ACK, &[])
    }

    fn info(&mut self, option: u32, data: &[u8]) -> io::Result<Next> {
        let Some((name, rest)) = named(data) else {
            return self.reply(option, reply::ERROR_INVALID, b"a name does not fit the option");
        };
        let mut rest = rest;
        let asked: Option<Vec<u16>> =
            rest.u16().ok().and_then(|count| (0..count).map(|_| rest.u16().ok()).collect());
        let (Some(_), true) = (asked, rest.is_empty()) else {
            return self.reply(option, reply::ERROR_INVALID, b"information requests do not fit the option");
        };
        let export = match self.store.export(name) {
            Ok(export) => export,
            Err(error) => return self.reply(option, reply::ERROR_UNKNOWN, error.to_string().as_bytes()),
        };
        let flags = flags_of(&export, self.headers);
        let about = Message::default().u16(info::EXPORT).u64(export.bytes).u16(flags).into_bytes();
        self.reply(option, reply::INFO, &about)?;
        // Any byte can be asked for; whole blocks cost no reading before writing.
        let sizes = Message::default().u16(info::BLOCK_SIZE).u32(1).u32(4096).u32(REQUEST_BYTES_MAX);
        self.reply(option, reply::INFO, &sizes.into_bytes())?;
        self.reply(option, reply::ACK, &[])?;
        Ok(if option == option::GO { Next::Chosen(export) } else { Next::More })
    }

    fn contexts(&mut self, option: u32, data: &[u8]) -> io::Result<Next> {
        if self.headers == Headers::Simple {
            return self.reply(option, reply::ERROR_INVALID, b"structured replies come first");
        }
        let Some((name, queries)) = named(data).and_then(|(name, rest)| Some((name, queries(rest)?))) else {
            return self.reply(option, reply::ERROR_INVALID, b"queries do not fit the option");
        };
        let name = match self.store.export(name) {
            Ok(export) => export.name.to_string(),
            Err(error) => return self.reply(option, reply::ERROR_UNKNOWN, error.to_string().as_bytes()),
        };
        let sets = option == option::SET_META_CONTEXT;
        let matches = |query: &&[u8]| *query == ALLOCATION || (!sets && *query == b"base:");
        let wanted = queries.iter().any(matches) || (!sets && queries.is_empty());
        if sets {
            self.allocation_of = wanted.then_some(name);
        }
        if wanted {
            let id = if sets { ALLOCATION_ID } else { 0 };
            let context = Message::default().u32(id).bytes(ALLOCATION).into_bytes();
            self.reply(option, reply::META_CONTEXT, &context)?;
        }
        self.reply(option, reply::ACK, &[])
    }
}

/// A name with its length before it, and what follows.
fn named(mut data: &[u8]) -> Option<(&str, &[u8])> {
    let length = data.u32().ok()? as usize;
    let (name, rest) = data.split_at_checked(length)?;
    Some((std::str::from_utf8(name).ok()?, rest))
}

/// A count, then as many queries, each with its length before it, and nothing else.
fn queries(mut data: &[u8]) -> Option<Vec<&[u8]>> {
    let mut queries = Vec::new();
    for _ in 0..data.u32().ok()? {
        let length = data.u32().ok()? as usize;
        let (query, rest) = data.split_at_checked(length)?;
        queries.push(query);
        data = rest;
    }
    data.is_empty().then_some(queries)
}

fn flags_of(export: &Export, headers: Headers) -> u16 {
    let always = flag::HAS_FLAGS | flag::SEND_FLUSH | flag::CAN_MULTI_CONN | flag::SEND_CACHE;
    let writes = flag::SEND_FUA | flag::SEND_TRIM | flag::SEND_WRITE_ZEROES;
    let df = if headers == Headers::Simple { 0 } else { flag::SEND_DF };
    always | df | if export.read_only { flag::READ_ONLY } else { writes }
}
