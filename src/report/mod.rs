//! How good a synthetic table is, measured against the real one.
