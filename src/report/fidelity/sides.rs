//! The tables that are compared, column by column: the real rows in two halves, and the synthetic ones.
//!
//! What two disjoint random halves of the real rows differ by is what sampling alone does: a synthetic
//! table that differs by no more is as near as one can tell. A half has half the rows, so that the noise
//! it shows is larger than that between whole tables, by about the square root of two for a share.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::bins::Bins;
use crate::tabular::{Code, Schema, Table};

/// The seed of the split. It is no secret: a custodian's report must be the same twice.
const SPLIT: u64 = 0x5011_7A1F;

/// The real and the synthetic rows of one schema, the real ones split.
pub(super) struct Sides<'a> {
    pub schema: &'a Schema,
    pub real: &'a Table,
    pub synthetic: &'a Table,
    /// The real rows in a fixed order of chance; the first `half` of them are the first half.
    order: Vec<usize>,
}

impl<'a> Sides<'a> {
    /// Splits the real rows, by their numbers alone.
    pub fn new(schema: &'a Schema, real: &'a Table, synthetic: &'a Table) -> Self {
        let mut order: Vec<usize> = (0..real.rows()).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(SPLIT));
        Self { schema, real, synthetic, order }
    }

    /// Real rows in the first half; as many or one more are in the second.
    pub fn half(&self) -> usize {
        self.order.len() / 2
    }

    /// The numbers of the real rows of both halves; none where there is but one row.
    pub fn halves(&self) -> Option<[&[usize]; 2]> {
        let (first, second) = self.order.split_at(self.half());
        (!first.is_empty()).then_some([first, second])
    }

    /// The codes of column `j`: of the real rows, the first half first, and of the synthetic ones.
    pub fn codes(&self, j: usize) -> [Vec<Code>; 2] {
        [self.order.iter().map(|&row| self.real.row(row)[j]).collect(), self.synthetic.column(j).collect()]
    }

    /// The bins of column `j`.
    pub fn binned(&self, j: usize) -> Binned {
        let bins = Bins::of(&self.schema.columns()[j]);
        let of = |codes: Vec<Code>| codes.into_iter().map(|code| bins.bin(code)).collect();
        let [real, synthetic] = self.codes(j).map(of);
        Binned { count: bins.count(), half: self.half(), real, synthetic }
    }
}

/// One column of all sides, binned.
pub(in crate::report) struct Binned {
    /// Bins are below this.
    pub count: usize,
    /// Where the second half of `real` begins.
    pub half: usize,
    /// The bins of the real rows, the first half first.
    pub real: Vec<u32>,
    /// The bins of the synthetic rows.
    pub synthetic: Vec<u32>,
}

/// The parts that rows are counted in: first half, second half, synthetic.
pub(in crate::report) const PARTS: usize = 3;

impl Binned {
    /// The bins of each part.
    pub fn parts(&self) -> [&[u32]; PARTS] {
        let (first, second) = self.real.split_at(self.half);
        [first, second, &self.synthetic]
    }

    /// The rows of each part.
    pub fn rows(&self) -> [usize; PARTS] {
        self.parts().map(<[u32]>::len)
    }
}
