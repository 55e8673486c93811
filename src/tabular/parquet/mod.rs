//! Parquet in and out, for flat tables.
//!
//! The reader is our own because of what hostile files can do to a general one. A Parquet file states in a few bytes how much
//! it holds: lengths of pages, numbers of values, of rows and of entries, sizes of blocks. Decoders that size their
//! buffers by such numbers are brought down by them, and a process that is out of memory cannot refuse anything. Here nothing
//! is sized by a number of the file but the bytes of a page, which have limits of their own ([`limits`]); all else is read
//! value by value from where it lies. A value becomes the code of a cell by the rules for text
//! ([`judge`](super::judge)), and entries of a dictionary do so once.
//!
//! - [`thrift`]: the compact protocol in which footers and headers of pages are written.
//! - [`footer`], [`kind`]: what the file says of itself, and what its types stand for.
//! - [`source`], [`header`], [`pages`]: from the file to the bytes of a page, within the limits.
//! - [`bits`], [`delta`], [`values`]: from the bytes of a page to values.
//! - [`cursor`], [`reader`]: from columns to rows.
//! - [`writer`], [`chunk`]: the way out.

mod bits;
mod chunk;
mod cursor;
mod delta;
mod footer;
mod header;
mod kind;
mod limits;
mod pages;
mod reader;
mod snappy;
mod source;
mod thrift;
mod values;
mod writer;

pub use reader::{ParquetError, ParquetReader};
pub use source::Source;
pub use writer::ParquetWriter;
