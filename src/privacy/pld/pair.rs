//! The dominating pair of one release: a Gaussian on a Poisson sample.
//!
//! With noise multiplier s and rate q, P = (1-q) N(0, s^2) + q N(1, s^2) and Q = N(0, s^2) when the
//! unit is removed, and the other way round when it is added (Zhu, Dong and Wang 2022, theorem 11).
//! The loss is `l(x) = ln(1 - q + q exp((2x - 1) / (2 s^2)))`, or its negative.

use crate::privacy::loss::Loss;

/// Which of the two neighbours has the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// P is the world with the unit.
    Remove,
    /// P is the world without it.
    Add,
}

/// Releases of one kind. Numbers may be outside of the units' domains, for Gaussians that stand for others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// q, above 0 and at most 1.
    pub rate: f64,
    /// s, above 0.
    pub sigma: f64,
    /// How many, at least 1.
    pub count: f64,
}

impl Part {
    /// Releases on every unit are one release with less noise.
    pub fn merged(&self) -> Self {
        if self.rate < 1.0 { *self } else { Self { rate: 1.0, sigma: self.sigma / self.count.sqrt(), count: 1.0 } }
    }

    /// `l(x)`, without overflow or cancellation.
    pub fn loss(&self, x: f64) -> f64 {
        let (q, s) = (self.rate, self.sigma);
        let t = (2.0 * x - 1.0) / (2.0 * s * s);
        if q >= 1.0 {
            t
        } else if t < 30.0 {
            (q * t.exp_m1()).ln_1p()
        } else {
            t + (q + (1.0 - q) * (-t).exp()).ln()
        }
    }

    /// The x at which `l(x)` is this; minus infinity where it is never so low.
    pub fn place(&self, loss: f64) -> f64 {
        let (q, s) = (self.rate, self.sigma);
        if q >= 1.0 {
            return s * s * loss + 0.5;
        }
        if loss > 30.0 {
            // ln((e^l - 1 + q) / q), where e^l may overflow.
            return s * s * (loss - q.ln() + ((q - 1.0) * (-loss).exp()).ln_1p()) + 0.5;
        }
        let r = loss.exp_m1() / q;
        if r <= -1.0 { f64::NEG_INFINITY } else { s * s * r.ln_1p() + 0.5 }
    }
}

/// The parts of a loss: sampled releases, and one Gaussian for all others.
pub fn parts_of(loss: &Loss) -> Vec<Part> {
    let sampled =
        loss.sampled().iter().map(|r| Part { rate: r.rate.get(), sigma: r.sigma.get(), count: f64::from(r.count) });
    let gaussian = (loss.mu2() > 0.0).then(|| Part { rate: 1.0, sigma: 1.0 / loss.mu2().sqrt(), count: 1.0 });
    sampled.chain(gaussian).collect()
}
