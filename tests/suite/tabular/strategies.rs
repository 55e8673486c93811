//! Random schemas and tables, nasty on purpose.

use std::collections::BTreeSet;

use dp2stage::tabular::{Code, Column, Domain, Grid, GridKind, MISSING, Schema, Table};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

const DAY: i64 = 86_400;

/// Texts that a CSV or a terminal may trip over.
const NASTY: &[&str] = &[
    "a",
    " a",
    "a ",
    " ",
    "\t",
    "\"",
    "\"\"",
    ",",
    "a,b",
    "\n",
    "\r",
    "a\r\nb",
    "\u{feff}",
    "\u{feff}a",
    "é",
    "'",
    "=1+1",
    "'=1+1",
    "+",
    "-",
    "-1",
    "-1.5e-3",
    "-2+3",
    "@SUM(A1:A9)",
    "\u{ff1d}1",
    "\u{ff0b}",
    "\u{ff0d}1",
    "\u{ff20}x",
    "a;=1",
    ";",
    "#",
    "\\",
    "\\N",
    "NULL",
    "NaN",
    "0",
    "-0",
    "1e5",
    "\u{a0}",
    "日本",
    "🦀",
    "2024-01-01",
];

/// Such texts, pieces of them put together, and any others.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(NASTY).prop_map(str::to_owned),
        1 => vec(prop::sample::select(NASTY), 1..4).prop_map(|parts| parts.concat()),
        1 => "[^\0]{1,20}",
    ]
}

/// Any grid, small ones and those at the edge of what is exact.
pub fn grid() -> impl Strategy<Value = Grid> {
    let small = (-1000i64..1000, 0i64..5000, 1i64..50);
    let large = (-900_000_000_000_000i64..1, 0i64..900_000_000_000_000, (1i64 << 19)..1 << 40);
    let number =
        (prop_oneof![small, large], any::<bool>(), 0u32..=12).prop_map(|((first, length, step), whole, digits)| {
            let (kind, digits) = if whole { (GridKind::Integer, 0) } else { (GridKind::Decimal, digits) };
            Grid::new(kind, first, first + length, step, digits).unwrap()
        });
    let date = (-719_528i64..2_900_000, 0i64..30_000, 1i64..40).prop_map(|(first, length, step)| {
        Grid::new(GridKind::Date, first * DAY, (first + length) * DAY, step * DAY, 0).unwrap()
    });
    let moment = (-62_167_219_200i64..253_000_000_000, 0i64..300_000_000, 1i64..100_000)
        .prop_map(|(first, length, step)| Grid::new(GridKind::Moment, first, first + length, step, 0).unwrap());
    prop_oneof![2 => number, 1 => date, 1 => moment]
}

fn domain() -> impl Strategy<Value = (Domain, bool)> {
    let categories = (btree_set(text(), 1..20), any::<bool>(), any::<bool>());
    let categories = categories.prop_map(|(mut names, empty, nullable)| {
        if empty && !nullable {
            names.insert(String::new());
        }
        (Domain::Categories(names.into_iter().collect()), nullable)
    });
    let boolean = any::<bool>().prop_map(|n| (Domain::Categories(vec!["false".into(), "true".into()]), n));
    prop_oneof![3 => categories, 1 => boolean, 3 => (grid().prop_map(Domain::Grid), any::<bool>())]
}

/// A schema of one to six columns.
pub fn schema() -> impl Strategy<Value = Schema> {
    let columns = (btree_set(text(), 1..6), vec(domain(), 6), any::<prop::sample::Index>(), any::<bool>());
    columns.prop_map(|(names, domains, target, has_target)| {
        let names: BTreeSet<String> = names.into_iter().filter(|name| !name.trim().is_empty()).collect();
        let names = if names.is_empty() { BTreeSet::from(["c".to_owned()]) } else { names };
        let columns: Vec<Column> = names
            .into_iter()
            .zip(domains)
            .map(|(name, (domain, nullable))| Column { name, domain, nullable })
            .collect();
        let target = has_target.then(|| target.index(columns.len()));
        let positive = target.filter(|&t| matches!(columns[t].domain, Domain::Categories(_))).map(|_| 0);
        Schema::new(columns, target, positive).unwrap()
    })
}

/// A schema and at least `least`, at most 30 rows of codes of it.
pub fn rows(least: usize) -> impl Strategy<Value = (Schema, Vec<Vec<Code>>)> {
    (schema(), vec(vec(any::<u32>(), 6), least..30)).prop_map(|(schema, seeds)| {
        let cell = |(column, seed): (&Column, u32)| match seed % 8 {
            0 if column.nullable => MISSING,
            1 => column.domain.len() as u32 - 1,
            _ => seed % column.domain.len() as u32,
        };
        let rows = seeds.into_iter().map(|seed| schema.columns().iter().zip(seed).map(cell).collect());
        let rows = rows.collect();
        (schema, rows)
    })
}

/// Rows as a table.
pub fn table(schema: &Schema, rows: &[Vec<Code>]) -> Table {
    Table::new(schema.width(), rows.concat())
}
