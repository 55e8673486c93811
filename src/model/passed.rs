//! What passed through each affine map of a block: what norms and sums of gradients are made of.

use std::ops::Range;

use super::layout::{BlockLayout, Linear};
use super::tape::{BlockGradients, BlockTape};

/// What a map was given and what came back: `n x inputs` and `n x outputs`, and for a low-rank update
/// its inside (`n x rank` each, else empty).
#[derive(Clone, Copy)]
pub struct Passed<'a> {
    /// Inputs.
    pub a: &'a [f32],
    /// Gradients of the outputs.
    pub g: &'a [f32],
    /// `x A`.
    pub inner: &'a [f32],
    /// Gradients of `x A`.
    pub ginner: &'a [f32],
}

impl<'a> Passed<'a> {
    /// The part of the places `at`.
    #[inline(always)]
    pub fn at(&self, linear: &Linear, at: Range<usize>) -> Self {
        let of = |x: &'a [f32], width: usize| &x[at.start * width..at.end * width];
        Self {
            a: of(self.a, linear.inputs),
            g: of(self.g, linear.outputs),
            inner: of(self.inner, linear.rank()),
            ginner: of(self.ginner, linear.rank()),
        }
    }
}

/// The maps of a block, its adapter's included, with what passed through them.
#[inline(always)]
pub fn maps<'a>(
    l: &'a BlockLayout,
    k: &'a BlockTape,
    g: &'a BlockGradients,
) -> impl Iterator<Item = (&'a Linear, Passed<'a>)> {
    let passed = |a: &'a [f32], g: &'a [f32]| Passed { a, g, inner: &[], ginner: &[] };
    let maps = [
        (&l.c_attn, passed(&k.ln_1.y, &g.gqkv)),
        (&l.c_proj, passed(&k.context, &g.gproj)),
        (&l.c_fc, passed(&k.ln_2.y, &g.ghidden)),
        (&l.mlp_proj, passed(&k.active, &g.gout)),
    ];
    let insides = k.inner.iter().zip(&g.ginner);
    let maps = maps.into_iter().zip(insides);
    let maps = maps.map(|((linear, passed), (inner, ginner))| (linear, Passed { inner, ginner, ..passed }));
    let [input, _, active] = &k.adapter;
    let [gafter, ghidden] = &g.gadapter;
    let adapter = l
        .adapter
        .iter()
        .flat_map(move |adapter| [(&adapter.down, passed(input, ghidden)), (&adapter.up, passed(active, gafter))]);
    maps.chain(adapter)
}
