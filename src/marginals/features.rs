//! What labels may depend on: one-hot bins of single columns, a constant, and products of pairs of columns.
//!
//! A product stands for a whole crossed table with one number: `u_a(x_a) u_b(x_b)`, where `u_a` is what column a by
//! itself says of the label in a first model (its coefficient, centred, halved and cut off at 1). All products of a
//! row are scaled down together where they are longer than a bound, which is part of what a feature is.

use std::ops::Range;

use super::recipe::PARAMETERS;
use super::rows::{BinRows, volume};

/// Products of a row are no longer than this.
const BOUND: f64 = 1.5;

/// Columns whose products are taken at most, those that say most.
const CROSSED: usize = 24;

/// The features of a label model.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    columns: Vec<usize>,
    /// Where the bins of each column begin; then come products, and the constant at the end.
    offsets: Vec<usize>,
    /// What each bin of the columns that are multiplied says: as many as the first of `columns`.
    says: Vec<Vec<f64>>,
    sizes: Vec<usize>,
}

/// The features of rows.
pub struct Encoded {
    /// Places of bins that are 1, `columns` of them a row.
    pub places: Vec<u32>,
    /// Products, `products` of them a row.
    pub products: Vec<f64>,
    /// Columns.
    pub columns: usize,
    /// Products of a row.
    pub each: usize,
}

impl Features {
    /// Bins of these columns, over columns of these sizes; no products.
    #[must_use]
    pub fn new(columns: Vec<usize>, sizes: &[usize]) -> Self {
        let mut offsets = Vec::with_capacity(columns.len() + 1);
        let mut end = 0;
        for &column in &columns {
            offsets.push(end);
            end += volume(&[column], sizes);
        }
        offsets.push(end);
        Self { columns, offsets, says: Vec::new(), sizes: sizes.to_vec() }
    }

    /// Those of `ranked` (columns, best first) that leave room for a model of so many classes.
    #[must_use]
    pub fn within(ranked: &[usize], classes: usize, sizes: &[usize]) -> Self {
        let room = PARAMETERS / (classes - 1).max(1);
        let mut taken = 1;
        let fits = |column: &&usize| {
            let fits = taken + sizes[**column] <= room;
            taken += if fits { sizes[**column] } else { 0 };
            fits
        };
        Self::new(ranked.iter().filter(fits).copied().collect(), sizes)
    }

    /// The same with products of the first columns, by what their bins say.
    #[must_use]
    pub fn with_products(&self, coefficients: &[f64], masses: &[Vec<f64>]) -> Self {
        let says = self.columns.iter().zip(&self.offsets).zip(masses).take(CROSSED);
        let says = says.map(|((&column, &offset), masses)| {
            let own = &coefficients[offset..][..self.sizes[column]];
            let mean =
                own.iter().zip(masses).map(|(w, mass)| w * mass).sum::<f64>() / masses.iter().sum::<f64>().max(1.0);
            own.iter().map(|w| ((w - mean) / 2.0).clamp(-1.0, 1.0)).collect()
        });
        Self { says: says.collect(), ..self.clone() }
    }

    /// What the bins of multiplied columns say, as it is stored.
    #[must_use]
    pub fn says(&self) -> &[Vec<f64>] {
        &self.says
    }

    /// Stored products; none if they do not fit the columns.
    #[must_use]
    pub fn restored(self, says: Vec<Vec<f64>>) -> Option<Self> {
        let fits = |(says, column): (&Vec<f64>, &usize)| says.len() == self.sizes[*column];
        let fit = says.len() <= self.columns.len() && says.iter().zip(&self.columns).all(fits);
        fit.then_some(Self { says, ..self })
    }

    /// The columns.
    #[must_use]
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// The sizes of all columns.
    #[must_use]
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// Where the bins of each column begin.
    pub fn starts(&self) -> impl Iterator<Item = (usize, usize)> {
        self.offsets.iter().copied().zip(self.columns.iter().copied())
    }

    /// Products of a row.
    #[must_use]
    pub fn products(&self) -> usize {
        self.says.len() * (self.says.len() + 1) / 2
    }

    /// Where products begin.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.offsets[self.columns.len()]
    }

    /// Features in all, the constant included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.bins() + self.products() + 1
    }

    /// The Euclidean length of the products of any row, at most.
    #[must_use]
    pub fn products_bound() -> f64 {
        BOUND
    }

    /// The features of some of the rows: a few thousand at a time where there are many, for products take room.
    #[must_use]
    pub fn encode(&self, rows: &BinRows, range: Range<usize>) -> Encoded {
        let (columns, first) = (self.columns.len(), range.start);
        let mut places = vec![0; range.len() * columns];
        for (at, (offset, column)) in self.starts().enumerate() {
            let bins = rows.columns[column][range.clone()].iter().enumerate();
            bins.for_each(|(row, &bin)| places[row * columns + at] = offset as u32 + u32::from(bin));
        }
        let each = self.products();
        let mut products = vec![0.0; range.len() * each];
        for (row, products) in products.chunks_mut(each.max(1)).enumerate() {
            let say = |at: usize| self.says[at][usize::from(rows.columns[self.columns[at]][first + row])];
            let says: Vec<f64> = (0..self.says.len()).map(say).collect();
            let pairs = (0..says.len()).flat_map(|a| (a..says.len()).map(move |b| (a, b)));
            products.iter_mut().zip(pairs).for_each(|(product, (a, b))| *product = says[a] * says[b]);
            let length = products.iter().map(|x| x * x).sum::<f64>().sqrt();
            if length > BOUND {
                products.iter_mut().for_each(|x| *x *= BOUND / length);
            }
        }
        Encoded { places, products, columns, each }
    }
}

impl Encoded {
    /// The features of row `i`: places of bins, and products.
    #[must_use]
    pub fn row(&self, i: usize) -> (&[u32], &[f64]) {
        (&self.places[i * self.columns..][..self.columns], &self.products[i * self.each..][..self.each])
    }
}
