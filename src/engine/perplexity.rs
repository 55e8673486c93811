//! How surprised a language model is by rows that it was not trained on.

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use crate::marginals::Distribution;
use crate::model::{Sampler, read_weights};
use crate::tabular::{Codec, Schema, Table};

use super::binned::{bin, share};
use super::given::Given;
use super::plan::Plan;
use super::run::Learnt;
use super::shape::released_shape;
use super::style::Style;
use super::writing::{Wish, Writer};

/// Rows that are looked at, at most.
const ROWS: usize = 2000;

/// The perplexity of the values of `rows`, those at the top: the exponential of the mean over their cells of minus the
/// logarithm of the probability that a released model writes the cell, given those before it in the order of writing.
/// What a model leaves open (where in a bin a value lies) counts at its share of the bin. None without rows, or when the
/// model does not fit the plan. Exact, for the custodian.
#[must_use]
pub fn perplexity(
    job: (&Plan, &Schema, &Codec),
    learnt: &Learnt,
    distribution: Option<&Distribution>,
    rows: &Table,
) -> Option<f64> {
    let top: Vec<usize> = (0..rows.rows().min(ROWS)).collect();
    let likelihoods = log_likelihoods(job, learnt, distribution, (rows, &top))?;
    let places = top.len() * job.1.width();
    let surprise = -likelihoods.iter().sum::<f64>();
    (places > 0).then(|| (surprise / places as f64).exp()).filter(|perplexity| perplexity.is_finite())
}

/// The logarithm of the probability of each of the numbered `rows` under a released model. None when the model does not fit
/// the plan. Exact, for the custodian.
#[must_use]
pub fn log_likelihoods(
    (plan, schema, codec): (&Plan, &Schema, &Codec),
    learnt: &Learnt,
    distribution: Option<&Distribution>,
    (rows, numbers): (&Table, &[usize]),
) -> Option<Vec<f64>> {
    let model = released_shape(plan, codec).ok()?;
    let weights = read_weights(model.layout(), &learnt.weights).ok()?;
    let writer = Writer { model: &model, codec, weights: &weights };
    let binned = distribution.filter(|_| plan.base.is_none());
    let cell = |(column, &code): (usize, &u32)| {
        Given::Value(binned.map_or(code, |distribution| bin(distribution, column, code)))
    };
    let open = |column: usize, code: u32| match binned {
        Some(distribution) => share(distribution, column, code),
        None => codec.share(column, code),
    };
    // Every cell is given: nothing is drawn.
    let mut rng = ChaCha20Rng::from_seed([0; 32]);
    let mut likelihoods = Vec::with_capacity(numbers.len());
    for batch in numbers.chunks(Sampler::rows_of(&model)) {
        let given: Vec<Vec<Given>> =
            batch.iter().map(|&row| rows.row(row).iter().enumerate().map(cell).collect()).collect();
        let wishes: Vec<Wish<'_>> = given.iter().map(|given| Wish { given, weighed: true }).collect();
        let written = writer.write(&wishes, Style::default(), &mut rng);
        for (written, &row) in written.iter().zip(batch) {
            let left: f64 = (0..schema.width()).map(|column| open(column, rows.row(row)[column]).ln()).sum();
            likelihoods.push(written.weight + left);
        }
    }
    Some(likelihoods)
}
