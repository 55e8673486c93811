//! Privacy loss distributions of Poisson-sampled Gaussians: discretised upward, tilted, composed by
//! fast Fourier transforms.
//!
//! The loss of a release is `L = ln(dP/dQ)` under P, its profile `delta(e) = E[(1 - exp(e - L))+]`, and
//! independent losses add up, so that the profile of many releases is that of a convolution (Koskela,
//! Jälkö and Honkela 2020; Gopi, Lee and Wutschitz 2021). Here, from the bottom up:
//! - `pair`: the dominating pair of one release, in both directions;
//! - `moments`: its moments, which choose tilts, grids and windows and prove nothing;
//! - `dots`: its loss on a grid, never below (connect-the-dots);
//! - `tilted`: the convolution under an exponential tilt, with bounds on every error;
//! - `epsilon`: the least epsilon at one delta.

mod dots;
mod epsilon;
mod moments;
mod pair;
mod tilted;

pub(super) use epsilon::epsilon;
pub(super) use moments::Moments;
pub(super) use pair::{Direction, parts_of};
pub(super) use tilted::Tilted;
