//! Privacy loss distributions of Poisson-sampled Gaussians: discretised upward, tilted, composed by
//! fast Fourier transforms.

mod dots;
mod moments;
mod pair;
mod tilted;

pub(super) use moments::Moments;
pub(super) use pair::{Direction, Part};
pub(super) use tilted::Tilted;
