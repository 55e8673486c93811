//! Scores of classifiers: laws of the ROC-AUC, then figures by hand.

use dp2stage::report::{Scores, roc_auc, score_classes, score_positive};
use proptest::prelude::*;

/// Labels of both kinds and scores with many ties.
fn answers() -> impl Strategy<Value = (Vec<bool>, Vec<f64>)> {
    proptest::collection::vec((any::<bool>(), -4i32..5), 2..50)
        .prop_map(|rows| rows.into_iter().map(|(yes, score)| (yes, f64::from(score) / 4.0)).unzip())
        .prop_filter("both kinds", |(yes, _): &(Vec<bool>, Vec<f64>)| yes.contains(&true) && yes.contains(&false))
}

proptest! {
    #[test]
    fn the_area_is_the_share_of_pairs_won((yes, scores) in answers()) {
        let (mut won, mut all) = (0.0, 0.0);
        for i in (0..yes.len()).filter(|&i| yes[i]) {
            for j in (0..yes.len()).filter(|&j| !yes[j]) {
                won += if scores[i] > scores[j] { 1.0 } else if scores[i] == scores[j] { 0.5 } else { 0.0 };
                all += 1.0;
            }
        }
        prop_assert!((roc_auc(&yes, &scores).unwrap() - won / all).abs() < 1e-12);
    }

    #[test]
    fn the_area_knows_only_the_order((yes, scores) in answers()) {
        let area = roc_auc(&yes, &scores).unwrap();
        let stretched: Vec<f64> = scores.iter().map(|s| (3.0 * s).exp() - 7.0).collect();
        prop_assert_eq!(roc_auc(&yes, &stretched).unwrap(), area);
        let negated: Vec<f64> = scores.iter().map(|s| -s).collect();
        prop_assert!((roc_auc(&yes, &negated).unwrap() - (1.0 - area)).abs() < 1e-12);
        let opposite: Vec<bool> = yes.iter().map(|y| !y).collect();
        prop_assert!((roc_auc(&opposite, &negated).unwrap() - area).abs() < 1e-12);
        let reversed = (yes.iter().rev().copied().collect::<Vec<_>>(), scores.iter().rev().copied().collect::<Vec<_>>());
        prop_assert_eq!(roc_auc(&reversed.0, &reversed.1).unwrap(), area);
    }

    /// Two classes told from the rest are the binary case seen from both sides.
    #[test]
    fn two_classes_score_as_one((yes, scores) in answers()) {
        let p: Vec<f64> = scores.iter().map(|s| 1.0 / (1.0 + (-s - 0.1).exp())).collect();
        let rest = p.iter().map(|p| 1.0 - p).collect();
        let truth: Vec<usize> = yes.iter().map(|&y| usize::from(y)).collect();
        let (one, two) = (score_positive(&yes, &p).unwrap(), score_classes(&truth, &[rest, p]).unwrap());
        prop_assert!((one.roc_auc - two.roc_auc).abs() < 1e-12);
        prop_assert!((one.macro_f1 - two.macro_f1).abs() < 1e-12);
        prop_assert_eq!(one.accuracy, two.accuracy);
    }
}

#[test]
fn scores_by_hand() {
    // guesses 1 1 0 1 0 against 1 0 1 1 0: two hits, one false alarm, one miss, one rightly quiet
    let scores = score_positive(&[true, false, true, true, false], &[0.9, 0.5, 0.4, 0.8, 0.1]).unwrap();
    let f1 = 4.0 / 6.0;
    assert_eq!(scores, Scores { roc_auc: 5.0 / 6.0, f1: Some(f1), macro_f1: (f1 + 0.5) / 2.0, accuracy: 0.6 });
}

#[test]
fn a_class_that_is_never_guessed_has_f1_nought() {
    let scores = score_positive(&[true, false, false], &[0.1, 0.1, 0.1]).unwrap();
    assert_eq!((scores.roc_auc, scores.f1, scores.macro_f1), (0.5, Some(0.0), 0.4));
}

#[test]
fn a_class_that_was_not_asked_about_counts_as_an_error() {
    let truth = [0, 0, 1, 1, 2];
    let p = [vec![0.9, 0.8, 0.1, 0.2, 0.3], vec![0.1, 0.2, 0.9, 0.8, 0.4]];
    let scores = score_classes(&truth, &p).unwrap();
    assert_eq!((scores.roc_auc, scores.accuracy, scores.f1), (1.0, 0.8, None));
    assert!((scores.macro_f1 - (1.0 + 0.8) / 2.0).abs() < 1e-12);
}

#[test]
fn one_kind_of_row_has_no_area() {
    assert_eq!(roc_auc(&[true, true], &[0.1, 0.2]), None);
    assert_eq!(roc_auc(&[], &[]), None);
    assert!(score_positive(&[false], &[0.2]).is_none());
    assert!(score_classes(&[0, 0], &[vec![0.2, 0.1], vec![0.1, 0.3]]).is_none());
}

#[test]
fn nought_and_minus_nought_tie() {
    assert_eq!(roc_auc(&[true, false], &[-0.0, 0.0]), Some(0.5));
}
