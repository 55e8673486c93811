//! Tables: the declared schema, typed cells, CSV in and out, and the codec between rows and tokens.

mod codec;
mod column;
mod grid;
mod pseudo;
mod schema;
mod table;

pub use codec::{BINS, Codec, NARROW, START};
pub use column::{Code, Column, Domain, MISSING};
pub use grid::{Grid, GridKind, GridMiss, LARGEST, seconds};
pub use pseudo::uniform_row;
pub use schema::{MAX_COLUMNS, Schema, SchemaError};
pub use table::Table;
