//! Agreement with the figures that `tests/fixtures/report/reference.py` has from scipy, pandas, scikit-learn, xgboost
//! and, where it is installed, sdmetrics.

use dp2stage::report::{
    Calibration, CustodianReport, Fidelity, NumberModels, NumberScores, Prediction, Section, Tables, utility,
};
use dp2stage::tabular::Schema;
use serde_json::Value;

use super::parity::near;

/// Compares all figures, those of a regression of the column `number` among them.
pub fn same_as(schema: &Schema, ours: &CustodianReport, (tables, number): (Tables<'_>, &str), theirs: &Value) {
    let fidelity = ours.fidelity.measured().unwrap();
    same_columns(fidelity, theirs);
    same_means(fidelity, &theirs["histograms"]);
    same_associations(fidelity, &theirs["associations"]);
    near(fidelity.duplicates.real, &theirs["duplicates"]["real"], 1e-9, "duplicates");
    near(fidelity.duplicates.synthetic, &theirs["duplicates"]["synthetic"], 1e-9, "duplicates");
    same_as_sdmetrics(fidelity, &theirs["sdmetrics"]);

    let column = schema.columns().iter().position(|column| column.name == number).unwrap();
    let predicted = utility(column, tables);
    println!("{predicted:?}\nreference: {}", theirs["regression"]);
    let Section::Measured(Prediction::Regression(regression)) = predicted.prediction else { unreachable!() };
    for (whose, pick) in [("synthetic", synthetic as fn(&NumberModels) -> &NumberScores), ("real", real)] {
        let theirs = &theirs["regression"][whose];
        same_errors(pick(&regression.linear), &theirs["linear"], 1e-3, "linear");
        same_errors(pick(&regression.boosting), &theirs["boosting"], 0.02, "boosting");
        same_errors(&regression.baseline, &theirs["baseline"], 1e-9, "baseline");
    }
    let calibrations = ours.efficacy.measured().unwrap().logistic.calibration.as_ref().unwrap();
    same_calibration(&calibrations.synthetic, &theirs["calibration"]["synthetic"]);
    same_calibration(&calibrations.real, &theirs["calibration"]["real"]);
}

fn synthetic(models: &NumberModels) -> &NumberScores {
    &models.synthetic
}

fn real(models: &NumberModels) -> &NumberScores {
    &models.real
}

fn same_columns(ours: &Fidelity, theirs: &Value) {
    for column in &ours.columns {
        let (name, expected) = (&column.column, &theirs["histograms"]["columns"][&column.column]);
        near(column.intersection.value, &expected[0], 1e-9, name);
        near(column.total_variation.value, &expected[1], 1e-9, name);
        near(column.jensen_shannon.value, &expected[2], 1e-9, name);
        if let Some(range) = &column.range {
            for (ends, whose) in [(&range.real, "real"), (&range.synthetic, "synthetic")] {
                let (ends, expected) = (ends.as_ref().unwrap(), &theirs["ends"][whose][name]);
                near(ends.smallest.parse().unwrap(), &expected[0], 0.0, name);
                near(ends.largest.parse().unwrap(), &expected[1], 0.0, name);
            }
        } else {
            near(column.missing.real, &theirs["missing"]["real"][name], 1e-9, name);
            near(column.missing.synthetic, &theirs["missing"]["synthetic"][name], 1e-9, name);
        }
    }
}

fn same_means(ours: &Fidelity, theirs: &Value) {
    let (pairs, triples) = (ours.pairs.measured().unwrap(), ours.triples.measured().unwrap());
    let of_pairs = [pairs.intersection, pairs.total_variation, pairs.jensen_shannon];
    let of_triples = [triples.intersection, triples.total_variation, triples.jensen_shannon];
    for (at, (pair, triple)) in of_pairs.iter().zip(of_triples).enumerate() {
        near(pair.value, &theirs["pairs"]["mean"][at], 1e-9, "pairs");
        near(triple.value, &theirs["triples"]["mean"][at], 1e-9, "triples");
    }
    near(pairs.min.value, &theirs["pairs"]["min"], 1e-9, "pairs");
    near(triples.min.value, &theirs["triples"]["min"], 1e-9, "triples");
    near(triples.worst[0].intersection.value, &theirs["triples"]["min"], 1e-9, "triples");
}

fn same_associations(ours: &Fidelity, theirs: &Value) {
    let matrices = ours.associations.measured().unwrap().matrices.measured().unwrap();
    let names = &matrices.real.columns;
    for (matrix, whose) in [(&matrices.real, "real"), (&matrices.synthetic, "synthetic")] {
        for (i, a) in names.iter().enumerate() {
            for (j, b) in names.iter().enumerate().skip(i + 1) {
                let pair = format!("{a} {b}");
                near(matrix.rows[i][j], &theirs[whose][&pair], 1e-9, &pair);
                assert_eq!(matrix.rows[i][j], matrix.rows[j][i]);
            }
        }
    }
}

/// `TVComplement` and `ContingencySimilarity` are what is an intersection here.
fn same_as_sdmetrics(ours: &Fidelity, theirs: &Value) {
    if theirs.is_null() {
        return println!("without sdmetrics");
    }
    let names: Vec<&String> = ours.columns.iter().map(|column| &column.column).collect();
    let matrix = &ours.pairs.measured().unwrap().matrix.measured().unwrap().rows;
    let place = |name: &str| names.iter().position(|known| *known == name).unwrap();
    for (name, score) in theirs["tv_complement"].as_object().unwrap() {
        near(matrix[place(name)][place(name)], score, 1e-9, name);
    }
    for (pair, score) in theirs["contingency_similarity"].as_object().unwrap() {
        let known = |(i, j): &(usize, usize)| format!("{} {}", names[*i], names[*j]) == *pair;
        let all = (0..names.len()).flat_map(|i| (0..names.len()).map(move |j| (i, j)));
        let (i, j) = all.into_iter().find(known).unwrap();
        near(matrix[i][j], score, 1e-9, pair);
    }
}

/// R2 within a tolerance, errors within as much of their size.
fn same_errors(ours: &NumberScores, theirs: &Value, tolerance: f64, what: &str) {
    near(ours.r2, &theirs[0], tolerance, &format!("{what} R2"));
    near(ours.rmse, &theirs[1], tolerance * ours.rmse, &format!("{what} RMSE"));
    near(ours.mae, &theirs[2], tolerance * ours.mae, &format!("{what} MAE"));
}

fn same_calibration(ours: &Calibration, theirs: &Value) {
    near(ours.brier, &theirs["brier"], 1e-4, "Brier score");
    near(ours.expected_error, &theirs["error"], 1e-3, "calibration error");
    assert_eq!(ours.bins.len(), theirs["rows"].as_array().unwrap().len());
    for (at, bin) in ours.bins.iter().enumerate() {
        // A row or two may lie on the other side of an edge.
        near(bin.rows as f64, &theirs["rows"][at], 3.0, "rows of a bin");
        near(bin.predicted, &theirs["predicted"][at], 5e-3, "predicted");
        near(bin.observed, &theirs["observed"][at], 1.5e-2, "observed");
    }
}
