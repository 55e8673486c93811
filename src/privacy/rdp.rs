//! Renyi accounting of Poisson-sampled Gaussians at real orders: an upper bound on epsilon.
//!
//! For one release with rate q and noise multiplier s, remove direction, P = (1-q) N(0, s^2) +
//! q N(1, s^2) against Q = N(0, s^2), the Renyi divergence of order a is
//! `ln E_Q[(P/Q)^a] / (a - 1)` with `P/Q = 1 - q + q exp((2x - 1) / (2 s^2))`.
//! The add direction is never larger (Mironov, Talwar and Zhang 2019, "Renyi differential privacy
//! of the sampled Gaussian mechanism", theorem 5). Divergences add up over releases; the sum turns
//! into epsilon by theorem 21 of Balle, Barthe, Gaboardi, Hsu and Sato 2020 ("Hypothesis testing
//! interpretations and Renyi differential privacy"):
//! `epsilon = R(a) + ln((a - 1) / a) - (ln delta + ln a) / (a - 1)`.
//!
//! Every order gives a valid bound, so a search that stops early can only be too high. The integral
//! is a trapezoid sum of a function that is analytic in a strip: with a spacing of s/8 its error is
//! below exp(-31), far below the slack that is added at the end.

use super::units::{Delta, NoiseMultiplier, SamplingRate};

/// `count` releases of a Gaussian sum on fresh Poisson samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Release {
    /// q.
    pub rate: SamplingRate,
    /// Sigma.
    pub sigma: NoiseMultiplier,
    /// How many times, each with fresh sampling and noise.
    pub count: u32,
}

/// Why no epsilon can be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountingError {
    /// More than ten million steps.
    #[error("at most 10,000,000 steps can be accounted")]
    TooManySteps,
    /// An event without an accounting rule counts as infinite.
    #[error("the accountant has no rule for this event")]
    UnknownEvent,
    /// A grid fine enough for the wanted precision would not fit into memory.
    #[error("this composition needs too fine a grid: take more noise or fewer steps")]
    TooFine,
    /// Nothing in the domain of the noise multiplier reaches the wanted epsilon.
    #[error(
        "no noise multiplier up to 1000 reaches this epsilon and delta: take fewer steps, a smaller batch, or a larger epsilon"
    )]
    Unreachable,
}

/// Most steps that are accounted.
const MAX_STEPS: u64 = 10_000_000;
/// Relative and absolute slack for rounding in the sums, enough for the most steps; privacy loss
/// rounds up.
const SLACK: (f64, f64) = (1e-7, 1e-12);
/// Half the width of the integration window around the two modes, in standard deviations.
const TAIL: f64 = 14.0;
/// Orders above this many standard deviations are not tried: the integral would grow long, and
/// the best order is far below.
const MAX_ORDER_OVER_SIGMA: f64 = 2e4;

impl Release {
    /// The Renyi divergence of order `order > 1` of all `count` releases, in nats; infinite where
    /// the order is too large to be worth integrating.
    fn divergence(&self, order: f64) -> f64 {
        let (q, s) = (self.rate.get(), self.sigma.get());
        let one = if q >= 1.0 {
            order / (2.0 * s * s)
        } else if order / s > MAX_ORDER_OVER_SIGMA {
            return f64::INFINITY;
        } else {
            log_moment(q, s, order) / (order - 1.0)
        };
        one * f64::from(self.count)
    }
}

/// `ln E_Q[(P/Q)^order]` by the trapezoid rule over `[-14 s, order + 14 s]`; at least 0.
fn log_moment(q: f64, s: f64, order: f64) -> f64 {
    let step = s / 8.0;
    let first = -TAIL * s;
    let nodes = ((order + 2.0 * TAIL * s) / step).ceil() as usize;
    let log_at = |i: usize| {
        let x = first + step * i as f64;
        order * log_ratio(q, s, x) - x * x / (2.0 * s * s)
    };
    let peak = (0..=nodes).map(log_at).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = (0..=nodes).map(|i| (log_at(i) - peak).exp()).sum();
    let scale = (step / (s * (2.0 * std::f64::consts::PI).sqrt())).ln();
    (peak + sum.ln() + scale).max(0.0)
}

/// `ln(1 - q + q exp((2x - 1) / (2 s^2)))` without overflow or cancellation.
fn log_ratio(q: f64, s: f64, x: f64) -> f64 {
    let t = (2.0 * x - 1.0) / (2.0 * s * s);
    if t < 30.0 { (q * t.exp_m1()).ln_1p() } else { t + (q + (1.0 - q) * (-t).exp()).ln() }
}

/// Epsilon of all releases together at `delta`, rounded up.
///
/// # Errors
/// [`AccountingError::TooManySteps`] beyond ten million steps; [`AccountingError::Unreachable`] when
/// no order gives a finite bound.
pub fn epsilon(releases: &[Release], delta: Delta) -> Result<f64, AccountingError> {
    if releases.iter().map(|r| u64::from(r.count)).sum::<u64>() > MAX_STEPS {
        return Err(AccountingError::TooManySteps);
    }
    if releases.iter().all(|r| r.count == 0) {
        return Ok(0.0);
    }
    // The search runs over ln(order - 1).
    let bound = |log: f64| {
        let order = 1.0 + log.exp();
        let loss: f64 = releases.iter().map(|r| r.divergence(order)).sum();
        loss + ((order - 1.0) / order).ln() - (delta.get().ln() + order.ln()) / (order - 1.0)
    };
    let best = minimum(bound, (1e-2f64).ln(), (1e5f64).ln());
    if !best.is_finite() {
        return Err(AccountingError::Unreachable);
    }
    Ok(best.max(0.0) * (1.0 + SLACK.0) + SLACK.1)
}

/// The least value seen on a coarse grid and on a golden-section search around its best point.
fn minimum(f: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    const POINTS: usize = 33;
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let width = (high - low) / (POINTS - 1) as f64;
    let grid: Vec<f64> = (0..POINTS).map(|i| f(low + width * i as f64)).collect();
    let best = (0..POINTS).fold(0, |b, i| if grid[i] < grid[b] { i } else { b });
    let mut least = grid[best];
    let (mut a, mut b) = (low + width * (best as f64 - 1.0), low + width * (best as f64 + 1.0));
    let (mut c, mut d) = (b - GOLDEN * (b - a), a + GOLDEN * (b - a));
    let (mut fc, mut fd) = (f(c), f(d));
    for _ in 0..24 {
        least = least.min(fc).min(fd);
        if fc < fd {
            (b, d, fd) = (d, c, fc);
            c = b - GOLDEN * (b - a);
            fc = f(c);
        } else {
            (a, c, fc) = (c, d, fd);
            d = a + GOLDEN * (b - a);
            fd = f(d);
        }
    }
    least
}
