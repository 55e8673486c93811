//! The nearest of many points, by looking at all of them.

use std::ops::Range;

use rayon::prelude::*;

use super::space::{BLOCK, Points, Space};
use crate::model::vectorised;

/// For each of some points the nearest of others.
pub struct Nearest {
    /// How many were kept of each: as many as were wanted, or all there are.
    pub kept: usize,
    /// Their distances, from 0 to 1, `points x kept`, the nearest first.
    pub distances: Vec<f32>,
}

impl Nearest {
    /// The distances of the nearest ones of point `i`, ascending.
    #[must_use]
    pub fn of(&self, i: usize) -> &[f32] {
        &self.distances[i * self.kept..(i + 1) * self.kept]
    }

    /// The distance of the nearest one of each point.
    pub fn first(&self) -> impl Iterator<Item = f64> + '_ {
        self.distances.chunks_exact(self.kept.max(1)).map(|distances| f64::from(distances[0]))
    }
}

/// The distances of the `wanted` nearest of `among` to each of `points`.
#[must_use]
pub fn nearest(space: &Space, points: &Points, among: &Points, wanted: usize) -> Nearest {
    let kept = wanted.min(among.len());
    let mut distances = vec![f32::INFINITY; points.len() * kept];
    if kept == 0 {
        return Nearest { kept, distances };
    }
    let all = distances.par_chunks_exact_mut(kept).enumerate();
    all.for_each_init(
        || vec![0f32; BLOCK],
        |sums, (point, best)| {
            vectorised!({
                for range in blocks(among.len()) {
                    let sums = &mut sums[..range.len()];
                    space.measure((points, point), (among, range.start), sums);
                    sums.iter().for_each(|&sum| keep(best, sum));
                }
            });
            best.iter_mut().for_each(|sum| *sum /= space.width() as f32);
        },
    );
    Nearest { kept, distances }
}

/// Points in runs that are measured together.
pub(super) fn blocks(points: usize) -> impl Iterator<Item = Range<usize>> {
    (0..points).step_by(BLOCK).map(move |first| first..(first + BLOCK).min(points))
}

/// Puts a distance among the smallest ones, which ascend, if it is one of them.
#[inline(always)]
fn keep(best: &mut [f32], distance: f32) {
    let Some(last) = best.len().checked_sub(1) else { return };
    if distance >= best[last] {
        return;
    }
    let mut at = last;
    while at > 0 && best[at - 1] > distance {
        best[at] = best[at - 1];
        at -= 1;
    }
    best[at] = distance;
}
