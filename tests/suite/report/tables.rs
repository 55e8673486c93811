//! Tables for these tests: from files, and drawn.

use std::path::{Path, PathBuf};

use dp2stage::tabular::{Code, Column, Domain, Grid, GridKind, MISSING, Schema, Table};
use proptest::prelude::*;
use serde_json::Value;

/// The folder of the small committed tables.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/report")
}

/// A file of JSON.
pub fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A schema in the style of the judge: categories, and whole numbers between bounds.
pub fn schema(path: &Path) -> Schema {
    let declared = json(path);
    let columns: Vec<Column> = declared["columns"].as_array().unwrap().iter().map(column).collect();
    let target = columns.iter().position(|c| declared["target"] == *c.name).unwrap();
    let positive = match &columns[target].domain {
        Domain::Categories(names) => names.iter().position(|n| declared["positive"] == **n).unwrap(),
        Domain::Grid(_) => unreachable!(),
    };
    Schema::new(columns, Some(target), Some(positive as Code)).unwrap()
}

fn column(declared: &Value) -> Column {
    let name = declared["name"].as_str().unwrap().to_owned();
    let domain = if declared["type"] == "categorical" {
        let names = declared["categories"].as_array().unwrap();
        Domain::Categories(names.iter().map(|n| n.as_str().unwrap().to_owned()).collect())
    } else {
        let (first, last) = (declared["min"].as_i64().unwrap(), declared["max"].as_i64().unwrap());
        Domain::Grid(Grid::new(GridKind::Integer, first, last, 1, 0).unwrap())
    };
    Column { name, domain, nullable: declared["nullable"] == true }
}

/// A plain CSV (no quotes) of the schema's columns in order.
pub fn table(schema: &Schema, path: &Path) -> Table {
    let text = std::fs::read_to_string(path).unwrap();
    let mut table = Table::new(schema.width(), Vec::new());
    for line in text.lines().skip(1) {
        let row: Vec<Code> = line.split(',').zip(schema.columns()).map(|(cell, c)| code(c, cell)).collect();
        table.push(&row);
    }
    table
}

fn code(column: &Column, cell: &str) -> Code {
    match &column.domain {
        _ if cell.is_empty() => MISSING,
        Domain::Categories(names) => names.iter().position(|n| n == cell).unwrap() as Code,
        Domain::Grid(grid) => grid.code(cell).unwrap(),
    }
}

/// The three tables of a folder that the judge knows: real training, held-out and synthetic.
pub fn fixture() -> (Schema, Table, Table, Table) {
    let schema = schema(&fixtures().join("schema.json"));
    let read = |name: &str| table(&schema, &fixtures().join(name));
    let tables = (read("train.csv"), read("held_out.csv"), read("synthetic.csv"));
    (schema, tables.0, tables.1, tables.2)
}

/// A column of `count` categories `0, 1, ...`.
pub fn categories(name: &str, count: usize, nullable: bool) -> Column {
    let names = (0..count).map(|i| i.to_string()).collect();
    Column { name: name.into(), domain: Domain::Categories(names), nullable }
}

/// A column of whole numbers.
pub fn integers(name: &str, first: i64, last: i64, nullable: bool) -> Column {
    let grid = Grid::new(GridKind::Integer, first, last, 1, 0).unwrap();
    Column { name: name.into(), domain: Domain::Grid(grid), nullable }
}

/// A table of `rows` rows whose cells `cell(row, column)` tells.
pub fn filled(width: usize, rows: usize, cell: impl Fn(usize, usize) -> Code) -> Table {
    let codes = (0..rows).flat_map(|i| (0..width).map(move |j| (i, j))).map(|(i, j)| cell(i, j)).collect();
    Table::new(width, codes)
}

/// The rows in another order, the same for equal lengths.
pub fn shuffled(table: &Table) -> Table {
    let rows = table.rows();
    let step = (1..).map(|k| rows / 2 + 7 * k + 1).find(|&s| gcd(s, rows.max(1)) == 1).unwrap();
    filled(table.width(), rows, |i, j| table.row((i * step + 3) % rows)[j])
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A number that looks random, for cells of drawn tables.
pub fn hash(i: usize, j: usize) -> u64 {
    let mut x = (i as u64) << 20 ^ (j as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x2545_F491_4F6C_DD1D;
    for _ in 0..3 {
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x ^= x >> 27;
    }
    x
}

/// Two tables of one schema, drawn as plain data, since tables of cells do not print themselves.
#[derive(Clone, Debug)]
pub struct Drawn {
    shapes: Vec<(bool, u32, bool)>,
    rows: [Vec<Vec<Code>>; 2],
}

impl Drawn {
    /// The schema and both tables.
    pub fn build(&self) -> (Schema, Table, Table) {
        let columns = self.shapes.iter().enumerate().map(|(j, &(grid, size, nullable))| match grid {
            true => integers(&j.to_string(), -3, i64::from(size) - 4, nullable),
            false => categories(&j.to_string(), size as usize, nullable),
        });
        let schema = Schema::new(columns.collect(), None, None).unwrap();
        let [a, b] = self.rows.clone().map(|rows| Table::new(schema.width(), rows.concat()));
        (schema, a, b)
    }
}

/// Two tables of one small random schema, some cells missing.
pub fn two_tables() -> impl Strategy<Value = Drawn> {
    let column = (any::<bool>(), 1u32..40, any::<bool>());
    proptest::collection::vec(column, 2..5).prop_flat_map(|shapes| {
        let cells: Vec<_> = shapes.iter().map(|&(_, size, nullable)| cell(size, nullable)).collect();
        let rows = || proptest::collection::vec(cells.clone(), 1..60);
        (Just(shapes), rows(), rows()).prop_map(|(shapes, a, b)| Drawn { shapes, rows: [a, b] })
    })
}

fn cell(size: u32, nullable: bool) -> BoxedStrategy<Code> {
    if nullable { prop_oneof![1 => Just(MISSING), 5 => 0..size].boxed() } else { (0..size).boxed() }
}
