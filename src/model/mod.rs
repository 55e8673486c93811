//! Language models in flat vectors: shapes, forward, backward, per-row gradients. No I/O, no clock.
//!
//! The architecture is GPT-2 (Radford et al. 2019): parameters live in one `Vec<f32>` whose parts
//! carry Hugging Face's names ([`Layout`]). [`Gpt2`] is the forward and the hand-written backward
//! pass; [`Lanes`] runs it over a batch and returns a sum of per-row clipped gradients by
//! Book-Keeping (Bu et al. 2023), bit for bit the same on any number of threads; [`Sampler`] writes
//! new rows. A row has a fixed number of tokens, and at each position only the position's own span
//! of tokens can be read or written.

mod batch;
mod clip;
mod config;
mod gpt2;
mod gradient;
mod init;
mod kernel;
mod lanes;
mod layout;
mod norms;
mod ops;
mod sampler;
mod tape;
mod weights;

pub use batch::Batch;
pub use clip::{Clipping, unit_factors};
pub use config::{Config, ConfigError};
pub use gpt2::Gpt2;
pub use init::{Initial, initial};
pub use lanes::{LANES, Lanes};
pub use layout::{BlockLayout, Layout, Linear, NamedTensor, Norm};
pub use sampler::Sampler;
pub use weights::{WeightsError, read_weights, write_weights};
