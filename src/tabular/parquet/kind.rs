//! What the types of a file stand for, and their values as the text of a cell.

use std::fmt::Write;

use crate::tabular::moment;

/// How values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Physical {
    Bool,
    Int32,
    Int64,
    Int96,
    Float,
    Double,
    Bytes,
    /// Of so many bytes each, at least one.
    Fixed(usize),
}

/// What values mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int,
    /// Whole numbers without a sign.
    Unsigned,
    Float,
    Text,
    /// Whole numbers over a power of ten.
    Decimal(u32),
    /// Days since 1970.
    Date,
    /// So many a second since midnight.
    Time(i64),
    /// So many a second since 1970.
    Moment(i64),
    /// Nanoseconds of a day, and the Julian day: how moments were written once.
    JulianMoment,
    Uuid,
}

/// What a schema says of a column besides its storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Meaning {
    /// The number of the converted type, which newer files may leave out.
    pub(super) converted: Option<i64>,
    /// The number of the logical type, with what it says.
    pub(super) logical: Option<(i64, Detail)>,
    pub(super) scale: i64,
    pub(super) precision: i64,
}

/// What a logical type says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Detail {
    pub(super) scale: i64,
    pub(super) precision: i64,
    /// 1 for milliseconds, 2 for microseconds, 3 for nanoseconds.
    pub(super) unit: i64,
    pub(super) signed: bool,
}

const MILLIS: i64 = 1_000;
const MICROS: i64 = 1_000_000;
const NANOS: i64 = 1_000_000_000;
const JULIAN_DAY_OF_1970: i64 = 2_440_588;
const OTHER: &str = "has a type that is not read here: write it as text, number, date or time";

impl Kind {
    /// What the values of a column mean.
    ///
    /// # Errors
    /// Words about a type that no cell is made of.
    pub(super) fn of(physical: Physical, meaning: Meaning) -> Result<Self, &'static str> {
        match (meaning.logical, meaning.converted) {
            (Some((number, detail)), _) => Self::of_logical(physical, number, detail),
            (None, Some(number)) => Self::of_converted(physical, number, (meaning.scale, meaning.precision)),
            (None, None) => match physical {
                Physical::Bool => Ok(Self::Bool),
                Physical::Int32 | Physical::Int64 => Ok(Self::Int),
                Physical::Int96 => Ok(Self::JulianMoment),
                Physical::Float | Physical::Double => Ok(Self::Float),
                Physical::Bytes | Physical::Fixed(_) => Ok(Self::Text),
            },
        }
    }

    fn of_logical(physical: Physical, number: i64, detail: Detail) -> Result<Self, &'static str> {
        let unit = [MILLIS, MICROS, NANOS].get(usize::try_from(detail.unit - 1).unwrap_or(9)).copied();
        match (number, physical, unit) {
            (1 | 4 | 12, Physical::Bytes, _) => Ok(Self::Text),
            (5, _, _) => decimal(physical, (detail.scale, detail.precision)),
            (6, Physical::Int32, _) => Ok(Self::Date),
            (7, Physical::Int32 | Physical::Int64, Some(unit)) => Ok(Self::Time(unit)),
            (8, Physical::Int64, Some(unit)) => Ok(Self::Moment(unit)),
            (10, Physical::Int32 | Physical::Int64, _) => Ok(if detail.signed { Self::Int } else { Self::Unsigned }),
            // A column of nulls has whatever storage.
            (11, _, _) => Ok(Self::Text),
            (14, Physical::Fixed(16), _) => Ok(Self::Uuid),
            _ => Err(OTHER),
        }
    }

    fn of_converted(physical: Physical, number: i64, decimals: (i64, i64)) -> Result<Self, &'static str> {
        match (number, physical) {
            (0 | 4 | 19, Physical::Bytes) => Ok(Self::Text),
            (5, _) => decimal(physical, decimals),
            (6, Physical::Int32) => Ok(Self::Date),
            (7, Physical::Int32) => Ok(Self::Time(MILLIS)),
            (8, Physical::Int64) => Ok(Self::Time(MICROS)),
            (9, Physical::Int64) => Ok(Self::Moment(MILLIS)),
            (10, Physical::Int64) => Ok(Self::Moment(MICROS)),
            (11..=14, Physical::Int32 | Physical::Int64) => Ok(Self::Unsigned),
            (15..=18, Physical::Int32 | Physical::Int64) => Ok(Self::Int),
            _ => Err(OTHER),
        }
    }
}

fn decimal(physical: Physical, (scale, precision): (i64, i64)) -> Result<Kind, &'static str> {
    let stored = match physical {
        Physical::Int32 | Physical::Int64 | Physical::Bytes => true,
        Physical::Fixed(length) => length <= 16,
        _ => false,
    };
    let scale = u32::try_from(scale).ok().filter(|&scale| stored && scale <= 38 && (1..=38).contains(&precision));
    scale
        .map(Kind::Decimal)
        .ok_or("has decimals of another kind than 1 to 38 digits, none of them before the point cut off")
}

/// A value as it is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Raw<'a> {
    Bool(bool),
    Int32(i32),
    Int64(i64),
    Float(f32),
    Double(f64),
    Bytes(&'a [u8]),
}

/// A value as the text of a cell; what has none becomes a text that no cell of its kind has.
pub(super) fn text<'a>(kind: Kind, raw: Raw<'a>, out: &'a mut String) -> &'a [u8] {
    out.clear();
    // Writing to a string cannot fail.
    let _ = match (kind, raw) {
        (Kind::Decimal(scale), Raw::Bytes(bytes)) => {
            let whole = signed(bytes);
            whole.map_or(Ok(()), |whole| write_decimal(whole, scale, out))
        }
        (Kind::JulianMoment, Raw::Bytes(bytes)) => {
            let moment = julian(bytes);
            moment.map_or(Ok(()), |seconds| write_moment(seconds, false, out))
        }
        (Kind::Uuid, Raw::Bytes(bytes)) => uuid::Uuid::from_slice(bytes).map_or(Ok(()), |uuid| write!(out, "{uuid}")),
        (_, Raw::Bytes(bytes)) => return bytes,
        (_, Raw::Bool(value)) => write!(out, "{value}"),
        (_, Raw::Float(value)) => write!(out, "{value}"),
        (_, Raw::Double(value)) => write!(out, "{value}"),
        (Kind::Unsigned, Raw::Int32(value)) => write!(out, "{}", value as u32),
        (Kind::Unsigned, Raw::Int64(value)) => write!(out, "{}", value as u64),
        (kind, Raw::Int32(value)) => write_whole(kind, i64::from(value), out),
        (kind, Raw::Int64(value)) => write_whole(kind, value, out),
    };
    out.as_bytes()
}

fn write_whole(kind: Kind, value: i64, out: &mut String) -> std::fmt::Result {
    match kind {
        Kind::Decimal(scale) => write_decimal(i128::from(value), scale, out),
        Kind::Date => write_moment(value.saturating_mul(moment::DAY), true, out),
        Kind::Moment(unit) => write_moment(value.div_euclid(unit), false, out),
        Kind::Time(unit) => {
            let seconds = value.div_euclid(unit);
            write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
        }
        _ => write!(out, "{value}"),
    }
}

fn write_moment(seconds: i64, day_only: bool, out: &mut String) -> std::fmt::Result {
    if !(moment::EARLIEST..=moment::LATEST).contains(&seconds) {
        return out.write_str("beyond the years 0 to 9999");
    }
    moment::write(seconds, day_only, out);
    Ok(())
}

fn write_decimal(whole: i128, scale: u32, out: &mut String) -> std::fmt::Result {
    let (sign, size) = (if whole < 0 { "-" } else { "" }, whole.unsigned_abs());
    match 10u128.checked_pow(scale) {
        Some(power) if scale > 0 => {
            write!(out, "{sign}{}.{:0width$}", size / power, size % power, width = scale as usize)
        }
        _ => write!(out, "{sign}{size}"),
    }
}

/// A whole number of at most 16 bytes, the highest first.
fn signed(bytes: &[u8]) -> Option<i128> {
    let first = *bytes.first()?;
    let start = if first >= 0x80 { -1i128 } else { 0 };
    (bytes.len() <= 16).then(|| bytes.iter().fold(start, |all, &byte| all << 8 | i128::from(byte)))
}

fn julian(bytes: &[u8]) -> Option<i64> {
    let (nanos, day) = bytes.split_at_checked(8)?;
    let (nanos, day) = (i64::from_le_bytes(nanos.try_into().ok()?), i32::from_le_bytes(day.try_into().ok()?));
    Some((i64::from(day) - JULIAN_DAY_OF_1970) * moment::DAY + nanos.div_euclid(NANOS))
}
