//! Tests of `privacy`.
