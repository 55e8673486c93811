//! The archive: PostgreSQL and blobs. SQL is written here and nowhere else.

pub mod embedded;
