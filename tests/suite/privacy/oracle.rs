//! An accountant of another make, for comparison: losses rounded to a grid, down for a lower bound and
//! up for an upper one, convolved without tilt. Nothing is shared with the product's.

use realfft::RealFftPlanner;

/// Which way losses are rounded to the grid.
#[derive(Clone, Copy, PartialEq)]
pub enum Rounding {
    Down,
    /// Half of each cell either way: no bound, but close at a coarse grid.
    Split,
}

/// Which of two neighbours has the unit.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Side {
    Remove,
    Add,
}

/// A distribution of the privacy loss under P on the grid `i h`, with an atom at infinity. Q's mass
/// at a loss l is at most `exp(-l)` times P's.
#[derive(Clone)]
pub struct Losses {
    pub h: f64,
    first: i64,
    mass: Vec<f64>,
    infinity: f64,
}

fn cumulative(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

impl Losses {
    /// One Gaussian of noise multiplier `sigma` on a Poisson sample of rate `q`.
    pub fn of(q: f64, sigma: f64, side: Side, h: f64, rounding: Rounding) -> Self {
        // P, Q are N(0, s^2) and (1 - q) N(0, s^2) + q N(1, s^2), one way or the other; the loss is
        // monotone in x, so cells of x between grid losses are found by inverting it.
        let ratio = |x: f64| (1.0 - q + q * ((2.0 * x - 1.0) / (2.0 * sigma * sigma)).exp()).ln();
        let place = |loss: f64| {
            let r = (loss.exp() - 1.0 + q) / q;
            if r <= 0.0 { f64::NEG_INFINITY } else { sigma * sigma * r.ln() + 0.5 }
        };
        let mixture = |x: f64| (1.0 - q) * cumulative(x / sigma) + q * cumulative((x - 1.0) / sigma);
        let plain = |x: f64| cumulative(x / sigma);
        let (low, high) = (ratio(-9.0 * sigma), ratio(1.0 + 9.0 * sigma));
        let (first, last) = match side {
            Side::Remove => ((low / h).floor() as i64, (high / h).ceil() as i64),
            Side::Add => ((-high / h).floor() as i64, (-low / h).ceil() as i64),
        };
        // P's mass of losses at most i h.
        let below = |i: i64| match side {
            Side::Remove => mixture(place(i as f64 * h)),
            Side::Add => 1.0 - plain(place(-(i as f64) * h)),
        };
        let mut mass: Vec<f64> = (first..=last).map(|i| (below(i + 1) - below(i)).max(0.0)).collect();
        mass[0] += below(first);
        match rounding {
            // Cell i holds the losses from i h to (i + 1) h.
            Rounding::Down => Self { h, first, mass, infinity: 0.0 },
            Rounding::Split => {
                let half = |i: usize| mass.get(i).map_or(0.0, |p| p / 2.0);
                let split = (0..=mass.len()).map(|i| half(i) + i.checked_sub(1).map_or(0.0, half)).collect();
                Self { h, first, mass: split, infinity: 0.0 }
            }
        }
    }

    /// A Gaussian of mean `mu`, which is the same on both sides.
    pub fn gaussian(mu: f64, h: f64, rounding: Rounding) -> Self {
        Self::of(1.0, 1.0 / mu, Side::Remove, h, rounding)
    }

    /// `times` of them.
    pub fn power(&self, times: u32) -> Self {
        let (mut result, mut base, mut left) = (None::<Self>, self.clone(), times);
        while left > 0 {
            if left % 2 == 1 {
                result = Some(result.map_or_else(|| base.clone(), |r| r.with(&base)));
            }
            left /= 2;
            if left > 0 {
                base = base.with(&base);
            }
        }
        result.unwrap()
    }

    /// One after the other.
    pub fn with(&self, other: &Self) -> Self {
        assert!(self.h == other.h);
        let length = self.mass.len() + other.mass.len() - 1;
        let padded = length.next_power_of_two();
        let mut planner = RealFftPlanner::new();
        let (forward, backward) = (planner.plan_fft_forward(padded), planner.plan_fft_inverse(padded));
        let transform = |mass: &[f64]| {
            let mut input = mass.to_vec();
            input.resize(padded, 0.0);
            let mut output = forward.make_output_vec();
            forward.process(&mut input, &mut output).unwrap();
            output
        };
        let mut product = transform(&self.mass);
        product.iter_mut().zip(transform(&other.mass)).for_each(|(a, b)| *a *= b);
        let mut mass = backward.make_output_vec();
        backward.process(&mut product, &mut mass).unwrap();
        mass.truncate(length);
        mass.iter_mut().for_each(|x| *x = (*x / padded as f64).max(0.0));
        // Cells that hold nothing but rounding errors make later products long.
        let first_kept = mass.iter().position(|x| *x > 1e-18).unwrap_or(0);
        let last_kept = mass.iter().rposition(|x| *x > 1e-18).unwrap_or(0);
        let dropped: f64 = mass[last_kept + 1..].iter().sum();
        let infinity = if self.infinity + other.infinity > 0.0 { dropped } else { 0.0 };
        Self {
            h: self.h,
            first: self.first + other.first + first_kept as i64,
            mass: mass[first_kept..=last_kept].to_vec(),
            infinity: infinity + self.infinity + other.infinity,
        }
    }

    /// The hockey-stick divergence at `e`.
    pub fn delta(&self, e: f64) -> f64 {
        self.infinity + self.cells().map(|(loss, p)| p * (-(e - loss).exp_m1()).max(0.0)).sum::<f64>()
    }

    /// Losses and P's masses.
    pub fn cells(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.mass.iter().enumerate().map(|(i, &p)| ((self.first + i as i64) as f64 * self.h, p))
    }
}
