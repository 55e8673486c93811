//! The whole hockey-stick profile of a loss on a grid, from above.

use crate::privacy::gaussian;
use crate::privacy::loss::Loss;
use crate::privacy::pld::{Direction, Moments, Tilted, parts_of};
use crate::privacy::rdp::AccountingError;

/// Upper bounds of a profile at `0, step, 2 step, ...`, the last of them at most the leak.
pub struct Curve {
    /// The distance of the points.
    pub step: f64,
    /// The bounds; they fall.
    pub values: Vec<f64>,
}

/// The widest step, absolute and relative to the mean that the certificate will have: a cell costs
/// about its width over the mean, relative.
const STEP: (f64, f64) = (1e-3, 1e-3);
/// Points at most; beyond that the step is made wider, which only makes the certificate larger.
const POINTS: f64 = 4e6;
/// The error of the discretisation, relative to the epsilon at the leak.
const PRECISION: f64 = 3e-4;
/// Standard deviations between the means of two tilts.
const LADDER: f64 = 3.5;

impl Curve {
    /// The profile of `loss` in one direction, as far as it is above `leak`.
    ///
    /// A tilted transform is exact near the mean of the tilted loss only: elsewhere rounding errors
    /// drown the curve. So there is one for each of a ladder of tilts, and at each point the least of
    /// the bounds counts.
    ///
    /// # Errors
    /// [`AccountingError`] when no tilt brings the bound below the leak.
    pub fn of(loss: &Loss, direction: Direction, leak: f64) -> Result<Self, AccountingError> {
        if leak <= 0.0 {
            return Err(AccountingError::Unreachable);
        }
        let parts = parts_of(loss);
        let moments = Moments::new(&parts, direction);
        let top = moments.saddle(leak);
        // Where the curve falls to the leak, about, and the mean that a Gaussian with this point would have.
        let end = top.mean.max(1e-12);
        let mean = gaussian::largest_mean(end, leak);
        let count: f64 = parts.iter().map(|p| p.count).sum();
        let step = STEP.0.min(STEP.1 * mean).max(end / POINTS);
        let fine = (12.0 * PRECISION * end / (count * (top.theta + 1.0))).sqrt();
        // The grid of losses is as fine as the discretisation needs; the curve's points are some of its.
        let stride = (step / fine.min(step)).ceil();
        let h = step / stride;
        let mut values: Vec<f64> = Vec::new();
        for theta in ladder(&moments, top.theta) {
            let tilted = Tilted::new(&parts, direction, theta, h)?;
            merge(&mut values, tilted.deltas(stride as usize));
        }
        // The profile falls.
        let mut least = f64::INFINITY;
        values.iter_mut().for_each(|value| {
            least = least.min(*value);
            *value = least;
        });
        let enough = values.iter().position(|&delta| delta <= leak).ok_or(AccountingError::Unreachable)?;
        values.truncate(enough + 1);
        Ok(Self { step, values })
    }
}

/// Tilts from 0 to `top` whose losses lie next to each other.
fn ladder(moments: &Moments, top: f64) -> Vec<f64> {
    let mut tilts = vec![0.0];
    loop {
        let theta = tilts[tilts.len() - 1];
        let here = moments.at(theta);
        let wanted = here.mean + LADDER * here.variance.sqrt();
        if theta >= top || tilts.len() > 40 {
            return tilts;
        }
        let (mut low, mut high) = (theta, top);
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            if moments.at(middle).mean < wanted { low = middle } else { high = middle }
        }
        tilts.push(high);
    }
}

/// The least of two bounds at each point; where one has none, the other's.
fn merge(values: &mut Vec<f64>, bounds: Vec<f64>) {
    for (i, bound) in bounds.into_iter().enumerate() {
        match values.get_mut(i) {
            Some(value) => *value = value.min(bound),
            None => values.push(bound),
        }
    }
}
