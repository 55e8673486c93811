//! One column of a row group: its cells, one by one, to the judge.

use super::bits::Hybrid;
use super::footer::{Chunk, Leaf};
use super::header::{DATA, DATA_SECOND, DICTIONARY, Header, INDEX, Second};
use super::kind::{Kind, Physical, text};
use super::pages::{PAGE, Pages, Place, Trouble};
use super::source::Source;
use super::values::{Read, Values};
use crate::tabular::Code;
use crate::tabular::judge::{Fault, Judge};

/// The number of the encoding of levels.
const RLE: i64 = 3;
/// Bytes of texts after which they are counted.
const COUNT: usize = 1 << 20;

/// A column of a row group.
pub(super) struct Cursor {
    /// The column as the judge knows it.
    column: usize,
    physical: Physical,
    kind: Kind,
    optional: bool,
    place: Place,
    /// Values in pages that were not looked at.
    left: u64,
    dictionary: Option<Entries>,
    /// The page at hand: its bytes, values that are left of it, and missing ones among them if that is said.
    bytes: Vec<u8>,
    in_page: u64,
    nulls: Option<u64>,
    levels: Option<Hybrid>,
    values: Option<Values>,
    text: String,
}

/// A dictionary, as what its entries are as cells.
enum Entries {
    Codes(Vec<Result<Code, Fault>>),
    /// Of the column that says whose row it is.
    Texts {
        texts: Vec<u8>,
        ends: Vec<u32>,
    },
}

impl Cursor {
    /// A chunk of a column.
    pub(super) fn new(column: usize, leaf: &Leaf, chunk: &Chunk) -> Result<Self, &'static str> {
        Ok(Self {
            column,
            physical: leaf.physical,
            kind: leaf.kind?,
            optional: leaf.optional,
            place: Place::new(chunk),
            left: chunk.values,
            dictionary: None,
            bytes: Vec::new(),
            in_page: 0,
            nulls: None,
            levels: None,
            values: None,
            text: String::new(),
        })
    }

    /// The column as the judge knows it.
    pub(super) fn column(&self) -> usize {
        self.column
    }

    /// Gives the next cell to the judge, and that of a person's column to `person` too; says whether it is worth going on.
    pub(super) fn next<S: Source>(
        &mut self,
        pages: &mut Pages<S>,
        judge: &mut Judge,
        person: &mut Vec<u8>,
    ) -> Result<bool, Trouble> {
        while self.in_page == 0 {
            self.turn(pages, judge)?;
        }
        self.in_page -= 1;
        if let Some(levels) = &mut self.levels
            && levels.next(&self.bytes).ok_or(PAGE)? == 0
        {
            if let Some(nulls) = &mut self.nulls {
                *nulls = nulls.checked_sub(1).ok_or(PAGE)?;
            }
            return Ok(judge.cell(self.column, b""));
        }
        let values = self.values.as_mut().ok_or(PAGE)?;
        let cell = match values.next(self.physical, &self.bytes).ok_or(PAGE)? {
            Read::Value(raw) => text(self.kind, raw, &mut self.text),
            Read::Entry(entry) => match self.dictionary.as_ref().ok_or(PAGE)? {
                Entries::Codes(codes) => {
                    return Ok(judge.put(self.column, *codes.get(entry).ok_or(PAGE)?));
                }
                Entries::Texts { texts, ends } => {
                    let end = *ends.get(entry).ok_or(PAGE)? as usize;
                    let start = entry.checked_sub(1).map_or(0, |before| ends[before] as usize);
                    &texts[start..end]
                }
            },
        };
        if self.column == judge.person() {
            person.extend_from_slice(cell);
        }
        Ok(judge.cell(self.column, cell))
    }

    /// Ends the chunk: nothing may be left of it.
    pub(super) fn finish<S: Source>(self, pages: &mut Pages<S>) -> Result<(), Trouble> {
        self.end_page()?;
        let dictionary = match &self.dictionary {
            None => 0,
            Some(Entries::Codes(codes)) => codes.len() * size_of::<Result<Code, Fault>>(),
            Some(Entries::Texts { texts, ends }) => texts.len() + ends.len() * size_of::<u32>(),
        };
        pages.release(dictionary + self.bytes.capacity());
        if self.in_page == 0 && self.left == 0 && self.place.at == self.place.end { Ok(()) } else { Err(PAGE.into()) }
    }

    /// Turns to the next page.
    fn turn<S: Source>(&mut self, pages: &mut Pages<S>, judge: &Judge) -> Result<(), Trouble> {
        self.end_page()?;
        if self.place.at >= self.place.end {
            return Err(PAGE.into());
        }
        let header = pages.next(&mut self.place, &mut self.bytes)?;
        let count = u64::try_from(header.values).map_err(|_| PAGE)?;
        match header.kind {
            DICTIONARY if self.dictionary.is_none() && self.values.is_none() => self.dictionary(&header, pages, judge),
            DATA => {
                let levels = self.first_levels(&header)?;
                self.open(&header, levels, count)
            }
            DATA_SECOND => {
                let second = header.second.ok_or(PAGE)?;
                let levels = self.second_levels(second, count)?;
                self.open(&header, levels, count)
            }
            INDEX => {
                (self.values, self.levels, self.nulls) = (None, None, None);
                Ok(())
            }
            _ => Err(PAGE.into()),
        }
    }

    /// Sees to it that all was read of the page at hand.
    fn end_page(&self) -> Result<(), Trouble> {
        let spent = self.values.as_ref().is_none_or(|values| values.is_spent(&self.bytes))
            && self.levels.as_ref().is_none_or(Hybrid::is_spent)
            && self.nulls.is_none_or(|nulls| nulls == 0);
        if spent { Ok(()) } else { Err(PAGE.into()) }
    }

    /// Where the levels of a page of the first version end.
    fn first_levels(&mut self, header: &Header) -> Result<usize, Trouble> {
        (self.levels, self.nulls) = (None, None);
        if !self.optional {
            return Ok(0);
        }
        if header.levels != RLE {
            return Err("is written in an encoding that is not read here: write the file with a newer program".into());
        }
        let length = u32::from_le_bytes(*self.bytes.first_chunk().ok_or(PAGE)?) as usize;
        let end = 4usize.checked_add(length).filter(|&end| end <= self.bytes.len()).ok_or(PAGE)?;
        self.levels = Hybrid::new(1, 4, end);
        Ok(end)
    }

    /// Where the levels of a page of the second version end.
    fn second_levels(&mut self, second: Second, count: u64) -> Result<usize, Trouble> {
        let end = usize::try_from(second.definition).ok().filter(|&end| end <= self.bytes.len()).ok_or(PAGE)?;
        // A table is flat: a value a row, and nothing that is repeated.
        if second.repetition != 0 || u64::try_from(second.rows) != Ok(count) {
            return Err(PAGE.into());
        }
        self.nulls = Some(u64::try_from(second.nulls).ok().filter(|&nulls| nulls <= count).ok_or(PAGE)?);
        self.levels = if self.optional { Hybrid::new(1, 0, end) } else { None };
        if !self.optional && (end > 0 || self.nulls != Some(0)) {
            return Err(PAGE.into());
        }
        Ok(end)
    }

    /// Opens a page of data whose values begin behind the levels.
    fn open(&mut self, header: &Header, levels: usize, count: u64) -> Result<(), Trouble> {
        self.left = self.left.checked_sub(count).ok_or(PAGE)?;
        self.in_page = count;
        let values = Values::new(header.encoding, self.physical, (&self.bytes, levels), count)?;
        self.values = Some(values.ok_or(PAGE)?);
        Ok(())
    }

    fn dictionary<S: Source>(&mut self, header: &Header, pages: &mut Pages<S>, judge: &Judge) -> Result<(), Trouble> {
        // Plain values, under either name.
        let count = usize::try_from(header.values).map_err(|_| PAGE)?;
        if !matches!(header.encoding, 0 | 2) || count > self.bytes.len().saturating_mul(8) {
            return Err(PAGE.into());
        }
        let values = Values::new(0, self.physical, (&self.bytes, 0), count as u64)?;
        let mut values = values.ok_or(PAGE)?;
        let of_person = self.column == judge.person();
        pages.hold(count * if of_person { size_of::<u32>() } else { size_of::<Result<Code, Fault>>() })?;
        let (mut codes, mut texts, mut ends, mut counted) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for _ in 0..count {
            let Read::Value(raw) = values.next(self.physical, &self.bytes).ok_or(PAGE)? else {
                return Err(PAGE.into());
            };
            let cell = text(self.kind, raw, &mut self.text);
            if of_person {
                texts.extend_from_slice(cell);
                ends.push(u32::try_from(texts.len()).map_err(|_| PAGE)?);
                if texts.len() - counted > COUNT {
                    pages.hold(texts.len() - counted)?;
                    counted = texts.len();
                }
            } else {
                codes.push(judge.code(self.column, cell));
            }
        }
        if !values.is_spent(&self.bytes) {
            return Err(PAGE.into());
        }
        pages.hold(texts.len() - counted)?;
        self.dictionary = Some(if of_person { Entries::Texts { texts, ends } } else { Entries::Codes(codes) });
        Ok(())
    }
}
