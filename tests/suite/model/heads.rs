//! Heads over the whole vocabulary and over sets of tokens, rows of different lengths.

use dp2stage::model::{Clipping, Config, Gpt2, Heads, NONE, Room};
use proptest::prelude::*;
use rand::Rng;

use super::{
    Ragged, assert_parts_agree, check_one_by_one, gradient_sum, losses, norm, parameters, ragged_losses, ragged_sum,
    rng, rows, small,
};

/// A model of 17 tokens and rows of up to 40 places.
fn text(heads: Heads) -> Gpt2 {
    let config = Config { vocabulary: 17, positions: 40, width: 8, layers: 2, heads: 2, opening: 16 };
    Gpt2::new(config, heads, 40).unwrap()
}

fn sets() -> Heads {
    Heads::Sets { sets: vec![(0..17).collect(), vec![3], vec![1, 2, 5, 9], vec![0, 4, 16]], share: 0.25 }
}

/// Rows of 1 to 40 places whose tokens repeat; some places predict nothing.
fn ragged(model: &Gpt2, count: usize, seed: u64) -> Ragged {
    let mut rng = rng(seed);
    let mut row = || {
        let length = rng.random_range(1..=40);
        let place = |i: usize, rng: &mut rand_chacha::ChaCha20Rng| match model.heads() {
            Heads::Sets { sets, .. } => {
                let choice = rng.random_range(0..sets.len());
                let token = sets[choice][rng.random_range(0..sets[choice].len())];
                (token, if i > 0 && rng.random_bool(0.3) { NONE } else { choice as u32 })
            }
            _ => (rng.random_range(0..17), if i > 0 && rng.random_bool(0.3) { NONE } else { 0 }),
        };
        (0..length).map(|i| place(i, &mut rng)).unzip()
    };
    Ragged((0..count).map(|_| row()).collect())
}

#[test]
fn the_clipped_sum_equals_one_row_at_a_time() {
    for heads in [Heads::All, sets()] {
        let model = text(heads);
        check_one_by_one(&model, &parameters(&model, 3), &ragged(&model, 60, 4));
    }
}

/// A set a column is what a span a column is.
#[test]
fn sets_that_are_spans_give_what_spans_give() {
    let model = small();
    let spans = model.heads().spans();
    let sets = Heads::Sets { sets: spans.iter().map(|span| span.clone().collect()).collect(), share: 0.25 };
    let other = Gpt2::new(*model.config(), sets, 4).unwrap();
    let p = parameters(&model, 5);
    let tokens = rows(&model, 50, 6);
    let ragged = Ragged(tokens.chunks_exact(4).map(|row| (row.to_vec(), vec![0, 1, 2, 3])).collect());
    for (a, b) in losses(&model, &p, &tokens).iter().zip(ragged_losses(&other, &p, &ragged)) {
        assert!((a - b).abs() < 1e-4 * a.max(1.0), "{a} against {b}");
    }
    for clipping in [Clipping::None, Clipping::Norm(1.0)] {
        let ours = ragged_sum(&other, &p, &ragged, clipping, None);
        assert_parts_agree(&model, &ours, &gradient_sum(&model, &p, &tokens, clipping), 1e-4);
    }
}

/// The second pass computes what the first one did: its sum is that of the one whose gradients are kept.
#[test]
fn two_passes_sum_to_what_one_does_bit_for_bit() {
    for (heads, scale) in [(Heads::All, 1.0), (Heads::All, 30.0), (sets(), 1.0), (sets(), 30.0)] {
        let model = text(heads);
        let p: Vec<f32> = parameters(&model, 11).iter().map(|x| x * scale).collect();
        let rows = ragged(&model, 50, 12);
        let sum = |two_passes| {
            let room = Room { places: 128, lanes: 2, two_passes };
            ragged_sum(&model, &p, &rows, Clipping::Norm(0.3), Some(room))
        };
        assert!(sum(false) == sum(true));
    }
}

fn assert_company_changes_no_bit(model: &Gpt2, p: &[f32], rows: &Ragged) {
    let together = ragged_losses(model, p, rows);
    for (row, loss) in rows.0.iter().zip(together) {
        let alone = ragged_losses(model, p, &Ragged(vec![row.clone()]));
        assert_eq!(alone[0].to_bits(), loss.to_bits());
    }
}

/// A row is the same row however many others there are and however long they are.
#[test]
fn the_loss_of_a_row_does_not_depend_on_the_rows_around_it() {
    for (heads, scale) in [(Heads::All, 1.0), (Heads::All, 1e4), (sets(), 1.0), (sets(), 1e4)] {
        let model = text(heads);
        let p: Vec<f32> = parameters(&model, 7).iter().map(|x| x * scale).collect();
        assert_company_changes_no_bit(&model, &p, &ragged(&model, 200, 8));
    }
}

/// In a model whose products are shared by threads, chunks are only filled up as far as rows need it.
#[test]
fn in_a_large_model_neither_threads_nor_company_change_a_bit() {
    let config = Config { vocabulary: 17_000, positions: 40, width: 256, layers: 1, heads: 4, opening: 0 };
    let model = Gpt2::new(config, sets(), 40).unwrap();
    assert!(model.layout().len() > 1 << 22);
    let p: Vec<f32> = parameters(&model, 9).iter().map(|x| x * 10.0).collect();
    let rows = ragged(&text(sets()), 40, 10);
    assert_company_changes_no_bit(&model, &p, &rows);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| ragged_sum(&model, &p, &rows, Clipping::Norm(1.0), None))
    };
    assert!(with(1) == with(2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn one_row_more_moves_the_sum_by_at_most_the_bound(
        seed in 0u64..1000,
        scale in super::scales(),
        bound in 0.01f64..10.0,
        all in any::<bool>(),
        two_passes in any::<bool>(),
    ) {
        let model = text(if all { Heads::All } else { sets() });
        let p: Vec<f32> = parameters(&model, seed).iter().map(|x| x * scale).collect();
        let mut rows = ragged(&model, 9, seed + 1);
        let room = Some(Room { places: 128, lanes: 2, two_passes });
        let more = ragged_sum(&model, &p, &rows, Clipping::Norm(bound), room);
        rows.0.remove(seed as usize % 9);
        let less = ragged_sum(&model, &p, &rows, Clipping::Norm(bound), room);
        let change: Vec<f32> = more.iter().zip(&less).map(|(a, b)| a - b).collect();
        prop_assert!(norm(&change) <= bound * (1.0 + 1e-5), "{} against {bound}", norm(&change));
    }
}

#[test]
fn sets_that_are_not_ascending_or_unknown_are_refused() {
    let config = *text(Heads::All).config();
    for set in [vec![], vec![2, 1], vec![1, 1], vec![17]] {
        assert!(Gpt2::new(config, Heads::Sets { sets: vec![set], share: 1.0 }, 40).is_err());
    }
    assert!(Gpt2::new(config, Heads::All, 41).is_err());
    assert!(Gpt2::new(config, Heads::All, 0).is_err());
}
