//! The distribution of maximum entropy that has, about, the measured tables.
//!
//! The dual of maximum entropy with a squared residual, convex: the minimum over theta of
//! `n log Z(theta) - sum theta_q . y_q + lambda / 2 sum s_q^2 |theta_q|^2`, where y_q are noisy counts of deviation s_q and
//! Z is the sum over all rows of the exponential of the potentials theta. At the minimum `n p_q - y_q = -lambda s_q^2 theta_q`:
//! noisier tables are followed less.

use super::descent::{Patience, minimise};
use super::dual::Dual;
use super::rows::volume;
use super::tree::{Tree, gathered};

/// A table of noisy counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Its columns, ascending.
    pub columns: Vec<usize>,
    /// Noisy counts, the last column fastest.
    pub counts: Vec<f64>,
    /// The noise's standard deviation.
    pub deviation: f64,
}

impl Measured {
    /// Takes a second measurement of the same table in, weighed by how exact each is.
    pub fn pool(&mut self, counts: &[f64], deviation: f64) {
        let (old, new) = (self.deviation.powi(-2), deviation.powi(-2));
        let mean = |(old_count, count): (&mut f64, &f64)| *old_count = (*old_count * old + count * new) / (old + new);
        self.counts.iter_mut().zip(counts).for_each(mean);
        self.deviation = (old + new).powf(-0.5);
    }
}

/// A distribution over rows of bins.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// Its junction tree.
    pub tree: Tree,
    /// The probability of each cell of each clique.
    pub beliefs: Vec<Vec<f64>>,
    /// One potential for each cell of each measured table, for the next fit to begin with.
    potentials: Vec<(Vec<usize>, Vec<f64>)>,
}

/// How a fit is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Rows.
    pub rows: f64,
    /// How much less exact tables are taken to be than their noise is.
    pub lambda: f64,
    /// When it ends.
    pub patience: Patience,
}

impl Fit {
    /// Fits the distribution to `tables` over columns of these sizes, from `before` if there is one.
    #[must_use]
    pub fn to(&self, tables: &[Measured], sizes: &[usize], before: Option<&Fitted>) -> Fitted {
        let names: Vec<Vec<usize>> = tables.iter().map(|table| table.columns.clone()).collect();
        let tree = Tree::of(sizes, &names);
        let homes: Vec<(usize, Vec<u32>)> = names.iter().filter_map(|name| tree.home(name)).collect();
        let dual = Dual::new(tables, (self.rows, self.lambda));

        let spread = |theta: &[f64]| {
            let mut beliefs = tree.zeros();
            for ((home, map), part) in homes.iter().zip(dual.parts()) {
                let theta = &theta[part];
                beliefs[*home].iter_mut().zip(map).for_each(|(belief, &cell)| *belief += theta[cell as usize]);
            }
            beliefs
        };
        let mut x = dual.point(tables.iter().flat_map(|table| start(table, before)));
        minimise(&mut x, self.patience, |x, gradient| {
            let theta = dual.potentials(x);
            let mut beliefs = spread(&theta);
            let mut value = self.rows * tree.calibrate(&mut beliefs);
            for ((home, map), part) in homes.iter().zip(dual.parts()) {
                let expected = gathered(&beliefs[*home], map, part.len());
                for (i, p) in part.zip(expected) {
                    let (adds, slope) = dual.cell(i, theta[i], p);
                    value += adds;
                    gradient[i] = slope;
                }
            }
            value
        });
        let theta = dual.potentials(&x);
        let mut beliefs = spread(&theta);
        tree.calibrate(&mut beliefs);
        let potentials = names.into_iter().zip(dual.parts()).map(|(name, part)| (name, theta[part].to_vec())).collect();
        Fitted { tree, beliefs, potentials }
    }
}

/// Potentials to begin with: those of the last fit.
fn start(table: &Measured, before: Option<&Fitted>) -> Vec<f64> {
    let known = before.and_then(|fitted| fitted.potentials.iter().find(|(columns, _)| *columns == table.columns));
    known.map_or_else(|| vec![0.0; table.counts.len()], |(_, theta)| theta.clone())
}

impl Fitted {
    /// A distribution that is known: its tree and probabilities.
    #[must_use]
    pub fn of(tree: Tree, beliefs: Vec<Vec<f64>>) -> Self {
        Self { tree, beliefs, potentials: Vec::new() }
    }

    /// The probability of each cell of a table, its columns within one clique; none if they are not.
    #[must_use]
    pub fn table(&self, columns: &[usize]) -> Option<Vec<f64>> {
        let (home, map) = self.tree.home(columns)?;
        Some(gathered(&self.beliefs[home], &map, volume(columns, self.tree.sizes())))
    }
}
