//! The privacy of one Gaussian release, exactly: the currency in which budgets are counted.
//!
//! N(mu, 1) against N(0, 1) has the hockey-stick profile (Balle and Wang 2018, "Improving the
//! Gaussian mechanism for differential privacy", theorem 8; Dong, Roth and Su 2022, "Gaussian
//! differential privacy", corollary 2.13)
//! `delta(e) = Phi(mu/2 - e/mu) - exp(e) Phi(-mu/2 - e/mu)`, for every real e, in both directions.
//!
//! Two roundings: [`upper`] for what is charged, [`lower`] for what is granted. The two tails are
//! computed to a few units in the last place, so their difference is off by at most [`ULPS`] parts
//! in 10^16 of their sum.

use std::f64::consts::FRAC_1_SQRT_2;

/// Error of one tail by `erfc` and of its factor, relative; a dozen times what was measured.
const ULPS: f64 = 2e-15;

/// The upper tail of the standard normal distribution.
pub fn tail(z: f64) -> f64 {
    0.5 * libm::erfc(z * FRAC_1_SQRT_2)
}

/// The two terms of `delta(e)` for `mu > 0`: the tail beyond e, and `exp(e)` times the other one.
fn terms(mu: f64, e: f64) -> (f64, f64) {
    let (near, far) = (e / mu - mu / 2.0, e / mu + mu / 2.0);
    let log_far = if far < 35.0 {
        tail(far).ln()
    } else {
        // Mills' ratio; the next term is below 4e-13.
        let r = 1.0 / (far * far);
        let series = r * (-1.0 + r * (3.0 + r * (-15.0 + r * 105.0)));
        -far * far / 2.0 - (far * (2.0 * std::f64::consts::PI).sqrt()).ln() + series.ln_1p()
    };
    (tail(near), (e + log_far).exp())
}

/// How far rounding may have moved the difference of the two terms: the exponent of the second one
/// is a difference of numbers as large as `e`.
fn error(mu: f64, e: f64, near: f64, far: f64) -> f64 {
    let argument = (e / mu).abs() + mu;
    ULPS * (near * (1.0 + argument * argument) + far * (1.0 + e.abs() + argument * argument))
}

/// `delta(e)` of a Gaussian with mean `mu >= 0`, not below the exact value.
pub fn upper(mu: f64, e: f64) -> f64 {
    if mu == 0.0 {
        return (-e.exp_m1()).max(0.0);
    }
    let (near, far) = terms(mu, e);
    (near - far + error(mu, e, near, far)).clamp(0.0, 1.0)
}

/// `delta(e)` of a Gaussian with mean `mu >= 0`, not above the exact value.
pub fn lower(mu: f64, e: f64) -> f64 {
    if mu == 0.0 {
        return (-e.exp_m1()).max(0.0);
    }
    let (near, far) = terms(mu, e);
    (near - far - error(mu, e, near, far)).clamp(0.0, 1.0)
}

/// The largest mean whose profile passes below `(epsilon, delta)`, rounded down.
pub fn largest_mean(epsilon: f64, delta: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while upper(high, epsilon) <= delta {
        (low, high) = (high, 2.0 * high);
    }
    // Down to neighbouring doubles or nearly so: `low` always fits.
    for _ in 0..80 {
        let middle = if low > 0.0 { (low * high).sqrt() } else { high / 16.0 };
        if upper(middle, epsilon) <= delta { low = middle } else { high = middle }
    }
    low
}

/// The least epsilon at which a Gaussian with mean `mu` has `delta`, rounded up.
pub fn epsilon(mu: f64, delta: f64) -> f64 {
    if upper(mu, 0.0) <= delta {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, mu * mu + 1.0);
    while upper(mu, high) > delta {
        (low, high) = (high, 2.0 * high);
    }
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if upper(mu, middle) <= delta { high = middle } else { low = middle }
    }
    high
}
