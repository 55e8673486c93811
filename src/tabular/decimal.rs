//! Exact decimals: a whole number over a power of ten, read without passing through a double.

/// `mantissa / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// The digits without their point.
    pub mantissa: i64,
    /// How many of them stand after the point, at most 18.
    pub scale: u32,
}

impl Decimal {
    /// Reads `-12.50`; a sign, digits, and at most one point. `None` for anything else, among it
    /// exponents and numbers of more than 18 digits, which callers may try as a double.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let (negative, digits) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let (mut mantissa, mut scale, mut seen, mut after_point) = (0i64, 0u32, 0usize, false);
        for &byte in digits {
            match byte {
                b'0'..=b'9' => {
                    mantissa = mantissa.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
                    seen += 1;
                    scale += u32::from(after_point);
                }
                b'.' if !after_point => after_point = true,
                _ => return None,
            }
        }
        let fits = seen > 0 && scale <= 18 && mantissa < 1_000_000_000_000_000_000;
        fits.then_some(Self { mantissa: if negative { -mantissa } else { mantissa }, scale })
    }

    /// The number of a double as its shortest decimal text says it.
    #[must_use]
    pub fn from_f64(number: f64) -> Option<Self> {
        Self::read(format!("{number}").as_bytes()).map(Self::shortest)
    }

    /// The same number without zeros at the end of its fraction.
    #[must_use]
    pub fn shortest(mut self) -> Self {
        while self.scale > 0 && self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.scale -= 1;
        }
        self
    }

    /// The number in units of `10^-digits`; `None` when that is no whole number or too large.
    #[must_use]
    pub fn units(self, digits: u32) -> Option<i64> {
        let factor = 10i64.checked_pow(digits.checked_sub(self.scale)?)?;
        self.mantissa.checked_mul(factor)
    }

    /// Appends the number with all its `scale` digits after the point.
    pub fn write(self, out: &mut String) {
        use std::fmt::Write;
        let (size, power) = (self.mantissa.unsigned_abs(), 10u64.pow(self.scale));
        if self.mantissa < 0 {
            out.push('-');
        }
        // Writing to a string cannot fail.
        let _ = match self.scale {
            0 => write!(out, "{size}"),
            scale => write!(out, "{}.{:0width$}", size / power, size % power, width = scale as usize),
        };
    }
}
