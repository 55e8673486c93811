//! Tables: the declared schema, typed cells, CSV in and out, and the codec between rows and tokens.

mod column;
mod grid;
mod schema;
mod table;

pub use column::{Code, Column, Domain, MISSING};
pub use grid::{Grid, GridKind, GridMiss, LARGEST, seconds};
pub use schema::{MAX_COLUMNS, Schema, SchemaError};
pub use table::Table;
