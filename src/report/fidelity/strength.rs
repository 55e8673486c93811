//! How strongly two columns go together, in one number.
//!
//! Two numbers: Pearson's correlation, from -1 to 1. Two columns of categories: Cramer's V without a
//! correction for bias, from 0 to 1. One of each: the correlation ratio, from 0 to 1. Rows in which either
//! cell is missing are left out. Where nothing can be said, because fewer than two rows are left or a column
//! has one value alone in them, the strength is 0.

use crate::tabular::{Code, Column, Domain, Grid, MISSING};

/// Which measure fits a pair.
pub(super) enum Strength<'a> {
    /// Pearson's correlation of two columns of numbers.
    Pearson(&'a Grid, &'a Grid),
    /// Cramer's V of two columns of so many categories.
    Cramer(usize, usize),
    /// The correlation ratio of a number, the second column, given one of so many categories, the first.
    Ratio(usize, &'a Grid),
}

/// Tables of two columns of categories up to this many cells are counted in an array.
const DENSE_CELLS: usize = 1 << 18;

impl<'a> Strength<'a> {
    /// The measure for two columns, and whether they must change places.
    pub fn of(a: &'a Column, b: &'a Column) -> (Self, bool) {
        match (&a.domain, &b.domain) {
            (Domain::Grid(a), Domain::Grid(b)) => (Self::Pearson(a, b), false),
            (Domain::Categories(a), Domain::Categories(b)) => (Self::Cramer(a.len(), b.len()), false),
            (Domain::Categories(a), Domain::Grid(b)) => (Self::Ratio(a.len(), b), false),
            (Domain::Grid(a), Domain::Categories(b)) => (Self::Ratio(b.len(), a), true),
        }
    }

    /// The strength in cells that stand side by side.
    pub fn measure(&self, a: &[Code], b: &[Code]) -> f64 {
        let complete = a.iter().zip(b).map(|(&a, &b)| (a, b)).filter(|&(a, b)| a != MISSING && b != MISSING);
        match self {
            Self::Pearson(of_a, of_b) => pearson(complete.map(|(a, b)| (of_a.number(a), of_b.number(b)))),
            Self::Cramer(of_a, of_b) => cramer(complete, *of_a, *of_b),
            Self::Ratio(categories, numbers) => ratio(complete.map(|(a, b)| (a, numbers.number(b))), *categories),
        }
    }
}

/// Sums that both measures of numbers need, in two passes for the digits' sake.
struct Spread {
    count: f64,
    sum: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(numbers: impl Iterator<Item = f64>) -> Self {
        let start = Self { count: 0.0, sum: 0.0, least: f64::INFINITY, most: f64::NEG_INFINITY };
        numbers.fold(start, |s, x| Self {
            count: s.count + 1.0,
            sum: s.sum + x,
            least: s.least.min(x),
            most: s.most.max(x),
        })
    }

    fn mean(&self) -> f64 {
        self.sum / self.count
    }

    /// Whether there are two different numbers.
    fn varies(&self) -> bool {
        self.least < self.most
    }
}

fn pearson(pairs: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let (x, y) = (Spread::of(pairs.clone().map(|p| p.0)), Spread::of(pairs.clone().map(|p| p.1)));
    if !x.varies() || !y.varies() {
        return 0.0;
    }
    // Widths of 1, so that squares of very large or small numbers stay within doubles.
    let (of_x, of_y) = ((x.mean(), x.most - x.least), (y.mean(), y.most - y.least));
    let sums = pairs.fold([0.0; 3], |[xx, yy, xy], (x, y)| {
        let (x, y) = ((x - of_x.0) / of_x.1, (y - of_y.0) / of_y.1);
        [xx + x * x, yy + y * y, xy + x * y]
    });
    let [xx, yy, xy] = sums;
    (xy / (xx * yy).sqrt()).clamp(-1.0, 1.0)
}

fn ratio(pairs: impl Iterator<Item = (Code, f64)> + Clone, categories: usize) -> f64 {
    let all = Spread::of(pairs.clone().map(|p| p.1));
    if !all.varies() {
        return 0.0;
    }
    let (mean, width) = (all.mean(), all.most - all.least);
    let mut groups = vec![(0.0, 0.0); categories];
    let mut total = 0.0;
    for (category, number) in pairs {
        let away = (number - mean) / width;
        let (count, sum) = &mut groups[category as usize];
        *count += 1.0;
        *sum += away;
        total += away * away;
    }
    let between: f64 = groups.iter().filter(|(count, _)| *count > 0.0).map(|(count, sum)| sum * sum / count).sum();
    // One category alone lies around the mean, but for rounding.
    if groups.iter().filter(|(count, _)| *count > 0.0).count() < 2 {
        0.0
    } else {
        (between / total).clamp(0.0, 1.0).sqrt()
    }
}

fn cramer(pairs: impl Iterator<Item = (Code, Code)> + Clone, of_a: usize, of_b: usize) -> f64 {
    let (mut rows, mut columns) = (vec![0u64; of_a], vec![0u64; of_b]);
    for (a, b) in pairs.clone() {
        rows[a as usize] += 1;
        columns[b as usize] += 1;
    }
    let present = |sums: &[u64]| sums.iter().filter(|&&sum| sum > 0).count();
    let least = present(&rows).min(present(&columns));
    if least < 2 {
        return 0.0;
    }
    let count = rows.iter().sum::<u64>() as f64;
    // Over cells that occur, of (seen - expected)^2 / expected; over the others, what is expected.
    let (mut squares, mut expected_there) = (0.0, 0.0);
    cells(pairs, of_a, of_b, |a, b, seen| {
        let expected = rows[a] as f64 * columns[b] as f64 / count;
        squares += (seen as f64 - expected) * (seen as f64 - expected) / expected;
        expected_there += expected;
    });
    let chi_squared = squares + (count - expected_there).max(0.0);
    (chi_squared / count / (least - 1) as f64).clamp(0.0, 1.0).sqrt()
}

/// Tells `each` of every cell of a table of two columns that occurs, and how often.
fn cells(pairs: impl Iterator<Item = (Code, Code)>, of_a: usize, of_b: usize, mut each: impl FnMut(usize, usize, u64)) {
    if of_a.saturating_mul(of_b) <= DENSE_CELLS {
        let mut counts = vec![0u64; of_a * of_b];
        pairs.for_each(|(a, b)| counts[a as usize * of_b + b as usize] += 1);
        let seen = counts.into_iter().enumerate().filter(|(_, seen)| *seen > 0);
        return seen.for_each(|(at, seen)| each(at / of_b, at % of_b, seen));
    }
    let mut sorted: Vec<(Code, Code)> = pairs.collect();
    sorted.sort_unstable();
    sorted.chunk_by(|x, y| x == y).for_each(|run| each(run[0].0 as usize, run[0].1 as usize, run.len() as u64));
}
