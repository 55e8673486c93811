//! A column of some rows, as it is written: a dictionary of the categories that occur, or plain values; packed by zstd, with
//! checksums.

use std::collections::HashMap;

use super::pages::checksum;
use super::thrift::Output;
use crate::tabular::{Code, Column, Domain, GridKind, MISSING};

/// Numbers of the format.
pub(super) mod numbers {
    pub const BOOL: i32 = 0;
    pub const INT32: i32 = 1;
    pub const INT64: i32 = 2;
    pub const DOUBLE: i32 = 5;
    pub const BYTES: i32 = 6;
    pub const PLAIN: i32 = 0;
    pub const RLE: i32 = 3;
    pub const DICTIONARY: i32 = 8;
    pub const ZSTD: i32 = 6;
}
use numbers as n;

/// How well pages are packed.
const LEVEL: i32 = 3;
const DATA_PAGE: i32 = 0;
const DICTIONARY_PAGE: i32 = 2;
const MICROS: i64 = 1_000_000;

/// What the footer says of a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) dictionary: Option<u64>,
    pub(super) data: u64,
    pub(super) values: usize,
    pub(super) unpacked: u64,
    pub(super) packed: u64,
}

/// The number of a column's storage.
pub(super) fn physical(column: &Column) -> i32 {
    match &column.domain {
        Domain::Categories(_) if column.is_boolean() => n::BOOL,
        Domain::Categories(_) => n::BYTES,
        Domain::Grid(grid) => match grid.kind() {
            GridKind::Integer | GridKind::Moment => n::INT64,
            GridKind::Decimal => n::DOUBLE,
            GridKind::Date => n::INT32,
        },
    }
}

/// Appends a chunk to `out`, which begins at byte `base` of the file.
pub(super) fn write(column: &Column, codes: &[Code], base: u64, out: &mut Vec<u8>) -> std::io::Result<Written> {
    let start = base + out.len() as u64;
    let (mut dictionary, mut unpacked) = (None, 0);
    let mut page = if column.nullable { levels(codes) } else { Vec::new() };
    let present = codes.iter().copied().filter(|&code| code != MISSING);
    let encoding = match &column.domain {
        Domain::Categories(_) if column.is_boolean() => {
            let flags: Vec<Code> = present.collect();
            page.extend(flags.chunks(8).map(|flags| flags.iter().rev().fold(0, |byte, &flag| byte << 1 | flag as u8)));
            n::PLAIN
        }
        Domain::Categories(names) => {
            let (entries, places) = entries(names, present);
            let text: Vec<u8> = entries.iter().flat_map(|&name| plain_text(name)).collect();
            dictionary = Some(start);
            unpacked += put(out, (DICTIONARY_PAGE, &text), |header| {
                header.nested(7, |header| {
                    header.i32(1, entries.len() as i32);
                    header.i32(2, n::PLAIN);
                });
            })?;
            let width = usize::BITS - entries.len().saturating_sub(1).leading_zeros();
            page.push(width as u8);
            pack(&places, width, &mut page);
            n::DICTIONARY
        }
        Domain::Grid(grid) => {
            for code in present {
                match grid.kind() {
                    GridKind::Integer => page.extend_from_slice(&grid.units(code).to_le_bytes()),
                    GridKind::Decimal => page.extend_from_slice(&grid.number(code).to_le_bytes()),
                    // Days and microseconds of the years 0 to 9999 fit.
                    GridKind::Date => page.extend_from_slice(&((grid.units(code) / 86_400) as i32).to_le_bytes()),
                    GridKind::Moment => page.extend_from_slice(&(grid.units(code) * MICROS).to_le_bytes()),
                }
            }
            n::PLAIN
        }
    };
    let data = base + out.len() as u64;
    unpacked += put(out, (DATA_PAGE, &page), |header| {
        header.nested(5, |header| {
            header.i32(1, codes.len() as i32);
            header.i32(2, encoding);
            header.i32(3, n::RLE);
            header.i32(4, n::RLE);
        });
    })?;
    let packed = base + out.len() as u64 - start;
    Ok(Written { dictionary, data, values: codes.len(), unpacked, packed })
}

/// Appends a page behind its header, whose last field `about` writes; gives how long both are without packing.
fn put(out: &mut Vec<u8>, (kind, page): (i32, &[u8]), about: impl FnOnce(&mut Output)) -> std::io::Result<u64> {
    let packed = zstd::bulk::compress(page, LEVEL)?;
    let mut header = Output::new();
    header.bare(|header| {
        header.i32(1, kind);
        header.i32(2, page.len() as i32);
        header.i32(3, packed.len() as i32);
        header.i32(4, checksum(&packed) as i32);
        about(header);
    });
    out.extend_from_slice(&header.bytes);
    out.extend_from_slice(&packed);
    Ok((header.bytes.len() + page.len()) as u64)
}

/// The names that occur, in the order in which they do, and for each cell which of them it is.
fn entries(names: &[String], codes: impl Iterator<Item = Code>) -> (Vec<&str>, Vec<u32>) {
    let (mut known, mut entries): (HashMap<Code, u32>, Vec<&str>) = (HashMap::new(), Vec::new());
    let places = codes.map(|code| {
        *known.entry(code).or_insert_with(|| {
            entries.push(&names[code as usize]);
            entries.len() as u32 - 1
        })
    });
    let places = places.collect();
    (entries, places)
}

fn plain_text(text: &str) -> impl Iterator<Item = u8> + '_ {
    (text.len() as u32).to_le_bytes().into_iter().chain(text.bytes())
}

/// Which cells are there, behind four bytes with the length.
fn levels(codes: &[Code]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(codes.len() / 8 + 16);
    if codes.contains(&MISSING) {
        let present: Vec<u32> = codes.iter().map(|&code| u32::from(code != MISSING)).collect();
        pack(&present, 1, &mut packed);
    } else {
        varint((codes.len() as u64) << 1, &mut packed);
        packed.push(1);
    }
    let mut levels = (packed.len() as u32).to_le_bytes().to_vec();
    levels.append(&mut packed);
    levels
}

/// Appends numbers of `width` bits as one run of packed ones; numbers of no bits as one run of zeros.
fn pack(numbers: &[u32], width: u32, out: &mut Vec<u8>) {
    if numbers.is_empty() {
        return;
    }
    if width == 0 {
        return varint((numbers.len() as u64) << 1, out);
    }
    varint((numbers.len().div_ceil(8) as u64) << 1 | 1, out);
    let (mut held, mut bits) = (0u64, 0);
    let padded =
        numbers.iter().copied().chain(std::iter::repeat_n(0, numbers.len().next_multiple_of(8) - numbers.len()));
    for number in padded {
        held |= u64::from(number) << bits;
        bits += width;
        while bits >= 8 {
            out.push(held as u8);
            held >>= 8;
            bits -= 8;
        }
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
