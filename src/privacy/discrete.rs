//! Discrete Gaussian noise without a rounding error: integers in, integers out, no float on the way.
//!
//! Canonne, Kamath and Steinke (2020, "The discrete Gaussian for differential privacy", algorithms 1 to 3):
//! a coin of probability `exp(-x)` is made of coins of rational probability, a discrete Laplace of such
//! coins, and the discrete Gaussian by rejection from that. Attacks on the low bits of floating-point noise
//! (Mironov 2012) have nothing to look at here.

use rand::RngCore;

/// A standard deviation in sixteenths (whole above 2^20), so that its square is a fraction of small integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deviation(u64);

impl Deviation {
    /// Sixteenths in one.
    pub const UNIT: f64 = 16.0;

    /// The largest that is sampled: intermediate products stay within 128 bits.
    pub const LARGEST: f64 = (1 << 28) as f64;

    /// From here on deviations are whole.
    const WHOLE: u64 = 16 << 20;

    /// The least deviation that is not below `x`, and not below 1; none beyond 2^28.
    #[must_use]
    pub fn at_least(x: f64) -> Option<Self> {
        (x <= Self::LARGEST).then(|| {
            let sixteenths = (x.max(1.0) * Self::UNIT).ceil() as u64;
            Self(if sixteenths > Self::WHOLE { sixteenths.next_multiple_of(16) } else { sixteenths })
        })
    }

    /// The standard deviation's parameter s: the density at y is proportional to `exp(-y^2 / (2 s^2))`.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0 as f64 / Self::UNIT
    }
}

/// One integer with discrete Gaussian distribution around 0.
pub fn discrete_gaussian(rng: &mut impl RngCore, deviation: Deviation) -> i64 {
    // s^2 = square / unit2
    let (square, unit2) = if deviation.0 > Deviation::WHOLE {
        (u128::from(deviation.0 / 16).pow(2), 1)
    } else {
        (u128::from(deviation.0).pow(2), 256)
    };
    let scale = u128::from(deviation.0 / 16) + 1;
    loop {
        let (magnitude, negative) = discrete_laplace(rng, scale);
        // Beyond 64 scales a draw would be kept with a probability below exp(-1800).
        if magnitude > 64 * scale {
            continue;
        }
        // (|y| - s^2 / t)^2 / (2 s^2), over the common denominator.
        let distance = (magnitude * scale * unit2).abs_diff(square);
        if coin_exp(rng, distance * distance, 2 * square * unit2 * scale * scale) {
            return if negative { -(magnitude as i64) } else { magnitude as i64 };
        }
    }
}

/// The size and sign of an integer with probability proportional to `exp(-|y| / scale)`.
fn discrete_laplace(rng: &mut impl RngCore, scale: u128) -> (u128, bool) {
    loop {
        let within = below(rng, scale);
        if !coin_exp(rng, within, scale) {
            continue;
        }
        let mut whole = 0;
        while coin_exp(rng, 1, 1) {
            whole += 1;
        }
        let magnitude = within + scale * whole;
        let negative = rng.next_u32() & 1 == 1;
        if !(negative && magnitude == 0) {
            return (magnitude, negative);
        }
    }
}

/// True with probability `exp(-numerator / denominator)`.
fn coin_exp(rng: &mut impl RngCore, numerator: u128, denominator: u128) -> bool {
    let whole = numerator / denominator;
    (0..whole).all(|_| coin_exp_fraction(rng, 1, 1)) && coin_exp_fraction(rng, numerator % denominator, denominator)
}

/// As [`coin_exp`] for a fraction of at most 1: the parity of the number of coins of probability
/// `x, x / 2, x / 3, ...` up to the first failure.
fn coin_exp_fraction(rng: &mut impl RngCore, numerator: u128, denominator: u128) -> bool {
    let mut count = 1;
    while coin(rng, numerator, denominator, count) {
        count += 1;
    }
    count % 2 == 1
}

/// True with probability `numerator / (denominator * count)`: both coins of the product must fall.
fn coin(rng: &mut impl RngCore, numerator: u128, denominator: u128, count: u128) -> bool {
    below(rng, count) == 0 && below(rng, denominator) < numerator
}

/// A whole number from 0 to below `bound`, all equally likely: bits until they are below.
fn below(rng: &mut impl RngCore, bound: u128) -> u128 {
    if bound <= 1 {
        return 0;
    }
    let spare = (bound - 1).leading_zeros();
    loop {
        let drawn = if spare >= 64 {
            u128::from(rng.next_u64() >> (spare - 64))
        } else {
            (u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())) >> spare
        };
        if drawn < bound {
            return drawn;
        }
    }
}
