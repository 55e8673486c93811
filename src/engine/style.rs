//! How a token is drawn once the model has said how likely each of the options is.
//!
//! As it is, unless somebody asks for less variety: a temperature below 1 or a cut of unlikely options
//! makes typical rows more typical, and every marginal wrong. The published run sampled at .7 and the 50
//! likeliest (Afonja et al. 2025).

use candle_core::{Device, Tensor};
use candle_transformers::generation::{LogitsProcessor, Sampling};
use rand::Rng;

use crate::model::pick;

/// What is done to the probabilities of the options before one is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    /// Probabilities to this power's inverse: 1 leaves them, less prefers the likely ones. Above 0.
    pub temperature: f64,
    /// Only the so many likeliest, at least 1.
    pub top_k: Option<usize>,
    /// Only the likeliest that come to this probability together, above 0 and at most 1.
    pub top_p: Option<f64>,
}

impl Default for Style {
    /// Nothing.
    fn default() -> Self {
        Self { temperature: 1.0, top_k: None, top_p: None }
    }
}

/// Draws options.
pub enum Draw {
    /// As they are.
    Plain,
    /// In a style.
    Styled(Box<LogitsProcessor>),
}

impl Draw {
    /// Draws in a style. Rows from a released model need no randomness of a certain kind, so the seed of a
    /// styled draw is a number from `rng`.
    pub fn new<R: Rng>(style: Style, rng: &mut R) -> Self {
        let Style { temperature, top_k, top_p } = style;
        let sampling = match (top_k, top_p) {
            (None, None) if style == Style::default() => return Self::Plain,
            (None, None) => Sampling::All { temperature },
            (Some(k), None) => Sampling::TopK { k, temperature },
            (None, Some(p)) => Sampling::TopP { p, temperature },
            (Some(k), Some(p)) => Sampling::TopKThenTopP { k, p, temperature },
        };
        Self::Styled(Box::new(LogitsProcessor::from_sampling(rng.random(), sampling)))
    }

    /// The index of an option.
    pub fn pick<R: Rng>(&mut self, probabilities: &[f32], rng: &mut R) -> usize {
        let styled = match self {
            Self::Plain => None,
            Self::Styled(processor) => {
                let logits: Vec<f32> = probabilities.iter().map(|p| p.max(f32::MIN_POSITIVE).ln()).collect();
                let logits = Tensor::new(logits, &Device::Cpu);
                // Weights that are no numbers have no style.
                logits.and_then(|logits| processor.sample(&logits)).ok()
            }
        };
        styled
            .map_or_else(|| pick(probabilities, rng.random()), |i| i as usize)
            .min(probabilities.len().saturating_sub(1))
    }
}
