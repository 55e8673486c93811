//! Thrift's compact protocol, as far as Parquet needs it.

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// They end too early.
    Short,
    /// They contradict themselves.
    Broken,
}

/// Types of fields and of elements of lists.
pub(super) mod kinds {
    pub const TRUE: u8 = 1;
    pub const FALSE: u8 = 2;
    pub const BYTE: u8 = 3;
    pub const I16: u8 = 4;
    pub const I32: u8 = 5;
    pub const I64: u8 = 6;
    pub const DOUBLE: u8 = 7;
    pub const BINARY: u8 = 8;
    pub const LIST: u8 = 9;
    pub const SET: u8 = 10;
    pub const MAP: u8 = 11;
    pub const STRUCT: u8 = 12;
}

/// Deepest nesting of what is skipped.
const DEEPEST: u8 = 24;

/// Bytes that are read from their beginning.
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes that were read.
    pub(super) fn taken(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        let byte = self.bytes.get(self.at).copied().ok_or(Fault::Short)?;
        self.at += 1;
        Ok(byte)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Fault> {
        let length = usize::try_from(length).map_err(|_| Fault::Short)?;
        let end = self.at.checked_add(length).ok_or(Fault::Short)?;
        let taken = self.bytes.get(self.at..end).ok_or(Fault::Short)?;
        self.at = end;
        Ok(taken)
    }

    pub(super) fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Fault::Broken)
    }

    pub(super) fn zigzag(&mut self) -> Result<i64, Fault> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A whole number of a field of any width.
    pub(super) fn int(&mut self, kind: u8) -> Result<i64, Fault> {
        match kind {
            kinds::BYTE => Ok(i64::from(self.byte()? as i8)),
            kinds::I16 | kinds::I32 | kinds::I64 => self.zigzag(),
            _ => Err(Fault::Broken),
        }
    }

    /// Text or bytes.
    pub(super) fn binary(&mut self, kind: u8) -> Result<&'a [u8], Fault> {
        if kind != kinds::BINARY {
            return Err(Fault::Broken);
        }
        let length = self.varint()?;
        self.take(length)
    }

    /// Reads a list, element by element.
    pub(super) fn list(
        &mut self,
        kind: u8,
        each: &mut dyn FnMut(&mut Self, u8) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let (length, element) = self.list_head(kind)?;
        (0..length).try_for_each(|_| each(self, element))
    }

    fn list_head(&mut self, kind: u8) -> Result<(u64, u8), Fault> {
        if kind != kinds::LIST && kind != kinds::SET {
            return Err(Fault::Broken);
        }
        let head = self.byte()?;
        let length = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        // Each element takes a byte at the least.
        if length > (self.bytes.len() - self.at) as u64 { Err(Fault::Short) } else { Ok((length, head & 15)) }
    }

    /// Reads the fields of a struct; those that `each` does not take are skipped.
    pub(super) fn fields(
        &mut self,
        kind: u8,
        each: &mut dyn FnMut(&mut Self, i64, u8) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        if kind != kinds::STRUCT {
            return Err(Fault::Broken);
        }
        let mut id = 0;
        while let Some(kind) = self.field(&mut id)? {
            if !each(self, id, kind)? {
                self.skip(kind, DEEPEST)?;
            }
        }
        Ok(())
    }

    /// The head of the next field, whose number `id` then is; none at the end of the struct.
    fn field(&mut self, id: &mut i64) -> Result<Option<u8>, Fault> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        *id = match head >> 4 {
            0 => i64::from(i16::try_from(self.zigzag()?).map_err(|_| Fault::Broken)?),
            delta => *id + i64::from(delta),
        };
        Ok(Some(head & 15))
    }

    fn skip(&mut self, kind: u8, depth: u8) -> Result<(), Fault> {
        let depth = depth.checked_sub(1).ok_or(Fault::Broken)?;
        match kind {
            kinds::TRUE | kinds::FALSE => {}
            kinds::BYTE => drop(self.byte()?),
            kinds::I16 | kinds::I32 | kinds::I64 => drop(self.varint()?),
            kinds::DOUBLE => drop(self.take(8)?),
            kinds::BINARY => drop(self.binary(kind)?),
            kinds::LIST | kinds::SET => {
                let (length, element) = self.list_head(kind)?;
                (0..length).try_for_each(|_| self.skip_element(element, depth))?;
            }
            kinds::MAP => {
                let length = self.varint()?;
                let of = if length == 0 { 0 } else { self.byte()? };
                for _ in 0..length {
                    self.skip_element(of >> 4, depth)?;
                    self.skip_element(of & 15, depth)?;
                }
            }
            kinds::STRUCT => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip(kind, depth)?;
                }
            }
            _ => return Err(Fault::Broken),
        }
        Ok(())
    }

    /// In lists and maps a truth value takes a byte.
    fn skip_element(&mut self, kind: u8, depth: u8) -> Result<(), Fault> {
        if matches!(kind, kinds::TRUE | kinds::FALSE) { self.byte().map(drop) } else { self.skip(kind, depth) }
    }
}

/// A struct that is written, field by field in the order of their numbers.
pub(super) struct Output {
    /// What was written.
    pub(super) bytes: Vec<u8>,
    /// The number of the last field of each open struct.
    last: Vec<u8>,
}

impl Output {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), last: vec![0] }
    }

    pub(super) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// The head of a field; its number is larger than that of the one before, by at most 15.
    pub(super) fn head(&mut self, id: u8, kind: u8) {
        if let Some(last) = self.last.last_mut() {
            self.bytes.push(id.saturating_sub(*last) << 4 | kind);
            *last = id;
        }
    }

    fn zigzag(&mut self, value: i64) {
        self.varint((value << 1 ^ value >> 63) as u64);
    }

    pub(super) fn i32(&mut self, id: u8, value: i32) {
        self.head(id, kinds::I32);
        self.zigzag(i64::from(value));
    }

    pub(super) fn i64(&mut self, id: u8, value: i64) {
        self.head(id, kinds::I64);
        self.zigzag(value);
    }

    pub(super) fn flag(&mut self, id: u8, value: bool) {
        self.head(id, if value { kinds::TRUE } else { kinds::FALSE });
    }

    pub(super) fn text(&mut self, id: u8, text: &str) {
        self.head(id, kinds::BINARY);
        self.bare_text(text);
    }

    /// Text that is an element of a list.
    pub(super) fn bare_text(&mut self, text: &str) {
        self.varint(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// A whole number that is an element of a list.
    pub(super) fn bare_i32(&mut self, value: i32) {
        self.zigzag(i64::from(value));
    }

    /// The head of a list, whose elements follow.
    pub(super) fn list(&mut self, id: u8, (length, element): (usize, u8)) {
        self.head(id, kinds::LIST);
        if length < 15 {
            self.bytes.push((length as u8) << 4 | element);
        } else {
            self.bytes.push(0xf0 | element);
            self.varint(length as u64);
        }
    }

    /// A field that is a struct.
    pub(super) fn nested(&mut self, id: u8, write: impl FnOnce(&mut Self)) {
        self.head(id, kinds::STRUCT);
        self.bare(write);
    }

    /// A struct that is an element of a list, or the outermost one.
    pub(super) fn bare(&mut self, write: impl FnOnce(&mut Self)) {
        self.last.push(0);
        write(self);
        self.last.pop();
        self.bytes.push(0);
    }
}
