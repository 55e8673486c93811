//! Regression, its scores, and calibration: laws, then the cases by hand.

use dp2stage::report::{
    CALIBRATION_BINS, Linear, Prediction, Regression, Section, SparseMatrix, Tables, calibration, score_numbers,
    utility,
};
use dp2stage::tabular::{Code, MISSING, Schema, Table};
use proptest::prelude::*;

use super::tables::{categories, filled, hash, integers};

proptest! {
    /// The slope is nought at the minimum, and a free intercept makes the mean answer right.
    #[test]
    fn the_gradient_is_nought_where_linear_regression_stops(
        width in 1usize..8,
        rows in proptest::collection::vec((0u32..64, -3.0f64..3.0, -50.0f64..50.0), 2..80),
    ) {
        let (mut indices, mut entries, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (at, entry, value) in rows {
            indices.extend([at, at / 8, at / 3].map(|i| i % width as u32));
            entries.extend([1.0, entry, entry * entry / 2.0]);
            values.push(1e9 + value);
        }
        let x = SparseMatrix::new(3, width, indices, entries);
        let model = Linear::fit(&x, &values);
        let largest = model.gradient(&x, &values).iter().fold(0.0, |m: f64, g| m.max(g.abs()));
        prop_assert!(largest < 1e-3, "{largest}");
        let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
        prop_assert!((mean(&model.predict(&x, values.len())) - mean(&values)).abs() < 1e-4);
    }

    /// The Brier score is what the bins leave over at least; the expected error is never above the root of it.
    #[test]
    fn calibration_is_bounded_by_the_brier_score(rows in proptest::collection::vec((any::<bool>(), 0.0f64..=1.0), 1..200)) {
        let (positive, p): (Vec<bool>, Vec<f64>) = rows.into_iter().unzip();
        let found = calibration(&positive, &p);
        prop_assert_eq!(found.bins.iter().map(|bin| bin.rows).sum::<usize>(), p.len());
        prop_assert!(found.expected_error <= found.brier.sqrt() + 1e-12);
        prop_assert!(found.bins.len() <= CALIBRATION_BINS);
        prop_assert!(found.bins.iter().all(|bin| bin.from - 1e-12 <= bin.predicted && bin.predicted <= bin.to + 1e-12));
    }
}

#[test]
fn calibration_by_hand() {
    let found = calibration(&[true, false, true, true], &[0.0, 0.1, 0.95, 1.0]);
    assert_eq!(found.bins.iter().map(|bin| (bin.rows, bin.observed)).collect::<Vec<_>>(), [(2, 0.5), (2, 1.0)]);
    assert!((found.brier - (1.0 + 0.01 + 0.0025) / 4.0).abs() < 1e-12);
    assert!((found.expected_error - (2.0 * 0.45 + 2.0 * 0.025) / 4.0).abs() < 1e-12);
}

#[test]
fn scores_of_numbers_by_hand() {
    let found = score_numbers(&[1.0, 2.0, 3.0, 6.0], &[2.0, 2.0, 2.0, 6.0]).unwrap();
    assert!((found.r2 - (1.0 - 2.0 / 14.0)).abs() < 1e-12);
    assert!((found.rmse - 0.5f64.sqrt()).abs() < 1e-12 && (found.mae - 0.5).abs() < 1e-12);
    assert_eq!(score_numbers(&[3.0, 3.0], &[1.0, 2.0]), None);
    assert_eq!(score_numbers(&[], &[]), None);
}

fn schema() -> Schema {
    let columns = vec![integers("n", 0, 99, true), categories("c", 4, true), integers("y", -1000, 1000, true)];
    Schema::new(columns, Some(2), None).unwrap()
}

fn rows(count: usize, of: usize) -> Table {
    filled(3, count, |i, j| {
        let (n, c, e) = (hash(i + of, 1) % 100, hash(i + of, 2) % 4, hash(i + of, 3) % 40);
        let y = 500 + 5 * n + 100 * (c % 3) + if n > 50 { 200 } else { 0 } + e;
        if hash(i + of, 50 + j).is_multiple_of(20) { MISSING } else { [n as Code, c as Code, y as Code][j] }
    })
}

fn regression(schema: &Schema, tables: [&Table; 3]) -> Result<Regression, String> {
    let [train, held_out, synthetic] = tables;
    match utility(2, Tables { schema, train, held_out, synthetic }).prediction {
        Section::Measured(Prediction::Regression(found)) => Ok(found),
        Section::Measured(other) => panic!("{other:?}"),
        Section::Absent { absent } => Err(absent),
    }
}

#[test]
fn good_rows_predict_numbers_and_noise_does_not() {
    let (train, held_out) = (rows(800, 0), rows(500, 10_000));
    let noise = filled(3, 800, |i, j| (hash(i, 40 + j) % [100, 4, 2001][j]) as Code);
    let good = regression(&schema(), [&train, &held_out, &rows(800, 20_000)]).unwrap();
    let bad = regression(&schema(), [&train, &held_out, &noise]).unwrap();
    for (good, bad) in [(good.linear, bad.linear), (good.boosting, bad.boosting)] {
        assert!(good.synthetic.r2 > 0.75 && (good.synthetic.r2 - good.real.r2).abs() < 0.05, "{good:?}");
        assert!(bad.synthetic.r2 < 0.2 && bad.real == good.real, "{bad:?}");
        assert!(good.synthetic.rmse >= good.synthetic.mae && good.synthetic.rmse < good.real.rmse * 1.2);
    }
    assert!(good.boosting.real.r2 > good.linear.real.r2);
    assert!(good.baseline.r2.abs() < 0.01 && good.baseline.r2 <= 0.0);
    assert!(good.held_out_rows < 500 && good.held_out_rows > 440);
}

#[test]
fn numbers_that_cannot_be_predicted_say_why() {
    let (some, few) = (rows(300, 0), rows(8, 0));
    let empty = Table::new(3, vec![]);
    let constant = filled(3, 300, |i, j| [(i % 100) as Code, 0, 70][j]);
    let reason = |tables| regression(&schema(), tables).unwrap_err();
    assert!(reason([&some, &few, &some]).contains("Too few held-out"));
    assert!(reason([&some, &some, &empty]).contains("No synthetic row"));
    assert!(reason([&empty, &some, &some]).contains("No real training row"));
    assert!(reason([&some, &constant, &some]).contains("all have one value"));
    // A table of one value teaches to give it always.
    let found = regression(&schema(), [&some, &some, &constant]).unwrap();
    assert!(found.linear.synthetic.r2 < 0.0 && found.boosting.synthetic.rmse > found.baseline.rmse);
    assert!((found.linear.synthetic.rmse - found.boosting.synthetic.rmse).abs() < 1e-6);
}
