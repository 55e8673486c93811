//! How far two histograms are apart, in three ways.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::joint::Counts;
use super::sides::PARTS;

/// A figure of the synthetic table against the real one, beside what chance makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Figure {
    /// Synthetic rows against real training rows.
    pub value: f64,
    /// The same figure of two disjoint random halves of the real training rows: what sampling alone makes of it.
    /// Halves have half the rows, so that they differ by more than whole tables would. Absent where there are
    /// fewer than two real rows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub halves: Option<f64>,
}

/// The distances of two histograms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Distance {
    /// The sum over cells of the smaller share; 0 where a table is empty.
    pub intersection: f64,
    /// The square root of the Jensen-Shannon divergence to base 2; 1 where a table is empty.
    pub jensen_shannon: f64,
}

impl Distance {
    /// Half the sum of the absolute differences of shares, which is what the intersection lacks to 1.
    pub fn total_variation(&self) -> f64 {
        (1.0 - self.intersection).max(0.0)
    }
}

/// What synthetic rows differ by from the real ones, and one half of these from the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Distances {
    pub value: Distance,
    pub halves: Option<Distance>,
}

impl Distances {
    /// One figure of both.
    pub fn figure(&self, of: impl Fn(&Distance) -> f64) -> Figure {
        Figure { value: of(&self.value), halves: self.halves.as_ref().map(of) }
    }
}

/// Adds up the cells of two histograms.
struct Sum {
    rows: [f64; 2],
    shared: f64,
    divergence: f64,
}

impl Sum {
    fn new(a: usize, b: usize) -> Self {
        Self { rows: [a as f64, b as f64], shared: 0.0, divergence: 0.0 }
    }

    fn add(&mut self, a: u32, b: u32) {
        let (p, q) = (f64::from(a) / self.rows[0], f64::from(b) / self.rows[1]);
        self.shared += p.min(q);
        let middle = f64::midpoint(p, q);
        let term = |share: f64| if share > 0.0 { share * (share / middle).log2() } else { 0.0 };
        self.divergence += f64::midpoint(term(p), term(q));
    }

    fn distance(&self) -> Distance {
        if self.rows.contains(&0.0) {
            return Distance { intersection: 0.0, jensen_shannon: 1.0 };
        }
        Distance { intersection: self.shared, jensen_shannon: self.divergence.clamp(0.0, 1.0).sqrt() }
    }
}

/// Adds up the cells of all parts.
pub(super) struct Comparison {
    value: Sum,
    halves: Sum,
}

impl Comparison {
    /// Of histograms over so many rows of each part.
    pub fn new([first, second, synthetic]: [usize; PARTS]) -> Self {
        Self { value: Sum::new(first + second, synthetic), halves: Sum::new(first, second) }
    }

    /// One cell.
    pub fn add(&mut self, [first, second, synthetic]: Counts) {
        if !self.value.rows.contains(&0.0) {
            self.value.add(first + second, synthetic);
        }
        if !self.halves.rows.contains(&0.0) {
            self.halves.add(first, second);
        }
    }

    /// The distances of the cells so far.
    pub fn distances(&self) -> Distances {
        let split = !self.halves.rows.contains(&0.0);
        Distances { value: self.value.distance(), halves: split.then(|| self.halves.distance()) }
    }
}

/// The mean of one figure over measurements, of which there must be one.
pub(super) fn mean(all: &[Distances], of: impl Fn(&Distance) -> f64 + Copy) -> Figure {
    fold(all, of, |values| values.iter().sum::<f64>() / values.len() as f64)
}

/// The smallest of one figure over measurements, of which there must be one.
pub(super) fn smallest(all: &[Distances], of: impl Fn(&Distance) -> f64 + Copy) -> Figure {
    fold(all, of, |values| values.iter().copied().fold(f64::INFINITY, f64::min))
}

fn fold(all: &[Distances], of: impl Fn(&Distance) -> f64 + Copy, into: impl Fn(&[f64]) -> f64) -> Figure {
    let figures: Vec<Figure> = all.iter().map(|d| d.figure(of)).collect();
    let halves: Option<Vec<f64>> = figures.iter().map(|f| f.halves).collect();
    Figure { value: into(&figures.iter().map(|f| f.value).collect::<Vec<_>>()), halves: halves.map(|h| into(&h)) }
}
