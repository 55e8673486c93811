//! Agreement with the outside judge (Python: pandas, scikit-learn, xgboost).
//!
//! Always on the small committed tables, whose figures `tests/fixtures/report/draw.py` wrote. On
//! Adult and Airline when the folder `shared` lies beside the checkout and `PARITY_PYTHON` names an
//! interpreter that has the packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use dp2stage::report::{CustodianReport, Models, Scores, Tables, custodian};
use dp2stage::tabular::{Schema, Table};
use serde_json::Value;

use super::{reference, tables};

pub fn near(ours: f64, theirs: &Value, tolerance: f64, what: &str) {
    let theirs = theirs.as_f64().unwrap();
    assert!((ours - theirs).abs() <= tolerance, "{what}: {ours} here, {theirs} there");
}

fn same_histograms(ours: &CustodianReport, theirs: &Value) {
    let two = ours.two_way.measured().unwrap();
    near(ours.one_way.mean, &theirs["one_way"], 1e-9, "one-way mean");
    near(ours.one_way.min, &theirs["one_way_min"], 1e-9, "one-way min");
    near(two.mean, &theirs["two_way"], 1e-9, "two-way mean");
    near(two.min, &theirs["two_way_min"], 1e-9, "two-way min");
    for column in &ours.one_way.columns {
        near(column.intersection, &theirs["one_way_by_column"][&column.column], 1e-9, &column.column);
    }
    for (ours, theirs) in two.worst.iter().zip(theirs["two_way_worst"].as_array().unwrap()) {
        near(ours.intersection, &theirs[2], 1e-9, "worst pairs");
    }
}

fn same_scores(ours: &Scores, theirs: &Value, [area, rest]: [f64; 2], what: &str) {
    near(ours.roc_auc, &theirs["roc_auc"], area, &format!("{what} roc_auc"));
    near(ours.f1.unwrap(), &theirs["f1"], rest, &format!("{what} f1"));
    near(ours.macro_f1, &theirs["macro_f1"], rest, &format!("{what} macro_f1"));
    near(ours.accuracy, &theirs["accuracy"], rest, &format!("{what} accuracy"));
}

fn same_models(ours: &CustodianReport, pick: impl Fn(&Models) -> &Scores, theirs: &Value) {
    let efficacy = ours.efficacy.measured().unwrap();
    same_scores(pick(&efficacy.logistic), &theirs["lr"], [0.002, 0.005], "logistic");
    same_scores(pick(&efficacy.boosting), &theirs["xgb"], [0.01, 0.02], "boosting");
}

#[test]
fn the_small_tables_score_as_the_judge_says() {
    let (schema, train, held_out, synthetic) = tables::fixture();
    let expected = tables::json(&tables::fixtures().join("expected.json"));
    let report = custodian(&schema, &train, &held_out, &synthetic);
    same_histograms(&report, &expected["synthetic"]["hist"]);
    same_models(&report, |m| &m.synthetic, &expected["synthetic"]["ml"]);
    same_models(&report, |m| &m.real, &expected["real"]["ml"]);
    let of_all = Tables { schema: &schema, train: &train, held_out: &held_out, synthetic: &synthetic };
    reference::same_as(&schema, &report, (of_all, "pressure"), &expected["reference"]);
}

#[test]
fn adult_scores_as_the_judge_says() {
    beside_the_judge("adult", "hours-per-week");
}

#[test]
fn airline_scores_as_the_judge_says() {
    beside_the_judge("airline", "Flight Distance");
}

/// Compares both programs on a table that keeps some of what the real one knows.
fn beside_the_judge(name: &str, number: &str) {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let (Some(python), true) = (std::env::var_os("PARITY_PYTHON").map(PathBuf::from), shared.is_dir()) else {
        println!("skipped: set PARITY_PYTHON and have ../shared to compare on {name}");
        return;
    };
    let file = |part: &str| shared.join("data").join(format!("{name}_{part}"));
    let schema = tables::schema(&file("schema.json"));
    let (train, held_out) = (tables::table(&schema, &file("train.csv")), tables::table(&schema, &file("test.csv")));
    let synthetic = loosened(&train);

    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("synthetic.csv");
    write_csv(&schema, &synthetic, &csv);
    let answer = Command::new(&python)
        .arg(shared.join("eval/evaluate.py"))
        .args([Path::new("--real-train"), &file("train.csv"), Path::new("--real-test"), &file("test.csv")])
        .args([Path::new("--synthetic"), &csv, Path::new("--schema"), &file("schema.json")])
        .args(["--target", &schema.columns()[schema.target().unwrap()].name])
        .output()
        .unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let theirs: Value = serde_json::from_slice(&answer.stdout).unwrap();

    let report = custodian(&schema, &train, &held_out, &synthetic);
    println!("{name}: {:?}\njudge: {}", report.efficacy.measured(), theirs["ml"]);
    assert_eq!(theirs["invalid_cells"], 0);
    same_histograms(&report, &theirs["hist"]);
    same_models(&report, |m| &m.synthetic, &theirs["ml"]);

    let answer = Command::new(python)
        .arg(tables::fixtures().join("reference.py"))
        .args([&shared.join("eval"), &file("train.csv"), &file("test.csv"), &csv, &file("schema.json")])
        .arg(number)
        .output()
        .unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let of_all = Tables { schema: &schema, train: &train, held_out: &held_out, synthetic: &synthetic };
    reference::same_as(&schema, &report, (of_all, number), &serde_json::from_slice(&answer.stdout).unwrap());
}

/// Four fifths of the rows; a cell in four is taken from another row.
fn loosened(train: &Table) -> Table {
    let rows = train.rows();
    tables::filled(train.width(), rows * 4 / 5, |i, j| {
        let from = if tables::hash(i, j).is_multiple_of(4) { tables::hash(i, j + 1000) as usize % rows } else { i };
        train.row(from)[j]
    })
}

fn write_csv(schema: &Schema, table: &Table, path: &Path) {
    let line = |cells: Vec<String>| cells.join(",") + "\n";
    let mut text = line(schema.columns().iter().map(|c| c.name.clone()).collect());
    for row in table.iter() {
        text += &line(row.iter().zip(schema.columns()).map(|(&code, c)| c.text(code)).collect());
    }
    std::fs::write(path, text).unwrap();
}
