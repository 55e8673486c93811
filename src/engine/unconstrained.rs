//! What a model of sentences does when nothing constrains it: how surprised it is by each token of a row among all
//! tokens that there are, and how many of the rows that it writes freely are valid.

use rand::Rng;

use crate::model::{Asked, Choosing, Gpt2, Heads, NONE, Sampler, pick, read_weights};
use crate::tabular::{Codec, Next, Table, Text};

use super::plan::Plan;
use super::run::Learnt;
use super::shape::released_shape;

/// Tokens that are read at most for either question, about: a choice among all tokens of a large vocabulary is dear.
const TOKENS: usize = 2000;
/// Rows side by side.
const SIDE_BY_SIDE: usize = 32;
/// Rows that are written at most.
const ROWS: usize = 500;

/// A released model of sentences that may write any token.
pub struct Unconstrained<'a> {
    model: Gpt2,
    text: &'a Text,
    codec: &'a Codec,
    weights: Vec<f32>,
}

/// How surprised a model is by single tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenPerplexity {
    /// The exponential of the mean of minus the logarithm of the probabilities of tokens that are the same in every
    /// row: names of columns and what stands between values.
    pub names: f64,
    /// The same of the others.
    pub values: f64,
    /// Rows that were looked at.
    pub rows: usize,
}

impl<'a> Unconstrained<'a> {
    /// A released model; none for one that writes no sentences, or that is not the plan's.
    #[must_use]
    pub fn new(plan: &Plan, codec: &'a Codec, learnt: &Learnt) -> Option<Self> {
        if !matches!(codec, Codec::Text(_)) {
            return None; // before weights are read for nothing
        }
        let released = released_shape(plan, codec).ok()?;
        let weights = read_weights(released.layout(), &learnt.weights).ok()?;
        Self::of(&released, codec, weights)
    }

    /// A model of this shape, whatever its heads, with its weights; none for one that writes no sentences.
    #[must_use]
    pub fn of(shape: &Gpt2, codec: &'a Codec, weights: Vec<f32>) -> Option<Self> {
        let Codec::Text(text) = codec else { return None };
        let model = Gpt2::new(*shape.config(), Heads::All, codec.longest()).ok()?.training(*shape.trained()).ok()?;
        Some(Self { model, text, codec, weights })
    }

    /// The perplexity of the tokens of the first of `rows`. None without rows, or where a figure is not finite.
    #[must_use]
    pub fn perplexity(&self, rows: &Table) -> Option<TokenPerplexity> {
        let count = rows.rows().min((TOKENS / self.codec.longest()).clamp(1, SIDE_BY_SIDE));
        let written: Vec<(Vec<u32>, Vec<u32>)> = rows.iter().take(count).map(|row| self.written(row)).collect();
        let mut sampler = Sampler::new(&self.model, count.max(1));
        sampler.begin(&self.model);
        let (mut asked, mut choosing) = (Vec::new(), Choosing::default());
        // Of names, of values: the sum, and how many.
        let mut surprise = [(0f64, 0usize); 2];
        for place in 0..self.codec.longest() {
            asked.clear();
            let longer = (0..count).filter(|&row| written[row].0.len() > place);
            asked.extend(longer.map(|row| Asked { row, choice: 0 }));
            sampler.read(&self.model, &self.weights);
            choosing.answer(&self.model, &self.weights, (&sampler, &mut asked), |row, _, probabilities| {
                let (tokens, choices) = &written[row];
                let (sum, tokens_of_kind) = &mut surprise[usize::from(choices[place] != NONE)];
                *sum -= f64::from(probabilities[tokens[place] as usize].max(f32::MIN_POSITIVE)).ln();
                *tokens_of_kind += 1;
            });
            asked.iter().for_each(|asked| sampler.push(asked.row, written[asked.row].0[place]));
        }
        let [names, values] = surprise.map(|(sum, tokens)| (sum / tokens as f64).exp());
        (names.is_finite() && values.is_finite()).then_some(TokenPerplexity { names, values, rows: count })
    }

    fn written(&self, row: &[u32]) -> (Vec<u32>, Vec<u32>) {
        let length = self.codec.length(row);
        let (mut tokens, mut choices) = (vec![0; length], vec![NONE; length]);
        self.codec.write(row, NONE, &mut tokens, &mut choices);
        (tokens, choices)
    }

    /// Writes rows of any tokens, each until it is whole or cannot be a row of the schema any more; returns how many
    /// were whole, and how many were begun.
    pub fn valid<R: Rng>(&self, rng: &mut R) -> (usize, usize) {
        let (mut valid, mut begun, mut read) = (0, 0, 0);
        while begun < ROWS && read < TOKENS {
            let (whole, tokens) = self.write(rng);
            valid += whole;
            begun += SIDE_BY_SIDE;
            read += tokens;
        }
        (valid, begun)
    }

    /// Writes a few rows; how many were whole, and how many tokens that took.
    fn write<R: Rng>(&self, rng: &mut R) -> (usize, usize) {
        let mut sampler = Sampler::new(&self.model, SIDE_BY_SIDE);
        sampler.begin(&self.model);
        let mut cursors = vec![self.codec.start(); SIDE_BY_SIDE];
        let mut alive: Vec<usize> = (0..SIDE_BY_SIDE).collect();
        let (mut choosing, mut whole, mut tokens) = (Choosing::default(), 0, 0);
        while !alive.is_empty() {
            tokens += alive.len();
            let mut asked: Vec<Asked> = alive.iter().map(|&row| Asked { row, choice: 0 }).collect();
            let mut drawn = Vec::new();
            sampler.read(&self.model, &self.weights);
            choosing.answer(&self.model, &self.weights, (&sampler, &mut asked), |row, named, probabilities| {
                drawn.push((row, named(pick(probabilities, rng.random()))));
            });
            alive.clear();
            for (row, token) in drawn {
                let fits = match self.codec.next(&cursors[row]) {
                    Next::Forced(forced) => token == forced,
                    Next::Choice(set) => {
                        self.text.sets().get(set as usize).is_some_and(|set| set.binary_search(&token).is_ok())
                    }
                    Next::End => false,
                };
                if !fits {
                    continue;
                }
                self.codec.take(&mut cursors[row], token, rng);
                if self.codec.next(&cursors[row]) == Next::End {
                    whole += 1;
                } else {
                    sampler.push(row, token);
                    alive.push(row);
                }
            }
        }
        (whole, tokens)
    }
}
