//! Equally spaced values: integers, decimals with a step, dates and moments.

use super::column::Code;
use super::decimal::Decimal;
use super::moment;

/// A range of equally spaced values. Value `i` is `(first + i * step) / 10^digits`, in the unit of
/// the kind (seconds since 1970-01-01 UTC for the two kinds of time, which have `digits` 0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    kind: GridKind,
    first: i64,
    last: i64,
    step: i64,
    count: u32,
    digits: u32,
    /// Digits after the point that some value needs: `digits` also fits the declared maximum.
    shown: u32,
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

/// Decimals up to this many units of their last digit (15 digits) survive a double and its text.
pub const LARGEST_UNITS: i64 = 1_000_000_000_000_000;

/// Most digits after the point.
pub const MAX_DIGITS: u32 = 12;

impl Grid {
    /// The values from `first` to at most `last` in steps of `step`, all in units of `10^-digits`.
    ///
    /// Returns `None` when the grid is empty, its step is not positive, it would hold `u32::MAX`
    /// values or more, a number does not survive as a double ([`LARGEST`], or [`LARGEST_UNITS`] of
    /// decimals), a time lies outside the years 0 to 9999, dates are not whole days, or a kind
    /// without fractions has digits.
    #[must_use]
    pub fn new(kind: GridKind, first: i64, last: i64, step: i64, digits: u32) -> Option<Self> {
        if step <= 0 || last < first || digits > MAX_DIGITS {
            return None;
        }
        // Digits that are zero everywhere are dropped, so that equal grids are equal.
        let idle =
            (1..=digits).take_while(|&n| [first, last, step].iter().all(|u| u % 10i64.pow(n) == 0)).count() as u32;
        let [first, last, step] = [first, last, step].map(|units| units / 10i64.pow(idle));
        let digits = digits - idle;
        let largest = if digits == 0 { LARGEST } else { LARGEST_UNITS };
        let within = first >= -largest && last <= largest && step <= largest;
        let of_kind = match kind {
            GridKind::Decimal => true,
            GridKind::Integer => digits == 0,
            GridKind::Moment => digits == 0 && first >= moment::EARLIEST && last <= moment::LATEST,
            GridKind::Date => {
                let whole = [first, last, step].iter().all(|s| s % moment::DAY == 0);
                digits == 0 && whole && first >= moment::EARLIEST && last <= moment::LATEST
            }
        };
        if !within || !of_kind {
            return None;
        }
        let count = u32::try_from((last - first) / step + 1).ok().filter(|&n| n < u32::MAX)?;
        let spare = (1..=digits).take_while(|&n| (first % 10i64.pow(n), step % 10i64.pow(n)) == (0, 0)).count();
        Some(Self { kind, first, last, step, count, digits, shown: digits - spare as u32 })
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

    /// The declared minimum, the value of code 0.
    #[must_use]
    pub fn first(&self) -> Decimal {
        Decimal { mantissa: self.first, scale: self.digits }
    }

    /// The declared maximum, which need not be a value of the grid.
    #[must_use]
    pub fn last(&self) -> Decimal {
        Decimal { mantissa: self.last, scale: self.digits }
    }

    /// The distance between neighbours.
    #[must_use]
    pub fn step(&self) -> Decimal {
        Decimal { mantissa: self.step, scale: self.digits }
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

    /// The code of a text. Numbers are rounded to the nearest step (halves upwards), times down to
    /// the step that they lie in; whole numbers must be whole; nothing beyond the declared bounds
    /// is rounded into them.
    ///
    /// # Errors
    /// [`GridMiss`], which never repeats the text.
    pub fn code(&self, text: &str) -> Result<Code, GridMiss> {
        self.read(text.as_bytes())
    }

    /// As [`Grid::code`], on bytes.
    ///
    /// # Errors
    /// [`GridMiss`], which never repeats the text.
    pub fn read(&self, text: &[u8]) -> Result<Code, GridMiss> {
        let text = text.trim_ascii();
        match self.kind {
            GridKind::Integer | GridKind::Decimal => match Decimal::read(text) {
                Some(number) => self.decimal_code(number),
                None => self.double_code(text),
            },
            GridKind::Date | GridKind::Moment => self.time_code(moment::read(text).ok_or(GridMiss::Syntax)?),
        }
    }

    /// The text of a code, which [`Grid::code`] reads back exactly.
    #[must_use]
    pub fn text(&self, code: Code) -> String {
        let mut text = String::new();
        self.write(code, &mut text);
        text
    }

    /// Appends the text of a code.
    pub fn write(&self, code: Code, out: &mut String) {
        let units = self.units(code);
        match self.kind {
            GridKind::Integer | GridKind::Decimal => {
                let mantissa = units / 10i64.pow(self.digits - self.shown);
                Decimal { mantissa, scale: self.shown }.write(out);
            }
            GridKind::Date | GridKind::Moment => moment::write(units, self.kind == GridKind::Date, out),
        }
    }

    fn decimal_code(&self, number: Decimal) -> Result<Code, GridMiss> {
        if let Some(units) = number.units(self.digits) {
            if units < self.first || units > self.last {
                return Err(GridMiss::Bounds);
            }
            let from_first = units - self.first;
            let at = if self.step == 1 { from_first } else { (2 * from_first + self.step) / (2 * self.step) };
            return Ok(self.clamp(i128::from(at)));
        }
        // More digits than the grid has: units are a fraction over `parts`.
        let parts = i128::from(10i64.pow(number.scale.saturating_sub(self.digits)));
        let scaled = i128::from(number.mantissa) * 10i128.pow(self.digits.saturating_sub(number.scale));
        if self.kind == GridKind::Integer && scaled % parts != 0 {
            return Err(GridMiss::Fraction);
        }
        let (first, last, step) = (i128::from(self.first), i128::from(self.last), i128::from(self.step));
        if scaled < first * parts || scaled > last * parts {
            return Err(GridMiss::Bounds);
        }
        Ok(self.clamp((2 * (scaled - first * parts) + step * parts) / (2 * step * parts)))
    }

    /// For exponents and for more digits than a [`Decimal`] holds.
    fn double_code(&self, text: &[u8]) -> Result<Code, GridMiss> {
        let number: f64 = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok()).ok_or(GridMiss::Syntax)?;
        if !number.is_finite() {
            return Err(GridMiss::Syntax);
        }
        if self.kind == GridKind::Integer && number.fract() != 0.0 {
            return Err(GridMiss::Fraction);
        }
        let units = number * 10f64.powi(self.digits as i32);
        if units < self.first as f64 || units > self.last as f64 {
            return Err(GridMiss::Bounds);
        }
        Ok(self.nearest(number))
    }

    fn time_code(&self, seconds: i64) -> Result<Code, GridMiss> {
        // The last day lasts until midnight.
        let slack = if self.kind == GridKind::Date { moment::DAY - 1 } else { 0 };
        if seconds < self.first || seconds > self.last + slack {
            return Err(GridMiss::Bounds);
        }
        Ok(self.clamp(i128::from((seconds - self.first) / self.step)))
    }

    /// Holds a rounded place to the grid: a maximum between two steps may round past the last.
    fn clamp(&self, at: i128) -> Code {
        at.clamp(0, i128::from(self.count - 1)) as Code
    }

    /// The value of a code in units of `10^-digits` (seconds since 1970 for times), exact.
    #[must_use]
    pub fn units(&self, code: Code) -> i64 {
        self.first + i64::from(code) * self.step
    }
}
