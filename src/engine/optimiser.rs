//! Adam on flat vectors (Kingma and Ba 2015; decoupled weight decay: Loshchilov and Hutter 2019).

use serde::{Deserialize, Serialize};

use crate::model::Move;

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

    /// Bytes of the state of so many parameters.
    #[must_use]
    pub fn bytes(parameters: usize) -> usize {
        8 * parameters
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
            let moments = self.first[of.clone()].iter_mut().zip(&mut self.second[of.clone()]);
            for ((p, g), (m, v)) in parameters[at.clone()].iter_mut().zip(&gradient[of.clone()]).zip(moments) {
                *m = beta1 * *m + (1.0 - beta1) * g;
                *v = beta2 * *v + (1.0 - beta2) * g * g;
                *p -= rate * ((*m / bias1) / ((*v / bias2).sqrt() + epsilon) + weight_decay * *p);
            }
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
