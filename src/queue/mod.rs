//! The clerks: leases, workers, and their supervision.
