//! Moments of the privacy loss: `K(t) = ln E_P exp(t L)` of all parts together, its slope and curvature.
//!
//! `K(t) / t` is the Renyi divergence of order `t + 1`. Used to choose tilts, grids and windows: an
//! error here makes a bound wide, never wrong.

use super::pair::{Direction, Part};

/// Quadrature nodes of each part: losses and the logarithms of their weights under P.
pub struct Moments {
    parts: Vec<(Vec<(f64, f64)>, f64)>,
}

/// `K`, `K'` and `K''` at a tilt.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// t.
    pub theta: f64,
    /// K(t).
    pub log: f64,
    /// K'(t): the mean of the tilted loss.
    pub mean: f64,
    /// K''(t): its variance.
    pub variance: f64,
}

/// Nodes a part; the integrands are analytic and smooth, so a trapezoid sum is exact to many digits.
const NODES: usize = 1200;
/// Half the width of the window around the two modes, in standard deviations of the noise.
const REACH: f64 = 14.0;
/// Tilts that are tried.
const TILTS: (f64, f64) = (1e-4, 2e5);

impl Moments {
    /// The moments of parts composed.
    pub fn new(parts: &[Part], direction: Direction) -> Self {
        Self { parts: parts.iter().map(|part| (nodes(&part.merged(), direction), part.merged().count)).collect() }
    }

    /// At tilt `theta`, which may be negative: at -1/2, `K` is the logarithm of the sum of `sqrt(P Q)`.
    pub fn at(&self, theta: f64) -> Moment {
        let (mut log, mut mean, mut variance) = (0.0, 0.0, 0.0);
        for (nodes, count) in &self.parts {
            let peak = nodes.iter().map(|(loss, weight)| weight + theta * loss).fold(f64::MIN, f64::max);
            let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
            for (loss, weight) in nodes {
                let u = weight + theta * loss - peak;
                if u > -60.0 {
                    let u = u.exp();
                    sum += u;
                    first += u * loss;
                    second += u * loss * loss;
                }
            }
            let m = first / sum;
            log += count * (peak + sum.ln());
            mean += count * m;
            variance += count * (second / sum - m * m).max(0.0);
        }
        Moment { theta, log, mean, variance: variance.max(1e-300) }
    }

    /// The tilt whose mean is about the epsilon at `delta`: the saddle point of
    /// `delta = exp(K - t K') / (t (t + 1) sqrt(2 pi K''))`.
    pub fn saddle(&self, delta: f64) -> Moment {
        let mut found = self.tilt_of(delta.ln());
        for _ in 0..2 {
            let t = found.theta;
            let factor = (t * (t + 1.0) * (2.0 * std::f64::consts::PI * found.variance).sqrt()).max(1e-3);
            found = self.tilt_of((delta * factor).min(0.9).ln());
        }
        found
    }

    fn tilt_of(&self, log_delta: f64) -> Moment {
        let (mut low, mut high) = (TILTS.0.ln(), TILTS.1.ln());
        for _ in 0..30 {
            let middle = f64::midpoint(low, high);
            let m = self.at(middle.exp());
            if m.log - m.theta * m.mean > log_delta { low = middle } else { high = middle }
        }
        self.at(low.exp())
    }
}

fn nodes(part: &Part, direction: Direction) -> Vec<(f64, f64)> {
    let (low, high) = (-REACH * part.sigma, REACH * part.sigma + 1.0);
    let dx = (high - low) / NODES as f64;
    let scale = (dx / (part.sigma * (2.0 * std::f64::consts::PI).sqrt())).ln();
    let node = |i| {
        let x = low + dx * i as f64;
        let (loss, weight) = (part.loss(x), scale - x * x / (2.0 * part.sigma * part.sigma));
        match direction {
            Direction::Remove => (loss, weight + loss),
            Direction::Add => (-loss, weight),
        }
    };
    (0..=NODES).map(node).collect()
}
