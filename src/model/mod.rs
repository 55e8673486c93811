//! Language models in flat vectors: shapes, forward, backward, per-row gradients. No I/O, no clock.
//!
//! The architecture is GPT-2 (Radford et al. 2019): parameters live in one `Vec<f32>` whose parts
//! carry Hugging Face's names ([`Layout`]). [`Gpt2`] is the forward and the hand-written backward
//! pass; [`Lanes`] runs it over a batch and returns a sum of per-row clipped gradients by
//! Book-Keeping (Bu et al. 2023), bit for bit the same on any number of threads; [`Sampler`] writes
//! new rows. [`Heads`] say which tokens each place of a row can write, [`Trained`] which parameters
//! move.

mod attention;
mod batch;
mod clip;
mod config;
mod ghost;
mod gpt2;
mod gradient;
mod head;
mod init;
mod kernel;
mod lanes;
mod layer_norm;
mod layout;
mod linear;
mod merge;
mod norms;
mod ops;
mod passed;
mod room;
mod sampler;
mod scratch;
mod sum;
mod tape;
mod trained;
mod weights;

pub use batch::{Batch, Chunk, Cut, Rows};
pub use clip::{Clipping, unit_factors};
pub use config::{Config, ConfigError};
pub use gpt2::Gpt2;
pub use head::{Heads, NONE};
pub use init::{Initial, extend, initial};
pub use lanes::Lanes;
pub use layout::{Adapter, BlockLayout, Layout, Linear, LowRank, Move, NamedTensor, Norm, Part};
pub use merge::released;
pub(crate) use ops::{Once, vectorised};
pub use room::{LANES, Room};
pub use sampler::Sampler;
pub use trained::{Targets, Trained};
pub use weights::{WeightsError, read_weights, write_weights};
