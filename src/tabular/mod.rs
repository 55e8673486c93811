//! Tables: the declared schema, typed cells, CSV in and out, and the codec between rows and tokens.

mod cell;
mod codec;
mod column;
mod decimal;
mod declaration;
mod declared_column;
mod export;
mod fields;
mod grid;
mod header;
mod inflate;
mod limits;
mod moment;
mod problem;
mod pseudo;
mod reader;
mod rows;
mod schema;
mod table;
mod upload;

pub use codec::{BINS, Codec, NARROW, START};
pub use column::{Code, Column, Domain, MISSING};
pub use decimal::Decimal;
pub use declaration::Declaration;
pub use export::CsvText;
pub use grid::{Grid, GridKind, GridMiss, LARGEST, LARGEST_UNITS, MAX_DIGITS};
pub use inflate::Inflate;
pub use limits::UploadLimits;
pub use moment::seconds;
pub use problem::{CsvError, CsvProblem, GzipFault, UploadError};
pub use pseudo::uniform_row;
pub use reader::{Summary, TableReader};
pub use rows::{Rows, RowsError, RowsReader, RowsWriter, decode};
pub use schema::{MAX_CATEGORY, MAX_COLUMNS, MAX_NAME, Schema, SchemaError};
pub use table::Table;
pub use upload::{Packing, Upload};
