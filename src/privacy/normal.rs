//! Standard Gaussians from random bits: Box and Muller (1958), in double precision, without branches or
//! calls, so that loops over it become vectors where the machine has fused multiplication and addition. The
//! error of each value is below 1e-14.
//!
//! A pair of Gaussians is made of two words of 64 bits. The radius is `sqrt(-2 ln u)` with
//! `u = (word + 1/2) / 2^64`, rounded to 53 significant bits: the chance of a radius beyond `x` is right to
//! the last of 64 bits, up to 9.4 standard deviations. The other word is the angle.

use std::f64::consts::{FRAC_PI_2, LN_2, SQRT_2};

/// 2^-64
const UNIT: f64 = 1.0 / 18_446_744_073_709_551_616.0;

/// Two independent standard Gaussians, if the words are independent and uniform.
#[inline(always)]
pub fn pair(radius: u64, angle: u64) -> (f64, f64) {
    let r = (-2.0 * ln((radius as f64 + 0.5) * UNIT)).sqrt();
    // 62 bits choose an angle in a quarter around 0, the upper two one of four mirror images of it.
    let (sin, cos) = sin_cos((angle << 2) as i64 as f64 * (FRAC_PI_2 * UNIT));
    let (x, y) = if angle >> 63 == 1 { (sin, cos) } else { (cos, sin) };
    let sign = (angle << 1) & (1 << 63);
    (f64::from_bits((r * x).to_bits() ^ sign), f64::from_bits((r * y).to_bits() ^ sign))
}

/// `ln u` for a normal number `u > 0`: `u = 2^e m` with `m` between `sqrt(1/2)` and `sqrt 2`, and
/// `ln m = 2 artanh s` with `s = (m - 1) / (m + 1)`, by its series.
#[inline(always)]
fn ln(u: f64) -> f64 {
    /// 1.5 * 2^52: in a number of this size, one more in the bits is one more in value.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    let below = (u.to_bits().wrapping_sub((SQRT_2 / 2.0).to_bits()) as i64 >> 52) as u64;
    let m = f64::from_bits(u.to_bits().wrapping_sub(below << 52));
    let e = f64::from_bits(SHIFT.to_bits().wrapping_add(below)) - SHIFT;
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let mut series: f64 = 1.0 / 19.0;
    for odd in [17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        series = series.mul_add(z, 1.0 / odd);
    }
    let twice = s + s;
    e.mul_add(LN_2, (twice * z).mul_add(series, twice))
}

/// Sine and cosine for `|x| <= pi / 4`, by their series.
#[inline(always)]
fn sin_cos(x: f64) -> (f64, f64) {
    let z = x * x;
    let (mut sin, mut cos) = (-INVERSE_FACTORIALS[15], INVERSE_FACTORIALS[16]);
    for n in [13, 9, 5] {
        sin = sin.mul_add(z, INVERSE_FACTORIALS[n]).mul_add(z, -INVERSE_FACTORIALS[n - 2]);
    }
    for n in [14, 10, 6] {
        cos = cos.mul_add(z, -INVERSE_FACTORIALS[n]).mul_add(z, INVERSE_FACTORIALS[n - 2]);
    }
    ((x * z).mul_add(sin, x), cos.mul_add(z, -0.5).mul_add(z, 1.0))
}

/// `1 / n!`
const INVERSE_FACTORIALS: [f64; 17] = {
    let mut inverse = [1.0; 17];
    let (mut n, mut factorial) = (1, 1.0);
    while n < 17 {
        factorial *= n as f64;
        inverse[n] = 1.0 / factorial;
        n += 1;
    }
    inverse
};
