//! Bins and intersections: laws over random tables, then the edges.

use std::collections::HashMap;

use dp2stage::report::{Bins, MAX_PAIRS, one_way, pair_intersection, two_way};
use dp2stage::tabular::{Code, Grid, GridKind, MISSING, Schema, Table};
use dp2stage::tabular::{Column, Domain};
use proptest::prelude::*;

use super::tables::{categories, filled, hash, integers, shuffled, two_tables};

proptest! {
    #[test]
    fn a_table_shares_everything_with_itself(drawn in two_tables()) {
        let (schema, real, _) = drawn.build();
        prop_assert!((one_way(&schema, &real, &real).min - 1.0).abs() < 1e-12);
        prop_assert!((two_way(&schema, &real, &real).unwrap().min - 1.0).abs() < 1e-12);
    }

    #[test]
    fn intersections_are_symmetric_shares(drawn in two_tables()) {
        let (schema, a, b) = drawn.build();
        let (there, back) = (one_way(&schema, &a, &b), one_way(&schema, &b, &a));
        for (x, y) in there.columns.iter().zip(&back.columns) {
            prop_assert_eq!(x, y);
            prop_assert!((0.0..=1.0 + 1e-12).contains(&x.intersection));
        }
        let (there, back) = (two_way(&schema, &a, &b).unwrap(), two_way(&schema, &b, &a).unwrap());
        prop_assert!((there.mean - back.mean).abs() < 1e-12);
        prop_assert!((there.min - back.min).abs() < 1e-12);
    }

    #[test]
    fn the_order_of_rows_changes_nothing(drawn in two_tables()) {
        let (schema, a, b) = drawn.build();
        prop_assert_eq!(one_way(&schema, &a, &b), one_way(&schema, &shuffled(&a), &shuffled(&b)));
        prop_assert_eq!(two_way(&schema, &a, &b), two_way(&schema, &shuffled(&a), &shuffled(&b)));
    }

    /// Looking at two columns at once can only show more differences.
    #[test]
    fn a_pair_shares_no_more_than_its_columns(drawn in two_tables()) {
        let (schema, a, b) = drawn.build();
        let one = one_way(&schema, &a, &b).columns;
        for i in 0..schema.width() {
            for j in i + 1..schema.width() {
                let pair = pair_intersection(&schema, &a, &b, i, j);
                prop_assert!(pair <= one[i].intersection.min(one[j].intersection) + 1e-12);
            }
        }
    }

    /// Both ways of counting, arrays and sorting, against a map.
    #[test]
    fn pairs_equal_a_plain_count((sizes, seed) in ((1usize..900, 1usize..900), 0usize..1000)) {
        let columns = vec![categories("a", sizes.0, false), categories("b", sizes.1, false)];
        let schema = Schema::new(columns, None, None).unwrap();
        let draw = |of: usize, rows| {
            filled(2, rows, |i, j| (hash(i * 7 + of, j + seed) % 23 * 977 % [sizes.0, sizes.1][j] as u64) as Code)
        };
        let (real, synthetic) = (draw(1, 300), draw(2, 200));
        let shares = |t: &Table| {
            let mut shares: HashMap<Vec<Code>, f64> = HashMap::new();
            t.iter().for_each(|row| *shares.entry(row.to_vec()).or_default() += 1.0 / t.rows() as f64);
            shares
        };
        let (p, q) = (shares(&real), shares(&synthetic));
        let expected: f64 = p.iter().map(|(cell, x)| x.min(q.get(cell).copied().unwrap_or(0.0))).sum();
        prop_assert!((pair_intersection(&schema, &real, &synthetic, 0, 1) - expected).abs() < 1e-9);
    }

    /// The rule of the judge, on the numbers: `min(int((x - min) / (max - min) * 20), 19)`.
    #[test]
    fn grids_are_cut_into_twenty_equal_widths((first, span, digits, at) in (-500i64..500, 1i64..2000, 0u32..4, 0.0f64..=1.0)) {
        let grid = Grid::new(GridKind::Decimal, first, first + span, 1, digits).unwrap();
        let code = (at * span as f64) as Code;
        let (x, low, high) = (grid.number(code), grid.number(0), grid.number(grid.count() - 1));
        let expected = (((x - low) / (high - low) * 20.0) as u32).min(19);
        let column = Column { name: "x".into(), domain: Domain::Grid(grid), nullable: true };
        prop_assert_eq!(Bins::of(&column).bin(code), expected);
    }
}

#[test]
fn the_ends_of_a_range_and_missing_cells_have_their_bins() {
    let column = integers("x", 0, 100, true);
    let bins = Bins::of(&column);
    assert_eq!(bins.count(), 21);
    let of = |code| bins.bin(code);
    assert_eq!([of(0), of(4), of(5), of(94), of(95), of(99), of(100), of(MISSING)], [0, 0, 1, 18, 19, 19, 19, 20]);

    let single = integers("x", 7, 7, true);
    assert_eq!((Bins::of(&single).bin(0), Bins::of(&single).bin(MISSING)), (0, 20));
    let few = integers("x", 1, 4, false);
    assert_eq!([0, 1, 2, 3].map(|code| Bins::of(&few).bin(code)), [0, 6, 13, 19]);
    let named = categories("c", 3, true);
    assert_eq!([0, 2, MISSING].map(|code| Bins::of(&named).bin(code)), [0, 2, 3]);
}

/// Half of the rows agree in a column of two values, and a missing cell is a value like another.
#[test]
fn intersections_by_hand() {
    let schema = Schema::new(vec![categories("a", 2, true), categories("b", 2, false)], None, None).unwrap();
    let real = Table::new(2, vec![0, 0, 0, 1, 1, 0, MISSING, 1]);
    let synthetic = Table::new(2, vec![0, 0, 1, 1, 1, 1, 1, 1, MISSING, 0, MISSING, 0, MISSING, 0, MISSING, 1]);
    // a: shares (1/2, 1/4, 1/4) and (1/8, 3/8, 1/2); b: (1/2, 1/2) and (1/2, 1/2)
    let one = one_way(&schema, &real, &synthetic);
    assert_eq!(one.columns.iter().map(|c| c.intersection).collect::<Vec<_>>(), [0.625, 1.0]);
    assert_eq!((one.mean, one.min), (0.8125, 0.625));
    // shared cells: (0,0) 1/8 and (missing,1) 1/8
    let two = two_way(&schema, &real, &synthetic).unwrap();
    assert_eq!((two.min, two.worst.len(), two.worst[0].a.as_str(), two.worst[0].b.as_str()), (0.25, 1, "a", "b"));
}

#[test]
fn very_many_pairs_are_thinned_by_a_fixed_rule_and_the_report_says_so() {
    let width = 300;
    let columns = (0..width).map(|j| categories(&j.to_string(), 2, false)).collect();
    let schema = Schema::new(columns, None, None).unwrap();
    let table = |of| filled(width, 20, |i, j| (hash(i + of, j) % 2) as Code);
    let two = two_way(&schema, &table(0), &table(50)).unwrap();
    assert_eq!(two.pairs, width * (width - 1) / 2);
    assert_eq!(two.measured, two.pairs.div_ceil(3));
    assert!(two.measured <= MAX_PAIRS);
    assert!(two.worst.windows(2).all(|w| w[0].intersection <= w[1].intersection));
    assert_eq!(two.worst[0].intersection, two.min);
}

#[test]
fn an_empty_table_shares_nothing() {
    let schema = Schema::new(vec![categories("a", 2, false), categories("b", 2, false)], None, None).unwrap();
    let (empty, real) = (Table::new(2, vec![]), Table::new(2, vec![0, 1]));
    assert_eq!(one_way(&schema, &real, &empty).mean, 0.0);
    assert_eq!(two_way(&schema, &empty, &real).unwrap().mean, 0.0);
    assert_eq!(two_way(&schema, &empty, &empty).unwrap().min, 0.0);
}
