//! Which tables to measure next: the ones that the distribution of now gets most wrong, as far as noise tells.

use rayon::prelude::*;

use super::fit::Measured;
use super::instrument::{Instrument, Phase, Refused};
use super::recipe::{CANDIDATES, TABLES};
use super::rows::{BinRows, volume};
use super::tree::cells_of;

/// Units in which distances are counted: fractions of a row, so that they are whole numbers.
const UNIT: f64 = 16.0;

/// The mean of the absolute value of a Gaussian over its deviation.
const ABSOLUTE: f64 = 0.8;

/// Candidates that may fail to fit the tree before the search ends.
const MISSES: usize = 400;

/// Pairs of columns, and triples with the target where wanted.
#[must_use]
pub fn candidates(sizes: &[usize], target: Option<usize>, triples: bool, most_cells: f64) -> Vec<Vec<usize>> {
    let columns: Vec<usize> = (0..sizes.len()).filter(|&column| sizes[column] > 1).collect();
    let pairs = |columns: &[usize]| -> Vec<Vec<usize>> {
        let with = |(i, &a): (usize, &usize)| columns[i + 1..].iter().map(move |&b| vec![a, b]).collect::<Vec<_>>();
        columns.iter().enumerate().flat_map(with).collect()
    };
    let mut tables = pairs(&columns);
    if let Some(target) = target.filter(|target| triples && columns.contains(target)) {
        let others: Vec<usize> = columns.iter().copied().filter(|&column| column != target).collect();
        tables.extend(pairs(&others).into_iter().map(|mut table| {
            table.push(target);
            table.sort_unstable();
            table
        }));
    }
    tables.retain(|table| volume(table, sizes) as f64 <= most_cells);
    let far = |table: &Vec<usize>| {
        let tells = target.is_some_and(|target| table.contains(&target));
        (table.len() > 2, !tells, table[table.len() - 1] - table[0])
    };
    tables.sort_by_key(far);
    tables.truncate(CANDIDATES);
    tables
}

/// What a round looks at.
pub struct Round<'a> {
    /// Its number, from 0.
    pub number: usize,
    /// The private rows.
    pub private: &'a BinRows,
    /// Rows of the distribution of now.
    pub model: &'a BinRows,
    /// About how many private rows there are, from a measurement.
    pub rows: f64,
    /// Sizes of the columns.
    pub sizes: &'a [usize],
    /// Cells of the tree at most.
    pub cells: f64,
}

impl Round<'_> {
    /// Measures how far the distribution is from each candidate, chooses the best set of them, and measures those
    /// into `tables`. Returns how many were chosen.
    ///
    /// # Errors
    /// [`Refused`] when the instrument refuses.
    pub fn run(
        &self,
        candidates: &[Vec<usize>],
        tables: &mut Vec<Measured>,
        instrument: &mut dyn Instrument,
    ) -> Result<usize, Refused> {
        if candidates.is_empty() {
            return Ok(0);
        }
        let scores = self.scores(candidates, instrument)?;
        let chosen = self.choose(candidates, &scores, tables, instrument.left(Phase::Tables(self.number)));
        for &(candidate, mu2) in &chosen {
            let columns = &candidates[candidate];
            let mut counts = self.private.counts(columns, self.sizes);
            let deviation = instrument.measure(Phase::Tables(self.number), &mut counts, 1, mu2)?;
            let counts: Vec<f64> = counts.into_iter().map(|count| count as f64).collect();
            match tables.iter_mut().find(|table| table.columns == *columns) {
                Some(known) => known.pool(&counts, deviation),
                None => tables.push(Measured { columns: columns.clone(), counts, deviation }),
            }
        }
        Ok(chosen.len())
    }

    /// Noisy distances, in rows. One row more or less moves each by at most one row.
    fn scores(&self, candidates: &[Vec<usize>], instrument: &mut dyn Instrument) -> Result<Vec<f64>, Refused> {
        let phase = Phase::Scores(self.number);
        let root = (candidates.len() as f64).sqrt();
        // As fine as the noise can be drawn for.
        let unit = (0..5)
            .map(|half| UNIT / f64::from(1 << half))
            .find(|unit| (unit * root).ceil() as u32 <= instrument.most(phase));
        let unit = unit.ok_or(Refused)?;
        let scale = unit * self.rows / self.model.len() as f64;
        let distance = |table: &Vec<usize>| -> i64 {
            let (real, model) = (self.private.counts(table, self.sizes), self.model.counts(table, self.sizes));
            let apart =
                |(real, model): (&i64, &i64)| (real * unit as i64 - (*model as f64 * scale).round() as i64).abs();
            real.iter().zip(&model).map(apart).sum()
        };
        let mut distances: Vec<i64> = candidates.par_iter().map(distance).collect();
        let sensitivity = (unit * root).ceil() as u32;
        let mu2 = instrument.left(phase);
        instrument.measure(phase, &mut distances, sensitivity, mu2)?;
        Ok(distances.into_iter().map(|distance| distance as f64 / unit).collect())
    }

    /// The candidates that gain most beyond their own noise, as far as the tree has room, and the squared mean of each.
    fn choose(&self, candidates: &[Vec<usize>], scores: &[f64], tables: &[Measured], budget: f64) -> Vec<(usize, f64)> {
        let cells: Vec<f64> = candidates.iter().map(|table| volume(table, self.sizes) as f64).collect();
        let mut order: Vec<usize> = (0..candidates.len()).filter(|&i| scores[i] > 0.0).collect();
        order.sort_by(|&a, &b| (scores[b] / cells[b].cbrt()).total_cmp(&(scores[a] / cells[a].cbrt())));
        let mut names: Vec<Vec<usize>> = tables.iter().map(|table| table.columns.clone()).collect();
        let (mut picked, mut misses): (Vec<usize>, usize) = (Vec::new(), 0);
        let within = |a: &[usize], b: &[usize]| a.iter().all(|column| b.contains(column));
        let mut best = (f64::INFINITY, 0);
        for next in order {
            if picked.len() >= TABLES.max(self.sizes.len()) || misses >= MISSES {
                break;
            }
            let table = &candidates[next];
            if picked.iter().any(|&other| within(table, &candidates[other]) || within(&candidates[other], table)) {
                continue;
            }
            names.push(table.clone());
            if cells_of(self.sizes, &names) > self.cells {
                names.pop();
                misses += 1;
                continue;
            }
            picked.push(next);
            let deviations = deviations(&picked, &cells, budget);
            let loss = |(&i, deviation): (&usize, &f64)| ABSOLUTE * deviation * cells[i] - scores[i];
            let lost: f64 = picked.iter().zip(&deviations).map(loss).sum();
            if lost < best.0 {
                best = (lost, picked.len());
            }
        }
        picked.truncate(best.1);
        let deviations = deviations(&picked, &cells, budget);
        picked.into_iter().zip(deviations).map(|(i, deviation)| (i, deviation.powi(-2) * (1.0 - 1e-9))).collect()
    }
}

/// Deviations of the noise that cost `budget` together, smaller for larger tables: those that lose least in sum.
fn deviations(picked: &[usize], cells: &[f64], budget: f64) -> Vec<f64> {
    let raw: Vec<f64> = picked.iter().map(|&i| cells[i].powf(-1.0 / 3.0)).collect();
    let scale = (raw.iter().map(|deviation| deviation.powi(-2)).sum::<f64>() / budget).sqrt();
    raw.into_iter().map(|deviation| deviation * scale).collect()
}
