//! Where a job stands after a block, as bytes: weights, optimiser, average, and the blocks behind it.
//!
//! Never a key, a sampled index or a loss: everything in here is a function of released gradients.
//! The format is one line of JSON and then single-precision numbers, little-endian.

use serde::{Deserialize, Serialize};

use crate::model::Layout;

use super::average::Average;
use super::optimiser::{Adam, Optimiser, Rule, Sgd};
use super::plan::Plan;

/// The state of training between two blocks. Before block 0 it is what stage 1 left.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Private blocks that are behind it.
    pub blocks: u32,
    /// The weights.
    pub weights: Vec<f32>,
    /// What the optimiser of stage 2 remembers.
    pub optimiser: Optimiser,
    /// The average of the weights, where the plan wants one.
    pub average: Option<Average>,
}

/// What a checkpoint of a plan looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Form {
    /// Numbers of the model.
    pub parameters: usize,
    /// How many of them are trained.
    pub trained: usize,
    /// The optimiser.
    pub rule: Rule,
    /// Whether weights are averaged.
    pub averaged: bool,
}

impl Form {
    /// The form of a plan's checkpoints, for a model of this layout.
    #[must_use]
    pub fn of(plan: &Plan, layout: &Layout) -> Self {
        let parameters = layout.len();
        match &plan.private {
            Some(private) => {
                let averaged = private.average.is_some();
                Self { parameters, trained: layout.trained_len(), rule: private.rule, averaged }
            }
            // What stage 1 left is the end of training: no optimiser follows it.
            None => Self { parameters, trained: 0, rule: Rule::Adam(plan.public.adam), averaged: false },
        }
    }

    /// Bytes of its numbers, in memory and as a checkpoint.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let moments = match self.rule {
            Rule::Adam(_) => 2,
            Rule::Sgd(_) => 1,
        };
        4 * (self.parameters + (moments + usize::from(self.averaged)) * self.trained)
    }
}

/// Bytes that are not a checkpoint of this model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the checkpoint cannot be read, or belongs to another model")]
pub struct BadCheckpoint;

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    blocks: u32,
    /// Adam's steps.
    steps: u32,
    parameters: usize,
    trained: usize,
    /// Vectors of the optimiser, two of Adam.
    #[serde(default = "two", skip_serializing_if = "is_two")]
    moments: u32,
    /// Weights in the average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    averaged: Option<u32>,
}

fn two() -> u32 {
    2
}

fn is_two(moments: &u32) -> bool {
    *moments == 2
}

const FORMAT: u32 = 2;

impl Checkpoint {
    /// The state before block 0.
    #[must_use]
    pub fn first(weights: Vec<f32>, form: &Form) -> Self {
        let average = form.averaged.then(|| Average::new(form.trained));
        Self { blocks: 0, weights, optimiser: Optimiser::new(form.rule, form.trained), average }
    }

    /// The checkpoint as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (steps, moments) = match &self.optimiser {
            Optimiser::Adam(_, adam) => (adam.steps, vec![&adam.first, &adam.second]),
            Optimiser::Sgd(_, sgd) => (0, vec![&sgd.velocity]),
        };
        let header = Header {
            format: FORMAT,
            blocks: self.blocks,
            steps,
            parameters: self.weights.len(),
            trained: moments[0].len(),
            moments: moments.len() as u32,
            averaged: self.average.as_ref().map(|average| average.taken),
        };
        let mut bytes = serde_json::json!(header).to_string().into_bytes();
        bytes.push(b'\n');
        let average = self.average.as_ref().map(|average| &average.weights);
        let parts = [&self.weights].into_iter().chain(moments).chain(average);
        bytes.reserve_exact(4 * parts.clone().map(Vec::len).sum::<usize>());
        for part in parts {
            bytes.extend(part.iter().flat_map(|x| x.to_le_bytes()));
        }
        bytes
    }

    /// Reads what [`Checkpoint::to_bytes`] wrote for a plan of this form.
    ///
    /// # Errors
    /// [`BadCheckpoint`] for anything else.
    pub fn from_bytes(bytes: &[u8], form: &Form) -> Result<Self, BadCheckpoint> {
        let end = bytes.iter().position(|&b| b == b'\n').ok_or(BadCheckpoint)?;
        let header: Header = serde_json::from_slice(&bytes[..end]).map_err(|_| BadCheckpoint)?;
        let (numbers, rest) = bytes[end + 1..].as_chunks::<4>();
        let mut state = Self::first(vec![0.0; form.parameters], form);
        let (moments, vectors) = state.vectors();
        let is_ours = header.format == FORMAT
            && (header.parameters, header.trained) == (form.parameters, form.trained)
            && (header.moments as usize, header.averaged.is_some()) == (moments, form.averaged)
            && numbers.len() == vectors.iter().map(|vector| vector.len()).sum::<usize>()
            && rest.is_empty();
        if !is_ours {
            return Err(BadCheckpoint);
        }
        let mut numbers = numbers.iter().map(|&bytes| f32::from_le_bytes(bytes));
        for x in vectors.into_iter().flatten() {
            *x = numbers.next().ok_or(BadCheckpoint)?;
        }
        state.blocks = header.blocks;
        if let Optimiser::Adam(_, adam) = &mut state.optimiser {
            adam.steps = header.steps;
        }
        if let (Some(average), Some(taken)) = (&mut state.average, header.averaged) {
            average.taken = taken;
        }
        Ok(state)
    }

    /// How many vectors the optimiser has, and everything that is stored, in order.
    fn vectors(&mut self) -> (usize, Vec<&mut [f32]>) {
        let mut vectors = vec![&mut self.weights[..]];
        match &mut self.optimiser {
            Optimiser::Adam(_, Adam { first, second, .. }) => vectors.extend([&mut first[..], second]),
            Optimiser::Sgd(_, Sgd { velocity }) => vectors.push(velocity),
        }
        let moments = vectors.len() - 1;
        vectors.extend(self.average.as_mut().map(|average| &mut average.weights[..]));
        (moments, vectors)
    }
}
