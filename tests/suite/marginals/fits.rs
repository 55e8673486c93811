//! The fit's optimality, sampling without chance, and the search for a minimum.

use dp2stage::marginals::{BinRows, Fit, Measured, Patience, minimise, systematic, tilted};
use rand::Rng;

use super::rng;

const PATIENCE: Patience = Patience { iterations: 2000, gain: 0.0, slope: 1e-7 };

fn rows(count: usize, seed: u64) -> BinRows {
    let mut rng = rng(seed);
    let mut columns = vec![Vec::new(); 4];
    for _ in 0..count {
        let a: u16 = rng.random_range(0..3);
        let b = if rng.random::<f64>() < 0.6 { a } else { rng.random_range(0..3) };
        let c = (a + b + rng.random_range(0..2)) % 4;
        let d = u16::from(rng.random::<f64>() < 0.2 + 0.15 * f64::from(c));
        [a, b, c, d].into_iter().zip(&mut columns).for_each(|(bin, column)| column.push(bin));
    }
    BinRows { columns }
}

const SIZES: [usize; 4] = [3, 3, 4, 2];

fn measured(rows: &BinRows, tables: &[&[usize]], deviation: f64) -> Vec<Measured> {
    let of = |columns: &&[usize]| {
        let counts = rows.counts(columns, &SIZES).into_iter().map(|count| count as f64).collect();
        Measured { columns: columns.to_vec(), counts, deviation }
    };
    tables.iter().map(of).collect()
}

#[test]
fn a_fit_has_the_tables_that_were_measured_exactly() {
    let rows = rows(5000, 1);
    let tables = measured(&rows, &[&[0, 1], &[1, 2], &[0, 2, 3]], 1e-3);
    let fitted = Fit { rows: 5000.0, lambda: 1.0, patience: PATIENCE }.to(&tables, &SIZES, None);
    for table in &tables {
        for (p, count) in fitted.table(&table.columns).unwrap().iter().zip(&table.counts) {
            assert!((5000.0 * p - count).abs() < 0.5, "{} and {count}", 5000.0 * p);
        }
    }
    // What was not measured is as independent as the rest allows: given 1, columns 0 and 2 hang together by [0, 2, 3] alone.
    let pair = fitted.table(&[0, 2]).unwrap();
    let exact = rows.counts(&[0, 2], &SIZES);
    pair.iter().zip(exact).for_each(|(p, count)| assert!((5000.0 * p - count as f64).abs() < 0.5));
}

/// Counts that no distribution has: the fit stays where the gradient of its aim vanishes, which more noise moves
/// towards even tables.
#[test]
fn noisier_tables_are_followed_less() {
    let mut tables = measured(&rows(1000, 2), &[&[0, 1]], 1.0);
    tables[0].counts[0] = -50.0;
    let far = |lambda: f64| {
        let fitted = Fit { rows: 1000.0, lambda, patience: PATIENCE }.to(&tables, &SIZES, None);
        let p = fitted.table(&[0, 1]).unwrap();
        assert!(p.iter().all(|p| *p >= 0.0) && (p.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        p.iter().map(|p| (p - 1.0 / 9.0).abs()).sum::<f64>()
    };
    let (near, middle, even) = (far(1e-3), far(1e3), far(1e9));
    assert!(near > middle && middle > even && even < 1e-3, "{near} {middle} {even}");
}

#[test]
fn a_sample_has_its_expected_counts_up_to_rounding() {
    let tables = measured(&rows(5000, 3), &[&[0, 1], &[1, 2], &[2, 3]], 1e-2);
    let fitted = Fit { rows: 5000.0, lambda: 1.0, patience: PATIENCE }.to(&tables, &SIZES, None);
    let sample = fitted.sample(5000, &mut rng(4));
    for table in [vec![0, 1], vec![1, 2], vec![2, 3], vec![0], vec![3]] {
        let expected = fitted.table(&table).unwrap();
        for (count, p) in sample.counts(&table, &SIZES).iter().zip(expected) {
            // Each group of parents may be off by one, and there are at most nine.
            assert!((*count as f64 - 5000.0 * p).abs() < 12.0, "{table:?}: {count} for {}", 5000.0 * p);
        }
    }
}

#[test]
fn a_tilt_mends_rows_that_were_drawn_from_something_else() {
    let tables = measured(&rows(4000, 5), &[&[0, 1], &[1, 2]], 1.0);
    let mut rng = rng(6);
    let even = BinRows {
        columns: SIZES.iter().map(|&n| (0..20_000).map(|_| rng.random_range(0..n as u16)).collect()).collect(),
    };
    let weights = tilted((&even, &[0.0; 20_000]), &tables, (4000.0, 0.1), &SIZES);
    let order: Vec<u32> = (0..20_000).collect();
    let kept = even.take(&systematic(&weights, &order, 4000, &mut rng));
    for table in &tables {
        let counts = kept.counts(&table.columns, &SIZES);
        let apart: f64 = counts.iter().zip(&table.counts).map(|(a, b)| (*a as f64 - b).abs()).sum();
        assert!(apart < 0.02 * 4000.0 * 2.0, "{apart}");
    }
}

#[test]
fn rows_are_kept_in_proportion_to_their_weights() {
    let weights = [0.5, 0.25, 0.125, 0.125];
    for seed in 0..20 {
        let kept = systematic(&weights, &[3, 1, 0, 2], 16, &mut rng(seed));
        let times = |row: u32| kept.iter().filter(|&&other| other == row).count();
        assert_eq!([times(0), times(1), times(2), times(3)], [8, 4, 2, 2]);
    }
}

#[test]
fn the_minimum_is_found() {
    // Badly scaled, smooth and convex.
    let scales = [1.0, 30.0, 0.02, 500.0];
    let mut x = vec![3.0, -2.0, 10.0, 1.0];
    minimise(&mut x, PATIENCE, |x, gradient| {
        let mut value = 0.0;
        for ((x, gradient), scale) in x.iter().zip(gradient).zip(scales) {
            value += scale * ((x - 1.0).powi(2) + (x - 1.0).powi(4));
            *gradient = scale * (2.0 * (x - 1.0) + 4.0 * (x - 1.0).powi(3));
        }
        value
    });
    x.iter().for_each(|x| assert!((x - 1.0).abs() < 1e-5, "{x}"));
}
