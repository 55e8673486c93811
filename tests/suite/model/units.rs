//! Rows that are clipped together: no unit moves a sum by more than the bound, however many rows it has.

use std::ops::Range;

use dp2stage::model::{Batch, Clipping, Cut, Gpt2, Lanes};
use proptest::prelude::*;

use super::{assert_parts_agree, gradient_sum, model, norm, parameters, rows, scales, small};

/// Sizes of units to their ends.
fn ends(sizes: &[usize]) -> Vec<usize> {
    sizes
        .iter()
        .scan(0, |sum, size| {
            *sum += size;
            Some(*sum)
        })
        .collect()
}

fn unit_sum(model: &Gpt2, p: &[f32], tokens: &[u32], sizes: &[usize], bound: f64) -> Vec<f64> {
    let t = model.config().positions;
    let fetch = |i: usize, out: &mut [u32]| out.copy_from_slice(&tokens[i * t..(i + 1) * t]);
    let (ends, mut sum) = (ends(sizes), vec![0.0; p.len()]);
    let longest = sizes.iter().copied().max().unwrap_or(1);
    Lanes::new(model, longest).gradient_sum(model, p, Batch::of_groups(&ends, &fetch), Clipping::Norm(bound), &mut sum);
    sum
}

/// The definition: rows' own gradients, one factor a unit, in double precision.
fn expected(model: &Gpt2, p: &[f32], tokens: &[u32], sizes: &[usize], bound: f64) -> Vec<f32> {
    let t = model.config().positions;
    let gradients: Vec<_> = tokens.chunks_exact(t).map(|row| gradient_sum(model, p, row, Clipping::None)).collect();
    let (mut sum, mut first) = (vec![0f64; p.len()], 0);
    for size in sizes {
        let unit = &gradients[first..first + size];
        first += size;
        let factor = (bound / unit.iter().map(|g| norm(g)).sum::<f64>()).min(1.0);
        unit.iter().flat_map(|g| g.iter().zip(0..)).for_each(|(g, j)| sum[j] += factor * f64::from(*g));
    }
    sum.into_iter().map(|x| x as f32).collect()
}

#[test]
fn a_unit_has_one_factor_whatever_its_size() {
    for (model, sizes) in
        [(small(), vec![1, 5, 2, 64, 1, 1, 30, 40, 7, 0, 3]), (model(&[2; 40], 8, 1, 2), vec![30, 1, 2, 26, 9])]
    {
        let p = parameters(&model, 3);
        let tokens = rows(&model, sizes.iter().sum(), 4);
        let bound = 0.7 * norm(&gradient_sum(&model, &p, &tokens[..model.config().positions], Clipping::None));
        let ours: Vec<f32> = unit_sum(&model, &p, &tokens, &sizes, bound).iter().map(|x| *x as f32).collect();
        assert_parts_agree(&model, &ours, &expected(&model, &p, &tokens, &sizes, bound), 1e-4);
    }
}

/// A table where everybody has one row is a table of rows, to the last bit.
#[test]
fn units_of_one_row_are_rows() {
    let model = small();
    let p = parameters(&model, 7);
    let tokens = rows(&model, 333, 8);
    let together: Vec<f32> = unit_sum(&model, &p, &tokens, &[1; 333], 0.5).iter().map(|x| *x as f32).collect();
    assert_eq!(together, gradient_sum(&model, &p, &tokens, Clipping::Norm(0.5)));
}

#[test]
fn sums_over_units_are_the_same_at_any_number_of_threads() {
    let model = small();
    let p = parameters(&model, 7);
    let sizes: Vec<usize> = (0..400).map(|i| 1 + i * 7 % 9).collect();
    let tokens = rows(&model, sizes.iter().sum(), 8);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| unit_sum(&model, &p, &tokens, &sizes, 1.0))
    };
    assert_eq!(with(1), with(3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn one_unit_more_moves_the_sum_by_at_most_the_bound(
        seed in 0u64..1000,
        scale in scales(),
        bound in 0.01f64..10.0,
        sizes in prop::collection::vec(1usize..20, 1..12),
        which in any::<prop::sample::Index>(),
        alike in any::<bool>(),
    ) {
        let model = small();
        let p: Vec<f32> = parameters(&model, seed).iter().map(|x| x * scale).collect();
        let mut tokens = rows(&model, sizes.iter().sum(), seed + 1);
        let which = which.index(sizes.len());
        let (ends, first) = (ends(&sizes), sizes[..which].iter().sum::<usize>());
        if alike {
            // All rows of the unit pull the same way: as far as it can move anything.
            let row = tokens[4 * first..4 * first + 4].to_vec();
            tokens[4 * first..4 * ends[which]].chunks_exact_mut(4).for_each(|other| other.copy_from_slice(&row));
        }
        let more = unit_sum(&model, &p, &tokens, &sizes, bound);
        let mut fewer = sizes.clone();
        fewer.remove(which);
        tokens.drain(4 * first..4 * ends[which]);
        let less = unit_sum(&model, &p, &tokens, &fewer, bound);
        let change = more.iter().zip(&less).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        prop_assert!(change <= bound * (1.0 + 1e-5), "{change} against {bound}");
    }

    #[test]
    fn chunks_hold_whole_units_and_every_row_once(sizes in prop::collection::vec(0usize..9, 0..60), most in 8usize..20) {
        let fetch = |_: usize, _: &mut [u32]| {};
        let ends = ends(&sizes);
        let chunks = Batch::of_groups(&ends, &fetch).chunks(Cut { places: 5 * most, rows: 64, longest: 5 });
        prop_assert!(chunks.iter().all(|chunk| !chunk.rows.is_empty() && chunk.rows.len() <= most));
        prop_assert!(chunks.iter().flat_map(|chunk| chunk.rows.iter().copied()).eq(0..sizes.iter().sum()));
        let of_units = chunks.iter().flat_map(|chunk| chunk.units.iter().map(Range::len));
        prop_assert!(of_units.eq(sizes.iter().copied().filter(|&size| size > 0)));
        prop_assert!(chunks.iter().all(|chunk| chunk.units.iter().flat_map(|unit| unit.clone()).eq(0..chunk.rows.len())));
    }
}
