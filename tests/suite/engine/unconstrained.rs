//! A model of sentences without constraints: what it says of single tokens is what the training pass says, and as many
//! of its rows are valid as the probabilities of all valid rows come to.

use dp2stage::engine::Unconstrained;
use dp2stage::model::{Batch, Clipping, Config, Gpt2, Heads, Lanes, NONE, Rows};
use dp2stage::tabular::{Codec, MISSING, Schema, Table, Text};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::categories;
use crate::coding::words::{END, VOCABULARY, words};

/// All rows of a table, of which some tokens are predicted.
struct Tokens<'a>(&'a Codec, &'a Table, fn(bool) -> bool);

impl Rows for Tokens<'_> {
    fn length(&self, i: usize) -> usize {
        self.0.length(self.1.row(i))
    }

    fn write(&self, i: usize, tokens: &mut [u32], choices: &mut [u32]) {
        self.0.write(self.1.row(i), NONE, tokens, choices);
        choices.iter_mut().for_each(|choice| *choice = if (self.2)(*choice != NONE) { 0 } else { NONE });
    }
}

/// Means of losses over the rows' tokens of a kind, with how many tokens there are of it in each row.
fn losses(model: &Gpt2, weights: &[f32], tokens: &Tokens<'_>) -> Vec<(f64, usize)> {
    let rows = tokens.1.rows();
    let losses = Lanes::new(model, 1).losses(model, weights, Batch::of_ragged_rows(rows, tokens));
    let count = |i: usize| {
        let length = tokens.length(i);
        let (mut written, mut choices) = (vec![0; length], vec![NONE; length]);
        tokens.write(i, &mut written, &mut choices);
        choices.iter().filter(|choice| **choice != NONE).count()
    };
    losses.into_iter().enumerate().map(|(i, loss)| (f64::from(loss), count(i))).collect()
}

#[test]
fn tokens_and_valid_rows_are_as_likely_as_the_training_pass_says() {
    let schema = Schema::new(vec![categories("x", 2, false), categories("y", 2, true)], None, None).unwrap();
    let codec = Codec::Text(Text::new(&schema, &words, END, VOCABULARY).unwrap());
    let config =
        Config { vocabulary: VOCABULARY, positions: codec.longest(), width: 16, layers: 1, heads: 2, opening: END };
    let model = Gpt2::new(config, Heads::All, codec.longest()).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let mut weights: Vec<f32> = (0..model.layout().len()).map(|_| rng.random_range(-0.3..0.3)).collect();
    let all = Table::new(2, [[0, 0], [0, 1], [0, MISSING], [1, 0], [1, 1], [1, MISSING]].concat());
    let every = Tokens(&codec, &all, |_| true);
    // A few steps towards valid rows, so that some but not all of what it writes is valid.
    let mut gradient = vec![0f64; weights.len()];
    let likely = |weights: &[f32]| -> f64 {
        losses(&model, weights, &every).iter().map(|(loss, count)| (-loss * *count as f64).exp()).sum()
    };
    while likely(&weights) < 0.4 {
        let batch = Batch::of_ragged_rows(all.rows(), &every);
        Lanes::new(&model, 1).gradient_sum(&model, &weights, batch, Clipping::None, &mut gradient);
        weights.iter_mut().zip(&gradient).for_each(|(w, g)| *w -= 0.05 * *g as f32);
    }
    let free = Unconstrained::of(&model, &codec, weights.clone()).unwrap();

    let found = free.perplexity(&all).unwrap();
    assert_eq!(found.rows, 6);
    for (ours, kind) in [(found.names, (|value| !value) as fn(bool) -> bool), (found.values, |value| value)] {
        let of = losses(&model, &weights, &Tokens(&codec, &all, kind));
        let (sum, count) =
            of.iter().fold((0.0, 0), |(sum, all), (loss, count)| (sum + loss * *count as f64, all + count));
        let theirs = (sum / count as f64).exp();
        assert!((ours / theirs - 1.0).abs() < 1e-4, "{ours} {theirs}");
    }
    assert_eq!(free.perplexity(&Table::new(2, Vec::new())), None);

    let due = likely(&weights);
    assert!((0.3..0.9).contains(&due), "{due}: there is nothing to test");
    let (mut valid, mut begun) = (0, 0);
    for _ in 0..10 {
        let (more, of) = free.valid(&mut rng);
        (valid, begun) = (valid + more, begun + of);
    }
    let (share, deviation) = (valid as f64 / begun as f64, (due * (1.0 - due) / begun as f64).sqrt());
    println!("{share:.3} of {begun} rows are valid, {due:.3} +- {deviation:.3} were due");
    assert!((share - due).abs() < 5.0 * deviation, "{share} {due}");
}
