//! Intervals for shares and their differences. All of them are two-sided.

use libm::{erfc, lgamma};

use super::figures::{Difference, Interval, Proportion};

/// How certain every interval of this room is.
pub const LEVEL: f64 = 0.95;

/// The number that a standard Gaussian exceeds with probability `tail`, from 0 to 1/2 (exclusive of 0).
#[must_use]
pub fn normal_quantile(tail: f64) -> f64 {
    bisect((0.0, 40.0), |z| 0.5 * erfc(z * std::f64::consts::FRAC_1_SQRT_2) > tail)
}

/// Wilson's interval for a share of `successes` (a tie may count half) in `tries`. Without tries the share is 0 and may
/// be anything.
#[must_use]
pub fn wilson(successes: f64, tries: usize, level: f64) -> Proportion {
    if tries == 0 {
        return Proportion { share: 0.0, interval: Interval { low: 0.0, high: 1.0 } };
    }
    let (n, z2) = (tries as f64, normal_quantile((1.0 - level) / 2.0).powi(2));
    let share = successes / n;
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = (z2 * (share * (1.0 - share) / n + z2 / (4.0 * n * n))).sqrt() / (1.0 + z2 / n);
    // Rounding must not put the share itself outside.
    let interval = Interval { low: (middle - half).clamp(0.0, share), high: (middle + half).clamp(share, 1.0) };
    Proportion { share, interval }
}

/// The exact bounds of Clopper and Pearson for a share of `successes` in `tries`, each of which is wrong with
/// probability `tail` at most.
#[must_use]
pub fn binomial_quantile_bounds(successes: usize, tries: usize, tail: f64) -> Interval {
    let low = match successes {
        0 => 0.0,
        _ => bisect((0.0, 1.0), |p| binomial_tail(successes, tries, p) < tail),
    };
    let high = match tries - successes {
        0 => 1.0,
        failures => 1.0 - bisect((0.0, 1.0), |p| binomial_tail(failures, tries, p) < tail),
    };
    Interval { low, high }
}

/// The probability of at least `successes` in `tries` that each succeed with probability `p`.
#[must_use]
pub fn binomial_tail(successes: usize, tries: usize, p: f64) -> f64 {
    if successes == 0 || p >= 1.0 {
        return 1.0;
    }
    if p <= 0.0 {
        return 0.0;
    }
    (successes..=tries).map(|k| binomial(k, tries, p)).sum::<f64>().min(1.0)
}

/// The probability of `k` successes in `n` tries that each succeed with probability `p`, from 0 to 1 (both exclusive).
pub(super) fn binomial(k: usize, n: usize, p: f64) -> f64 {
    let (k, n) = (k as f64, n as f64);
    let ways = lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0);
    (ways + k * p.ln() + (n - k) * (-p).ln_1p()).exp()
}

/// How much larger a share of the first is than one of the second, which is another sample: Newcombe's interval, made
/// of Wilson's.
#[must_use]
pub fn difference_of_shares(first: (usize, usize), second: (usize, usize), level: f64) -> Difference {
    let [a, b] = [first, second].map(|(successes, tries)| wilson(successes as f64, tries, level));
    let value = a.share - b.share;
    let below = (a.share - a.interval.low).hypot(b.interval.high - b.share);
    let above = (a.interval.high - a.share).hypot(b.share - b.interval.low);
    Difference { value, interval: Interval { low: value - below, high: value + above } }
}

/// How much larger the first share is than the second where both are of the same `tries`, of which `first_alone` count
/// for the first alone and `second_alone` for the second alone: Wald's interval for pairs with half a count added to
/// each kind of pair (Agresti and Min).
#[must_use]
pub fn difference_of_pairs(first_alone: usize, second_alone: usize, tries: usize, level: f64) -> Difference {
    let value = (first_alone as f64 - second_alone as f64) / (tries as f64).max(1.0);
    let (b, c, n) = (first_alone as f64 + 0.5, second_alone as f64 + 0.5, tries as f64 + 2.0);
    let middle = (b - c) / n;
    let half = normal_quantile((1.0 - level) / 2.0) * (b + c - (b - c).powi(2) / n).sqrt() / n;
    let interval = Interval { low: (middle - half).max(-1.0), high: (middle + half).min(1.0) };
    Difference { value, interval }
}

/// The place at which `below`, true first and false then, changes.
pub(super) fn bisect((mut low, mut high): (f64, f64), below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if below(middle) { low = middle } else { high = middle }
    }
    low
}
