//! The body as it arrives, and what it is without its content coding (RFC 9110 section 8.4.1, RFC 7932, RFC 8878). Memory is
//! bounded by the window of the coding whatever the body unfolds to. Absent: a bound on what it unfolds to; the sink has it.

use std::io::{self, BufRead, BufReader, Read};

use hyper::body::Bytes;
use hyper::header::{CONTENT_ENCODING, HeaderMap};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use tokio::sync::mpsc::Receiver;

use super::error::GetError;
use super::limits::DECODED_PIECE_BYTES;

/// What is asked for with `--compressed`, best first.
pub(super) const ACCEPTED: &str = "zstd, br, gzip";

/// How a body is coded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Coding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    /// The coding of an answer. More than one on top of each other is not taken.
    pub(super) fn of(fields: &HeaderMap) -> Result<Self, GetError> {
        let listed: Vec<_> = fields.get_all(CONTENT_ENCODING).iter().map(|value| value.as_bytes()).collect();
        let text = String::from_utf8_lossy(&listed.join(&b","[..])).trim().to_ascii_lowercase();
        match text.as_str() {
            "" | "identity" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "br" => Ok(Self::Brotli),
            "zstd" => Ok(Self::Zstd),
            other => Err(GetError::UnknownCoding { coding: other.chars().take(60).collect() }),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// `body` without the coding. Reading fails when the coded body is damaged or ends early.
    pub(super) fn decoder(self, body: Arriving) -> Box<dyn Read + Send> {
        match self {
            Self::Identity => Box::new(body),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(body))),
            Self::Brotli => Box::new(brotli_decompressor::Decompressor::new(body, DECODED_PIECE_BYTES)),
            Self::Zstd => {
                Box::new(Zstd { body: BufReader::new(body), frame: FrameDecoder::new(), is_open: false })
            }
        }
    }
}

/// The pieces of a body, read where reading may wait.
pub(super) struct Arriving {
    pieces: Receiver<Bytes>,
    piece: Bytes,
}

impl Arriving {
    pub(super) fn new(pieces: Receiver<Bytes>) -> Self {
        Self { pieces, piece: Bytes::new() }
    }
}

impl Read for Arriving {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let count = room.len().min(self.piece.len());
        room[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}

/// Frame behind frame, as RFC 8878 section 3.1 lets a body be.
struct Zstd<R> {
    body: R,
    frame: FrameDecoder,
    is_open: bool,
}

impl<R: BufRead> Zstd<R> {
    /// Decodes until `room` could be filled or the frame ends.
    fn advance(&mut self, room: usize) -> io::Result<()> {
        while !self.frame.is_finished() && self.frame.can_collect() < room {
            let wanted = BlockDecodingStrategy::UptoBytes(room - self.frame.can_collect());
            self.frame.decode_blocks(&mut self.body, wanted).map_err(io::Error::other)?;
        }
        let sums = (self.frame.get_checksum_from_data(), self.frame.get_calculated_checksum());
        match sums {
            (Some(told), Some(calculated)) if self.is_at_end() && told != calculated => {
                Err(io::Error::other("the checksum of the frame does not fit its content"))
            }
            (_, _) => Ok(()),
        }
    }

    fn is_at_end(&self) -> bool {
        self.frame.is_finished() && self.frame.can_collect() == 0
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        while !room.is_empty() {
            if !self.is_open {
                if self.body.fill_buf()?.is_empty() {
                    break;
                }
                self.frame.init(&mut self.body).map_err(io::Error::other)?;
                self.is_open = true;
            }
            self.advance(room.len())?;
            let count = self.frame.read(room)?;
            if self.is_at_end() {
                self.advance(0)?;
                self.is_open = false;
            }
            if count > 0 {
                return Ok(count);
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests;
