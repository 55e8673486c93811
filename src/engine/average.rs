//! Averages of the weights that stage 2 releases step by step. The event of a plan covers the weights after
//! every step, so an average of them is post-processing and costs nothing; it evens out the noise of
//! the last steps (as in De et al. 2022, "Unlocking High-Accuracy Differentially Private Image
//! Classification through Scale", where it is exponential).

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::model::{Move, vectorised};

/// Parameters that a task of its own is worth.
const TASK: usize = 1 << 15;

/// Which weights are averaged, and how. Public, like everything that a plan says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Averaging {
    /// A running mean that keeps `min(decay, (1 + k) / (10 + k))` of itself when weights `k` come in,
    /// so that it soon forgets the first ones.
    Exponential {
        /// What is kept in the long run, from 0 to below 1.
        decay: f32,
    },
    /// The mean over the last steps.
    Tail {
        /// Their share of all, above 0 and at most 1.
        share: f32,
    },
}

/// An average of the trained parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Average {
    /// One number a trained parameter.
    pub weights: Vec<f32>,
    /// How many vectors of weights went into it.
    pub taken: u32,
}

impl Average {
    /// The average of nothing.
    #[must_use]
    pub fn new(parameters: usize) -> Self {
        Self { weights: vec![0.0; parameters], taken: 0 }
    }

    /// Takes in the weights after step `step` of `steps`, counted from 0, if they are among those averaged.
    pub fn take(&mut self, averaging: Averaging, (step, steps): (u32, u32), (parameters, moves): (&[f32], &[Move])) {
        let k = self.taken as f32;
        let part = match averaging {
            _ if self.taken == 0 => 1.0,
            Averaging::Exponential { decay } => 1.0 - decay.min((1.0 + k) / (10.0 + k)),
            Averaging::Tail { .. } => 1.0 / (k + 1.0),
        };
        if let Averaging::Tail { share } = averaging
            && steps - step > ((steps as f32 * share).ceil() as u32).max(1)
        {
            return;
        }
        for (at, of) in moves {
            let chunks = self.weights[of.clone()].par_chunks_mut(TASK).zip(parameters[at.clone()].par_chunks(TASK));
            chunks.for_each(|(mean, x)| {
                vectorised!(for (mean, x) in mean.iter_mut().zip(x) {
                    *mean += part * (x - *mean);
                });
            });
        }
        self.taken += 1;
    }

    /// Puts the average in the place of the last weights, if there is one.
    pub fn put(&self, (parameters, moves): (&mut [f32], &[Move])) {
        if self.taken > 0 {
            for (at, of) in moves {
                parameters[at.clone()].copy_from_slice(&self.weights[of.clone()]);
            }
        }
    }
}
