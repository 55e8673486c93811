//! How many rows two tables have in common, column by column and pair by pair.

use rayon::prelude::*;

use super::till::RealRows;
use crate::report::fidelity::{Binned, Bins, chosen_pairs, joint, single};
use crate::tabular::{Schema, Table};

/// All columns of the real and the synthetic table on public bins.
pub struct Overlaps {
    columns: Vec<Binned>,
    synthetic_rows: u64,
    /// Real rows as everybody knows them by now, from their noisy count.
    real_rows: u64,
}

impl Overlaps {
    /// Bins every column. `real_rows` is public: what the synthetic counts are scaled to.
    #[must_use]
    pub fn new(schema: &Schema, real: RealRows<'_>, synthetic: &Table, real_rows: u64) -> Self {
        let binned = |j: usize| {
            let bins = Bins::of(&schema.columns()[j]);
            let of = |table: &Table| bins.column(table, j);
            let both = [of(real.train), of(real.held_out)].concat();
            Binned { count: bins.count(), half: real.train.rows(), real: both, synthetic: of(synthetic) }
        };
        let columns = (0..schema.width()).into_par_iter().map(binned).collect();
        Self { columns, synthetic_rows: synthetic.rows() as u64, real_rows }
    }

    /// The overlap of each column, in rows. One real row moves each by at most 1.
    #[must_use]
    pub fn columns(&self) -> Vec<i64> {
        let of = |column: &Binned| {
            let mut rows = 0;
            single(column, |_, counts| rows += self.shared(counts));
            rows
        };
        self.columns.par_iter().map(of).collect()
    }

    /// The mean overlap of the measured pairs, rounded down to whole rows, which one real row moves by at most 1 as well;
    /// 0 for a table of one column.
    #[must_use]
    pub fn pairs(&self) -> i64 {
        let chosen = chosen_pairs(self.columns.len());
        let of = |scratch: &mut Vec<_>, &(i, j): &(usize, usize)| {
            let mut rows = 0;
            joint(&self.columns[i], &self.columns[j], scratch, |_, _, counts| rows += self.shared(counts));
            i128::from(rows)
        };
        let all: i128 = chosen.par_iter().map_init(Vec::new, of).sum();
        (all / (chosen.len() as i128).max(1)) as i64
    }

    /// The smaller of the two counts of one bin, the synthetic one scaled and rounded down.
    fn shared(&self, [first, second, synthetic]: [u32; 3]) -> i64 {
        let scaled = u128::from(synthetic) * u128::from(self.real_rows) / u128::from(self.synthetic_rows.max(1));
        (i64::from(first) + i64::from(second)).min(scaled as i64)
    }
}
