//! What a classifier's probabilities are worth: ROC-AUC, F1, macro F1, accuracy.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The scores of one model on held-out real rows; every figure is between 0 and 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Scores {
    /// Area under the ROC curve; with more than two classes the mean of one class against the rest.
    pub roc_auc: f64,
    /// F1 of the positive class at probability 1/2; absent when there are more than two classes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(nullable = false)]
    pub f1: Option<f64>,
    /// The mean of the classes' F1.
    pub macro_f1: f64,
    /// The share of rows whose class was guessed.
    pub accuracy: f64,
}

/// The area under the ROC curve: how often a positive row outscores a negative one, a tie counting
/// half. `None` unless both kinds of row are there.
#[must_use]
pub fn roc_auc(positive: &[bool], scores: &[f64]) -> Option<f64> {
    let mut order: Vec<(f64, bool)> = scores.iter().copied().zip(positive.iter().copied()).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut doubled_wins, mut hits) = (0u64, 0u128, 0u64);
    for tie in order.chunk_by(|a, b| a.0 == b.0) {
        let yes = tie.iter().filter(|(_, positive)| *positive).count() as u64;
        let no = tie.len() as u64 - yes;
        doubled_wins += u128::from(yes) * u128::from(2 * below + no);
        below += no;
        hits += yes;
    }
    (hits > 0 && below > 0).then(|| doubled_wins as f64 / (2.0 * hits as f64 * below as f64))
}

/// Scores of the probabilities that rows are positive; `None` unless both kinds of row are there.
#[must_use]
pub fn score_positive(positive: &[bool], probabilities: &[f64]) -> Option<Scores> {
    let roc_auc = roc_auc(positive, probabilities)?;
    let truth: Vec<usize> = positive.iter().map(|&p| usize::from(p)).collect();
    let guess: Vec<usize> = probabilities.iter().map(|&p| usize::from(p >= 0.5)).collect();
    let f1 = f1(&truth, &guess, 1);
    let macro_f1 = (f1 + self::f1(&truth, &guess, 0)) / 2.0;
    Some(Scores { roc_auc, f1: Some(f1), macro_f1, accuracy: accuracy(&truth, &guess) })
}

/// Scores of several classes: `truth` holds each row's class (`probabilities.len()` and above for a
/// class that was not asked about), `probabilities[k]` each row's probability of class `k`. The
/// guess is the likeliest class. `None` when some class has no row or no row outside it.
#[must_use]
pub fn score_classes(truth: &[usize], probabilities: &[Vec<f64>]) -> Option<Scores> {
    let classes = probabilities.len();
    let mut areas = 0.0;
    for (class, scores) in probabilities.iter().enumerate() {
        let inside: Vec<bool> = truth.iter().map(|&t| t == class).collect();
        areas += roc_auc(&inside, scores)?;
    }
    let likeliest = |row: usize| (0..classes).max_by(|&a, &b| probabilities[a][row].total_cmp(&probabilities[b][row]));
    let guess: Vec<usize> = (0..truth.len()).map(|row| likeliest(row).unwrap_or(0)).collect();
    let macro_f1 = (0..classes).map(|class| f1(truth, &guess, class)).sum::<f64>() / classes as f64;
    Some(Scores { roc_auc: areas / classes as f64, f1: None, macro_f1, accuracy: accuracy(truth, &guess) })
}

fn accuracy(truth: &[usize], guess: &[usize]) -> f64 {
    truth.iter().zip(guess).filter(|(t, g)| t == g).count() as f64 / truth.len() as f64
}

/// F1 of one class, 0 when it is neither there nor guessed.
fn f1(truth: &[usize], guess: &[usize], class: usize) -> f64 {
    let of = |what: &[usize]| what.iter().filter(|&&c| c == class).count() as f64;
    let hits = truth.iter().zip(guess).filter(|(t, g)| **t == class && **g == class).count() as f64;
    if hits == 0.0 { 0.0 } else { 2.0 * hits / (of(truth) + of(guess)) }
}
