//! Rows of one table said in another's values.

use dp2stage::tabular::{Code, Column, Domain, Grid, GridKind, Likeness, MISSING, Schema, Table};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::strategies;

fn words(name: &str, words: &[&str], nullable: bool) -> Column {
    Column { name: name.into(), domain: Domain::Categories(words.iter().map(|&w| w.into()).collect()), nullable }
}

fn grid(name: &str, kind: GridKind, (first, last, step): (i64, i64, i64), nullable: bool) -> Column {
    Column { name: name.into(), domain: Domain::Grid(Grid::new(kind, first, last, step, 0).unwrap()), nullable }
}

fn schema(columns: Vec<Column>) -> Schema {
    Schema::new(columns, None, None).unwrap()
}

/// The row of the target for a row of the other.
fn said(from: &Schema, to: &Schema, row: &[Code]) -> Vec<Code> {
    let mut said = vec![0; to.width()];
    Likeness::new(from, to).row(row, &mut ChaCha8Rng::seed_from_u64(1), &mut said);
    said
}

#[test]
fn a_grid_of_the_same_name_keeps_its_numbers() {
    let from = schema(vec![grid(" Age ", GridKind::Integer, (0, 120, 1), false)]);
    let to = schema(vec![grid("age", GridKind::Integer, (20, 100, 5), false)]);
    let number = |code| to.columns()[0].number(said(&from, &to, &[code])[0]).unwrap();
    assert_eq!([0, 20, 41, 44, 99, 120].map(number), [20.0, 20.0, 40.0, 45.0, 100.0, 100.0]);
}

#[test]
fn any_other_grid_keeps_its_place_in_the_range() {
    let from = schema(vec![grid("age", GridKind::Integer, (0, 100, 1), false)]);
    let to = schema(vec![grid("years", GridKind::Integer, (1000, 3000, 10), false)]);
    assert_eq!([0, 50, 100].map(|code| said(&from, &to, &[code])[0]), [0, 100, 200]);
    // A number is no moment, whatever the names.
    let when = schema(vec![grid("age", GridKind::Date, (0, 86_400 * 10, 86_400), false)]);
    assert_eq!([0, 50, 100].map(|code| said(&from, &when, &[code])[0]), [0, 5, 10]);
    let point = schema(vec![grid("age", GridKind::Integer, (7, 7, 1), false)]);
    assert_eq!(said(&from, &point, &[99]), [0]);
    assert_eq!(said(&schema(vec![grid("x", GridKind::Integer, (7, 7, 1), false)]), &to, &[0]), [0]);
}

#[test]
fn categories_go_by_text_and_else_by_number() {
    let from = schema(vec![words("sex", &["other", "female", "male", "unknown"], false)]);
    let to = schema(vec![words("Sex", &["male", "female", "x"], false)]);
    // `other` is number 0 and `unknown` number 3, which is 0 modulo 3.
    assert_eq!([0, 1, 2, 3].map(|code| said(&from, &to, &[code])[0]), [0, 1, 0, 0]);
    // Equal texts under different names mean nothing.
    let colours = schema(vec![words("gender", &["male", "female", "x"], false)]);
    assert_eq!([0, 1, 2, 3].map(|code| said(&from, &colours, &[code])[0]), [0, 1, 2, 0]);
}

/// Names first, whatever the order; then kind by kind, in order; what is left is drawn.
#[test]
fn columns_are_matched_by_name_and_then_by_kind() {
    let from = schema(vec![
        grid("a", GridKind::Integer, (0, 10, 1), false),
        words("k", &["p", "q"], false),
        grid("b", GridKind::Integer, (0, 10, 1), false),
    ]);
    let to = schema(vec![
        grid("x", GridKind::Integer, (0, 10, 1), false),
        grid("a", GridKind::Integer, (0, 10, 1), false),
        words("b", &["p", "q"], false),
        grid("y", GridKind::Integer, (0, 1000, 1), false),
    ]);
    let likeness = Likeness::new(&from, &to);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut seen = std::collections::HashSet::new();
    let mut row = [0; 4];
    for _ in 0..200 {
        likeness.row(&[3, 1, 8], &mut rng, &mut row);
        // `b` is a grid here and categories there: the grid goes to `x`, and `k` to it.
        assert_eq!(row[..3], [8, 3, 1]);
        seen.insert(row[3]);
    }
    assert!(seen.len() > 150, "nothing is left for `y`: it is drawn");
}

#[test]
fn missing_stays_missing_where_it_may() {
    let from = schema(vec![words("a", &["p", "q"], true), words("b", &["p", "q"], true)]);
    let to = schema(vec![words("a", &["p", "q"], true), words("b", &["p", "q", "r"], false)]);
    let likeness = Likeness::new(&from, &to);
    let table = Table::new(2, [MISSING, MISSING].repeat(300));
    let said = likeness.table(&table, &mut ChaCha8Rng::seed_from_u64(3));
    assert!(said.column(0).all(|code| code == MISSING));
    for code in 0..3 {
        assert!(said.column(1).filter(|&c| c == code).count() > 60, "drawn uniformly");
    }
}

#[test]
fn a_table_is_like_itself() {
    let same = schema(vec![
        words("a", &["p", "q"], true),
        grid("n", GridKind::Integer, (-5, 5, 1), true),
        grid("m", GridKind::Moment, (0, 86_400, 60), false),
    ]);
    for row in [[0, 3, 7], [MISSING, MISSING, 1440], [1, 0, 0]] {
        assert_eq!(said(&same, &same, &row), row);
    }
}

proptest! {
    /// Whatever the two schemas and the row: every cell is a value of the target.
    #[test]
    fn every_row_that_is_said_is_valid(
        from in strategies::schema(),
        to in strategies::schema(),
        codes in proptest::collection::vec(any::<u32>(), 64),
        seed in any::<u64>(),
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let row: Vec<Code> = codes.into_iter().cycle().take(from.width()).collect();
        let mut said = vec![0; to.width()];
        Likeness::new(&from, &to).row(&row, &mut rng, &mut said);
        for (column, &code) in to.columns().iter().zip(&said) {
            prop_assert!(column.holds(code), "{code}");
        }
    }
}
