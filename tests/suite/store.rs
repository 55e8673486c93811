//! Tests of `store`.

mod embedded;
