//! A distribution as bytes: one line of JSON, then numbers in double precision, little-endian.

use serde::{Deserialize, Serialize};

use super::axis::Axis;
use super::bins::Bins;
use super::distribution::Distribution;
use super::fit::{Fitted, Measured};
use super::labels::{Labels, StoredLabels};
use super::rows::volume;
use super::tree::Tree;

/// Bytes that are no distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored distribution cannot be read")]
pub struct BadDistribution;

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    rows: f64,
    lambda: f64,
    columns: Vec<Column>,
    tables: Vec<StoredTable>,
    /// The columns of each clique, and the order of elimination: ties may fall otherwise on another machine.
    cliques: Vec<Vec<usize>>,
    elimination: Vec<usize>,
    labels: Option<StoredLabels>,
}

#[derive(Serialize, Deserialize)]
struct Column {
    axis: Axis,
    /// How many cells each bin run has: pairs of bin and length.
    bins: Vec<(u16, u32)>,
}

#[derive(Serialize, Deserialize)]
struct StoredTable {
    columns: Vec<usize>,
    deviation: f64,
}

const FORMAT: u32 = 1;

impl Distribution {
    /// As bytes that [`Distribution::from_bytes`] reads.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let column = |bins: &Bins| Column { axis: bins.axis(), bins: lengths(bins.parts().0) };
        let table = |table: &Measured| StoredTable { columns: table.columns.clone(), deviation: table.deviation };
        let header = Header {
            format: FORMAT,
            rows: self.rows,
            lambda: self.lambda,
            columns: self.bins.iter().map(column).collect(),
            tables: self.measured.iter().map(table).collect(),
            cliques: self.fitted.tree.cliques().iter().map(|clique| clique.columns.clone()).collect(),
            elimination: self.fitted.tree.elimination().to_vec(),
            labels: self.labels.as_ref().map(Labels::stored),
        };
        let mut bytes = serde_json::json!(header).to_string().into_bytes();
        bytes.push(b'\n');
        let densities = self.bins.iter().map(|bins| bins.parts().1);
        let beliefs = self.fitted.beliefs.iter().map(Vec::as_slice);
        let counts = self.measured.iter().map(|table| &table.counts[..]);
        for numbers in densities.chain(beliefs).chain(counts) {
            bytes.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
        }
        bytes
    }

    /// Reads what [`Distribution::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`BadDistribution`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadDistribution> {
        let end = bytes.iter().position(|&byte| byte == b'\n').ok_or(BadDistribution)?;
        let header: Header = serde_json::from_slice(&bytes[..end]).map_err(|_| BadDistribution)?;
        let (numbers, rest) = bytes[end + 1..].as_chunks::<8>();
        if header.format != FORMAT || !rest.is_empty() {
            return Err(BadDistribution);
        }
        let mut numbers = Numbers(numbers);
        let mut bins = Vec::with_capacity(header.columns.len());
        for column in header.columns {
            let of_cell: Vec<u16> =
                column.bins.iter().flat_map(|&(bin, length)| std::iter::repeat_n(bin, length as usize)).collect();
            if of_cell.len() != column.axis.cells().count() {
                return Err(BadDistribution);
            }
            let density = numbers.take(of_cell.len())?;
            bins.push(Bins::of(column.axis, of_cell, density));
        }
        let sizes: Vec<usize> = bins.iter().map(Bins::count).collect();
        if header.tables.iter().flat_map(|table| &table.columns).any(|&column| column >= sizes.len()) {
            return Err(BadDistribution);
        }
        let names: Vec<Vec<usize>> = header.tables.iter().map(|table| table.columns.clone()).collect();
        let tree = Tree::of(&sizes, &names);
        let known = tree.cliques().iter().map(|clique| &clique.columns).eq(&header.cliques);
        if !known || tree.elimination() != header.elimination {
            return Err(BadDistribution);
        }
        let beliefs = tree.zeros().iter().map(|zeros| numbers.take(zeros.len())).collect::<Result<_, _>>()?;
        let mut measured = Vec::with_capacity(names.len());
        for table in header.tables {
            let counts = numbers.take(volume(&table.columns, &sizes))?;
            measured.push(Measured { columns: table.columns, counts, deviation: table.deviation });
        }
        let labels = header.labels.map(|stored| Labels::restored(stored, &sizes).ok_or(BadDistribution)).transpose()?;
        if !numbers.0.is_empty() {
            return Err(BadDistribution);
        }
        let Header { rows, lambda, .. } = header;
        Ok(Self { bins, fitted: Fitted::of(tree, beliefs), measured, rows, labels, lambda })
    }
}

/// Numbers that have not been taken yet.
struct Numbers<'a>(&'a [[u8; 8]]);

impl Numbers<'_> {
    fn take(&mut self, count: usize) -> Result<Vec<f64>, BadDistribution> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(BadDistribution)?;
        self.0 = rest;
        Ok(taken.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
    }
}

/// Runs of equal bins.
fn lengths(of_cell: &[u16]) -> Vec<(u16, u32)> {
    of_cell.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u32)).collect()
}
