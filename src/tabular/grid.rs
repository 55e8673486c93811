//! Equally spaced values: integers, decimals with a step, dates and moments.

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use super::column::Code;

/// A range of equally spaced values. Value `i` is `(first + i * step) / 10^digits`, in the unit of
/// the kind (seconds since 1970-01-01 UTC for the two kinds of time, which have `digits` 0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    kind: GridKind,
    first: i64,
    step: i64,
    count: u32,
    digits: u32,
}

/// How the values of a grid are read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridKind {
    /// Whole numbers.
    Integer,
    /// Decimals with a fixed number of digits after the point.
    Decimal,
    /// Calendar days, `2026-11-23`.
    Date,
    /// Moments in UTC, `2026-11-23T15:56:00Z`.
    Moment,
}

/// Why a text is not a value of a grid. Says nothing about the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GridMiss {
    /// It is not written like a value of this kind.
    Syntax,
    /// It is a value outside the declared bounds.
    Bounds,
    /// It is a fraction where whole numbers were declared.
    Fraction,
}

/// Whole numbers up to this size are exact in a double.
pub const LARGEST: i64 = 1 << 53;

impl Grid {
    /// A grid of `count` values from `first` in steps of `step`, both in units of `10^-digits`.
    ///
    /// Returns `None` when the grid is empty, its step is not positive, it would hold `u32::MAX`
    /// values or more, or an end is beyond what a double holds exactly.
    #[must_use]
    pub fn new(kind: GridKind, first: i64, last: i64, step: i64, digits: u32) -> Option<Self> {
        if step <= 0 || last < first || first < -LARGEST || last > LARGEST || digits > 12 {
            return None;
        }
        let count = u32::try_from((last - first) / step + 1).ok().filter(|&n| n < u32::MAX)?;
        Some(Self { kind, first, step, count, digits })
    }

    /// How values are read and written.
    #[must_use]
    pub fn kind(&self) -> GridKind {
        self.kind
    }

    /// The number of values.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The value of a code as a number (seconds since 1970 for times).
    #[must_use]
    pub fn number(&self, code: Code) -> f64 {
        self.units(code) as f64 / 10f64.powi(self.digits as i32)
    }

    /// The code whose value is nearest to `number`, clamped into the grid.
    #[must_use]
    pub fn nearest(&self, number: f64) -> Code {
        let at = (number * 10f64.powi(self.digits as i32) - self.first as f64) / self.step as f64;
        at.round().clamp(0.0, f64::from(self.count - 1)) as Code
    }

    /// The code of a text. Decimals are rounded to the declared step; whole numbers must be whole.
    ///
    /// # Errors
    /// [`GridMiss`], which never repeats the text.
    pub fn code(&self, text: &str) -> Result<Code, GridMiss> {
        let text = text.trim();
        let units = match self.kind {
            GridKind::Integer | GridKind::Decimal => {
                let number: f64 = text.parse().map_err(|_| GridMiss::Syntax)?;
                if !number.is_finite() {
                    return Err(GridMiss::Syntax);
                }
                if self.kind == GridKind::Integer && number.fract() != 0.0 {
                    return Err(GridMiss::Fraction);
                }
                number * 10f64.powi(self.digits as i32)
            }
            GridKind::Date | GridKind::Moment => seconds(text).ok_or(GridMiss::Syntax)? as f64,
        };
        let at = ((units - self.first as f64) / self.step as f64).round();
        // A value up to half a step outside would round into the grid: hold it to the bounds.
        let last = self.first + (i64::from(self.count) - 1) * self.step;
        if units < self.first as f64 - 1e-6 || at > f64::from(self.count - 1) && units > last as f64 + 1e-6 {
            return Err(GridMiss::Bounds);
        }
        Ok(at.clamp(0.0, f64::from(self.count - 1)) as Code)
    }

    /// The text of a code, which [`Grid::code`] reads back exactly.
    #[must_use]
    pub fn text(&self, code: Code) -> String {
        let units = self.units(code);
        match self.kind {
            GridKind::Integer => units.to_string(),
            GridKind::Decimal => decimal(units, self.digits),
            GridKind::Date | GridKind::Moment => moment(units, self.kind == GridKind::Date),
        }
    }

    fn units(&self, code: Code) -> i64 {
        self.first + i64::from(code) * self.step
    }
}

/// Seconds since 1970 of `2026-11-23`, `2026-11-23T15:56:00Z` or the same with a blank and no zone.
#[must_use]
pub fn seconds(text: &str) -> Option<i64> {
    let day = format_description!("[year]-[month]-[day]");
    if let Ok(date) = Date::parse(text, day) {
        return Some(date.midnight().assume_utc().unix_timestamp());
    }
    if let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) {
        return Some(moment.unix_timestamp());
    }
    let plain = format_description!("[year]-[month]-[day][first [T] [ ]][hour]:[minute]:[second]");
    time::PrimitiveDateTime::parse(text, plain).ok().map(|m| m.assume_utc().unix_timestamp())
}

fn moment(seconds: i64, day_only: bool) -> String {
    // Grids are checked to lie inside the years that `time` knows, so neither step can fail.
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    if day_only {
        let date = at.date();
        return format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day());
    }
    at.format(&Rfc3339).unwrap_or_default()
}

fn decimal(units: i64, digits: u32) -> String {
    if digits == 0 {
        return units.to_string();
    }
    let sign = if units < 0 { "-" } else { "" };
    let (whole, rest) = (units.unsigned_abs() / 10u64.pow(digits), units.unsigned_abs() % 10u64.pow(digits));
    format!("{sign}{whole}.{rest:0width$}", width = digits as usize)
}
