//! Codes to a Parquet file, a row group at a time.
//!
//! Types are kept: integers as 64-bit ones, numbers with a step as doubles (which hold their 15 digits), dates and moments as
//! such, truth values as booleans, categories as texts with a dictionary, missing cells as nulls. Texts are as they were declared: a Parquet file is not
//! opened by typing it into a spreadsheet.

use std::io;

use super::chunk::{self, Written, numbers as n};
use super::thrift::{Output, kinds};
use crate::tabular::{Code, Column, Domain, GridKind, Schema, Table};

/// Cells of a row group, and most rows of one.
const CELLS: usize = 1 << 21;
const ROWS: usize = 1 << 17;
const OPTIONAL: i32 = 1;
const UTF8: i32 = 0;
const DATE: i32 = 6;
const TIMESTAMP_MICROS: i32 = 10;

/// A file in the making. It holds the codes of one row group and what the footer will say.
pub struct ParquetWriter {
    schema: Schema,
    rows: Table,
    of_group: usize,
    /// Bytes that were given out.
    given: u64,
    groups: Vec<(usize, Vec<Written>)>,
}

impl ParquetWriter {
    /// Begins a file for tables of this schema, with its first bytes in `out`.
    #[must_use]
    pub fn new(schema: Schema, out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(b"PAR1");
        let of_group = (CELLS / schema.width()).clamp(1, ROWS);
        let rows = Table::new(schema.width(), Vec::new());
        Self { schema, rows, of_group, given: 4, groups: Vec::new() }
    }

    /// Appends a row of codes of the schema; with it a row group may be complete, and then comes into `out`.
    ///
    /// # Errors
    /// Those of the compression.
    pub fn push(&mut self, row: &[Code], out: &mut Vec<u8>) -> io::Result<()> {
        self.rows.push(row);
        if self.rows.rows() < self.of_group { Ok(()) } else { self.group(out) }
    }

    /// Ends the file: the last rows and the footer come into `out`.
    ///
    /// # Errors
    /// Those of the compression.
    pub fn finish(mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if self.rows.rows() > 0 {
            self.group(out)?;
        }
        let footer = self.footer();
        out.extend_from_slice(&footer);
        out.extend_from_slice(&(footer.len() as u32).to_le_bytes());
        out.extend_from_slice(b"PAR1");
        Ok(())
    }

    fn group(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let rows = std::mem::replace(&mut self.rows, Table::new(self.schema.width(), Vec::new()));
        let (before, mut chunks) = (out.len(), Vec::with_capacity(self.schema.width()));
        for (j, column) in self.schema.columns().iter().enumerate() {
            let codes: Vec<Code> = rows.column(j).collect();
            let mut bytes = Vec::new();
            chunks.push(chunk::write(column, &codes, self.given + (out.len() - before) as u64, &mut bytes)?);
            out.append(&mut bytes);
        }
        self.given += (out.len() - before) as u64;
        self.groups.push((rows.rows(), chunks));
        Ok(())
    }

    fn footer(&self) -> Vec<u8> {
        let (columns, mut footer) = (self.schema.columns(), Output::new());
        footer.bare(|footer| {
            footer.i32(1, 1);
            footer.list(2, (columns.len() + 1, kinds::STRUCT));
            footer.bare(|root| {
                root.text(4, "schema");
                root.i32(5, columns.len() as i32);
            });
            columns.iter().for_each(|column| element(column, footer));
            footer.i64(3, self.groups.iter().map(|(rows, _)| *rows as i64).sum());
            footer.list(4, (self.groups.len(), kinds::STRUCT));
            for (rows, chunks) in &self.groups {
                footer.bare(|group| {
                    group.list(1, (chunks.len(), kinds::STRUCT));
                    columns.iter().zip(chunks).for_each(|(column, chunk)| about_chunk(column, chunk, group));
                    group.i64(2, chunks.iter().map(|chunk| chunk.unpacked as i64).sum());
                    group.i64(3, *rows as i64);
                });
            }
            footer.text(6, concat!("dp2stage version ", env!("CARGO_PKG_VERSION"), " (build 0)"));
        });
        footer.bytes
    }
}

/// What the schema says of a column.
fn element(column: &Column, footer: &mut Output) {
    footer.bare(|element| {
        element.i32(1, chunk::physical(column));
        element.i32(3, if column.nullable { OPTIONAL } else { 0 });
        element.text(4, &column.name);
        match &column.domain {
            Domain::Categories(_) if column.is_boolean() => {}
            Domain::Categories(_) => {
                element.i32(6, UTF8);
                element.nested(10, |logical| logical.nested(1, |_| {}));
            }
            Domain::Grid(grid) => match grid.kind() {
                GridKind::Integer | GridKind::Decimal => {}
                GridKind::Date => {
                    element.i32(6, DATE);
                    element.nested(10, |logical| logical.nested(6, |_| {}));
                }
                GridKind::Moment => {
                    element.i32(6, TIMESTAMP_MICROS);
                    element.nested(10, |logical| {
                        logical.nested(8, |moment| {
                            moment.flag(1, true);
                            moment.nested(2, |unit| unit.nested(2, |_| {}));
                        });
                    });
                }
            },
        }
    });
}

fn about_chunk(column: &Column, chunk: &Written, group: &mut Output) {
    group.bare(|group| {
        group.i64(2, 0);
        group.nested(3, |about| {
            about.i32(1, chunk::physical(column));
            let data = if chunk.dictionary.is_some() { n::DICTIONARY } else { n::PLAIN };
            let mut encodings = vec![n::PLAIN, n::RLE, data];
            encodings.dedup();
            about.list(2, (encodings.len(), kinds::I32));
            encodings.into_iter().for_each(|encoding| about.bare_i32(encoding));
            about.list(3, (1, kinds::BINARY));
            about.bare_text(&column.name);
            about.i32(4, n::ZSTD);
            about.i64(5, chunk.values as i64);
            about.i64(6, chunk.unpacked as i64);
            about.i64(7, chunk.packed as i64);
            about.i64(9, chunk.data as i64);
            if let Some(dictionary) = chunk.dictionary {
                about.i64(11, dictionary as i64);
            }
        });
    });
}
