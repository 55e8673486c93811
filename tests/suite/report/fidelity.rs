//! Fidelity beside chance: laws, then figures by hand.

use dp2stage::report::{
    AssociationMeasure, BarKind, Fidelity, MAX_BARS, MAX_MATRIX, MAX_TRIPLES, Matrix, Section, custodian,
};
use dp2stage::tabular::{Code, MISSING, Schema, Table};
use proptest::prelude::*;

use super::tables::{categories, filled, fixture, hash, integers, shuffled, two_tables};

fn fidelity(schema: &Schema, real: &Table, synthetic: &Table) -> Fidelity {
    let none = Table::new(schema.width(), vec![]);
    let Section::Measured(fidelity) = custodian(schema, real, &none, synthetic).fidelity else { unreachable!() };
    fidelity
}

fn matrix(section: &Section<Matrix>) -> &[Vec<f64>] {
    &section.measured().unwrap().rows
}

proptest! {
    /// The total variation is half the sum of the differences; distances are within bounds and agree on being nought;
    /// pairs are no nearer than their columns; the bars of a histogram add up to one.
    #[test]
    fn distances_agree_with_each_other(drawn in two_tables()) {
        let (schema, real, synthetic) = drawn.build();
        let found = fidelity(&schema, &real, &synthetic);
        let pairs = found.pairs.measured().unwrap();
        let matrix = matrix(&pairs.matrix);
        for (j, column) in found.columns.iter().enumerate() {
            let [shared, apart, js] = [column.intersection, column.total_variation, column.jensen_shannon].map(|f| f.value);
            prop_assert!((shared + apart - 1.0).abs() < 1e-12);
            // At most the total variation (Lin 1991) and, by Pinsker's inequality, above half its square.
            prop_assert!(js * js <= apart + 1e-12 && js * js >= apart * apart / 2.0 - 1e-12);
            for of in [|bar: &dp2stage::report::Bar| bar.real, |bar: &dp2stage::report::Bar| bar.synthetic] {
                prop_assert!((column.histogram.iter().map(of).sum::<f64>() - 1.0).abs() < 1e-12);
            }
            prop_assert!((0..schema.width()).all(|i| matrix[i][j] <= shared + 1e-12));
            prop_assert_eq!(matrix[j][j], shared);
            let missing = column.histogram.iter().filter(|bar| bar.kind == BarKind::Missing).map(|bar| bar.real).sum::<f64>();
            prop_assert!((missing - column.missing.real).abs() < 1e-12);
        }
        // The diagonal is of columns alone: a pair that has no more than its column may be above it by the last digit.
        let of_pairs = (0..schema.width()).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| matrix[i][j]);
        prop_assert_eq!(of_pairs.fold(f64::INFINITY, f64::min), pairs.min.value);
    }

    /// Strengths are symmetric in the order of columns and lie within their bounds.
    #[test]
    fn strengths_do_not_depend_on_the_order_of_columns(drawn in two_tables()) {
        let (schema, real, synthetic) = drawn.build();
        let last = schema.width() - 1;
        let turned = Schema::new(schema.columns().iter().rev().cloned().collect(), None, None).unwrap();
        let turn = |table: &Table| filled(last + 1, table.rows(), |i, j| table.row(i)[last - j]);
        let (a, b) = (fidelity(&schema, &real, &synthetic), fidelity(&turned, &turn(&real), &turn(&synthetic)));
        let of = |found: &Fidelity| found.associations.measured().unwrap().matrices.measured().unwrap().clone();
        let (a, b) = (of(&a), of(&b));
        for i in 0..=last {
            for j in 0..=last {
                prop_assert!((a.real.rows[i][j] - b.real.rows[last - i][last - j]).abs() < 1e-9);
                prop_assert!((-1.0..=1.0).contains(&a.real.rows[i][j]));
                prop_assert_eq!(a.difference.rows[i][j], a.synthetic.rows[i][j] - a.real.rows[i][j]);
            }
        }
    }
}

/// Chance is what two halves differ by: more than nought, and less than what a bent table differs by.
#[test]
fn halves_of_the_real_table_are_nearer_than_a_bent_one() {
    let (schema, train, _, synthetic) = fixture();
    let found = fidelity(&schema, &train, &synthetic);
    let associations = found.associations.measured().unwrap();
    // Of pairs and threes of so few rows the halves differ by as much: 750 rows spread over many cells.
    for figure in [found.one_way.jensen_shannon, associations.max_difference] {
        let halves = figure.halves.unwrap();
        assert!(halves > 0.0 && halves < figure.value, "{figure:?}");
    }
    // The same table again differs by nothing, less than its halves do.
    let same = fidelity(&schema, &train, &shuffled(&train));
    assert!(same.one_way.jensen_shannon.value == 0.0 && same.one_way.jensen_shannon.halves.unwrap() > 0.0);
    assert!(same.associations.measured().unwrap().max_difference.value < 1e-12);
    assert_eq!(same.duplicates.real, same.duplicates.synthetic);
}

/// Of two columns with disjoint halves of values, and of one that is the other.
#[test]
fn strengths_by_hand() {
    let columns = vec![
        categories("a", 3, true),
        categories("b", 3, false),
        integers("x", 0, 9, true),
        integers("y", 0, 99, false),
    ];
    let schema = Schema::new(columns, None, None).unwrap();
    // b follows a, x is 1, 4, 7 by a, y falls by 10 with x; a row without a and one without x say nothing.
    let real = Table::new(
        4,
        vec![
            0, 0, 1, 90, 0, 0, 1, 90, 1, 1, 4, 60, 1, 1, 4, 60, 2, 2, 7, 30, 2, 2, 7, 30, MISSING, 0, 7, 30, 0, 0,
            MISSING, 90,
        ],
    );
    let loose = Table::new(4, vec![0, 0, 1, 10, 0, 1, 4, 20, 1, 0, 4, 10, 1, 1, 1, 20]);
    let found = fidelity(&schema, &real, &loose);
    let found = found.associations.measured().unwrap();
    let all = found.matrices.measured().unwrap();
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
    near(all.real.rows[0][1], 1.0);
    near(all.real.rows[0][2], 1.0);
    near(all.real.rows[2][3], -1.0);
    // a and b are independent in the loose table, and so are a and x
    near(all.synthetic.rows[0][1], 0.0);
    near(all.synthetic.rows[2][0], 0.0);
    near(all.difference.rows[3][2], all.synthetic.rows[2][3] + 1.0);
    near(found.max_difference.value, 1.0);
    assert_eq!(found.worst.iter().filter(|gap| gap.measure == AssociationMeasure::CramersV).count(), 1);
}

#[test]
fn a_histogram_has_names_and_room_for_the_rest() {
    let columns = vec![integers("n", 0, 99, false), integers("few", 1, 4, true), categories("wide", 100, false)];
    let schema = Schema::new(columns, None, None).unwrap();
    let table = |of: usize| filled(3, 400, |i, j| (hash(i + of, j) % [100, 4, 100][j]) as Code);
    let found = fidelity(&schema, &table(0), &table(500));
    let labels = |j: usize| found.columns[j].histogram.iter().map(|bar| bar.label.as_str()).collect::<Vec<_>>();
    assert_eq!((labels(0).len(), labels(0)[0], labels(0)[19]), (20, "0 to 4", "95 to 99"));
    assert_eq!(labels(1), ["1", "2", "3", "4", "missing"]);
    assert_eq!((labels(2).len(), labels(2)[MAX_BARS - 2]), (MAX_BARS - 1, "72 others"));
    let range = found.columns[0].range.as_ref().unwrap();
    assert_eq!(range.real.as_ref().unwrap().largest, "99");
    assert_eq!(range.halves.len(), 2);
    assert!(found.columns[2].range.is_none());
}

/// Joint histograms that are too large for an array are counted by sorting, and come out the same.
#[test]
fn wide_columns_are_counted_as_narrow_ones() {
    let schema = |size: usize| {
        let columns = vec![categories("a", size, false), categories("b", size, false), categories("t", size, false)];
        Schema::new(columns, Some(2), Some(0)).unwrap()
    };
    let table = |of: usize| filled(3, 300, |i, j| (hash(i + of, j) % 5) as Code);
    let (narrow, wide) =
        (fidelity(&schema(5), &table(0), &table(400)), fidelity(&schema(3000), &table(0), &table(400)));
    let of = |found: &Fidelity| (found.pairs.clone(), found.triples.clone());
    let ((pairs, triples), (of_wide, triples_of_wide)) = (of(&narrow), of(&wide));
    let (pairs, of_wide) = (pairs.measured().unwrap(), of_wide.measured().unwrap());
    assert!((pairs.intersection.value - of_wide.intersection.value).abs() < 1e-12);
    assert!((pairs.jensen_shannon.value - of_wide.jensen_shannon.value).abs() < 1e-12);
    let (triples, triples_of_wide) = (triples.measured().unwrap(), triples_of_wide.measured().unwrap());
    assert!((triples.jensen_shannon.halves.unwrap() - triples_of_wide.jensen_shannon.halves.unwrap()).abs() < 1e-12);
    let strength = |found: &Fidelity| found.associations.measured().unwrap().mean_difference.value;
    assert!((strength(&narrow) - strength(&wide)).abs() < 1e-12);
}

#[test]
fn very_many_columns_have_means_but_no_matrices() {
    let width = 300;
    let columns = (0..width).map(|j| categories(&j.to_string(), 2, false)).collect();
    let schema = Schema::new(columns, Some(7), Some(0)).unwrap();
    let table = |of| filled(width, 30, |i, j| (hash(i + of, j) % 2) as Code);
    let found = fidelity(&schema, &table(0), &table(50));
    let triples = found.triples.measured().unwrap();
    assert_eq!((triples.triples, triples.measured), (299 * 298 / 2, (299 * 298 / 2usize).div_ceil(5)));
    assert!(triples.measured <= MAX_TRIPLES && width > MAX_MATRIX);
    assert!(matches!(found.pairs.measured().unwrap().matrix, Section::Absent { .. }));
    assert!(matches!(found.associations.measured().unwrap().matrices, Section::Absent { .. }));
}

#[test]
fn equal_rows_are_counted_in_each_table_and_half() {
    let schema = Schema::new(vec![categories("a", 10, false)], None, None).unwrap();
    let real = Table::new(1, vec![0, 0, 0, 1, 2, 3, 4, 5]);
    let found = fidelity(&schema, &real, &Table::new(1, vec![7, 7, 8, 8])).duplicates;
    assert_eq!((found.real, found.synthetic), (0.375, 1.0));
    assert!([0.25, 0.375].contains(&found.halves.unwrap()), "{found:?}");
}
