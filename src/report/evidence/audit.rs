//! From right guesses to an epsilon that they refute.

use super::intervals::{binomial, binomial_quantile_bounds, bisect};

/// The largest epsilon that is looked for: a billion right guesses do not show more.
const LARGEST: f64 = 20.0;

/// The largest epsilon that an attack in one run refutes at `delta` with certainty `1 - tail`, 0 if none is.
///
/// A fair coin of each of `candidates` records said whether it was used; of `told` records the attacker, who sees what
/// was released, guessed the coins, and was `right` that often. A mechanism of that epsilon and delta leaves each guess
/// right with a probability of at most `e^epsilon / (1 + e^epsilon)` whatever the others are, up to a term in delta
/// (Steinke, Nasr and Jagielski 2023, theorem 5.2).
#[must_use]
pub fn one_run_bound((right, told): (usize, usize), candidates: usize, delta: f64, tail: f64) -> f64 {
    let possible = |epsilon: f64| chance((right, told), candidates, epsilon, delta);
    if right > told || possible(0.0) >= tail {
        return 0.0;
    }
    bisect((0.0, LARGEST), |epsilon| possible(epsilon) < tail)
}

/// A bound on the probability of so many right guesses under (epsilon, delta).
fn chance((right, told): (usize, usize), candidates: usize, epsilon: f64, delta: f64) -> f64 {
    let p = 1.0 / (1.0 + (-epsilon).exp());
    let exactly = |k: usize| binomial(k, told, p);
    let at_least: f64 = (right..=told).map(exactly).sum();
    // What delta may add: the steepest mean of the probabilities of the next fewer guesses.
    let (mut sum, mut steepest) = (0.0, 0f64);
    for fewer in 1..=right {
        sum += exactly(right - fewer);
        steepest = steepest.max(sum / fewer as f64);
    }
    (at_least + 2.0 * candidates as f64 * delta * steepest).min(1.0)
}

/// The largest epsilon that a test of membership refutes at `delta` with certainty `1 - tail`, 0 if none is: the test
/// took `hits` of so many members for members, and `alarms` of so many non-members.
///
/// Under (epsilon, delta) the rate of hits is at most `e^epsilon` times the rate of alarms and delta. Exact bounds on
/// both rates; records count as tries of their own.
#[must_use]
pub fn two_rates_bound(hits: (usize, usize), alarms: (usize, usize), delta: f64, tail: f64) -> f64 {
    if hits.1 == 0 || alarms.1 == 0 {
        return 0.0;
    }
    let least = binomial_quantile_bounds(hits.0, hits.1, tail / 2.0).low;
    let most = binomial_quantile_bounds(alarms.0, alarms.1, tail / 2.0).high;
    ((least - delta).max(f64::MIN_POSITIVE) / most).ln().clamp(0.0, LARGEST)
}
