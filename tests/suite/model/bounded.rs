//! No row can move a clipped sum by more than the bound, whatever the weights have become.

use dp2stage::model::Clipping;
use proptest::prelude::*;

use super::{gradient_sum, losses, norm, parameters, rows, scales, small};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn one_row_more_moves_the_sum_by_at_most_the_bound(
        seed in 0u64..1000,
        scale in scales(),
        bound in 0.01f64..10.0,
    ) {
        let model = small();
        let p: Vec<f32> = parameters(&model, seed).iter().map(|x| x * scale).collect();
        let tokens = rows(&model, 9, seed + 1);
        let less = gradient_sum(&model, &p, &tokens[..32], Clipping::Norm(bound));
        let more = gradient_sum(&model, &p, &tokens, Clipping::Norm(bound));
        let change: Vec<f32> = more.iter().zip(&less).map(|(a, b)| a - b).collect();
        // A sum of nine rows in single precision rounds at 9 C 2^-24 besides.
        prop_assert!(norm(&change) <= bound * (1.0 + 1e-5), "{} against {bound}", norm(&change));
    }
}

#[test]
fn a_row_with_no_finite_gradient_adds_nothing() {
    let model = small();
    // The embedding of token 1 is broken: rows that read it (first column, value 1) are not finite.
    let mut p = parameters(&model, 9);
    let wte = model.layout().wte.range.start;
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e38] {
        p[wte + 8..wte + 16].fill(bad);
        let good = [2, 4, 6, 11];
        let mixed = [1, 4, 6, 11, 2, 4, 6, 11, 1, 5, 7, 12];
        let sum = gradient_sum(&model, &p, &mixed, Clipping::Norm(1.0));
        assert!(sum.iter().all(|x| x.is_finite()));
        if bad.is_finite() {
            continue;
        }
        // Token 1 is also a candidate of the first head, so the good row is not finite either.
        assert_eq!(sum, gradient_sum(&model, &p, &good, Clipping::Norm(1.0)));
    }
}

#[test]
fn weights_that_are_not_numbers_give_a_sum_of_zero() {
    let model = small();
    let p = vec![f32::NAN; model.layout().len()];
    for clipping in [Clipping::Norm(1.0), Clipping::None] {
        assert!(gradient_sum(&model, &p, &rows(&model, 20, 1), clipping).iter().all(|&x| x == 0.0));
    }
}

/// Where weights are so large that rounding decides, only the same arithmetic gives the same loss.
#[test]
fn the_loss_of_a_row_does_not_depend_on_the_rows_around_it() {
    for scale in [1.0, 1e4] {
        let model = small();
        let p: Vec<f32> = parameters(&model, 3).iter().map(|x| x * scale).collect();
        let tokens = rows(&model, 700, 4);
        let together = losses(&model, &p, &tokens);
        for (row, loss) in tokens.chunks_exact(4).zip(&together) {
            assert_eq!(losses(&model, &p, row)[0].to_bits(), loss.to_bits());
        }
        let backwards: Vec<u32> = tokens.chunks_exact(4).rev().flatten().copied().collect();
        let reversed: Vec<f32> = losses(&model, &p, &backwards[..4 * 333]);
        assert!(reversed.iter().zip(together.iter().rev()).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
}

/// The first row of a large batch moves every other row to another place of the sum; what the
/// rounding does then stays inside the slack of the noise.
#[test]
fn one_row_less_moves_a_large_sum_by_at_most_the_bound() {
    let model = small();
    let p = parameters(&model, 5);
    let mut lanes = dp2stage::model::Lanes::new(&model, 1);
    let mut sum_of = |skip: usize| {
        // Rows that all pull the same way, so that sums grow and round as much as they can.
        let fetch = |i: usize, out: &mut [u32]| {
            out.copy_from_slice(if (i + skip).is_multiple_of(3) { &[1, 4, 6, 11] } else { &[1, 4, 6, 12] })
        };
        let mut sum = vec![0.0; p.len()];
        let batch = dp2stage::model::Batch::of_rows(60_000 - skip, &fetch);
        lanes.gradient_sum(&model, &p, batch, Clipping::Norm(1.0), &mut sum);
        sum
    };
    let (more, less) = (sum_of(0), sum_of(1));
    let change = more.iter().zip(&less).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    assert!(change <= 1.0 + 1e-5, "{change}");
}
