//! Embeddings as they are read: one of a token and one of a position at every place.

use crate::model::gpt2::Gpt2;
use crate::model::sum::add_vector;
use crate::model::tape::Tape;

/// Adds the gradients of the embeddings that were read.
pub fn add_gradient(model: &Gpt2, tape: &Tape, sum: &mut [f64]) {
    let (Some(wte), Some(wpe)) = (model.layout().wte.slot.clone(), model.layout().wpe.slot.clone()) else { return };
    let (d, t) = (model.config().width, tape.t);
    for (i, gx) in tape.gx[..tape.n() * d].chunks_exact(d).enumerate() {
        let token = tape.inputs[i] as usize;
        add_vector(&mut sum[wte.clone()][token * d..(token + 1) * d], gx);
        add_vector(&mut sum[wpe.clone()][(i % t) * d..(i % t + 1) * d], gx);
    }
}
