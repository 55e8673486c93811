//! Features, logistic regression and boosting: laws of the fits, then what features look like.

use dp2stage::report::{Boosting, DenseLayout, Logistic, MAX_DENSE_FEATURES, SparseEncoder, SparseMatrix, roc_auc};
use dp2stage::tabular::{Code, MISSING, Schema, Table};
use proptest::prelude::*;

use super::tables::{categories, filled, hash, integers};

fn largest(numbers: &[f64]) -> f64 {
    numbers.iter().fold(0.0, |m: f64, x| m.max(x.abs()))
}

/// Entries of a matrix, three a row, and a label a row.
#[derive(Clone, Debug)]
struct Problem {
    width: usize,
    indices: Vec<u32>,
    values: Vec<f64>,
    labels: Vec<bool>,
}

/// Rows of three entries over `width` features, and labels of both kinds.
fn problem() -> impl Strategy<Value = Problem> {
    (1usize..8, proptest::collection::vec((0u32..64, -3.0f64..3.0, any::<bool>()), 4..80)).prop_map(|(width, rows)| {
        let (mut indices, mut values, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for (at, value, label) in rows {
            indices.extend([at, at / 8, at / 3].map(|i| i % width as u32));
            values.extend([1.0, value, value * value / 2.0]);
            labels.push(label);
        }
        (labels[0], labels[1]) = (true, false);
        Problem { width, indices, values, labels }
    })
}

proptest! {
    #[test]
    fn the_gradient_is_nought_where_logistic_regression_stops(problem in problem()) {
        let (x, yes) = (SparseMatrix::new(3, problem.width, problem.indices, problem.values), problem.labels);
        let model = Logistic::fit(&x, &yes);
        prop_assert!(largest(&model.gradient(&x, &yes)) <= 1e-6 * yes.len() as f64);
        // a free intercept makes the mean answer right
        let p = model.probabilities(&x, yes.len());
        let expected = yes.iter().filter(|y| **y).count() as f64;
        prop_assert!((p.iter().sum::<f64>() - expected).abs() < 1e-5 * yes.len() as f64);
    }

    /// With one column of categories, each weight equals the summed residual of its category, and
    /// the weights sum to nought: conditions that need nothing but the probabilities.
    #[test]
    fn one_column_of_categories_meets_the_optimality_conditions(rows in proptest::collection::vec((0u32..4, any::<bool>()), 8..120)) {
        let mut rows = rows;
        rows.extend((0..4).flat_map(|c| [(c, true), (c, false)]));
        let (at, yes): (Vec<u32>, Vec<bool>) = rows.into_iter().unzip();
        let count = yes.len();
        let x = SparseMatrix::new(1, 4, at.clone(), vec![1.0; count]);
        let p = Logistic::fit(&x, &yes).probabilities(&x, count);
        let of = |c: u32| (0..count).filter(|&i| at[i] == c).collect::<Vec<_>>();
        let logit: Vec<f64> = (0..4).map(|c| p[of(c)[0]]).map(|p| (p / (1.0 - p)).ln()).collect();
        let intercept = logit.iter().sum::<f64>() / 4.0;
        for c in 0..4 {
            let residual: f64 = of(c).iter().map(|&i| f64::from(u8::from(yes[i])) - p[i]).sum();
            prop_assert!((logit[c as usize] - intercept - residual).abs() < 1e-4);
        }
    }
}

#[test]
fn separable_rows_and_wild_scales_do_not_run_away() {
    let values = [-2.0, -1.0, 1.0, 2.0];
    let yes = [false, false, true, true];
    for scale in [1e-4, 1.0, 1e6] {
        let x = SparseMatrix::new(1, 1, vec![0; 4], values.iter().map(|v| v * scale).collect());
        let model = Logistic::fit(&x, &yes);
        assert!(largest(&model.gradient(&x, &yes)) < 1e-3, "{scale}");
        assert_eq!(roc_auc(&yes, &model.probabilities(&x, 4)), Some(1.0));
    }
}

#[test]
fn thousands_of_categories_fit() {
    let rows = 20_000;
    let (at, yes): (Vec<u32>, Vec<bool>) =
        (0..rows).map(|i| ((hash(i, 0) % 5000) as u32, hash(i, 0) % 5000 > hash(i, 1) % 5000)).unzip();
    let x = SparseMatrix::new(1, 5000, at, vec![1.0; rows]);
    let model = Logistic::fit(&x, &yes);
    assert!(largest(&model.gradient(&x, &yes)) < 1e-3);
    assert!(roc_auc(&yes, &model.probabilities(&x, rows)).unwrap() > 0.8);
}

/// What no linear model can: whether two bits differ.
#[test]
fn trees_learn_an_exclusive_or_through_missing_and_constant_columns() {
    let columns = vec![
        categories("a", 2, false),
        integers("b", 0, 1, false),
        integers("noise", 0, 999, true),
        categories("same", 3, false),
        integers("void", 0, 9, true),
        categories("target", 2, false),
    ];
    let schema = Schema::new(columns, Some(5), None).unwrap();
    let table = filled(6, 400, |i, j| {
        let (a, b) = (hash(i, 0) % 2, hash(i, 1) % 2);
        let noise = if hash(i, 9).is_multiple_of(5) { MISSING } else { (hash(i, 2) % 1000) as Code };
        [a as Code, b as Code, noise, 1, MISSING, (a ^ b) as Code][j]
    });
    let rows: Vec<usize> = (0..400).collect();
    let yes: Vec<bool> = table.column(5).map(|c| c == 1).collect();
    let layout = DenseLayout::of(&schema, 5);
    let model = Boosting::fit(&layout.encode(&table, &rows), layout.width(), &yes).unwrap();
    assert!(roc_auc(&yes, &model.probabilities(&layout, &table, &rows)).unwrap() > 0.99);
}

#[test]
fn dense_features_are_one_hot_while_there_is_room() {
    let columns = vec![
        categories("wide", 300, false),
        categories("c", 2, true),
        integers("n", 10, 20, true),
        categories("t", 2, false),
    ];
    let schema = Schema::new(columns, Some(3), None).unwrap();
    let layout = DenseLayout::of(&schema, 3);
    let table = Table::new(4, vec![299, 1, 5, 0, 7, MISSING, MISSING, 1]);
    let features = layout.encode(&table, &[0, 1]);
    assert_eq!(layout.width(), 1 + 3 + 1);
    assert_eq!(features[..8], [299.0, 7.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
    assert!(features[8] == 15.0 && features[9].is_nan());

    let many = (0..600).map(|j| categories(&j.to_string(), 3, false)).collect();
    assert_eq!(DenseLayout::of(&Schema::new(many, Some(0), None).unwrap(), 0).width(), 599);
    let fits = (0..87).map(|j| categories(&j.to_string(), 3, false)).collect();
    let width = DenseLayout::of(&Schema::new(fits, Some(0), None).unwrap(), 0).width();
    assert!((MAX_DENSE_FEATURES - 2..=MAX_DENSE_FEATURES).contains(&width), "{width}");
}

/// A standardised number, a missing one at the mean with a mark, a one-hot category.
#[test]
fn sparse_features_are_standardised_by_the_table_they_were_fitted_on() {
    let columns = vec![integers("n", 0, 9, true), categories("c", 2, true), categories("t", 2, false)];
    let schema = Schema::new(columns, Some(2), None).unwrap();
    let fitted = Table::new(3, vec![1, 0, 0, 5, 0, 0, MISSING, 1, 0, 9, 0, 0]);
    let encoder = SparseEncoder::fit(&schema, 2, &fitted, &[0, 1, 2]);
    // mean 3 and deviation 2 of the first three rows
    let other = Table::new(3, vec![7, 1, 0, MISSING, MISSING, 1]);
    let x = encoder.encode(&other, &[0, 1]);
    assert_eq!(x.width(), 2 + 3);
    let feature = |at: usize| {
        let weights: Vec<f64> = (0..5).map(|i| f64::from(u8::from(i == at))).collect();
        x.times(&weights, 0.0, 2)
    };
    assert_eq!([feature(0), feature(1), feature(2)], [vec![2.0, 0.0], vec![0.0, 1.0], vec![0.0, 0.0]]);
    assert_eq!([feature(3), feature(4)], [vec![1.0, 0.0], vec![0.0, 1.0]]);
}
