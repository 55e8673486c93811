//! The bins of a column: what tables are made of, and how values are drawn inside them.

use rand::Rng;
use rand::seq::SliceRandom;

use super::axis::{Axis, Cells};

/// Cells of a column gathered in bins, with a density over the cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Bins {
    cells: Cells,
    of_cell: Vec<u16>,
    density: Vec<f64>,
    masses: Vec<f64>,
}

/// How coarse bins are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coarseness {
    /// Bins at most, the one for missing values besides.
    pub most: usize,
    /// The least mass of a bin of an ordered column.
    pub least_mass: f64,
    /// Categories with a smaller count may share a bin, where there are more than 20 (and than `most`).
    pub insignificant: f64,
}

impl Bins {
    /// Bins of cells with this density: neighbours are merged, lightest first, in ordered columns; in others the
    /// categories that can hardly be told from none share a bin.
    #[must_use]
    pub fn new(axis: Axis, density: Vec<f64>, coarseness: Coarseness) -> Self {
        let cells = axis.cells();
        let values = cells.values();
        let mut of_cell =
            if axis.ordered { runs(&density[..values], coarseness) } else { kept(&density[..values], coarseness) };
        if axis.missing {
            let next = of_cell.iter().max().map_or(0, |last| last + 1);
            of_cell.push(next);
        }
        Self::of(axis, of_cell, density)
    }

    /// Bins that are known: the bin of each cell, and the density.
    #[must_use]
    pub fn of(axis: Axis, of_cell: Vec<u16>, density: Vec<f64>) -> Self {
        let count = of_cell.iter().max().map_or(0, |last| usize::from(*last) + 1);
        let mut masses = vec![0.0; count];
        of_cell.iter().zip(&density).for_each(|(&bin, mass)| masses[usize::from(bin)] += mass);
        Self { cells: axis.cells(), of_cell, density, masses }
    }

    /// The column's domain.
    #[must_use]
    pub fn axis(&self) -> Axis {
        self.cells.axis()
    }

    /// How many bins there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.masses.len()
    }

    /// The mass of each bin.
    #[must_use]
    pub fn masses(&self) -> &[f64] {
        &self.masses
    }

    /// The density over cells, and the bin of each.
    #[must_use]
    pub fn parts(&self) -> (&[u16], &[f64]) {
        (&self.of_cell, &self.density)
    }

    /// The bin of a value.
    #[must_use]
    pub fn of_value(&self, value: u32) -> u16 {
        self.of_cell[self.cells.of(value)]
    }

    /// The probability of a value given its bin.
    #[must_use]
    pub fn share(&self, value: u32) -> f64 {
        let cell = self.cells.of(value);
        let length = f64::from(self.cells.run(cell).1);
        self.density[cell] / self.masses[usize::from(self.of_cell[cell])] / length
    }

    /// A value of each of these bins. Inside a bin the values are spread over its cells as evenly as whole numbers
    /// can follow the density, and in no order.
    pub fn draw<R: Rng + ?Sized>(&self, bins: &[u16], rng: &mut R) -> Vec<u32> {
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); self.count()];
        for (row, &bin) in (0..).zip(bins) {
            rows[usize::from(bin).min(self.count() - 1)].push(row);
        }
        let mut values = vec![0; bins.len()];
        let mut cells: Vec<Vec<usize>> = vec![Vec::new(); self.count()];
        (0..self.of_cell.len()).for_each(|cell| cells[usize::from(self.of_cell[cell])].push(cell));
        for ((mut rows, cells), mass) in rows.into_iter().zip(cells).zip(&self.masses) {
            rows.shuffle(rng);
            let count = rows.len() as f64;
            let (mut reached, mut given, offset) = (0.0, 0, rng.random::<f64>());
            for cell in cells {
                reached += self.density[cell] / mass * count;
                let upto = ((reached + offset) as usize).min(rows.len());
                for &row in &rows[given.min(upto)..upto] {
                    values[row as usize] = self.inside(cell, rng);
                }
                if upto > given {
                    given = upto;
                }
                // Rounding may leave the last ones over; they belong to the last cell that has mass.
                if reached >= count - 1e-6 {
                    rows[given..].iter().for_each(|&row| values[row as usize] = self.inside(cell, rng));
                    given = rows.len();
                }
            }
        }
        values
    }

    fn inside<R: Rng + ?Sized>(&self, cell: usize, rng: &mut R) -> u32 {
        let (first, length) = self.cells.run(cell);
        first + if length > 1 { rng.random_range(0..length) } else { 0 }
    }
}

/// Each category its own bin; where they are too many, those of little mass share the last one.
fn kept(density: &[f64], coarseness: Coarseness) -> Vec<u16> {
    let mut bins: Vec<u16> = Vec::with_capacity(density.len());
    if density.len() <= FEW.max(coarseness.most) {
        bins.extend(0..density.len() as u16);
        return bins;
    }
    let mut by_mass: Vec<usize> = (0..density.len()).collect();
    by_mass.sort_by(|&a, &b| density[b].total_cmp(&density[a]).then(a.cmp(&b)));
    let significant = by_mass.iter().take_while(|&&cell| density[cell] > coarseness.insignificant).count();
    let kept = significant.clamp(1, WIDE.max(coarseness.most) - 1);
    let mut keeps = vec![false; density.len()];
    by_mass[..kept].iter().for_each(|&cell| keeps[cell] = true);
    let mut next = 0;
    for keep in keeps {
        bins.push(if keep { next } else { kept as u16 });
        next += u16::from(keep);
    }
    bins
}

/// So many categories are all kept: merging them loses more than their noise.
const FEW: usize = 20;

/// Most bins of a column of categories.
const WIDE: usize = 64;

/// Bins of values, missing ones not counted, that a column may get when ordered ones get at most `most`.
#[must_use]
pub fn most_bins(axis: Axis, most: usize) -> usize {
    axis.cells().values().min(if axis.ordered { most } else { WIDE.max(most) })
}

/// Runs of neighbours: at most so many, and none lighter than it may be, if there are more than two.
fn runs(density: &[f64], coarseness: Coarseness) -> Vec<u16> {
    let mut runs: Vec<(usize, f64)> = density.iter().map(|&mass| (1, mass)).collect();
    loop {
        let lightest = |of: &dyn Fn(usize) -> f64, count: usize| (0..count).min_by(|&a, &b| of(a).total_cmp(&of(b)));
        let at = if runs.len() > coarseness.most {
            lightest(&|i| runs[i].1 + runs[i + 1].1, runs.len() - 1)
        } else {
            let least = lightest(&|i| runs[i].1, runs.len()).filter(|&i| runs[i].1 < coarseness.least_mass);
            least.filter(|_| runs.len() > 2).map(|i| match i {
                0 => 0,
                _ if i == runs.len() - 1 || runs[i - 1].1 < runs[i + 1].1 => i - 1,
                _ => i,
            })
        };
        let Some(at) = at else { break };
        let (cells, mass) = runs.remove(at + 1);
        runs[at].0 += cells;
        runs[at].1 += mass;
    }
    (0..).zip(&runs).flat_map(|(bin, &(cells, _))| std::iter::repeat_n(bin, cells)).collect()
}
