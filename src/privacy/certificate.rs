//! Temporary: one point of the curve. Replaced before anything is merged.

use super::gaussian;
use super::loss::Loss;
use super::rdp::{AccountingError, epsilon};
use super::units::Delta;

pub(super) fn certificate(loss: &Loss, leak: f64) -> Result<f64, AccountingError> {
    if !loss.needs_leak() {
        return Ok(loss.mu2().sqrt());
    }
    let delta = Delta::new(leak.max(1e-15)).map_err(|_| AccountingError::Unreachable)?;
    let e = epsilon(loss.sampled(), delta)?;
    Ok((gaussian::largest_mean(e, delta.get()).powi(2) + loss.mu2()).sqrt())
}

pub(super) fn residual(loss: &Loss, epsilon: f64, delta: f64) -> Result<Option<f64>, AccountingError> {
    let mean = certificate(loss, delta)?;
    let cap = gaussian::largest_mean(epsilon, delta);
    Ok((mean < cap).then(|| (cap * cap - mean * mean).sqrt()))
}

pub(super) fn fits_exactly(loss: &Loss, epsilon: f64, delta: f64) -> Result<bool, AccountingError> {
    let delta = Delta::new(delta).map_err(|_| AccountingError::Unreachable)?;
    Ok(super::rdp::epsilon(loss.sampled(), delta)? <= epsilon)
}
