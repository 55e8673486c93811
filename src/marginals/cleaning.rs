//! From the noisy counts of a column's cells to a density over them, all of it post-processing.

use super::axis::Cells;

/// Noisy counts beyond this many deviations are believed to be there.
const SIGNIFICANT: f64 = 3.0;

/// Cells beyond this many deviations stand for themselves: 1,000 empty cells reach it once in 300 columns.
const ATOM: f64 = 4.5;

/// How fast the mass of a run of insignificant cells falls off from its significant neighbours.
const DECAY: f64 = 0.7;

/// What is left of a cell that has nothing, so that every value may be drawn.
const FLOOR: f64 = 1e-9;

/// The noisy counts of a column.
pub struct Counted<'a> {
    /// Its cells.
    pub cells: &'a Cells,
    /// Of each cell, the missing one last.
    pub fine: &'a [f64],
    /// Of each group of cells, where there are groups.
    pub coarse: Option<&'a [f64]>,
    /// The noise's standard deviation.
    pub deviation: f64,
}

impl Counted<'_> {
    /// Non-negative counts of all cells.
    #[must_use]
    pub fn density(&self) -> Vec<f64> {
        let values = self.cells.values();
        let mut density = match (self.coarse, self.cells.groups()) {
            _ if !self.cells.axis().ordered => categories(&self.fine[..values], self.deviation),
            (Some(coarse), Some(groups)) => self.by_groups(coarse, &groups),
            _ => tails(&self.fine[..values], self.deviation),
        };
        density.extend(self.fine[values..].iter().map(|missing| missing.max(0.0)));
        density.iter_mut().for_each(|mass| *mass += FLOOR);
        density
    }

    /// Each group's mass, spread over its cells as finely as the noise lets it.
    fn by_groups(&self, coarse: &[f64], groups: &[usize]) -> Vec<f64> {
        let masses = tails(coarse, self.deviation);
        let mut density = vec![0.0; self.cells.values()];
        for (ends, mass) in groups.windows(2).zip(masses) {
            if ends[0] < ends[1] {
                self.group(ends[0]..ends[1], mass, &mut density[ends[0]..ends[1]]);
            }
        }
        density
    }

    fn group(&self, cells: std::ops::Range<usize>, mass: f64, density: &mut [f64]) {
        let (fine, count) = (&self.fine[cells.clone()], cells.len() as f64);
        let sum: f64 = fine.iter().sum();
        let seen = mass > SIGNIFICANT * self.deviation;
        // Two counts of the same thing, the sum of the cells noisier the more there are.
        let mass = if seen && cells.len() < 8 { (mass * count + sum) / (count + 1.0) } else { mass };
        if seen && cells.len() <= 4 {
            let share = (mass - sum) / count;
            density.iter_mut().zip(fine).for_each(|(to, from)| *to = (from + share).max(0.0));
            return;
        }
        let atom = |count: f64| count > ATOM * self.deviation;
        let atoms: f64 = fine.iter().copied().filter(|&count| atom(count)).sum();
        let rest: Vec<usize> = (0..fine.len()).filter(|&cell| !atom(fine[cell])).collect();
        density.iter_mut().zip(fine).filter(|(_, count)| atom(**count)).for_each(|(to, &count)| *to = count);
        self.spread((cells.start, &rest), (mass - atoms).max(0.0), fine, density);
    }

    /// Spreads `mass` over the cells that are no atoms, in groups that are as small as can be told apart.
    fn spread(&self, (start, rest): (usize, &[usize]), mass: f64, fine: &[f64], density: &mut [f64]) {
        let cells = rest.len() as f64;
        let mut size = 1;
        while size < rest.len() && mass * f64::from(size as u32) / cells < 2.0 * self.deviation * (size as f64).sqrt() {
            size *= 2;
        }
        let size = if 2 * size >= rest.len() { rest.len().max(1) } else { size };
        let seen: Vec<f64> =
            rest.chunks(size).map(|part| part.iter().map(|&cell| fine[cell]).sum::<f64>().max(0.0)).collect();
        let total: f64 = seen.iter().sum();
        for (part, seen) in rest.chunks(size).zip(&seen) {
            let share = if size == rest.len() { mass } else { seen * mass / total.max(FLOOR) };
            let length = |&cell: &usize| f64::from(self.cells.run(start + cell).1);
            let whole: f64 = part.iter().map(length).sum();
            part.iter().for_each(|cell| density[*cell] = share * length(cell) / whole);
        }
    }
}

/// Noisy counts of adjacent cells without false mass: a run of insignificant ones keeps its sum, if positive,
/// next to its significant neighbours. Cutting each at 0 instead would fill the empty tail of a skewed column.
fn tails(noisy: &[f64], deviation: f64) -> Vec<f64> {
    let significant = |count: &f64| *count > SIGNIFICANT * deviation;
    let mut clean = Vec::with_capacity(noisy.len());
    for run in noisy.chunk_by(|a, b| significant(a) == significant(b)) {
        if significant(&run[0]) {
            clean.extend_from_slice(run);
            continue;
        }
        let (first, last) = (clean.is_empty(), clean.len() + run.len() == noisy.len());
        let mass = run.iter().sum::<f64>().max(0.0);
        let near = |distance: usize, edge: bool| if edge { 0.0 } else { DECAY.powi(distance.min(1000) as i32) };
        let weight = |i: usize| near(i, first) + near(run.len() - 1 - i, last) + 1e-3;
        let whole: f64 = (0..run.len()).map(weight).sum();
        clean.extend((0..run.len()).map(|i| mass * weight(i) / whole));
    }
    clean
}

/// Noisy counts of categories without false mass: those that can hardly be told from none keep their sum, each as far
/// from the mean of them all as their scatter beyond the noise says (James and Stein 1961).
fn categories(noisy: &[f64], deviation: f64) -> Vec<f64> {
    let rare = |count: f64| count <= SIGNIFICANT * deviation;
    let few: Vec<f64> = noisy.iter().copied().filter(|&count| rare(count)).collect();
    let count = few.len().max(1) as f64;
    let mean = few.iter().sum::<f64>() / count;
    let scatter = few.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    let kept = (1.0 - deviation.powi(2) / scatter.max(1e-9)).max(0.0);
    let drawn = |x: f64| (mean.max(0.0) + kept * (x - mean)).max(0.0);
    let whole: f64 = few.iter().map(|&x| drawn(x)).sum();
    let scale = if whole > 0.0 { (mean * count).max(0.0) / whole } else { 0.0 };
    noisy.iter().map(|&x| if rare(x) { scale * drawn(x) } else { x }).collect()
}
