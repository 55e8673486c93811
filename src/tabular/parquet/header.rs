//! The header of a page.

use super::thrift::{Fault, Input, kinds};

/// What comes before the bytes of a page.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Header {
    pub(super) kind: i64,
    /// Bytes, unpacked and packed.
    pub(super) unpacked: i64,
    pub(super) packed: i64,
    /// Checksum of the packed bytes.
    pub(super) crc: Option<u32>,
    /// Values, nulls among them.
    pub(super) values: i64,
    pub(super) encoding: i64,
    /// How levels are written, in a page of the first version.
    pub(super) levels: i64,
    /// What a page of the second version says besides.
    pub(super) second: Option<Second>,
}

/// What only pages of the second version have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Second {
    pub(super) nulls: i64,
    pub(super) rows: i64,
    /// Bytes of the levels, which are not packed.
    pub(super) definition: i64,
    pub(super) repetition: i64,
    pub(super) packed: bool,
}

/// Kinds of pages.
pub(super) const DATA: i64 = 0;
pub(super) const INDEX: i64 = 1;
pub(super) const DICTIONARY: i64 = 2;
pub(super) const DATA_SECOND: i64 = 3;

impl Header {
    /// Reads a header, and says how long it is.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), Fault> {
        let (mut header, mut input) = (Self::default(), Input::new(bytes));
        input.fields(kinds::STRUCT, &mut |input, id, kind| {
            match id {
                1 => header.kind = input.int(kind)?,
                2 => header.unpacked = input.int(kind)?,
                3 => header.packed = input.int(kind)?,
                // The bits are what counts, whatever their sign.
                4 => header.crc = Some(input.int(kind)? as u32),
                5 | 7 => header.first(input, kind)?,
                8 => header.second(input, kind)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok((header, input.taken()))
    }

    /// Of a page of data of the first version, or of a dictionary.
    fn first(&mut self, input: &mut Input<'_>, kind: u8) -> Result<(), Fault> {
        input.fields(kind, &mut |input, id, kind| {
            match (id, kind) {
                (1, _) => self.values = input.int(kind)?,
                (2, _) => self.encoding = input.int(kind)?,
                // Of a dictionary it is a truth value.
                (3, kinds::I32) => self.levels = input.int(kind)?,
                _ => return Ok(false),
            }
            Ok(true)
        })
    }

    fn second(&mut self, input: &mut Input<'_>, kind: u8) -> Result<(), Fault> {
        let mut second = Second { nulls: -1, rows: -1, definition: 0, repetition: 0, packed: true };
        input.fields(kind, &mut |input, id, kind| {
            match id {
                1 => self.values = input.int(kind)?,
                2 => second.nulls = input.int(kind)?,
                3 => second.rows = input.int(kind)?,
                4 => self.encoding = input.int(kind)?,
                5 => second.definition = input.int(kind)?,
                6 => second.repetition = input.int(kind)?,
                7 => second.packed = kind == kinds::TRUE,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        self.second = Some(second);
        Ok(())
    }
}
