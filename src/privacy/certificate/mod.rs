//! From a privacy loss to the currency of the ledger, and back: certificates and exact residuals.

mod curve;
mod least;
mod pieces;
mod residual;

pub use least::certificate;
pub(super) use residual::fits_exactly;
pub use residual::residual;
