//! What may come next, and how likely each of it is: the heads' side of writing new rows.

use super::gpt2::Gpt2;
use super::head::Heads;
use super::kernel::{View, ViewMut, multiply};
use super::ops::{self, dot, vectorised};
use super::sampler::Sampler;

/// A question to the heads: what may row `row` write, of choice `choice` (a place, or a set).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The row.
    pub row: usize,
    /// The place or the set.
    pub choice: u32,
}

/// Buffers for answers.
#[derive(Default)]
pub struct Choosing {
    states: Vec<f32>,
    matrix: Vec<f32>,
    logits: Vec<f32>,
}

/// From this many rows that ask the same question on, the answers are one product.
const MANY: usize = 4;

/// The tokens that a choice is among, in the order of their probabilities.
#[derive(Clone, Copy, Debug)]
enum Options<'a> {
    From(u32),
    Set(&'a [u32]),
}

impl Choosing {
    /// Sorts the questions and answers each: with the row, with how to name option `i`, and with the
    /// probabilities of the options (temperature 1), which may be written over.
    pub fn answer(
        &mut self,
        model: &Gpt2,
        p: &[f32],
        (sampler, asked): (&Sampler, &mut [Asked]),
        mut each: impl FnMut(usize, &dyn Fn(usize) -> u32, &mut [f32]),
    ) {
        asked.sort_unstable_by_key(|asked| (asked.choice, asked.row));
        for group in asked.chunk_by(|a, b| a.choice == b.choice) {
            let Some((options, count)) = options(model, group[0].choice) else { continue };
            self.logits(model, p, (sampler, group), (options, count));
            let named = |i: usize| match options {
                Options::From(first) => first + i as u32,
                Options::Set(set) => set[i],
            };
            let answers = self.logits.chunks_exact_mut(count).zip(group);
            for (probabilities, asked) in answers {
                vectorised!(ops::softmax(probabilities));
                each(asked.row, &named, probabilities);
            }
        }
    }

    /// Logits of a group's options, `group x count`.
    fn logits(
        &mut self,
        model: &Gpt2,
        p: &[f32],
        (sampler, group): (&Sampler, &[Asked]),
        (options, count): (Options<'_>, usize),
    ) {
        let (d, b) = (model.config().width, group.len());
        let head = model.layout().output().of(p);
        let row = |token: u32| &head[token as usize * d..][..d];
        self.logits.resize(b * count, 0.0);
        if let (Options::Set(set), true) = (options, b < MANY) {
            let rows = self.logits.chunks_exact_mut(count).zip(group);
            vectorised!(for (logits, asked) in rows {
                let state = sampler.state(asked.row);
                logits.iter_mut().zip(set).for_each(|(x, &token)| *x = dot(state, row(token)));
            });
            return;
        }
        self.states.clear();
        group.iter().for_each(|asked| self.states.extend_from_slice(sampler.state(asked.row)));
        let matrix = match options {
            Options::From(first) => &head[first as usize * d..][..count * d],
            Options::Set(set) => {
                self.matrix.clear();
                set.iter().for_each(|&token| self.matrix.extend_from_slice(row(token)));
                &self.matrix
            }
        };
        let states = View::dense(&self.states, b, d);
        multiply(ViewMut::dense(&mut self.logits, b, count), states, View::dense(matrix, count, d).transposed());
    }
}

/// The options of a choice, and their number.
fn options(model: &Gpt2, choice: u32) -> Option<(Options<'_>, usize)> {
    match model.heads() {
        Heads::Places { spans, .. } => {
            let span = spans.get(choice as usize)?;
            Some((Options::From(span.start), span.len()))
        }
        Heads::Sets { sets, .. } => {
            let set = sets.get(choice as usize)?;
            Some((Options::Set(set), set.len()))
        }
        Heads::All => Some((Options::From(0), model.config().vocabulary)),
    }
}

/// The index at which the running sum passes `u`, a uniform number in `[0, 1)`. Always inside.
#[must_use]
pub fn pick(probabilities: &[f32], u: f32) -> usize {
    let mut left = u;
    for (i, p) in probabilities.iter().enumerate() {
        left -= p;
        if left < 0.0 {
            return i;
        }
    }
    // Rounding can leave a sum just below 1: the likeliest takes the rest.
    let likeliest = probabilities.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    likeliest.map_or(0, |(i, _)| i)
}
