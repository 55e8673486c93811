//! The footer: the columns of the file and where their pages are. A table is flat, or it is refused.

use super::kind::{Detail, Kind, Meaning, Physical};
use super::limits;
use super::thrift::{Fault, Input, kinds};
use crate::tabular::MAX_COLUMNS;

/// What is said of a footer that contradicts itself.
pub(super) const DAMAGED: &str =
    "the file is damaged: its footer contradicts itself or the rest of the file; write and send it again";

/// What a file says of itself.
#[derive(Debug)]
pub(super) struct Footer {
    pub(super) rows: u64,
    pub(super) leaves: Vec<Leaf>,
    pub(super) groups: Vec<Group>,
}

/// A column.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) name: Vec<u8>,
    pub(super) physical: Physical,
    /// What its values mean, or words about a type that no cell is made of.
    pub(super) kind: Result<Kind, &'static str>,
    /// Whether it has nulls.
    pub(super) optional: bool,
}

/// Some rows.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) rows: u64,
    /// A chunk for each column.
    pub(super) chunks: Vec<Chunk>,
}

/// A column of some rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chunk {
    pub(super) start: u64,
    pub(super) length: u64,
    /// Values, nulls among them.
    pub(super) values: u64,
    pub(super) codec: u8,
    physical: u8,
}

/// Reads a footer. `before` is how many bytes of the file lie before it.
///
/// # Errors
/// Words about the file.
pub(super) fn read(bytes: &[u8], before: u64) -> Result<Footer, &'static str> {
    let raw = RawFooter::read(bytes).map_err(|_| DAMAGED)?;
    if raw.encrypted {
        return Err(
            "the file is encrypted in the way of Parquet: write it without encryption, the service encrypts what it stores",
        );
    }
    if raw.too_many {
        return Err("the file has more than 32768 row groups: write larger ones");
    }
    if raw.too_wide {
        return Err("the file has more columns than a table may have");
    }
    let leaves = flat(&raw.elements)?;
    let sum = raw.groups.iter().try_fold(0u64, |sum, group| sum.checked_add(group.rows));
    let rows = u64::try_from(raw.rows).map_err(|_| DAMAGED)?;
    if sum != Some(rows) {
        return Err(DAMAGED);
    }
    for group in &raw.groups {
        let fits = |(leaf, chunk): (&Leaf, &Chunk)| {
            let end = chunk.start.checked_add(chunk.length);
            let inside = chunk.start >= 4 && end.is_some_and(|end| end <= before);
            inside && chunk.values == group.rows && number(leaf.physical) == chunk.physical
        };
        if group.chunks.len() != leaves.len() || !leaves.iter().zip(&group.chunks).all(fits) {
            return Err(DAMAGED);
        }
    }
    Ok(Footer { rows, leaves, groups: raw.groups })
}

#[derive(Default)]
struct RawFooter {
    elements: Vec<Element>,
    rows: i64,
    groups: Vec<Group>,
    encrypted: bool,
    too_many: bool,
    too_wide: bool,
}

/// A node of the tree that the schema is in general.
#[derive(Default)]
struct Element {
    physical: Option<i64>,
    length: i64,
    repetition: i64,
    name: Vec<u8>,
    children: i64,
    meaning: Meaning,
}

impl RawFooter {
    fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let (mut footer, mut input) = (Self::default(), Input::new(bytes));
        input.fields(kinds::STRUCT, &mut |input, id, kind| {
            match id {
                2 => input.list(kind, &mut |input, kind| {
                    let element = Element::read(input, kind)?;
                    // The root, the schema's columns and the person's, and one to notice.
                    footer.too_wide |= footer.elements.len() > MAX_COLUMNS + 2;
                    if !footer.too_wide {
                        footer.elements.push(element);
                    }
                    Ok(())
                })?,
                3 => footer.rows = input.int(kind)?,
                4 => input.list(kind, &mut |input, kind| {
                    footer.too_many |= footer.groups.len() >= limits::GROUPS;
                    let group = read_group(input, kind, &mut footer.encrypted)?;
                    if !footer.too_many {
                        footer.groups.push(group);
                    }
                    Ok(())
                })?,
                8 => {
                    footer.encrypted = true;
                    return Ok(false);
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(footer)
    }
}

impl Element {
    fn read(input: &mut Input<'_>, kind: u8) -> Result<Self, Fault> {
        let mut element = Self::default();
        input.fields(kind, &mut |input, id, kind| {
            match id {
                1 => element.physical = Some(input.int(kind)?),
                2 => element.length = input.int(kind)?,
                3 => element.repetition = input.int(kind)?,
                4 => element.name = input.binary(kind)?.to_vec(),
                5 => element.children = input.int(kind)?,
                6 => element.meaning.converted = Some(input.int(kind)?),
                7 => element.meaning.scale = input.int(kind)?,
                8 => element.meaning.precision = input.int(kind)?,
                10 => element.meaning.logical = Some(read_logical(input, kind)?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(element)
    }

    fn leaf(&self) -> Result<Leaf, &'static str> {
        let physical = match self.physical {
            Some(0) => Physical::Bool,
            Some(1) => Physical::Int32,
            Some(2) => Physical::Int64,
            Some(3) => Physical::Int96,
            Some(4) => Physical::Float,
            Some(5) => Physical::Double,
            Some(6) => Physical::Bytes,
            Some(7) => match usize::try_from(self.length) {
                Ok(length @ 1..=4096) => Physical::Fixed(length),
                _ => return Err(DAMAGED),
            },
            _ => return Err(DAMAGED),
        };
        let optional = match self.repetition {
            0 => false,
            1 => true,
            _ => return Err(NESTED),
        };
        Ok(Leaf { name: self.name.clone(), physical, kind: Kind::of(physical, self.meaning), optional })
    }
}

const NESTED: &str = "a column of the file is a list or a structure: a table is flat, with one value in a cell";

fn flat(elements: &[Element]) -> Result<Vec<Leaf>, &'static str> {
    let (root, leaves) = elements.split_first().ok_or(DAMAGED)?;
    if leaves.iter().any(|leaf| leaf.children > 0 || leaf.physical.is_none()) {
        return Err(NESTED);
    }
    if usize::try_from(root.children) != Ok(leaves.len()) {
        return Err(DAMAGED);
    }
    leaves.iter().map(Element::leaf).collect()
}

/// The number of the union's member, and what it says.
fn read_logical(input: &mut Input<'_>, kind: u8) -> Result<(i64, Detail), Fault> {
    let (mut number, mut detail) = (0, Detail::default());
    input.fields(kind, &mut |input, id, kind| {
        number = id;
        input.fields(kind, &mut |input, id, kind| {
            match (number, id) {
                (5, 1) => detail.scale = input.int(kind)?,
                (5, 2) => detail.precision = input.int(kind)?,
                (7 | 8, 2) => input.fields(kind, &mut |_, id, _| {
                    detail.unit = id;
                    Ok(false)
                })?,
                (10, 2) => detail.signed = kind == kinds::TRUE,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(true)
    })?;
    Ok((number, detail))
}

fn read_group(input: &mut Input<'_>, kind: u8, encrypted: &mut bool) -> Result<Group, Fault> {
    let mut group = Group::default();
    input.fields(kind, &mut |input, id, kind| {
        match id {
            1 => input.list(kind, &mut |input, kind| {
                group.chunks.push(read_chunk(input, kind, encrypted)?);
                Ok(())
            })?,
            3 => group.rows = unsigned(input.int(kind)?)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(group)
}

fn read_chunk(input: &mut Input<'_>, kind: u8, encrypted: &mut bool) -> Result<Chunk, Fault> {
    let mut chunk = None;
    input.fields(kind, &mut |input, id, kind| {
        match id {
            // Pages in another file.
            1 if !input.binary(kind)?.is_empty() => return Err(Fault::Broken),
            1 => {}
            3 => chunk = Some(read_chunk_facts(input, kind)?),
            8 | 9 => {
                *encrypted = true;
                return Ok(false);
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    match chunk {
        Some(chunk) => Ok(chunk),
        None if *encrypted => Ok(Chunk::default()),
        None => Err(Fault::Broken),
    }
}

/// The fields that a chunk must have.
const MUST: i32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 9;

fn read_chunk_facts(input: &mut Input<'_>, kind: u8) -> Result<Chunk, Fault> {
    let (mut chunk, mut dictionary, mut told) = (Chunk::default(), None, 0);
    input.fields(kind, &mut |input, id, kind| {
        match id {
            1 => chunk.physical = small(input.int(kind)?)?,
            4 => chunk.codec = small(input.int(kind)?)?,
            5 => chunk.values = unsigned(input.int(kind)?)?,
            7 => chunk.length = unsigned(input.int(kind)?)?,
            9 => chunk.start = unsigned(input.int(kind)?)?,
            11 => dictionary = Some(unsigned(input.int(kind)?)?),
            _ => return Ok(false),
        }
        told |= 1 << id;
        Ok(true)
    })?;
    // What a chunk must say: so the list of chunks is not much larger than the footer.
    if told & MUST != MUST {
        return Err(Fault::Broken);
    }
    // Some writers say 0 where there is no dictionary.
    chunk.start = dictionary.filter(|&at| at > 0).map_or(chunk.start, |at| at.min(chunk.start));
    Ok(chunk)
}

fn small(value: i64) -> Result<u8, Fault> {
    u8::try_from(value).map_err(|_| Fault::Broken)
}

fn unsigned(value: i64) -> Result<u64, Fault> {
    u64::try_from(value).map_err(|_| Fault::Broken)
}

fn number(physical: Physical) -> u8 {
    match physical {
        Physical::Bool => 0,
        Physical::Int32 => 1,
        Physical::Int64 => 2,
        Physical::Int96 => 3,
        Physical::Float => 4,
        Physical::Double => 5,
        Physical::Bytes => 6,
        Physical::Fixed(_) => 7,
    }
}
