//! Language models in flat vectors: shapes, forward, backward, per-row gradients. No I/O, no clock.
//!
//! The architecture is GPT-2 (Radford et al. 2019): parameters live in one `Vec<f32>` whose parts
//! carry Hugging Face's names ([`Layout`]). [`Gpt2`] is the forward and the hand-written backward
//! pass; [`Lanes`] runs it over a batch and returns a sum of per-row clipped gradients by
//! Book-Keeping (Bu et al. 2023), bit for bit the same on any number of threads; [`OnDevice`] does the
//! same with tensors on a card. [`Sampler`] reads new rows as they are written and [`Choosing`] says what
//! may come next. [`ReadyMade`] is a checkpoint of somebody else with its [`Tokenizer`]. [`Heads`] say
//! which tokens each place of a row can write, [`Trained`] which parameters
//! move.

mod attention;
mod batch;
mod choosing;
mod clip;
mod config;
mod device;
mod digest;
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
mod passes;
mod ready_made;
mod recall;
mod room;
mod sampler;
mod scratch;
mod sum;
mod tape;
mod tokenizer;
mod trained;
mod weights;

pub use batch::{Batch, Chunk, Cut, Rows};
pub use choosing::{Asked, Choosing, pick};
pub use clip::{Clipping, unit_factors};
pub use config::{Config, ConfigError};
pub use device::{DeviceError, OnDevice, Place, Precision};
pub use digest::{Digest, NoDigest};
pub use gpt2::Gpt2;
pub use head::{Heads, NONE};
pub use init::{Initial, extend, initial};
pub use lanes::Lanes;
pub use layout::{Adapter, BlockLayout, Layout, Linear, LowRank, Move, NamedTensor, Norm, Part};
pub use merge::released;
pub(crate) use ops::{Once, vectorised};
pub use passes::{Compute, Passes};
pub use ready_made::{CheckpointFiles, Description, ReadyMade, ReadyMadeError, TokenizerFiles, read_config};
pub use room::Room;
pub use sampler::Sampler;
pub use tokenizer::{Tokenizer, TokenizerError};
pub use trained::{Targets, Trained};
pub use weights::{WeightsError, read_weights, write_weights};
