//! Grids: texts and codes are each other's inverse, bounds hold, rounding is to the step.

use dp2stage::tabular::{Decimal, Grid, GridKind, GridMiss, seconds};
use proptest::prelude::*;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::strategies;

fn integers(first: i64, last: i64, step: i64) -> Grid {
    Grid::new(GridKind::Integer, first, last, step, 0).unwrap()
}

fn decimals(first: i64, last: i64, step: i64, digits: u32) -> Grid {
    Grid::new(GridKind::Decimal, first, last, step, digits).unwrap()
}

proptest! {
    #[test]
    fn a_code_is_its_text(grid in strategies::grid(), seed in any::<u32>()) {
        for code in [seed % grid.count(), 0, grid.count() - 1] {
            let text = grid.text(code);
            prop_assert_eq!(grid.code(&text), Ok(code), "{}", text);
            prop_assert_eq!(grid.code(&format!(" {text}\t")), Ok(code));
        }
    }

    #[test]
    fn values_rise_with_their_codes(grid in strategies::grid(), seed in any::<u32>()) {
        let code = seed % grid.count();
        prop_assert_eq!(grid.nearest(grid.number(code)), code);
        prop_assert!(code == 0 || grid.number(code - 1) < grid.number(code));
    }

    /// Against exact arithmetic in millionths.
    #[test]
    fn decimals_are_rounded_to_the_step_within_the_bounds(
        first in -2000i64..2000, length in 0i64..4000, step in 1i64..70, digits in 0u32..4, millionths in any::<i64>(),
    ) {
        let grid = decimals(first, first + length, step, digits);
        let unit = 10i64.pow(6 - digits);
        let (low, high) = (first * unit, (first + length) * unit);
        let value = (low - 3 * unit).saturating_add(millionths.rem_euclid(high - low + 6 * unit));
        let sign = if value < 0 { "-" } else { "" };
        let text = format!("{sign}{}.{:06}", value.abs() / 1_000_000, value.abs() % 1_000_000);
        match grid.code(&text) {
            Err(miss) => {
                prop_assert_eq!(miss, GridMiss::Bounds);
                prop_assert!(value < low || value > high, "{} refused", text);
            }
            Ok(code) => {
                prop_assert!((low..=high).contains(&value), "{} accepted", text);
                let off = (value - low - i64::from(code) * step * unit).abs();
                // Past the last value there is no nearer one.
                prop_assert!(2 * off <= step * unit || code == grid.count() - 1, "{} off by {}", text, off);
            }
        }
    }

    #[test]
    fn decimals_agree_with_doubles(text in "[-+]?[0-9]{0,8}\\.?[0-9]{0,7}") {
        match (Decimal::read(text.as_bytes()), text.parse::<f64>()) {
            (Some(exact), Ok(double)) => {
                prop_assert_eq!(exact.mantissa as f64 / 10f64.powi(exact.scale as i32), double);
            }
            (exact, double) => prop_assert_eq!(exact.is_some(), double.is_ok(), "{}", text),
        }
    }

    #[test]
    fn moments_agree_with_the_time_crate(at in -62_167_219_200i64..253_402_300_799, hours in -23i8..24) {
        let utc = OffsetDateTime::from_unix_timestamp(at).unwrap();
        prop_assert_eq!(seconds(&utc.format(&Rfc3339).unwrap()), Some(at));
        let zone = time::UtcOffset::from_hms(hours, if hours < 0 { -30 } else { 30 }, 0).unwrap();
        if let Some(local) = utc.checked_to_offset(zone).filter(|t| (0..=9999).contains(&t.year())) {
            prop_assert_eq!(seconds(&local.format(&Rfc3339).unwrap()), Some(at));
        }
        let grid = Grid::new(GridKind::Moment, at, at, 1, 0).unwrap();
        prop_assert_eq!(grid.text(0), utc.format(&Rfc3339).unwrap());
    }

    #[test]
    fn no_text_breaks_the_reader(grid in strategies::grid(), text in "[-+.:0-9TZe ]{0,30}|\\PC{0,12}") {
        if let Ok(code) = grid.code(&text) {
            prop_assert!(code < grid.count());
        }
        let _ = seconds(&text);
    }
}

#[test]
fn nothing_beyond_the_bounds_is_rounded_into_them() {
    let ages = integers(17, 90, 1);
    assert_eq!(ages.code("17"), Ok(0));
    assert_eq!(ages.code("90.0"), Ok(73));
    assert_eq!(ages.code("9e1"), Ok(73));
    assert_eq!(ages.code("90.5"), Err(GridMiss::Fraction));
    assert_eq!(ages.code("91"), Err(GridMiss::Bounds));
    let weights = decimals(0, 3000, 1, 1);
    assert_eq!(weights.code("300.0"), Ok(3000));
    assert_eq!(weights.code("300.04"), Err(GridMiss::Bounds));
    assert_eq!(weights.code("-0.04"), Err(GridMiss::Bounds));
    assert_eq!(weights.code("0.25"), Ok(3));
    assert_eq!(weights.code("0.24999999999999999"), Ok(2));
    // A maximum between two steps belongs to the last.
    let tens = integers(0, 99, 10);
    assert_eq!((tens.count(), tens.code("99"), tens.code("100")), (10, Ok(9), Err(GridMiss::Bounds)));
    assert_eq!((tens.code("14"), tens.code("15")), (Ok(1), Ok(2)));
}

#[test]
fn large_numbers_are_exact() {
    let large = integers(9_007_199_254_740_000, 1 << 53, 1);
    assert_eq!(large.code("9007199254740991"), Ok(991));
    assert_eq!(large.code("9007199254740993"), Err(GridMiss::Bounds));
    let fine = decimals(0, 4_000_000_000, 1, 12);
    assert_eq!(fine.code("0.000000000001"), Ok(1));
    assert_eq!(fine.text(3_999_999_999), "0.003999999999");
}

#[test]
fn texts_show_the_digits_of_the_step_and_not_of_the_maximum() {
    let halves = decimals(0, 1025, 50, 2);
    assert_eq!((halves.text(0), halves.text(1), halves.text(20)), ("0.0".into(), "0.5".into(), "10.0".into()));
    assert_eq!(halves.code("10.25"), Ok(20));
    assert_eq!(decimals(-5, 5, 1, 1).text(0), "-0.5");
    assert_eq!(decimals(10, 20, 10, 1), decimals(1, 2, 1, 0));
}

#[test]
fn a_moment_belongs_to_the_day_and_hour_it_lies_in() {
    let days = Grid::new(GridKind::Date, 0, 9 * 86_400, 86_400, 0).unwrap();
    assert_eq!(days.code("1970-01-10T23:59:59Z"), Ok(9));
    assert_eq!(days.code("1970-01-11"), Err(GridMiss::Bounds));
    assert_eq!(days.code("1970-01-01T00:30:00+01:00"), Err(GridMiss::Bounds));
    assert_eq!(days.text(9), "1970-01-10");
    let hours = Grid::new(GridKind::Moment, 0, 86_399, 3600, 0).unwrap();
    assert_eq!(hours.code("1970-01-01 23:59:59.999"), Ok(23));
    assert_eq!(hours.text(23), "1970-01-01T23:00:00Z");
    assert_eq!(hours.code("1970-01-02"), Err(GridMiss::Bounds));
}

#[test]
fn impossible_grids_are_none() {
    let none = |kind, first, last, step, digits| assert_eq!(Grid::new(kind, first, last, step, digits), None);
    none(GridKind::Integer, 1, 0, 1, 0);
    none(GridKind::Integer, 0, 1, 0, 0);
    none(GridKind::Integer, 0, 1, -1, 0);
    none(GridKind::Integer, 0, 15, 1, 1);
    none(GridKind::Integer, 0, i64::from(u32::MAX), 1, 0);
    none(GridKind::Integer, 0, (1 << 53) + 1, 1 << 30, 0);
    none(GridKind::Integer, i64::MIN, i64::MAX, 1, 0);
    none(GridKind::Decimal, 0, 1, 1, 13);
    none(GridKind::Decimal, 0, 1_000_000_000_000_001, 1 << 30, 1);
    none(GridKind::Date, 0, 86_400, 3600, 0);
    none(GridKind::Date, 1, 86_400, 86_400, 0);
    none(GridKind::Moment, 0, 253_402_300_800, 1000, 0);
    assert_eq!(Grid::new(GridKind::Integer, 0, i64::from(u32::MAX) - 2, 1, 0).unwrap().count(), u32::MAX - 1);
}
