//! Rules that move weights along gradients, on flat vectors: Adam (Kingma and Ba 2015; decoupled weight
//! decay: Loshchilov and Hutter 2019) and gradient descent with momentum (Polyak 1964).

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::model::{Move, vectorised};

/// Parameters that a task of its own is worth.
const TASK: usize = 1 << 15;

/// The constants of Adam.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamSettings {
    /// Decay of the running mean.
    pub beta1: f32,
    /// Decay of the running mean square.
    pub beta2: f32,
    /// Added to the root mean square.
    pub epsilon: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
}

/// Adam's state: two moments for each trained parameter and the number of steps taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    /// Running mean of the gradient.
    pub first: Vec<f32>,
    /// Running mean of its square.
    pub second: Vec<f32>,
    /// Steps taken.
    pub steps: u32,
}

impl Adam {
    /// The state before the first step.
    #[must_use]
    pub fn new(parameters: usize) -> Self {
        Self { first: vec![0.0; parameters], second: vec![0.0; parameters], steps: 0 }
    }

    /// Moves the trained parameters one step along `gradient`. `moves` says where they lie among all
    /// parameters, and where in the gradient ([`Layout::moves`](crate::model::Layout::moves)).
    pub fn step(
        &mut self,
        settings: &AdamSettings,
        rate: f32,
        gradient: &[f32],
        (parameters, moves): (&mut [f32], &[Move]),
    ) {
        self.steps += 1;
        let AdamSettings { beta1, beta2, epsilon, weight_decay } = *settings;
        let (bias1, bias2) = (1.0 - beta1.powf(self.steps as f32), 1.0 - beta2.powf(self.steps as f32));
        for (at, of) in moves {
            let moments = chunks(&mut self.first, of).zip(chunks(&mut self.second, of));
            let weights = chunks(parameters, at).zip(gradient[of.clone()].par_chunks(TASK));
            weights.zip(moments).for_each(|((p, g), (m, v))| {
                vectorised!(for ((p, g), (m, v)) in p.iter_mut().zip(g).zip(m.iter_mut().zip(v)) {
                    *m = beta1 * *m + (1.0 - beta1) * g;
                    *v = beta2 * *v + (1.0 - beta2) * g * g;
                    *p -= rate * ((*m / bias1) / ((*v / bias2).sqrt() + epsilon) + weight_decay * *p);
                });
            });
        }
    }
}

/// The constants of gradient descent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SgdSettings {
    /// What is left of the velocity after each step, from 0 to below 1.
    pub momentum: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
}

/// The state of gradient descent: a velocity for each trained parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Sgd {
    /// The sum of past gradients, `momentum` to the power of their age times each.
    pub velocity: Vec<f32>,
}

impl Sgd {
    /// The state before the first step.
    #[must_use]
    pub fn new(parameters: usize) -> Self {
        Self { velocity: vec![0.0; parameters] }
    }

    /// Moves the trained parameters one step, as [`Adam::step`] does.
    pub fn step(
        &mut self,
        settings: &SgdSettings,
        rate: f32,
        gradient: &[f32],
        (parameters, moves): (&mut [f32], &[Move]),
    ) {
        let SgdSettings { momentum, weight_decay } = *settings;
        for (at, of) in moves {
            let weights = chunks(parameters, at).zip(gradient[of.clone()].par_chunks(TASK));
            weights.zip(chunks(&mut self.velocity, of)).for_each(|((p, g), u)| {
                vectorised!(for ((p, g), u) in p.iter_mut().zip(g).zip(u) {
                    *u = momentum * *u + g;
                    *p -= rate * (*u + weight_decay * *p);
                });
            });
        }
    }
}

/// A part of a vector in blocks, of which each thread takes some. What is done to one number depends on
/// no other, so neither blocks nor threads change a bit.
fn chunks<'a>(x: &'a mut [f32], range: &Range<usize>) -> rayon::slice::ChunksMut<'a, f32> {
    x[range.clone()].par_chunks_mut(TASK)
}

/// A rule and its constants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Adam.
    Adam(AdamSettings),
    /// Gradient descent with momentum.
    Sgd(SgdSettings),
}

/// What a rule remembers between two steps.
#[derive(Clone, Debug, PartialEq)]
pub enum Optimiser {
    /// Adam's moments.
    Adam(AdamSettings, Adam),
    /// Velocities.
    Sgd(SgdSettings, Sgd),
}

impl Optimiser {
    /// The state of a rule before the first step.
    #[must_use]
    pub fn new(rule: Rule, parameters: usize) -> Self {
        match rule {
            Rule::Adam(settings) => Self::Adam(settings, Adam::new(parameters)),
            Rule::Sgd(settings) => Self::Sgd(settings, Sgd::new(parameters)),
        }
    }

    /// Moves the trained parameters one step, as [`Adam::step`] does.
    pub fn step(&mut self, rate: f32, gradient: &[f32], at: (&mut [f32], &[Move])) {
        match self {
            Self::Adam(settings, state) => state.step(settings, rate, gradient, at),
            Self::Sgd(settings, state) => state.step(settings, rate, gradient, at),
        }
    }
}

/// A learning rate by logical step: rises over the first `warm_up` steps, then falls along half a
/// cosine to `end` times the peak.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The peak.
    pub rate: f32,
    /// Steps of the rise.
    pub warm_up: u32,
    /// Share of the peak at the last step.
    pub end: f32,
}

impl Schedule {
    /// The learning rate of step `step` of `steps`, counted from 0.
    #[must_use]
    pub fn at(&self, step: u32, steps: u32) -> f32 {
        let rise = ((step + 1) as f32 / self.warm_up.max(1) as f32).min(1.0);
        let along = step as f32 / steps.max(1) as f32;
        let fall = self.end + (1.0 - self.end) * 0.5 * (1.0 + (std::f32::consts::PI * along).cos());
        self.rate * rise * fall
    }
}
