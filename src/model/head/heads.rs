//! The three kinds of heads, and which of them does the work.

use std::ops::Range;

use super::{all, places, sets};
use crate::model::config::{Config, ConfigError};
use crate::model::gpt2::Gpt2;
use crate::model::ops::scale_rows;
use crate::model::tape::Tape;

/// The choice of a place where nothing is to be predicted: a token that structure forces, or padding.
pub const NONE: u32 = u32::MAX;

/// Over which tokens the softmax of a place runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Heads {
    /// Every row has the same places, and place `i` writes a token of the `i`-th span. Spans are
    /// disjoint: one token a column.
    Places {
        /// Token ids of each place.
        spans: Vec<Range<u32>>,
        /// How often the loss counts each place; they sum to 1.
        shares: Vec<f32>,
    },
    /// Every place writes any token. The loss of a row is the mean over its places.
    All,
    /// A place writes a token of a set, which grammar and the tokens before it decide.
    Sets {
        /// Token ids of each set, ascending.
        sets: Vec<Vec<u32>>,
        /// How often the loss counts each choice. A constant, so that one row's loss does not depend
        /// on how many choices another row has.
        share: f32,
    },
}

impl Heads {
    /// One span a place, all counting the same.
    #[must_use]
    pub fn places(spans: Vec<Range<u32>>) -> Self {
        let shares = vec![1.0 / spans.len() as f32; spans.len()];
        Self::Places { spans, shares }
    }

    /// One span a place; the loss counts place `i` `weights[i]` times (a public choice), scaled to sum
    /// to 1.
    #[must_use]
    pub fn weighted_places(spans: Vec<Range<u32>>, weights: &[f32]) -> Self {
        let total: f32 = weights.iter().sum();
        Self::Places { spans, shares: weights.iter().map(|weight| weight / total).collect() }
    }

    /// The span of every place; empty where places have none of their own.
    #[must_use]
    pub fn spans(&self) -> &[Range<u32>] {
        match self {
            Self::Places { spans, .. } => spans,
            Self::All | Self::Sets { .. } => &[],
        }
    }

    /// Whether a model of these sizes and rows of at most `longest` places can have them.
    pub(in crate::model) fn check(&self, config: &Config, longest: usize) -> Result<(), ConfigError> {
        if longest == 0 || longest > config.positions {
            return Err(ConfigError::Longest);
        }
        match self {
            Self::All => Ok(()),
            Self::Places { spans, shares } => {
                let mut next = 1;
                let joined = spans.iter().all(|span| {
                    let fits = span.start == next && span.end > span.start;
                    next = span.end;
                    fits
                });
                let fit = spans.len() == longest && shares.len() == longest && next as usize <= config.vocabulary;
                if joined && fit { Ok(()) } else { Err(ConfigError::Spans) }
            }
            Self::Sets { sets, .. } => {
                let ascending = |set: &Vec<u32>| !set.is_empty() && set.is_sorted_by(|a, b| a < b);
                let known = |set: &Vec<u32>| set.last().is_some_and(|&last| (last as usize) < config.vocabulary);
                let fit = sets.iter().all(|set| ascending(set) && known(set));
                if fit { Ok(()) } else { Err(ConfigError::Sets) }
            }
        }
    }

    /// Numbers that the logits of a chunk of `n` places in `rows` rows take.
    pub(in crate::model) fn logits_len(&self, config: &Config, n: usize, rows: usize) -> usize {
        match self {
            Self::Places { spans, .. } => rows * spans.last().map_or(0, |span| span.end as usize - 1),
            Self::All => n * config.vocabulary,
            Self::Sets { sets, .. } => n * sets::widest(sets),
        }
    }

    /// Fills a row that counts for nothing.
    pub(in crate::model) fn filler(&self, opening: u32, tokens: &mut [u32], choices: &mut [u32]) {
        choices.fill(NONE);
        tokens.fill(opening);
        if let Self::Places { spans, .. } = self {
            tokens.iter_mut().zip(spans).for_each(|(token, span)| *token = span.start);
        }
    }

    /// From the last norm to the loss of every row and the gradients of the logits.
    pub(in crate::model) fn loss(&self, model: &Gpt2, p: &[f32], tape: &mut Tape) {
        let rows = tape.rows;
        tape.loss[..rows].fill(0.0);
        match self {
            Self::Places { spans, shares } => places::loss(model, (spans, shares), p, tape),
            Self::All => all::loss(model, p, tape),
            Self::Sets { sets, share } => sets::loss(model, (sets, *share), p, tape),
        }
    }

    /// From the gradients of the logits to that of the last norm's output.
    pub(in crate::model) fn backward(&self, model: &Gpt2, p: &[f32], tape: &mut Tape) {
        match self {
            Self::Places { spans, .. } => places::backward(model, spans, p, tape),
            Self::All => all::backward(model, p, tape),
            Self::Sets { sets, .. } => sets::backward(model, sets, p, tape),
        }
    }

    /// The squared norm of one row's gradient of the embeddings and of the output matrix.
    #[inline(always)]
    pub(in crate::model) fn squared_norm(&self, model: &Gpt2, tape: &Tape, row: usize, scratch: &mut Vec<f32>) -> f64 {
        if model.layout().output().slot.is_none() {
            return 0.0;
        }
        match self {
            Self::Places { spans, .. } => places::squared_norm(model, spans, tape, row),
            Self::All => all::squared_norm(model, tape, row, scratch),
            Self::Sets { sets, .. } => sets::squared_norm(model, sets, tape, row, scratch),
        }
    }

    /// Multiplies the gradients of the logits of every row by its factor.
    pub(in crate::model) fn scale(&self, model: &Gpt2, tape: &mut Tape, factors: &[f32]) {
        if let Self::Places { spans, .. } = self {
            return places::scale(spans, tape, factors);
        }
        let length = self.logits_len(model.config(), tape.n(), tape.rows);
        scale_rows(&mut tape.logits[..length], factors);
    }

    /// Adds the gradients of the embeddings and of the output matrix to the sum.
    pub(in crate::model) fn add_gradient(&self, model: &Gpt2, tape: &Tape, sum: &mut [f64]) {
        super::reads::add_gradient(model, tape, sum);
        let Some(slot) = model.layout().output().slot.clone() else { return };
        match self {
            Self::Places { spans, .. } => places::add_gradient(model, spans, tape, &mut sum[slot]),
            Self::All => all::add_gradient(model, tape, &mut sum[slot]),
            Self::Sets { sets, .. } => sets::add_gradient(model, sets, tape, &mut sum[slot]),
        }
    }
}
