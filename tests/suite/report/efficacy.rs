//! ML efficacy: the cases that have no scores, and those that must have them.

use dp2stage::report::{
    DenseLayout, Efficacy, MAX_FIT_ROWS, MIN_HELD_OUT, Prediction, Question, Section, Tables, custodian, fit_rows,
    utility,
};
use dp2stage::tabular::{Code, Column, MISSING, Schema, Table};

use super::tables::{categories, filled, hash, integers};

/// A number, a category that depends on it, and as target whether their sum is large.
fn columns(classes: usize) -> Vec<Column> {
    vec![integers("n", 0, 99, true), categories("c", 4, true), categories("t", classes, true)]
}

fn rows(count: usize, of: usize, classes: u64) -> Table {
    filled(3, count, |i, j| {
        let (n, c, e) = (hash(i + of, 1) % 100, hash(i + of, 2) % 4, hash(i + of, 3) % 60);
        let class = ((n + 25 * c + e) * classes / 235).min(classes - 1);
        [n as Code, c as Code, class as Code][j]
    })
}

fn two_classes() -> Schema {
    Schema::new(columns(2), Some(2), Some(1)).unwrap()
}

/// What a report says of the declared target.
fn efficacy(schema: &Schema, train: &Table, held_out: &Table, synthetic: &Table) -> Result<Efficacy, String> {
    let Some(target) = schema.target() else {
        return match custodian(schema, train, held_out, synthetic).efficacy {
            Section::Measured(_) => unreachable!(),
            Section::Absent { absent } => Err(absent),
        };
    };
    match utility(target, Tables { schema, train, held_out, synthetic }).prediction {
        Section::Measured(Prediction::Classification(efficacy)) => Ok(*efficacy),
        Section::Measured(Prediction::Regression(found)) => Err(format!("{} is a number", found.target)),
        Section::Absent { absent } => Err(absent),
    }
}

fn reason(outcome: Result<Efficacy, String>) -> String {
    outcome.err().unwrap()
}

#[test]
fn good_rows_make_good_models_and_noise_does_not() {
    let (train, held_out) = (rows(600, 0, 2), rows(400, 10_000, 2));
    let noise = filled(3, 600, |i, j| (hash(i, 40 + j) % [100, 4, 2][j]) as Code);
    let good = efficacy(&two_classes(), &train, &held_out, &rows(600, 20_000, 2)).unwrap();
    let bad = efficacy(&two_classes(), &train, &held_out, &noise).unwrap();
    for (good, bad) in [(&good.logistic, &bad.logistic), (&good.boosting, &bad.boosting)] {
        assert!(good.synthetic.roc_auc > 0.85 && (good.synthetic.roc_auc - good.real.roc_auc).abs() < 0.05);
        assert!(bad.synthetic.roc_auc < 0.75 && bad.real == good.real);
    }
    assert_eq!((good.target.as_str(), good.positive.as_deref()), ("t", Some("1")));
    assert_eq!((good.synthetic_rows, good.real_rows, good.held_out_rows), (600, 600, 400));
}

#[test]
fn the_other_value_as_positive_mirrors_the_scores() {
    let (train, held_out, synthetic) = (rows(300, 0, 2), rows(300, 10_000, 2), rows(300, 20_000, 2));
    let score = |positive| {
        let schema = Schema::new(columns(2), Some(2), positive).unwrap();
        efficacy(&schema, &train, &held_out, &synthetic).unwrap()
    };
    let (no, yes, unsaid) = (score(Some(0)), score(Some(1)), score(None));
    assert_eq!(unsaid, yes, "of two categories the last one is positive");
    assert!((no.logistic.synthetic.roc_auc - yes.logistic.synthetic.roc_auc).abs() < 1e-9);
    assert!((no.logistic.synthetic.macro_f1 - yes.logistic.synthetic.macro_f1).abs() < 1e-9);
    let (f1_no, f1_yes) = (no.logistic.synthetic.f1.unwrap(), yes.logistic.synthetic.f1.unwrap());
    assert!((f1_no + f1_yes - 2.0 * yes.logistic.synthetic.macro_f1).abs() < 1e-9);
}

#[test]
fn three_classes_are_each_told_from_the_rest() {
    let schema = Schema::new(columns(3), Some(2), None).unwrap();
    let scores = efficacy(&schema, &rows(500, 0, 3), &rows(500, 10_000, 3), &rows(500, 20_000, 3)).unwrap();
    assert_eq!(scores.positive, None);
    assert!(scores.logistic.real.roc_auc > 0.75 && scores.boosting.real.roc_auc > 0.75);
    assert!(scores.boosting.synthetic.f1.is_none() && scores.boosting.synthetic.macro_f1 > 0.5);
}

#[test]
fn a_synthetic_table_that_lost_a_class_is_scored_as_a_constant() {
    let lost = filled(3, 200, |i, j| [(i % 100) as Code, 0, 0][j]);
    let scores = efficacy(&two_classes(), &rows(300, 0, 2), &rows(300, 10_000, 2), &lost).unwrap();
    assert_eq!((scores.logistic.synthetic.roc_auc, scores.logistic.synthetic.f1), (0.5, Some(0.0)));
    assert_eq!(scores.boosting.synthetic, scores.logistic.synthetic);
    assert!(scores.boosting.real.roc_auc > 0.8);
}

#[test]
fn a_handful_of_rows_can_be_fitted() {
    let held_out = rows(300, 10_000, 2);
    for count in 1..6 {
        let tiny = filled(3, count, |i, j| [7 * i as Code, (i % 4) as Code, (i % 2) as Code][j]);
        let scores = efficacy(&two_classes(), &tiny, &held_out, &tiny).unwrap();
        assert_eq!(scores.logistic.synthetic, scores.logistic.real);
        assert!((0.0..=1.0).contains(&scores.boosting.real.roc_auc));
    }
}

#[test]
fn rows_without_a_target_or_a_feature_are_no_trouble() {
    let holed = |table: Table| {
        filled(3, table.rows(), |i, j| if hash(i, 70 + j).is_multiple_of(4) { MISSING } else { table.row(i)[j] })
    };
    let (train, held_out, synthetic) =
        (holed(rows(600, 0, 2)), holed(rows(400, 10_000, 2)), holed(rows(500, 20_000, 2)));
    let scores = efficacy(&two_classes(), &train, &held_out, &synthetic).unwrap();
    assert!(scores.held_out_rows < 330 && scores.held_out_rows > 270);
    assert!(scores.logistic.synthetic.roc_auc > 0.7 && scores.boosting.synthetic.roc_auc > 0.65);
}

#[test]
fn what_cannot_be_scored_is_absent_with_a_reason() {
    let table = || rows(300, 0, 2);
    let try_schema = |schema: Schema| reason(efficacy(&schema, &table(), &table(), &table()));
    assert!(try_schema(Schema::new(columns(2), None, None).unwrap()).contains("no target"));
    assert!(try_schema(Schema::new(columns(2), Some(0), None).unwrap()).contains("is a number"));
    assert!(try_schema(Schema::new(columns(1), Some(2), None).unwrap()).contains("only one"));
    let alone = Schema::new(vec![categories("t", 2, false)], Some(0), None).unwrap();
    let narrow = filled(1, 300, |i, _| (i % 2) as Code);
    assert!(reason(efficacy(&alone, &narrow, &narrow, &narrow)).contains("besides"));

    let schema = two_classes();
    let one_class = filled(3, 300, |i, j| [(i % 100) as Code, 0, 1][j]);
    assert!(reason(efficacy(&schema, &table(), &one_class, &table())).contains("Too few held-out"));
    assert!(reason(efficacy(&schema, &table(), &rows(12, 0, 2), &table())).contains("Too few held-out"));
    let few = filled(3, 300, |i, j| [(i % 100) as Code, 0, Code::from(i < MIN_HELD_OUT - 1)][j]);
    assert!(reason(efficacy(&schema, &table(), &few, &table())).contains("Too few held-out"));
    let empty = Table::new(3, vec![]);
    assert!(reason(efficacy(&schema, &table(), &empty, &table())).contains("Too few held-out"));
    assert!(reason(efficacy(&schema, &table(), &table(), &empty)).contains("No synthetic row"));
    assert!(reason(efficacy(&schema, &empty, &table(), &table())).contains("No real training row"));
}

/// A declared positive value makes a question of any column, also of a number or of many categories.
#[test]
fn a_positive_value_turns_any_target_into_two_classes() {
    for (target, positive) in [(0, 5), (1, 3)] {
        let schema = Schema::new(columns(2), Some(target), Some(positive)).unwrap();
        assert_eq!(Question::of(&schema, target), Ok(Question::Class(vec![positive])));
    }
    let of_eleven = Schema::new(columns(11), Some(2), Some(4)).unwrap();
    assert_eq!(Question::of(&of_eleven, 2), Ok(Question::Class(vec![4])));
}

#[test]
fn large_tables_are_thinned_evenly() {
    let schema = two_classes();
    let layout = DenseLayout::of(&schema, 2);
    let table = filled(3, MAX_FIT_ROWS * 2, |i, j| if i.is_multiple_of(5) && j == 2 { MISSING } else { 0 });
    let rows = fit_rows(&layout, &table, 2, 1);
    assert_eq!(rows.len(), MAX_FIT_ROWS);
    assert!(rows.windows(2).all(|w| w[0] < w[1] && w[1] - w[0] <= 4));
    assert!(rows[0] < 4 && rows[rows.len() - 1] > table.rows() - 5);
    assert!(rows.iter().all(|&row| table.row(row)[2] != MISSING));
}
