//! Linear regression with an L2 penalty, as scikit-learn's `Ridge` fits it by default (alpha = 1).
//!
//! Minimises `|X w + b - y|^2 + |w|^2`, the intercept `b` free, by conjugate gradients (Nocedal and
//! Wright, Numerical Optimization, algorithm 5.3): memory in the number of features.

use super::sparse::SparseMatrix;

/// A fitted model.
pub struct Linear {
    weights: Vec<f64>,
    intercept: f64,
}

/// Steps at most; as many as there are distinct features suffice but for rounding.
const STEPS: usize = 2000;
/// The fit is done when the squared residual of the equations, scaled, has fallen this far.
const TOLERANCE: f64 = 1e-22;

/// The equations of the minimum, times a point whose last entry is the intercept.
fn equations(features: &SparseMatrix, rows: usize, point: &[f64]) -> Vec<f64> {
    let last = point.len() - 1;
    let answers = features.times(&point[..last], point[last], rows);
    let mut out = point.to_vec();
    out[last] = answers.iter().sum();
    features.add_transposed(&answers, &mut out[..last]);
    out
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

impl Linear {
    /// The model of `values`, one a row and at least one, given `features`.
    #[must_use]
    pub fn fit(features: &SparseMatrix, values: &[f64]) -> Self {
        let rows = values.len();
        let mean = values.iter().sum::<f64>() / rows as f64;
        // About their mean, so that large values keep their digits.
        let away: Vec<f64> = values.iter().map(|value| value - mean).collect();
        let last = features.width();
        let mut diagonal = vec![1.0; last + 1];
        features.add_squares(&vec![1.0; rows], &mut diagonal[..last]);
        diagonal[last] = rows as f64;

        let mut residual = vec![0.0; last + 1];
        residual[last] = away.iter().sum();
        features.add_transposed(&away, &mut residual[..last]);
        let mut at = vec![0.0; last + 1];
        let mut scaled: Vec<f64> = residual.iter().zip(&diagonal).map(|(r, d)| r / d).collect();
        let mut step = scaled.clone();
        let mut energy = dot(&residual, &scaled);
        let enough = energy * TOLERANCE;
        for _ in 0..STEPS {
            let product = equations(features, rows, &step);
            let curvature = dot(&step, &product);
            if energy <= enough || curvature <= 0.0 {
                break;
            }
            let length = energy / curvature;
            at.iter_mut().zip(&step).for_each(|(x, s)| *x += length * s);
            residual.iter_mut().zip(&product).for_each(|(r, p)| *r -= length * p);
            scaled.iter_mut().zip(&residual).zip(&diagonal).for_each(|((z, r), d)| *z = r / d);
            let next = dot(&residual, &scaled);
            step.iter_mut().zip(&scaled).for_each(|(s, z)| *s = z + next / energy * *s);
            energy = next;
        }
        let intercept = at.pop().unwrap_or(0.0) + mean;
        Self { weights: at, intercept }
    }

    /// The value of each of `rows` rows.
    #[must_use]
    pub fn predict(&self, features: &SparseMatrix, rows: usize) -> Vec<f64> {
        features.times(&self.weights, self.intercept, rows)
    }

    /// The slope of the objective at this model, the intercept's last: nought at the minimum.
    #[must_use]
    pub fn gradient(&self, features: &SparseMatrix, values: &[f64]) -> Vec<f64> {
        let answers = self.predict(features, values.len());
        let wrong: Vec<f64> = answers.iter().zip(values).map(|(answer, value)| answer - value).collect();
        let mut gradient = self.weights.clone();
        features.add_transposed(&wrong, &mut gradient);
        gradient.push(wrong.iter().sum());
        gradient
    }
}
