//! Composition by one exponentially tilted Fourier transform.
//!
//! Masses p(l) are replaced by `t(l) = p(l) exp(theta l - K)`, K being the logarithm of the sum, before
//! they are convolved, and taken back after: tilting commutes with convolution. Around the mean of the
//! tilted losses every p is then computed with a small relative error, however small it is.
//!
//! With `A` a bound on the sum of the errors of all t, the error of `delta(e)` is at most
//! `A exp(K - theta e)`, for a mass at l > e enters it with `exp(K - theta l) (1 - exp(e - l))`. Three
//! things make up A. The transform is circular: what lies above the window comes back at its bottom.
//! By Chernoff's bound that is below `exp(-30)` of the whole; what lies below comes back on top, which
//! only adds. And rounding: of the transforms, about 1e-16 for each cell; of an n-fold power, whose
//! logarithm is computed to 1e-16, n times that.

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

use super::dots::Dots;
use super::moments::{Moment, Moments};
use super::pair::{Direction, Part};
use crate::privacy::rdp::AccountingError;

/// The distribution of a composed loss, tilted, on a window of the grid.
pub struct Tilted {
    /// The step of the grid.
    h: f64,
    theta: f64,
    /// The lowest loss of the window, in steps.
    first: i64,
    /// Tilted masses; they sum to about 1.
    mass: Vec<f64>,
    /// K: the logarithm of the untilted sum of `exp(theta l) p(l)`.
    log: f64,
    /// The tilted mean, about which exponents are kept small.
    mean: f64,
    /// A.
    slack: f64,
    /// Mass at infinity.
    infinity: f64,
}

/// Cells at most; beyond it the grid must be made coarser.
const CELLS: f64 = (1u64 << 22) as f64;
/// The Chernoff exponent of a window's ends.
const EXPONENT: f64 = 32.0;
/// Mass of one release that its discretisation leaves out.
const INFINITY: f64 = 1e-40;
/// Rounding errors of a transform and of the logarithm of a cell.
const ROUNDING: (f64, f64) = (1e-13, 2e-15);

impl Tilted {
    /// The composition of `parts` in one direction, tilted by `theta >= 0`, on multiples of `h`.
    ///
    /// # Errors
    /// [`AccountingError::TooFine`] when the grid would have too many cells.
    pub fn new(parts: &[Part], direction: Direction, theta: f64, h: f64) -> Result<Self, AccountingError> {
        Self::with(&Moments::new(parts, direction), (parts, direction), theta, h)
    }

    /// The same, with moments of these parts that are there already.
    ///
    /// # Errors
    /// As [`Tilted::new`].
    pub fn with(
        moments: &Moments,
        (parts, direction): (&[Part], Direction),
        theta: f64,
        h: f64,
    ) -> Result<Self, AccountingError> {
        let parts: Vec<Part> = parts.iter().map(Part::merged).collect();
        let at = moments.at(theta);
        let (below, above) = (reach(moments, &at, -1.0), reach(moments, &at, 1.0));
        let needed = (below + above) / h;
        if !needed.is_finite() || needed > CELLS {
            return Err(AccountingError::TooFine);
        }
        let cells = length(needed.ceil() as usize);
        let composed = compose(&parts, direction, (theta, h), cells)?;
        let first = ((at.mean - below) / h).floor() as i64;
        let scale = 1.0 / cells as f64;
        let place = |i: usize| (first + i as i64 - composed.offset).rem_euclid(cells as i64) as usize;
        let mass = (0..cells).map(|i| (composed.circle[place(i)] * scale).max(0.0)).collect();
        let count: f64 = parts.iter().map(|p| p.count).sum();
        let slack = ROUNDING.0 + count * ROUNDING.1 + (-30f64).exp();
        Ok(Self { h, theta, first, mass, log: composed.log, mean: at.mean, slack, infinity: count * INFINITY })
    }

    /// The least e in the window, rounded up, at which the bound of the profile is at most `delta`; none
    /// when it is above everywhere.
    pub fn epsilon(&self, delta: f64) -> Option<f64> {
        let (scale, inside) = ((self.log - self.theta * self.mean).exp(), delta - self.infinity);
        let loss = |index: i64| index as f64 * self.h - self.mean;
        let (mut p, mut q, mut least) = (0.0f64, 0.0f64, None);
        for i in (0..self.mass.len()).rev() {
            let at = loss(self.first + i as i64);
            let mass = self.mass[i] * (-self.theta * at).exp();
            p += mass;
            q += mass * (-at).exp();
            // Between this loss and the one below it the profile is p - exp(e) q, and the rest at most:
            let below = at - self.h;
            let rest = self.slack * (-self.theta * below).exp();
            // The least e of the cell at which that is at most delta, unless it is all of the cell.
            let e = ((p * (1.0 + 1e-13) + rest - inside / scale) / (q * (1.0 - 1e-13))).ln();
            if e > at {
                return least;
            }
            if e > below {
                return Some((e + self.mean) * (1.0 + 1e-13));
            }
            least = Some(below + self.mean);
        }
        least
    }

    /// How much the grid adds to `K`, where the true one is `log`; over theta, that is about what it adds
    /// to epsilon.
    pub fn excess(&self, log: f64) -> f64 {
        self.log - log
    }

    /// Upper bounds of the profile at `0, stride h, 2 stride h, ...` up to the end of the window.
    pub fn deltas(&self, stride: usize) -> Vec<f64> {
        let (scale, stride) = ((self.log - self.theta * self.mean).exp(), stride as i64);
        let last = self.first + self.mass.len() as i64 - 1;
        let mut bounds = vec![0.0; (last.max(0) / stride + 1) as usize];
        let (mut p, mut q) = (0.0f64, 0.0f64);
        // From the top: `p` and `q` are the masses beyond the point, with exponents about the mean.
        let mut index = last;
        while index >= 0 {
            let at = index as f64 * self.h - self.mean;
            if index % stride == 0 {
                let excess = (p * (1.0 + 1e-13) - at.exp() * q * (1.0 - 1e-13)).max(0.0);
                bounds[(index / stride) as usize] =
                    self.infinity + scale * (excess + self.slack * (-self.theta * at).exp());
            }
            if index >= self.first {
                let mass = self.mass[(index - self.first) as usize] * (-self.theta * at).exp();
                p += mass;
                q += mass * (-at).exp();
            }
            index -= 1;
        }
        bounds
    }

    /// An upper bound of `delta(e)` when an independent loss follows whose profile at any real x is at
    /// most `next(x)` and whose logarithm of `E exp(theta l)` is `next_log`.
    pub fn followed_by(&self, e: f64, next: impl Fn(f64) -> f64, next_log: f64) -> f64 {
        let scale = self.log - self.theta * self.mean;
        let sum: f64 = self
            .mass
            .iter()
            .enumerate()
            .filter(|(_, mass)| **mass > 0.0)
            .map(|(i, mass)| {
                let loss = (self.first + i as i64) as f64 * self.h;
                mass * (scale - self.theta * (loss - self.mean)).exp() * next(e - loss)
            })
            .sum();
        self.infinity + sum * (1.0 + 1e-12) + self.slack * (self.log + next_log - self.theta * e).exp()
    }
}

/// How far from the tilted mean the window reaches, on the side of `sign`.
fn reach(moments: &Moments, at: &Moment, sign: f64) -> f64 {
    let sd = at.variance.sqrt();
    let bound = |c: f64| {
        let t = sign * c / sd;
        ((moments.at(at.theta + t).log - at.log + EXPONENT) / t - at.mean).abs()
    };
    let mut least = f64::INFINITY;
    let mut c = 0.05;
    while c < 16.0 {
        least = least.min(bound(c));
        c *= 1.3;
    }
    least
}

/// The least even length from 32 on without prime factors above 5: transforms of these are fast.
fn length(needed: usize) -> usize {
    let smooth = |mut n: usize| {
        for p in [2, 3, 5] {
            while n.is_multiple_of(p) {
                n /= p;
            }
        }
        n == 1
    };
    let mut n = needed.max(32).next_multiple_of(2);
    while !smooth(n) {
        n += 2;
    }
    n
}

/// A convolution on a circle.
struct Composed {
    /// Tilted masses times the number of cells; place i stands for all losses `offset + i` modulo it.
    circle: Vec<f64>,
    offset: i64,
    log: f64,
}

fn compose(
    parts: &[Part],
    direction: Direction,
    (theta, h): (f64, f64),
    cells: usize,
) -> Result<Composed, AccountingError> {
    let mut planner = RealFftPlanner::new();
    let (forward, backward) = (planner.plan_fft_forward(cells), planner.plan_fft_inverse(cells));
    let mut product = vec![Complex::new(1.0, 0.0); cells / 2 + 1];
    let (mut offset, mut log) = (0, 0.0);
    for part in parts {
        let dots = Dots::of(part, direction, h)?;
        let exponent = |i: usize| theta * (dots.first + i as i64) as f64 * h;
        let heaviest = dots.mass.iter().enumerate().filter(|(_, p)| **p > 0.0);
        let peak = heaviest.map(|(i, p)| p.ln() + exponent(i)).fold(f64::NEG_INFINITY, f64::max);
        let (mut circle, mut sum) = (vec![0.0; cells], 0.0);
        for (i, p) in dots.mass.iter().enumerate().filter(|(_, p)| **p > 0.0) {
            let t = (p.ln() + exponent(i) - peak).exp();
            circle[i % cells] += t;
            sum += t;
        }
        circle.iter_mut().for_each(|t| *t /= sum);
        log += part.count * (sum.ln() + peak);
        offset += dots.first * part.count as i64;
        let mut spectrum = forward.make_output_vec();
        // The lengths are those of the plan.
        let _ = forward.process(&mut circle, &mut spectrum);
        product.iter_mut().zip(&spectrum).for_each(|(a, x)| *a *= power(*x, part.count));
    }
    // A real sequence has a real first and middle frequency; the transform insists on it.
    let last = product.len() - 1;
    (product[0].im, product[last].im) = (0.0, 0.0);
    let mut circle = backward.make_output_vec();
    let _ = backward.process(&mut product, &mut circle);
    Ok(Composed { circle, offset, log })
}

/// `x^n` by modulus and angle.
fn power(x: Complex<f64>, n: f64) -> Complex<f64> {
    if n == 1.0 {
        return x;
    }
    let modulus = 0.5 * n * x.norm_sqr().ln();
    if modulus < -80.0 { Complex::new(0.0, 0.0) } else { Complex::from_polar(modulus.exp(), n * x.arg()) }
}
