//! What the custodian's report of a table costs: CPU seconds of each section, and peak memory.
//!
//! `cargo bench --bench report -- FOLDER NAME SYNTHETIC` reads `NAME_{schema.json,train.csv,test.csv}` in FOLDER and the
//! synthetic table SYNTHETIC; without SYNTHETIC it takes the training rows, a cell in four from another row. Beside it:
//! `time python evaluate.py --real-train .. --real-test .. --synthetic .. --target .. --schema ..`, which measures
//! the histograms of one and two columns and fits both models of one target once.
//!
//! Prints one line of JSON.

#[allow(dead_code, reason = "the tests need more of it")]
#[path = "../tests/suite/report/tables.rs"]
mod tables;

mod cost;

use std::path::PathBuf;

use dp2stage::report::{Tables, custodian, one_way, two_way, utility};
use dp2stage::tabular::{Schema, Table};
use serde_json::json;

use cost::{cpu_seconds, peak_mib};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [folder, name, ..] = &arguments[..] else {
        println!("say a folder and the name of a table");
        return;
    };
    let file = |part: &str| PathBuf::from(folder).join(format!("{name}_{part}"));
    let schema = tables::schema(&file("schema.json"));
    let (train, held_out) = (tables::table(&schema, &file("train.csv")), tables::table(&schema, &file("test.csv")));
    let synthetic = arguments.get(2).map_or_else(|| loosened(&train), |path| tables::table(&schema, path.as_ref()));
    let before = peak_mib();

    let mut spent = serde_json::Map::new();
    let mut timed = |what: &str, work: &mut dyn FnMut()| {
        let cpu = cpu_seconds();
        work();
        let hundredths = ((cpu_seconds() - cpu) * 100.0).round();
        spent.insert(what.into(), json!(hundredths / 100.0));
    };
    let mut report = None;
    timed("report", &mut || report = Some(custodian(&schema, &train, &held_out, &synthetic)));
    let after = peak_mib();
    timed("pairs, which the report has", &mut || {
        drop((one_way(&schema, &train, &synthetic), two_way(&schema, &train, &synthetic)))
    });
    let of_all = Tables { schema: &schema, train: &train, held_out: &held_out, synthetic: &synthetic };
    timed("the target, which the report has", &mut || drop(schema.target().map(|target| utility(target, of_all))));
    let number = number(&schema);
    timed("a number besides", &mut || drop(number.map(|column| utility(column, of_all))));
    let bytes = serde_json::to_vec(&report).unwrap().len();
    let rows = [train.rows(), held_out.rows(), synthetic.rows()];
    let line = json!({"table": name, "rows": rows, "columns": schema.width(), "cpu_seconds": spent,
                      "peak_mib": after.round(), "tables_mib": before.round(), "json_bytes": bytes});
    println!("{line}");
}

/// A column of numbers.
fn number(schema: &Schema) -> Option<usize> {
    schema.columns().iter().rposition(|column| column.number(0).is_some())
}

fn loosened(train: &Table) -> Table {
    let rows = train.rows();
    tables::filled(train.width(), rows, |i, j| {
        let from = if tables::hash(i, j).is_multiple_of(4) { tables::hash(i, j + 1000) as usize % rows } else { i };
        train.row(from)[j]
    })
}
