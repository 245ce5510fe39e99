//! Packet lines: four hexadecimal digits of length, and the bytes.

use gix_packetline::PacketLineRef;
use gix_packetline::decode::{Stream, streaming};

/// One packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Some bytes, at least one.
    Data(&'a [u8]),
    /// The end of a part.
    Flush,
}

/// The bytes are no packet lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what arrived is not in Git's packet format: {0}")]
pub struct PacketError(String);

/// Cuts a stream that arrives in pieces into packets.
#[derive(Debug, Default)]
pub struct Packets {
    buffer: Vec<u8>,
    /// How much of the buffer was handed out.
    consumed: usize,
}

impl Packets {
    /// Takes the next bytes of the stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next packet that is complete.
    ///
    /// # Errors
    /// The bytes are no packet lines; the stream is of no use any more.
    pub fn next_packet(&mut self) -> Result<Option<Packet<'_>>, PacketError> {
        match streaming(&self.buffer[self.consumed..]).map_err(|error| PacketError(error.to_string()))? {
            Stream::Incomplete { .. } => Ok(None),
            Stream::Complete { line, bytes_consumed } => {
                self.consumed += bytes_consumed;
                match line {
                    PacketLineRef::Data(data) => Ok(Some(Packet::Data(data))),
                    PacketLineRef::Flush => Ok(Some(Packet::Flush)),
                    PacketLineRef::Delimiter | PacketLineRef::ResponseEnd => {
                        Err(PacketError("a mark of protocol version 2".to_owned()))
                    }
                }
            }
        }
    }

    /// Whether bytes are left that were not handed out.
    #[must_use]
    pub fn has_rest(&self) -> bool {
        self.consumed < self.buffer.len()
    }
}

/// A text without the line's end that Git puts behind most of them.
pub(crate) fn without_newline(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// Appends `parts` as one packet; together they must be shorter than 65,516 bytes, which our requests are.
pub(crate) fn append(packets: &mut Vec<u8>, parts: &[&[u8]]) {
    let length = 4 + parts.iter().map(|part| part.len()).sum::<usize>();
    packets.extend_from_slice(format!("{length:04x}").as_bytes());
    parts.iter().for_each(|part| packets.extend_from_slice(part));
}

/// What ends a part, and what ends a session in which nothing was asked for.
pub const FLUSH: &[u8] = b"0000";
