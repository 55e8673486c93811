//! Logistic regression with an L2 penalty, as scikit-learn fits it by default (C = 1).
//!
//! Minimises `|w|^2 / 2 + sum_i log(1 + exp(-s_i (x_i w + b)))`, `s_i` = 1 or -1, the intercept `b`
//! free. The method is Newton's with conjugate gradients (Nocedal and Wright, Numerical
//! Optimization, algorithm 7.1): memory in the number of features, so that a column of 5,000
//! categories is no trouble, and the penalty keeps separable data bounded.

use super::sparse::SparseMatrix;

/// A fitted model.
pub struct Logistic {
    weights: Vec<f64>,
    intercept: f64,
}

/// Newton steps at most; data in practice need about ten.
const STEPS: usize = 100;
/// Products with the Hessian at most, in one Newton step.
const PRODUCTS: usize = 250;
/// The fit is done when no entry of the gradient is above this many times the number of rows.
const TOLERANCE: f64 = 1e-8;

/// The point of a search: weights with the intercept as the last entry, and `X w + b`.
struct Point {
    at: Vec<f64>,
    margins: Vec<f64>,
}

impl Logistic {
    /// The model of `positive` (one a row, of both kinds) given `features`.
    #[must_use]
    pub fn fit(features: &SparseMatrix, positive: &[bool]) -> Self {
        let rows = positive.len();
        let mut point = Point { at: vec![0.0; features.width() + 1], margins: vec![0.0; rows] };
        for _ in 0..STEPS {
            let gradient = gradient(features, positive, &point);
            let largest = gradient.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
            if largest <= TOLERANCE * rows as f64 {
                break;
            }
            let direction = newton_direction(features, &point.margins, &gradient);
            if !search(features, positive, &mut point, &direction, dot(&gradient, &direction)) {
                break;
            }
        }
        let intercept = point.at.pop().unwrap_or(0.0);
        Self { weights: point.at, intercept }
    }

    /// The probability that each of `rows` rows is positive.
    #[must_use]
    pub fn probabilities(&self, features: &SparseMatrix, rows: usize) -> Vec<f64> {
        features.times(&self.weights, self.intercept, rows).into_iter().map(sigmoid).collect()
    }

    /// The gradient of the objective at this model, the intercept's last.
    #[must_use]
    pub fn gradient(&self, features: &SparseMatrix, positive: &[bool]) -> Vec<f64> {
        let margins = features.times(&self.weights, self.intercept, positive.len());
        let at = self.weights.iter().copied().chain([self.intercept]).collect();
        gradient(features, positive, &Point { at, margins })
    }
}

/// `1 / (1 + exp(-z))`.
pub(super) fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn objective(positive: &[bool], margins: &[f64], weights: &[f64]) -> f64 {
    let loss = positive.iter().zip(margins).map(|(&yes, &z)| {
        let against = if yes { -z } else { z };
        against.max(0.0) + (-against.abs()).exp().ln_1p()
    });
    loss.sum::<f64>() + dot(weights, weights) / 2.0
}

fn gradient(features: &SparseMatrix, positive: &[bool], point: &Point) -> Vec<f64> {
    let residual: Vec<f64> =
        point.margins.iter().zip(positive).map(|(&z, &yes)| sigmoid(z) - f64::from(u8::from(yes))).collect();
    let mut gradient = point.at.clone();
    let last = gradient.len() - 1;
    gradient[last] = residual.iter().sum();
    features.add_transposed(&residual, &mut gradient[..last]);
    gradient
}

/// Solves `H d = -gradient` by conjugate gradients, preconditioned by the diagonal of `H`.
fn newton_direction(features: &SparseMatrix, margins: &[f64], gradient: &[f64]) -> Vec<f64> {
    let last = gradient.len() - 1;
    let curvature: Vec<f64> = margins.iter().map(|&z| sigmoid(z) * sigmoid(-z)).collect();
    let mut diagonal = vec![1.0; gradient.len()];
    features.add_squares(&curvature, &mut diagonal[..last]);
    // The free intercept has no curvature of its own where every row is certain.
    diagonal[last] = curvature.iter().sum::<f64>() + 1e-9;

    let mut direction = vec![0.0; gradient.len()];
    let mut residual: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut scaled: Vec<f64> = residual.iter().zip(&diagonal).map(|(r, d)| r / d).collect();
    let mut step = scaled.clone();
    let mut energy = dot(&residual, &scaled);
    let small = energy * 1e-6;
    for _ in 0..PRODUCTS {
        let mut moved = features.times(&step[..last], step[last], margins.len());
        moved.iter_mut().zip(&curvature).for_each(|(m, c)| *m *= c);
        let mut product = step.clone();
        product[last] = moved.iter().sum::<f64>() + 1e-9 * step[last];
        features.add_transposed(&moved, &mut product[..last]);

        let length = energy / dot(&step, &product);
        direction.iter_mut().zip(&step).for_each(|(d, s)| *d += length * s);
        residual.iter_mut().zip(&product).for_each(|(r, p)| *r -= length * p);
        scaled.iter_mut().zip(&residual).zip(&diagonal).for_each(|((z, r), d)| *z = r / d);
        let next = dot(&residual, &scaled);
        if next <= small {
            break;
        }
        step.iter_mut().zip(&scaled).for_each(|(s, z)| *s = z + next / energy * *s);
        energy = next;
    }
    direction
}

/// Moves `point` along `direction`, halving the step until the objective falls by enough (Armijo);
/// false when no step makes it fall, which is as far as doubles go.
fn search(features: &SparseMatrix, positive: &[bool], point: &mut Point, direction: &[f64], slope: f64) -> bool {
    let last = direction.len() - 1;
    let before = objective(positive, &point.margins, &point.at[..last]);
    let change = features.times(&direction[..last], direction[last], positive.len());
    let along =
        |from: &[f64], by: &[f64], step: f64| -> Vec<f64> { from.iter().zip(by).map(|(x, d)| x + step * d).collect() };
    let mut step = 1.0;
    for _ in 0..40 {
        let moved = Point { at: along(&point.at, direction, step), margins: along(&point.margins, &change, step) };
        let after = objective(positive, &moved.margins, &moved.at[..last]);
        if after < before && after <= before + 1e-4 * step * slope {
            *point = moved;
            return true;
        }
        step /= 2.0;
    }
    false
}
