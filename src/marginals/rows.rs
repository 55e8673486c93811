//! Rows as bins, column after column, and tables of counts over them.

/// Rows of bins: `columns[c][row]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BinRows {
    /// The columns, all of the same length.
    pub columns: Vec<Vec<u16>>,
}

impl BinRows {
    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// These rows, in this order.
    #[must_use]
    pub fn take(&self, rows: &[u32]) -> Self {
        let of = |column: &Vec<u16>| rows.iter().map(|&row| column[row as usize]).collect();
        Self { columns: self.columns.iter().map(of).collect() }
    }

    /// The cell of `table` that each row falls into.
    #[must_use]
    pub fn cells(&self, table: &[usize], sizes: &[usize]) -> Vec<u32> {
        let mut cells = vec![0u32; self.len()];
        for &column in table {
            let size = sizes[column] as u32;
            cells.iter_mut().zip(&self.columns[column]).for_each(|(cell, &bin)| *cell = *cell * size + u32::from(bin));
        }
        cells
    }

    /// How many rows fall into each cell of `table`.
    #[must_use]
    pub fn counts(&self, table: &[usize], sizes: &[usize]) -> Vec<i64> {
        let mut counts = vec![0; volume(table, sizes)];
        match *table {
            [a, b] => {
                let size = sizes[b];
                let pairs = self.columns[a].iter().zip(&self.columns[b]);
                pairs.for_each(|(&x, &y)| counts[usize::from(x) * size + usize::from(y)] += 1);
            }
            [a, b, c] => {
                let (second, third) = (sizes[b], sizes[c]);
                let triples = self.columns[a].iter().zip(&self.columns[b]).zip(&self.columns[c]);
                triples.for_each(|((&x, &y), &z)| {
                    counts[(usize::from(x) * second + usize::from(y)) * third + usize::from(z)] += 1;
                });
            }
            _ => self.cells(table, sizes).into_iter().for_each(|cell| counts[cell as usize] += 1),
        }
        counts
    }
}

/// The number of cells of a table.
#[must_use]
pub fn volume(table: &[usize], sizes: &[usize]) -> usize {
    table.iter().map(|&column| sizes[column]).product()
}

/// Which cell of `part` each cell of `whole` falls into. Cells count with the last column fastest; `part` may name the
/// columns in any order, all of them in `whole`.
#[must_use]
pub fn projection(whole: &[usize], part: &[usize], sizes: &[usize]) -> Vec<u32> {
    let stride = |column: usize| {
        let at = part.iter().position(|&other| other == column);
        at.map_or(0, |at| volume(&part[at + 1..], sizes)) as u32
    };
    let mut cells = vec![0u32];
    for &column in whole {
        let (stride, size) = (stride(column), sizes[column] as u32);
        cells = cells.iter().flat_map(|&cell| (0..size).map(move |value| cell + value * stride)).collect();
    }
    cells
}
