//! L-BFGS: the minimum of a smooth convex function (Nocedal and Wright, Numerical Optimization, algorithms 7.4
//! and 7.5), with a line search by bisection that ends at the weak conditions of Wolfe.

use std::collections::VecDeque;

/// When to end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Patience {
    /// Iterations at most.
    pub iterations: usize,
    /// An iteration that gains less than this part of the value is the last one.
    pub gain: f64,
    /// So is one after which no entry of the gradient is larger.
    pub slope: f64,
}

/// Pairs of steps that are remembered.
const MEMORY: usize = 20;
/// Trials of one line search at most.
const TRIALS: usize = 25;

/// A step and the change of the gradient along it.
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    curvature: f64,
}

/// Moves `x` downhill. `value` returns the function at a point and writes its gradient. Returns the iterations.
pub fn minimise(x: &mut Vec<f64>, patience: Patience, mut value: impl FnMut(&[f64], &mut [f64]) -> f64) -> usize {
    let mut pairs: VecDeque<Pair> = VecDeque::new();
    let mut gradient = vec![0.0; x.len()];
    let mut at = value(x, &mut gradient);
    let (mut next, mut next_gradient) = (x.clone(), gradient.clone());
    for iteration in 0..patience.iterations {
        if gradient.iter().all(|slope| slope.abs() <= patience.slope) {
            return iteration;
        }
        let mut direction = downhill(&gradient, &pairs);
        let mut slope = dot(&direction, &gradient);
        // Rounding may have spoilt the pairs.
        if slope >= 0.0 {
            pairs.clear();
            direction = downhill(&gradient, &pairs);
            slope = dot(&direction, &gradient);
        }
        let first = if pairs.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt().max(1.0) } else { 1.0 };
        let mut point = |length: f64, next: &mut Vec<f64>, gradient: &mut [f64]| {
            next.iter_mut().zip(&*x).zip(&direction).for_each(|((next, x), step)| *next = x + length * step);
            value(next, gradient)
        };
        let (mut low, mut high, mut length, mut reached) = (0.0, f64::INFINITY, first, at);
        for trial in 0..TRIALS {
            reached = point(length, &mut next, &mut next_gradient);
            if !reached.is_finite() || reached > at + 1e-4 * length * slope {
                high = length;
            } else if dot(&direction, &next_gradient) >= 0.9 * slope || trial + 1 == TRIALS {
                break;
            } else {
                low = length;
            }
            length = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * low };
            // Out of trials: the longest step that went down will do.
            if trial + 2 == TRIALS && low > 0.0 {
                length = low;
            }
        }
        if reached.is_nan() || reached >= at {
            return iteration;
        }
        remember(&mut pairs, x, &next, (&gradient, &next_gradient));
        let gained = at - reached;
        std::mem::swap(x, &mut next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        at = reached;
        if gained <= patience.gain * at.abs().max(1.0) {
            return iteration + 1;
        }
    }
    patience.iterations
}

fn remember(pairs: &mut VecDeque<Pair>, x: &[f64], next: &[f64], (before, after): (&[f64], &[f64])) {
    let difference = |to: &[f64], from: &[f64]| to.iter().zip(from).map(|(to, from)| to - from).collect::<Vec<f64>>();
    let (step, change) = (difference(next, x), difference(after, before));
    let curvature = dot(&step, &change);
    if curvature > 1e-12 * dot(&change, &change) {
        pairs.truncate(MEMORY - 1);
        pairs.push_front(Pair { step, change, curvature });
    }
}

/// The direction of the quadratic model.
fn downhill(gradient: &[f64], pairs: &VecDeque<Pair>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|slope| -slope).collect();
    let mut along = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let part = dot(&pair.step, &direction) / pair.curvature;
        add(&mut direction, -part, &pair.change);
        along.push(part);
    }
    if let Some(last) = pairs.front() {
        let scale = last.curvature / dot(&last.change, &last.change);
        direction.iter_mut().for_each(|x| *x *= scale);
    }
    for (pair, part) in pairs.iter().zip(along).rev() {
        let back = dot(&pair.change, &direction) / pair.curvature;
        add(&mut direction, part - back, &pair.step);
    }
    direction
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], factor: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(to, what)| *to += factor * what);
}
