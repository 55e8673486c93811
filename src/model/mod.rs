//! Language models in flat vectors: shapes, forward, backward, per-row gradients. No I/O, no clock.
