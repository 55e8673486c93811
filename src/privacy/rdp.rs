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

use super::loss::{Loss, Release};
use super::pld::Direction;

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
    /// Events that tell all with a small probability use up delta.
    #[error("delta is not above the probability with which the events tell everything")]
    Leaks,
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
const MAX_ORDER_OVER_SIGMA: f64 = 4e3;

/// The Renyi divergence of order `order > 1` of all releases of a kind, in nats; infinite where the
/// order is too large to be worth integrating.
fn divergence(release: &Release, direction: Direction, order: f64) -> f64 {
    let (q, s) = (release.rate.get(), release.sigma.get());
    if order / s > MAX_ORDER_OVER_SIGMA {
        return f64::INFINITY;
    }
    // Remove: E_Q[(P/Q)^order], its mass between 0 and the order. Add: E_P[(P/Q)^(order - 1)], where P is
    // the plain Gaussian, its mass between 1 - order and 0.
    let one = match direction {
        Direction::Remove => log_moment(q, s, order, (0.0, order)),
        Direction::Add => log_moment(q, s, 1.0 - order, (1.0 - order, 0.0)),
    };
    one / (order - 1.0) * f64::from(release.count)
}

/// `ln E[ratio(x)^power]` for x from N(0, s^2), by the trapezoid rule, 14 s beyond `modes` on both
/// sides; at least 0.
fn log_moment(q: f64, s: f64, power: f64, modes: (f64, f64)) -> f64 {
    let step = s / 8.0;
    let first = modes.0 - TAIL * s;
    let nodes = ((modes.1 - modes.0 + 2.0 * TAIL * s) / step).ceil() as usize;
    let log_at = |i: usize| {
        let x = first + step * i as f64;
        power * log_ratio(q, s, x) - x * x / (2.0 * s * s)
    };
    let logs: Vec<f64> = (0..=nodes).map(log_at).collect();
    let peak = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logs.iter().filter(|log| **log > peak - 50.0).map(|log| (log - peak).exp()).sum();
    let scale = (step / (s * (2.0 * std::f64::consts::PI).sqrt())).ln();
    (peak + sum.ln() + scale).max(0.0)
}

/// `ln(1 - q + q exp((2x - 1) / (2 s^2)))` without overflow or cancellation.
fn log_ratio(q: f64, s: f64, x: f64) -> f64 {
    let t = (2.0 * x - 1.0) / (2.0 * s * s);
    if t < 30.0 { (q * t.exp_m1()).ln_1p() } else { t + (q + (1.0 - q) * (-t).exp()).ln() }
}

/// Refuses more steps than the slacks are made for.
///
/// # Errors
/// [`AccountingError::TooManySteps`].
pub fn check_steps(loss: &Loss) -> Result<(), AccountingError> {
    let steps: u64 = loss.sampled().iter().map(|r| u64::from(r.count)).sum();
    if steps > MAX_STEPS { Err(AccountingError::TooManySteps) } else { Ok(()) }
}

/// The bound on epsilon at `delta` by one order, rounded up.
pub fn at_order(loss: &Loss, direction: Direction, delta: f64, order: f64) -> f64 {
    let sampled: f64 = loss.sampled().iter().map(|r| divergence(r, direction, order)).sum();
    let renyi = sampled + loss.mu2() * order / 2.0;
    let bound = renyi + ((order - 1.0) / order).ln() - (delta.ln() + order.ln()) / (order - 1.0);
    bound.max(0.0) * (1.0 + SLACK.0) + SLACK.1
}

/// Epsilon of a loss without leaks at `delta`, rounded up: the best of all orders.
///
/// # Errors
/// [`AccountingError::TooManySteps`] beyond ten million steps; [`AccountingError::Unreachable`] when
/// no order gives a finite bound.
pub fn epsilon(loss: &Loss, delta: f64) -> Result<f64, AccountingError> {
    check_steps(loss)?;
    if *loss == Loss::default() {
        return Ok(0.0);
    }
    // The search runs over ln(order - 1).
    let bound = |log: f64| at_order(loss, Direction::Remove, delta, 1.0 + log.exp());
    let best = minimum(bound, (1e-2f64).ln(), (1e5f64).ln());
    if best.is_finite() { Ok(best) } else { Err(AccountingError::Unreachable) }
}

/// The best order within a factor of three of `order - 1`; enough where the best order is about known.
pub fn epsilon_near(loss: &Loss, delta: f64, order: f64) -> f64 {
    let bound = |log: f64| at_order(loss, Direction::Remove, delta, 1.0 + log.exp());
    let middle = (order - 1.0).max(1e-9).ln();
    golden(bound, (middle - 1.1, middle + 1.1), 14)
}

/// The least value seen on a coarse grid and on a golden-section search around its best point.
fn minimum(f: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    const POINTS: usize = 10;
    let width = (high - low) / (POINTS - 1) as f64;
    let grid: Vec<f64> = (0..POINTS).map(|i| f(low + width * i as f64)).collect();
    let best = (0..POINTS).fold(0, |b, i| if grid[i] < grid[b] { i } else { b });
    let around = (low + width * (best as f64 - 1.0), low + width * (best as f64 + 1.0));
    grid[best].min(golden(f, around, 18))
}

/// The least value seen by a golden-section search.
fn golden(f: impl Fn(f64) -> f64, (mut a, mut b): (f64, f64), rounds: usize) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let (mut c, mut d) = (b - GOLDEN * (b - a), a + GOLDEN * (b - a));
    let (mut fc, mut fd) = (f(c), f(d));
    let mut least = fc.min(fd);
    for _ in 0..rounds {
        if fc < fd {
            (b, d, fd) = (d, c, fc);
            c = b - GOLDEN * (b - a);
            fc = f(c);
        } else {
            (a, c, fc) = (c, d, fd);
            d = a + GOLDEN * (b - a);
            fd = f(d);
        }
        least = least.min(fc).min(fd);
    }
    least
}
