//! Pages: from the file to unpacked bytes, within limits on all of them together.

use std::borrow::Cow;
use std::io::{self, Read};

use super::footer::{Chunk, DAMAGED};
use super::header::Header;
use super::limits::{self, CELL, CELLS};
use super::snappy;
use super::source::Source;
use super::thrift::Fault;
use crate::tabular::UploadLimits;

/// Why a file is not read on.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Words about the file, or about the column at hand.
    Words(Cow<'static, str>),
    /// What keeps the file is at fault.
    Source(io::Error),
}

impl From<&'static str> for Trouble {
    fn from(words: &'static str) -> Self {
        Self::Words(words.into())
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Words(DAMAGED.into()),
            _ => Self::Source(error),
        }
    }
}

/// What is said of a page that is not what its header says.
pub(super) const PAGE: &str = "is in a page that is damaged, or contradicts itself: write and send the file again";

/// The pages of a file, in whatever order they are asked for.
pub(super) struct Pages<S> {
    source: S,
    /// Bytes that pages and dictionaries have at the moment.
    held: usize,
    /// Bytes that were unpacked so far, and that may be.
    unpacked: u64,
    allowed: u64,
    pages: u64,
    packed: Vec<u8>,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

/// A chunk that is read page by page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) at: u64,
    pub(super) end: u64,
    codec: u8,
}

impl Place {
    pub(super) fn new(chunk: &Chunk) -> Self {
        Self { at: chunk.start, end: chunk.start + chunk.length, codec: chunk.codec }
    }
}

impl<S: Source> Pages<S> {
    pub(super) fn new(source: S, limits: &UploadLimits) -> Self {
        let cells = allowed(source.length(), limits);
        let allowed = cells.saturating_mul(CELL).min(limits.table_bytes);
        Self { source, held: 0, unpacked: 0, allowed, pages: 0, packed: Vec::new(), zstd: None }
    }

    /// The file.
    pub(super) fn source(&mut self) -> &mut S {
        &mut self.source
    }

    /// Reads the next page of a chunk: its header, and its bytes into `page`, unpacked. Levels of the second version come
    /// first.
    pub(super) fn next(&mut self, place: &mut Place, page: &mut Vec<u8>) -> Result<Header, Trouble> {
        self.pages += 1;
        if self.pages > limits::PAGES {
            return Err("lies in too many pages, the file has more than a million: write larger ones".into());
        }
        let (header, length) = self.header(place)?;
        let size = |bytes: i64| match usize::try_from(bytes) {
            Ok(bytes) if bytes <= limits::PAGE => Ok(bytes),
            Ok(_) => Err(Trouble::from("lies in a page of more than 16 MiB: write smaller ones (data_page_size)")),
            Err(_) => Err(PAGE.into()),
        };
        let (packed, unpacked) = (size(header.packed)?, size(header.unpacked)?);
        let start = place.at + length as u64;
        let end = start + packed as u64;
        if end > place.end {
            return Err(PAGE.into());
        }
        self.packed.resize(packed, 0);
        self.source.read_at(start, &mut self.packed)?;
        place.at = end;
        if header.crc.is_some_and(|crc| crc != checksum(&self.packed)) {
            return Err("is in a page whose checksum does not fit: write and send the file again".into());
        }
        self.unpacked += unpacked as u64;
        if self.unpacked > self.allowed {
            return Err(
                "unpacks to more than the allowed ratio: write the file with less compression, or send CSV".into()
            );
        }
        self.make_room(page, unpacked)?;
        self.unpack(&header, place.codec, page)?;
        // A page of the largest size would stay for the rest of the file.
        self.packed.shrink_to(1 << 20);
        Ok(header)
    }

    fn header(&mut self, place: &Place) -> Result<(Header, usize), Trouble> {
        let mut window = Vec::new();
        for most in [1 << 10, 1 << 16, limits::HEADER] {
            let length = (place.end - place.at).min(most as u64) as usize;
            window.resize(length, 0);
            self.source.read_at(place.at, &mut window)?;
            match Header::read(&window) {
                Ok(read) => return Ok(read),
                Err(Fault::Short) if length == most => {}
                Err(_) => break,
            }
        }
        Err(PAGE.into())
    }

    /// Makes room for a page in the place of the one before it.
    fn make_room(&mut self, page: &mut Vec<u8>, bytes: usize) -> Result<(), Trouble> {
        self.release(page.capacity());
        page.clear();
        if page.capacity() > bytes.saturating_mul(2) {
            *page = Vec::new();
        }
        page.reserve_exact(bytes);
        self.hold(page.capacity())
    }

    /// Counts bytes that stay in memory.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), Trouble> {
        self.held = self.held.saturating_add(bytes);
        if self.held <= limits::HELD {
            return Ok(());
        }
        let words = "and the other columns have pages of more than 64 MiB at once: write smaller ones (data_page_size), or send CSV";
        Err(words.into())
    }

    /// Counts bytes that do not stay any more.
    pub(super) fn release(&mut self, bytes: usize) {
        self.held = self.held.saturating_sub(bytes);
    }

    fn unpack(&mut self, header: &Header, codec: u8, page: &mut Vec<u8>) -> Result<(), Trouble> {
        let unpacked = header.unpacked as usize;
        let (levels, plain) = match header.second {
            None => (0, false),
            Some(second) => {
                let levels = second.definition.checked_add(second.repetition).and_then(|sum| usize::try_from(sum).ok());
                (levels.filter(|_| second.definition >= 0 && second.repetition >= 0).ok_or(PAGE)?, !second.packed)
            }
        };
        let (Some(head), Some(expected)) = (self.packed.get(..levels), unpacked.checked_sub(levels)) else {
            return Err(PAGE.into());
        };
        let body = &self.packed[levels..];
        let done = match codec {
            _ if plain || expected == 0 && body.is_empty() => copied(body, expected, page),
            0 => copied(body, expected, page),
            1 => snappy::unpack(body, expected, page),
            2 => gunzip(body, expected, page),
            6 => unzstd(&mut self.zstd, (body, expected), page),
            _ => {
                let words =
                    "is packed by a codec that is not read here: write the file with snappy, zstd, gzip or none";
                return Err(words.into());
            }
        };
        done.ok_or("is in a page whose compression is damaged: write and send the file again")?;
        page.splice(0..0, head.iter().copied());
        Ok(())
    }
}

/// How many cells a file of this length may hold. As text each would be a byte at the least, so they are bounded as the bytes
/// of a packed text are; but few bytes may rightly say that many cells are alike.
pub(super) fn allowed(length: u64, limits: &UploadLimits) -> u64 {
    length.saturating_mul(limits.ratio).max(CELLS).min(limits.table_bytes)
}

fn copied(body: &[u8], expected: usize, page: &mut Vec<u8>) -> Option<()> {
    page.clear();
    page.extend_from_slice(body);
    (body.len() == expected).then_some(())
}

fn gunzip(body: &[u8], expected: usize, page: &mut Vec<u8>) -> Option<()> {
    page.clear();
    // One byte more, so that a longer one is noticed.
    let mut reader = flate2::bufread::MultiGzDecoder::new(body).take(expected as u64 + 1);
    reader.read_to_end(page).ok()?;
    (page.len() == expected).then_some(())
}

fn unzstd(
    decoder: &mut Option<zstd::bulk::Decompressor<'static>>,
    (body, expected): (&[u8], usize),
    page: &mut Vec<u8>,
) -> Option<()> {
    if decoder.is_none() {
        *decoder = Some(zstd::bulk::Decompressor::new().ok()?);
    }
    page.clear();
    page.resize(expected, 0);
    let written = decoder.as_mut()?.decompress_to_buffer(body, page.as_mut_slice()).ok()?;
    (written == expected).then_some(())
}

pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
