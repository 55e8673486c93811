//! Book-Keeping against one row at a time, and sums that do not depend on the number of threads.

use dp2stage::model::{Clipping, Gpt2};

use super::{assert_parts_agree, gradient_sum, model, norm, parameters, rows, small};

/// The clipped sum by the definition: each row's own gradient, scaled, added in double precision.
fn clipped_sum(gradients: &[Vec<f32>], bound: f64) -> Vec<f32> {
    let mut sum = vec![0f64; gradients[0].len()];
    for gradient in gradients {
        let factor = (bound / norm(gradient)).min(1.0);
        sum.iter_mut().zip(gradient).for_each(|(s, g)| *s += factor * f64::from(*g));
    }
    sum.into_iter().map(|x| x as f32).collect()
}

/// With a bound that clips half of the rows.
fn check(model: &Gpt2) {
    let p = parameters(model, 3);
    let tokens = rows(model, 90, 4);
    let one_by_one: Vec<Vec<f32>> =
        tokens.chunks_exact(model.config().positions).map(|row| gradient_sum(model, &p, row, Clipping::None)).collect();
    let mut norms: Vec<f64> = one_by_one.iter().map(|g| norm(g)).collect();
    norms.sort_by(f64::total_cmp);
    let bound = norms[45];
    let expected = clipped_sum(&one_by_one, bound);
    let ours = gradient_sum(model, &p, &tokens, Clipping::Norm(bound));
    assert_parts_agree(model, &ours, &expected, 1e-4);
}

#[test]
fn the_clipped_sum_equals_one_row_at_a_time() {
    check(&small());
}

#[test]
fn it_does_where_gradients_are_formed_instead() {
    check(&model(&[2; 40], 8, 1, 2));
}

#[test]
fn one_row_alone_is_clipped_to_the_bound_exactly() {
    let model = small();
    let p = parameters(&model, 5);
    for row in rows(&model, 50, 6).chunks_exact(4) {
        let length = norm(&gradient_sum(&model, &p, row, Clipping::Norm(0.5)));
        assert!((length / 0.5 - 1.0).abs() < 1e-5, "{length}");
    }
}

#[test]
fn a_row_that_is_short_enough_is_left_alone() {
    let model = small();
    let p = parameters(&model, 5);
    let row = rows(&model, 1, 6);
    let whole = gradient_sum(&model, &p, &row, Clipping::None);
    assert_eq!(whole, gradient_sum(&model, &p, &row, Clipping::Norm(norm(&whole) * 1.01)));
}

#[test]
fn sums_are_the_same_bit_for_bit_at_any_number_of_threads() {
    let model = small();
    let p = parameters(&model, 7);
    let tokens = rows(&model, 5000, 8);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| gradient_sum(&model, &p, &tokens, Clipping::Norm(1.0)))
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(5));
}

#[test]
fn an_empty_batch_sums_to_zero_even_after_a_full_one() {
    let model = small();
    let p = parameters(&model, 7);
    let mut lanes = dp2stage::model::Lanes::new(&model, 1);
    let mut sum = vec![0.0; p.len()];
    let fetch = |_: usize, out: &mut [u32]| out.copy_from_slice(&[1, 4, 6, 11]);
    for rows in [100, 0] {
        let batch = dp2stage::model::Batch::of_rows(rows, &fetch);
        lanes.gradient_sum(&model, &p, batch, Clipping::Norm(1.0), &mut sum);
    }
    assert!(sum.iter().all(|&x| x == 0.0));
}
