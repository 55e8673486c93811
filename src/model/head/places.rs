//! Heads of rows that have one token a column: `b` rows of the chunk, `t` places, `s` tokens in a
//! span. Logits lie place after place, `b x s` each.

use std::ops::Range;

use crate::model::ghost::ROUNDING;
use crate::model::gpt2::Gpt2;
use crate::model::kernel::{View, ViewMut, multiply};
use crate::model::ops::{self, dot, vectorised};
use crate::model::sum::add_product_at;
use crate::model::tape::Tape;

type Spans = [Range<u32>];

/// Where the logits of a span lie in a tape of `b` rows: `b x s`.
fn logits(span: &Range<u32>, b: usize) -> Range<usize> {
    b * (span.start as usize - 1)..b * (span.end as usize - 1)
}

/// The rows of a `vocabulary x d` matrix that belong to a span.
fn rows(span: &Range<u32>, d: usize) -> Range<usize> {
    span.start as usize * d..span.end as usize * d
}

/// Logits within each place's span, softmax, loss, and in place the gradient of the loss.
pub fn loss(model: &Gpt2, (spans, shares): (&Spans, &[f32]), p: &[f32], tape: &mut Tape) {
    let (d, t, b) = (model.config().width, tape.t, tape.rows);
    let head = model.layout().output().of(p);
    for (i, (span, &share)) in spans.iter().zip(shares).enumerate() {
        let s = span.len();
        let logits = &mut tape.logits[logits(span, b)]; // b x s
        let y = View::strided(&tape.ln_f.y[i * d..], b, d, t * d);
        multiply(ViewMut::dense(logits, b, s), y, View::dense(&head[rows(span, d)], s, d).transposed());
        let (targets, loss) = (&tape.targets, &mut tape.loss);
        vectorised!(for (row, logits) in logits.chunks_exact_mut(s).enumerate() {
            let target = (targets[row * t + i] - span.start) as usize;
            ops::softmax(logits);
            loss[row] -= share * ops::log_probability(logits[target]);
            for x in logits.iter_mut() {
                *x *= share;
            }
            logits[target] -= share;
        });
    }
}

/// `gy = g E`, place by place.
pub fn backward(model: &Gpt2, spans: &Spans, p: &[f32], tape: &mut Tape) {
    let (d, t, b) = (model.config().width, tape.t, tape.rows);
    let head = model.layout().output().of(p);
    for (i, span) in spans.iter().enumerate() {
        let g = View::dense(&tape.logits[logits(span, b)], b, span.len()); // b x s
        let gy = ViewMut::strided(&mut tape.gy_f[i * d..], b, d, t * d);
        multiply(gy, g, View::dense(&head[rows(span, d)], span.len(), d));
    }
}

/// Positions and the tied embedding matrix, which is used twice: read as input (gradient `gx`) and
/// multiplied as head (gradient `g y'`). Spans are disjoint, so in one row every embedding is read
/// at most once, two heads share no row of the matrix, and of the product of the two uses only one
/// term a column is left: token `c`, read at place `t`, was predicted at place `t - 1`.
#[inline(always)]
pub fn squared_norm(model: &Gpt2, spans: &Spans, tape: &Tape, row: usize) -> f64 {
    let (d, t) = (model.config().width, tape.t);
    let reads = model.layout().wte.slot.is_some();
    let mut norm = 0f64;
    let mut triangle = 0f64;
    for (i, span) in spans.iter().enumerate() {
        let n = row * t + i;
        let y = &tape.ln_f.y[n * d..(n + 1) * d];
        let logits = &tape.logits[logits(span, tape.rows)];
        let g = &logits[row * span.len()..(row + 1) * span.len()];
        let head = f64::from(dot(g, g)) * f64::from(dot(y, y));
        norm += head;
        triangle += head.sqrt();
        if !reads {
            continue;
        }
        let gx = &tape.gx[n * d..(n + 1) * d];
        let read = f64::from(dot(gx, gx));
        norm += 2.0 * read; // once for the position, once for the token
        triangle += read.sqrt();
        if i + 1 < t {
            let next = &tape.gx[(n + 1) * d..(n + 2) * d];
            let token = (tape.targets[n] - span.start) as usize;
            norm += 2.0 * f64::from(g[token]) * f64::from(dot(y, next));
        }
    }
    norm + ROUNDING * triangle * triangle
}

/// Multiplies the gradients of the logits of every row by its factor.
pub fn scale(spans: &Spans, tape: &mut Tape, factors: &[f32]) {
    let b = tape.rows;
    for span in spans {
        ops::scale_rows(&mut tape.logits[logits(span, b)], factors);
    }
}

/// Adds `g' y` to the output matrix, place by place.
pub fn add_gradient(model: &Gpt2, spans: &Spans, tape: &Tape, out: &mut [f64]) {
    let (d, t, b) = (model.config().width, tape.t, tape.rows);
    for (i, span) in spans.iter().enumerate() {
        let g = View::dense(&tape.logits[logits(span, b)], b, span.len()); // b x s
        let y = View::strided(&tape.ln_f.y[i * d..], b, d, t * d); // b x d
        add_product_at(&mut out[rows(span, d)], g, y);
    }
}
