//! How well scores tell members from non-members: the area under the ROC curve, rates of hits at few false alarms, and
//! the epsilon that such a separation refutes.

use super::audit::two_rates_bound;
use super::figures::{Interval, Proportion};
use super::intervals::{LEVEL, binomial_quantile_bounds, normal_quantile};

/// The area under the ROC curve, a tie counting half, with `DeLong`'s interval. Where the scores separate without a
/// fault, for which `DeLong`'s interval is a point, the exact one of as many independent pairs as the smaller side has
/// scores.
///
/// Both sides must have a score.
#[must_use]
pub fn area_with_interval(members: &[f64], others: &[f64]) -> Proportion {
    let (sorted_members, sorted_others) = (sorted(members), sorted(others));
    let of_members: Vec<f64> = members.iter().map(|&score| share_below(&sorted_others, score)).collect();
    let of_others: Vec<f64> = others.iter().map(|&score| 1.0 - share_below(&sorted_members, score)).collect();
    let share = mean(&of_members);
    let deviation = (variance(&of_members) / members.len() as f64 + variance(&of_others) / others.len() as f64).sqrt();
    let half = normal_quantile((1.0 - LEVEL) / 2.0) * deviation;
    let open = 1.0 - ((1.0 - LEVEL) / 2.0).powf(1.0 / members.len().min(others.len()).max(1) as f64);
    let (below, above) = if deviation > 0.0 { (half, half) } else { (open, open) };
    Proportion { share, interval: Interval { low: (share - below).max(0.0), high: (share + above).min(1.0) } }
}

fn sorted(scores: &[f64]) -> Vec<f64> {
    let mut sorted = scores.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// The part of ascending scores below one, equal ones counting half.
fn share_below(ascending: &[f64], score: f64) -> f64 {
    let below = ascending.partition_point(|&other| other < score);
    let not_above = ascending.partition_point(|&other| other <= score);
    (below + not_above) as f64 / (2.0 * ascending.len() as f64)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len().saturating_sub(1).max(1) as f64
}

/// The part of members that score above all but a part `alarms` of the others, with its exact interval, and the part of
/// the others that does so too.
#[must_use]
pub fn operating(members: &[f64], others: &[f64], alarms: f64) -> (Proportion, f64) {
    let threshold = threshold(others, alarms);
    let above = |scores: &[f64]| scores.iter().filter(|&&score| score > threshold).count();
    let hits = above(members);
    let interval = binomial_quantile_bounds(hits, members.len(), (1.0 - LEVEL) / 2.0);
    let share = hits as f64 / members.len().max(1) as f64;
    (Proportion { share, interval }, above(others) as f64 / others.len().max(1) as f64)
}

/// The smallest score that at most a part `above` of the scores exceeds.
fn threshold(scores: &[f64], above: f64) -> f64 {
    let ascending = sorted(scores);
    let exceed = ((above * scores.len() as f64) as usize).min(scores.len().saturating_sub(1));
    ascending.get(scores.len().saturating_sub(exceed + 1)).copied().unwrap_or(f64::INFINITY)
}

/// Parts of one side that a threshold leaves above it.
const TRIED: [f64; 6] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.3];

/// The epsilon that the separation refutes at `delta` with certainty `1 - tail`, 0 if none is. The threshold, and
/// whether high scores are taken for members or low ones for non-members, is chosen on the scores of even number; those
/// of odd number are counted.
#[must_use]
pub fn implied_epsilon(members: &[f64], others: &[f64], delta: f64, tail: f64) -> f64 {
    let half = |scores: &[f64], odd: usize| scores.iter().skip(odd).step_by(2).copied().collect::<Vec<f64>>();
    let backwards = |scores: &[f64]| scores.iter().map(|score| -score).collect::<Vec<f64>>();
    let sides = [(members.to_vec(), others.to_vec()), (backwards(others), backwards(members))];
    let tried = sides.iter().flat_map(|(likely, unlikely)| {
        let (choose, count) = ((half(likely, 0), half(unlikely, 0)), (half(likely, 1), half(unlikely, 1)));
        TRIED.map(|alarms| {
            let threshold = threshold(&choose.1, alarms);
            let above = |scores: &[f64]| (scores.iter().filter(|&&score| score > threshold).count(), scores.len());
            let bound = |(likely, unlikely): &(Vec<f64>, Vec<f64>)| {
                two_rates_bound(above(likely), above(unlikely), delta, tail)
            };
            (bound(&choose), bound(&count))
        })
    });
    tried.fold((0.0, 0.0), |best, next| if next.0 > best.0 { next } else { best }).1
}
