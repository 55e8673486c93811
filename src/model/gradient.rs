//! The weighted sum of the rows' gradients: scale what the backward pass kept, then one product a
//! layer (Book-Keeping: Bu, Wang, Zha and Karypis 2023, "Differentially Private Optimization on
//! Large Model at Small Cost").

use super::gpt2::Gpt2;
use super::kernel::{View, ViewMut, multiply_add};
use super::layout::{Linear, Norm};
use super::ops::{add_scaled, column_dots, column_sums, vectorised};
use super::tape::{NormTape, Tape};

/// Adds `sum over rows of factor * gradient` to `out`. Factors are in `tape.norms`; they multiply
/// the tape in place, so this can be done once after each backward pass.
pub fn add_weighted(model: &Gpt2, tape: &mut Tape, out: &mut [f32]) {
    scale_rows(model, tape);
    let layout = model.layout();
    let n = tape.rows * model.config().positions;
    embeddings(model, tape, out);
    norm(&layout.ln_f, &tape.ln_f, n, out);
    for (l, k) in layout.blocks.iter().zip(&tape.blocks) {
        norm(&l.ln_1, &k.ln_1, n, out);
        linear(&l.c_attn, &k.ln_1.y, &k.gqkv, n, out);
        linear(&l.c_proj, &k.context, &k.gproj, n, out);
        norm(&l.ln_2, &k.ln_2, n, out);
        linear(&l.c_fc, &k.ln_2.y, &k.ghidden, n, out);
        linear(&l.mlp_proj, &k.active, &k.gout, n, out);
    }
}

/// Scales the output gradients of every row. A row with factor 0 also loses its layer inputs: they
/// may be infinite, and 0 times infinity is not 0.
fn scale_rows(model: &Gpt2, tape: &mut Tape) {
    let factors: Vec<f32> = tape.norms.iter().map(|&f| f as f32).collect();
    if factors.iter().all(|&f| f == 1.0) {
        return;
    }
    let rows = tape.rows;
    for i in 0..model.config().positions {
        scale(&mut tape.logits[model.logits(i, tape.rows)], tape.rows, &factors);
    }
    scale(&mut tape.gx, rows, &factors);
    scale_norm(&mut tape.ln_f, rows, &factors);
    for k in &mut tape.blocks {
        scale_norm(&mut k.ln_1, rows, &factors);
        scale_norm(&mut k.ln_2, rows, &factors);
        for gradient in [&mut k.gqkv, &mut k.gproj, &mut k.ghidden, &mut k.gout] {
            scale(gradient, rows, &factors);
        }
        for input in [&mut k.context, &mut k.active] {
            clear(input, rows, &factors);
        }
    }
}

fn scale_norm(k: &mut NormTape, rows: usize, factors: &[f32]) {
    scale(&mut k.gy, rows, factors);
    clear(&mut k.unit, rows, factors);
    clear(&mut k.y, rows, factors);
}

/// Multiplies each row's part of a buffer by its factor.
fn scale(x: &mut [f32], rows: usize, factors: &[f32]) {
    clear(x, rows, factors);
    let width = x.len() / rows;
    vectorised!(for (part, &factor) in x.chunks_exact_mut(width).zip(factors) {
        for x in part {
            *x *= factor;
        }
    });
}

/// Zeroes the parts of rows with factor 0.
fn clear(x: &mut [f32], rows: usize, factors: &[f32]) {
    let width = x.len() / rows;
    for (part, _) in x.chunks_exact_mut(width).zip(factors).filter(|&(_, &factor)| factor == 0.0) {
        part.fill(0.0);
    }
}

fn linear(l: &Linear, a: &[f32], g: &[f32], n: usize, out: &mut [f32]) {
    let weight = ViewMut::dense(&mut out[l.weight.clone()], l.inputs, l.outputs);
    multiply_add(weight, View::dense(a, n, l.inputs).transposed(), View::dense(g, n, l.outputs));
    vectorised!(column_sums(&g[..n * l.outputs], &mut out[l.bias.clone()]));
}

fn norm(l: &Norm, k: &NormTape, n: usize, out: &mut [f32]) {
    let d = l.bias.len();
    vectorised!(column_dots(&k.gy[..n * d], &k.unit[..n * d], &mut out[l.weight.clone()]));
    vectorised!(column_sums(&k.gy[..n * d], &mut out[l.bias.clone()]));
}

/// Positions, tokens read, and the head of each position.
fn embeddings(model: &Gpt2, tape: &Tape, out: &mut [f32]) {
    let (d, t, b) = (model.config().width, model.config().positions, tape.rows);
    let (wte, wpe) = (model.layout().wte.clone(), model.layout().wpe.clone());
    for (i, gx) in tape.gx[..b * t * d].chunks_exact(d).enumerate() {
        let token = tape.inputs[i] as usize;
        add_scaled(&mut out[wte.clone()][token * d..(token + 1) * d], 1.0, gx);
        add_scaled(&mut out[wpe.clone()][(i % t) * d..(i % t + 1) * d], 1.0, gx);
    }
    for (i, span) in model.spans().iter().enumerate() {
        let g = View::dense(&tape.logits[model.logits(i, b)], b, span.len()); // b x s
        let y = View::strided(&tape.ln_f.y[i * d..], b, d, t * d); // b x d
        multiply_add(ViewMut::dense(&mut out[model.head(i)], span.len(), d), g.transposed(), y);
    }
}
