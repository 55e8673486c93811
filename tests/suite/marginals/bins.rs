//! Cells, cleaning and bins of one column.

use dp2stage::marginals::{Axis, Bins, Coarseness, Counted};
use proptest::prelude::*;
use rand::Rng;

use super::{axis, rng};

fn axes() -> impl Strategy<Value = Axis> {
    let values = prop_oneof![1u32..80, 900u32..1100, 5_000u32..4_000_000_000];
    (values, any::<bool>(), any::<bool>()).prop_map(|(values, ordered, missing)| {
        // A column of categories lists them.
        axis(if ordered { values } else { values.min(6000) }, ordered, missing)
    })
}

const COARSE: Coarseness = Coarseness { most: 20, least_mass: 5.0, insignificant: 10.0 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn cells_cut_the_domain_without_gaps(axis in axes()) {
        let cells = axis.cells();
        let mut next = 0;
        for cell in 0..cells.values() {
            let (first, length) = cells.run(cell);
            prop_assert!(first == next && length > 0);
            prop_assert_eq!((cells.of(first), cells.of(first + length - 1)), (cell, cell));
            next = first + length;
        }
        prop_assert_eq!(next, axis.values);
        prop_assert_eq!(cells.of(u32::MAX), cells.count() - 1);
        if let Some(groups) = cells.groups() {
            prop_assert!(groups.is_sorted() && groups[0] == 0 && groups[32] == cells.values());
        }
    }

    #[test]
    fn a_value_drawn_in_a_bin_lies_in_it(axis in axes(), seed in any::<u64>()) {
        let mut rng = rng(seed);
        let density: Vec<f64> = (0..axis.cells().count()).map(|_| 20.0 * rng.random::<f64>().powi(8) + 1e-9).collect();
        let whole: f64 = density.iter().sum();
        let bins = Bins::new(axis, density, COARSE);
        prop_assert!(bins.count() <= 65);
        prop_assert!((bins.masses().iter().sum::<f64>() - whole).abs() < 1e-6 * whole);
        let wanted: Vec<u16> = (0..300).map(|_| rng.random_range(0..bins.count() as u16)).collect();
        for (bin, value) in wanted.iter().zip(bins.draw(&wanted, &mut rng)) {
            prop_assert_eq!(bins.of_value(value), *bin);
            prop_assert!(value < axis.values + u32::from(axis.missing));
        }
    }
}

#[test]
fn values_in_a_bin_follow_its_density() {
    let mut density = vec![1.0; 10];
    density[3] = 31.0;
    let bins = Bins::of(axis(10, true, false), vec![0; 10], density);
    let drawn = bins.draw(&vec![0; 400], &mut rng(1));
    let times = |value: u32| drawn.iter().filter(|&&other| other == value).count();
    assert!((309..=311).contains(&times(3)));
    (0..10).filter(|&value| value != 3).for_each(|value| assert!((9..=11).contains(&times(value))));
}

/// A skewed column under heavy noise: almost everything at the bottom, an empty tail of a thousand cells. Cutting
/// negative counts at 0 would put several times the rows there.
#[test]
fn an_empty_tail_stays_empty() {
    let cells = axis(100_000, true, false).cells();
    let (deviation, mut rng) = (50.0, rng(2));
    let mut noise = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>().mul_add(deviation, -6.0 * deviation);
    let mut fine: Vec<f64> = (0..cells.count()).map(|_| noise()).collect();
    fine[0] += 28_000.0;
    fine[20] += 2_000.0;
    let mut coarse: Vec<f64> = (0..32).map(|_| noise()).collect();
    coarse[0] += 30_000.0;
    let density = Counted { cells: &cells, fine: &fine, coarse: Some(&coarse), deviation }.density();
    let tail: f64 = density[100..].iter().sum();
    let cut: f64 = fine[100..].iter().map(|count| count.max(0.0)).sum();
    assert!(tail < 300.0 && cut > 15_000.0, "{tail} {cut}");
    assert!((density[0] - 28_000.0).abs() < 300.0 && (density[20] - 2_000.0).abs() < 300.0);
}
