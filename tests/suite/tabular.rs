//! Tests of `tabular`.
