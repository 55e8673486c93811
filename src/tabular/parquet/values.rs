//! The values of a page, one by one from where they lie.

use super::bits::{Hybrid, bits};
use super::delta::Delta;
use super::kind::{Physical, Raw};

/// Longest text that later ones may begin like.
const LONGEST: usize = 1 << 20;

/// Values of one page.
pub(super) enum Values {
    /// One after the other.
    Plain { at: usize },
    /// Truth values, a bit each.
    Bits { bit: usize },
    /// Truth values in runs.
    Runs(Hybrid),
    /// Places of entries of the dictionary.
    Entries(Hybrid),
    /// Whole numbers.
    Delta(Delta),
    /// Lengths, then texts.
    Lengths { lengths: Delta, at: usize },
    /// How much of each text is that of the one before, how long the rest is, then the rests.
    Prefixes { prefixes: Delta, rests: Delta, at: usize, text: Vec<u8> },
    /// First bytes of all values, then second ones, and so on.
    Split { next: usize, count: usize, width: usize, value: [u8; 16] },
}

/// What is read.
pub(super) enum Read<'a> {
    /// A value.
    Value(Raw<'a>),
    /// The place of an entry of the dictionary.
    Entry(usize),
}

/// Numbers of encodings.
mod encodings {
    pub const PLAIN: i64 = 0;
    pub const PLAIN_DICTIONARY: i64 = 2;
    pub const RLE: i64 = 3;
    pub const DELTA: i64 = 5;
    pub const DELTA_LENGTH: i64 = 6;
    pub const DELTA_TEXT: i64 = 7;
    pub const DICTIONARY: i64 = 8;
    pub const SPLIT: i64 = 9;
}

impl Values {
    /// The values that begin at a byte of a page and go to its end, at most so many; none where the bytes contradict
    /// themselves.
    ///
    /// # Errors
    /// Words about an encoding that is not read.
    pub(super) fn new(
        encoding: i64,
        physical: Physical,
        (bytes, at): (&[u8], usize),
        most: u64,
    ) -> Result<Option<Self>, &'static str> {
        use encodings as e;
        let whole = matches!(physical, Physical::Int32 | Physical::Int64);
        let made = match (encoding, physical) {
            (e::PLAIN, Physical::Bool) => at.checked_mul(8).map(|bit| Self::Bits { bit }),
            (e::PLAIN, _) => Some(Self::Plain { at }),
            (e::RLE, Physical::Bool) => {
                // Behind four bytes with a length.
                let length = bytes.get(at..).and_then(|bytes| bytes.first_chunk::<4>());
                let end = length.and_then(|length| (at + 4).checked_add(u32::from_le_bytes(*length) as usize));
                let end = end.filter(|&end| end == bytes.len());
                end.and_then(|end| Hybrid::new(1, at + 4, end)).map(Self::Runs)
            }
            (e::PLAIN_DICTIONARY | e::DICTIONARY, _) => match bytes.get(at) {
                // All values are missing.
                None => Hybrid::new(0, at, at).map(Self::Entries),
                Some(&width) => Hybrid::new(u32::from(width), at + 1, bytes.len()).map(Self::Entries),
            },
            (e::DELTA, _) if whole => Delta::new(bytes, at, most).map(Self::Delta),
            (e::DELTA_LENGTH, Physical::Bytes) => Self::lengths(bytes, at, most),
            (e::DELTA_TEXT, Physical::Bytes | Physical::Fixed(_)) => Self::prefixes(bytes, at, most),
            (e::SPLIT, _) => Self::split(physical, bytes, at),
            _ => return Err("is written in an encoding that is not read here: write plain values or a dictionary"),
        };
        Ok(made)
    }

    fn lengths(bytes: &[u8], at: usize, most: u64) -> Option<Self> {
        let lengths = Delta::new(bytes, at, most)?;
        let at = lengths.find_end(bytes)?;
        Some(Self::Lengths { lengths, at })
    }

    fn prefixes(bytes: &[u8], at: usize, most: u64) -> Option<Self> {
        let prefixes = Delta::new(bytes, at, most)?;
        let rests = Delta::new(bytes, prefixes.find_end(bytes)?, most)?;
        let at = rests.find_end(bytes)?;
        (prefixes.left() == rests.left()).then_some(Self::Prefixes { prefixes, rests, at, text: Vec::new() })
    }

    fn split(physical: Physical, bytes: &[u8], at: usize) -> Option<Self> {
        let width = match physical {
            Physical::Int32 | Physical::Float => 4,
            Physical::Int64 | Physical::Double => 8,
            Physical::Fixed(width @ 1..=16) => width,
            _ => return None,
        };
        let length = bytes.len().checked_sub(at)?;
        let made = Self::Split { next: at, count: length / width, width, value: [0; 16] };
        (length % width == 0).then_some(made)
    }

    /// The next value; none where the bytes say none.
    pub(super) fn next<'a>(&'a mut self, physical: Physical, bytes: &'a [u8]) -> Option<Read<'a>> {
        let value = match self {
            Self::Plain { at } => plain(physical, bytes, at)?,
            Self::Bits { bit } => {
                *bit += 1;
                Raw::Bool(bits(bytes, *bit - 1, 1)? == 1)
            }
            Self::Runs(runs) => Raw::Bool(runs.next(bytes)? == 1),
            Self::Entries(entries) => return Some(Read::Entry(usize::try_from(entries.next(bytes)?).ok()?)),
            Self::Delta(numbers) => match physical {
                // Differences are taken in 32 bits.
                Physical::Int32 => Raw::Int32(numbers.next(bytes)? as i32),
                _ => Raw::Int64(numbers.next(bytes)?),
            },
            Self::Lengths { lengths, at } => {
                let start = *at;
                *at = start.checked_add(usize::try_from(lengths.next(bytes)?).ok()?)?;
                Raw::Bytes(bytes.get(start..*at)?)
            }
            Self::Prefixes { prefixes, rests, at, text } => {
                let prefix = usize::try_from(prefixes.next(bytes)?).ok().filter(|&prefix| prefix <= text.len())?;
                let start = *at;
                *at = start.checked_add(usize::try_from(rests.next(bytes)?).ok()?)?;
                let rest = bytes.get(start..*at)?;
                text.truncate(prefix);
                if text.len() + rest.len() > LONGEST {
                    return None;
                }
                text.extend_from_slice(rest);
                match physical {
                    Physical::Fixed(length) if length != text.len() => return None,
                    _ => Raw::Bytes(text),
                }
            }
            Self::Split { next, count, width, value } => {
                for (i, byte) in value.iter_mut().take(*width).enumerate() {
                    *byte = *bytes.get(*next + i * *count)?;
                }
                *next += 1;
                plain(physical, &value[..*width], &mut 0)?
            }
        };
        Some(Read::Value(value))
    }

    /// Whether all was read that the page has.
    pub(super) fn is_spent(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Plain { at } => is_filling(bytes, *at),
            Self::Bits { bit } => is_filling(bytes, bit.div_ceil(8)),
            Self::Runs(numbers) | Self::Entries(numbers) => numbers.is_spent(),
            Self::Delta(numbers) => numbers.left() == 0 && numbers.end(bytes) == Some(bytes.len()),
            Self::Lengths { lengths, at } => lengths.left() == 0 && *at == bytes.len(),
            Self::Prefixes { prefixes, at, .. } => prefixes.left() == 0 && *at == bytes.len(),
            Self::Split { next, count, width, .. } => *next + count * (width - 1) == bytes.len(),
        }
    }
}

/// Whether nothing follows but the few zeros that one writer puts behind plain values.
fn is_filling(bytes: &[u8], at: usize) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.len() <= 8 && rest.iter().all(|&byte| byte == 0))
}

fn plain<'a>(physical: Physical, bytes: &'a [u8], at: &mut usize) -> Option<Raw<'a>> {
    let rest = bytes.get(*at..)?;
    let (value, length) = match physical {
        Physical::Bool => return None,
        Physical::Int32 => (Raw::Int32(i32::from_le_bytes(*rest.first_chunk()?)), 4),
        Physical::Int64 => (Raw::Int64(i64::from_le_bytes(*rest.first_chunk()?)), 8),
        Physical::Float => (Raw::Float(f32::from_le_bytes(*rest.first_chunk()?)), 4),
        Physical::Double => (Raw::Double(f64::from_le_bytes(*rest.first_chunk()?)), 8),
        Physical::Int96 => (Raw::Bytes(rest.get(..12)?), 12),
        Physical::Fixed(length) => (Raw::Bytes(rest.get(..length)?), length),
        Physical::Bytes => {
            let length = u32::from_le_bytes(*rest.first_chunk()?) as usize;
            (Raw::Bytes(rest.get(4..4usize.checked_add(length)?)?), 4 + length)
        }
    };
    *at += length;
    Some(value)
}
