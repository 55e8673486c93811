//! What the report's evidence takes: `cargo bench --bench evidence -- FOLDER NAME SYNTHETIC.csv`.
//!
//! FOLDER holds `NAME_schema.json`, `NAME_train.csv` and `NAME_test.csv`; without SYNTHETIC the training rows with a cell
//! in four taken from another row. Prints one line of JSON: CPU seconds, peak memory, and the figures.

mod cost;

use std::path::Path;

use dp2stage::report::{Claim, Tables, evidence};
use dp2stage::tabular::{Declaration, Schema, Table, TableReader, UploadLimits};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use serde_json::json;

use cost::{cpu_seconds, peak_mib};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let argument = |i: usize, usual: &str| arguments.get(i).cloned().unwrap_or_else(|| usual.into());
    let (folder, name) = (argument(0, "../shared/data"), argument(1, "adult"));
    let file = |part: &str| Path::new(&folder).join(format!("{name}_{part}"));
    let declared: serde_json::Value = serde_json::from_slice(&std::fs::read(file("schema.json")).unwrap()).unwrap();
    let schema = Declaration::from_json(&declared).unwrap().schema;
    let (train, held_out) = (table(&schema, &file("train.csv")), table(&schema, &file("test.csv")));
    let synthetic = arguments.get(2).map_or_else(|| loosened(&train), |path| table(&schema, Path::new(path)));

    let (before, held) = (cpu_seconds(), peak_mib());
    let tables = Tables { schema: &schema, train: &train, held_out: &held_out, synthetic: &synthetic };
    let claim = Some(Claim { epsilon: 1.0, delta: 1e-5 });
    let found = evidence(tables, claim, &mut ChaCha20Rng::seed_from_u64(7));
    let cpu = cpu_seconds() - before;
    println!(
        "{}",
        json!({ "table": name, "rows": [train.rows(), held_out.rows(), synthetic.rows()], "cpu": cpu,
                "peak_mib": peak_mib(), "of_it_tables": held, "found": found })
    );
}

fn table(schema: &Schema, path: &Path) -> Table {
    let mut table = Table::new(schema.width(), Vec::new());
    let mut reader = TableReader::new(schema, UploadLimits::default());
    let mut sink = |codes: &[u32], _: &[u8]| table.push(codes);
    reader.push(&std::fs::read(path).unwrap(), &mut sink).unwrap();
    reader.finish(&mut sink).unwrap();
    table
}

fn loosened(train: &Table) -> Table {
    let (rows, width) = (train.rows(), train.width());
    let codes = (0..rows * width).map(|cell| {
        let (row, column) = (cell / width, cell % width);
        let from = if (7 * row + 3 * column) % 4 == 0 { row * 7919 % rows } else { row };
        train.row(from)[column]
    });
    Table::new(width, codes.collect())
}
