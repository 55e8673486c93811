//! From a wanted epsilon to the least noise that reaches it.

use super::epsilon::epsilon;
use super::loss::{Loss, Release};
use super::rdp::AccountingError;
use super::units::{Delta, Epsilon, NoiseMultiplier, SamplingRate};

/// The decimals of a noise multiplier: calibrated values are rounded up to them and certified so.
const SCALE: f64 = 1e4;
/// The ends of the domain, in units of the last decimal.
const ENDS: (i64, i64) = (2_000, 10_000_000);

/// The least noise multiplier, rounded up to four decimals (nine digits without sampling), with which `steps` Poisson-sampled
/// Gaussian releases of this rate stay within (epsilon, delta), as [`epsilon`] finds it.
///
/// The logarithm of epsilon is nearly linear in that of sigma: a secant between the ends of the
/// bracket ends the search after a handful of evaluations.
///
/// # Errors
/// [`AccountingError::Unreachable`] when even a multiplier of 1000 is not enough.
pub fn noise_multiplier(
    rate: SamplingRate,
    steps: u32,
    target: Epsilon,
    delta: Delta,
) -> Result<NoiseMultiplier, AccountingError> {
    noise_multiplier_after(0.0, (rate, steps), target, delta)
}

/// As [`noise_multiplier`], for releases that are composed with a Gaussian of squared mean `mu2`.
///
/// # Errors
/// [`AccountingError::Unreachable`] when even a multiplier of 1000 is not enough.
pub fn noise_multiplier_after(
    mu2: f64,
    (rate, steps): (SamplingRate, u32),
    target: Epsilon,
    delta: Delta,
) -> Result<NoiseMultiplier, AccountingError> {
    let mut before = Loss::default();
    if mu2 > 0.0 {
        before.add_gaussian(mu2.sqrt(), 1);
    }
    if rate == SamplingRate::ALL {
        return on_every_unit(&before, steps, target, delta);
    }
    let sigma = |ticks: i64| NoiseMultiplier::new(ticks as f64 / SCALE).map_err(|_| AccountingError::Unreachable);
    let spent = |ticks: i64| {
        let mut loss = before.clone();
        loss.add_release(Release { rate, sigma: sigma(ticks)?, count: steps })?;
        epsilon(&loss, delta)
    };
    let goal = target.get().ln();
    // How far above the goal; `low` is too little noise, `high` is enough.
    let over = |ticks: i64| match spent(ticks) {
        // So little noise that no proof gives a number.
        Err(AccountingError::Unreachable | AccountingError::TooFine) => Ok(3.0),
        spent => spent.map(|e| e.max(1e-300).ln() - goal),
    };
    let (mut low, mut high) = (None::<(i64, f64)>, None::<(i64, f64)>);
    let mut next = first_guess(rate, steps, target, delta);
    loop {
        let error = over(next)?;
        *(if error > 0.0 { &mut low } else { &mut high }) = Some((next, error));
        next = match (low, high) {
            (None, Some((high, _))) if high == ENDS.0 => return sigma(high),
            (Some((low, _)), None) if low == ENDS.1 => return Err(AccountingError::Unreachable),
            (Some((low, _)), Some((high, _))) if high - low == 1 => return sigma(high),
            (Some(low), Some(high)) => between(low, high),
            (None, Some((high, error))) => step(high, error - 1e-3).clamp(ENDS.0, high - 1),
            (Some((low, error)), None) => step(low, error + 1e-3).clamp(low + 1, ENDS.1),
            (None, None) => next,
        };
    }
}

/// The analytic Gaussian mechanism (Balle and Wang 2018): in closed form, rounded up to nine digits.
fn on_every_unit(before: &Loss, steps: u32, target: Epsilon, delta: Delta) -> Result<NoiseMultiplier, AccountingError> {
    let mean = super::gaussian::largest_mean(target.get(), delta.get());
    let mean = (mean * mean - before.mu2()).max(0.0).sqrt();
    if mean == 0.0 {
        return Err(AccountingError::Unreachable);
    }
    let mut sigma = (f64::from(steps).sqrt() / mean).max(ENDS.0 as f64 / SCALE);
    loop {
        let unit = 10f64.powi(sigma.log10().floor() as i32 - 8);
        sigma = (sigma / unit).ceil() * unit;
        let noise = NoiseMultiplier::new(sigma).map_err(|_| AccountingError::Unreachable)?;
        let mut loss = before.clone();
        loss.add_release(Release { rate: SamplingRate::ALL, sigma: noise, count: steps })?;
        if epsilon(&loss, delta)? <= target.get() {
            return Ok(noise);
        }
        sigma += unit;
    }
}

/// Epsilon falls about like one over sigma: from a point outside, a little beyond where that leads.
fn step(ticks: i64, error: f64) -> i64 {
    (ticks as f64 * (1.15 * error).clamp(-3.0, 3.0).exp()).round() as i64
}

/// The secant in logarithms, rounded to the side where noise is enough; never an end itself.
fn between((low, too_much): (i64, f64), (high, enough): (i64, f64)) -> i64 {
    let (a, b) = ((low as f64).ln(), (high as f64).ln());
    let root = a + (b - a) * too_much / (too_much - enough);
    let narrow = (high - low) as f64;
    // Half way, now and then, in case the curve is not a line at all.
    let ticks = if narrow > 0.5 * high as f64 { f64::midpoint(a, root).exp() } else { root.exp().ceil() };
    let ticks = if ticks as i64 >= high { high - 1 } else { ticks as i64 };
    ticks.clamp(low + 1, high - 1)
}

/// The noise that a Gaussian on every unit would need, times what sampling of many steps leaves of it.
fn first_guess(rate: SamplingRate, steps: u32, target: Epsilon, delta: Delta) -> i64 {
    let mean = super::gaussian::largest_mean(target.get(), delta.get());
    let sigma = rate.get() * f64::from(steps.max(1)).sqrt() / mean.max(1e-9);
    ((sigma.max(0.5) * SCALE) as i64).clamp(ENDS.0, ENDS.1)
}
