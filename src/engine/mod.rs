//! The workshop: plans, the two training stages, and generation. No SQL, no HTTP.
//!
//! [`Plan::new`] turns public facts into steps and one privacy event. [`run()`] carries the plan
//! out: stage 1 on pseudo rows (free), stage 2 on private rows (charged block by block through
//! [`Meter`], with a checkpoint after each through [`Vault`]), and generation (free). Whatever ends
//! an attempt early comes from the host, as a [`Halt`]; nothing about the private rows can.

mod average;
mod base;
mod binned;
mod canaries;
mod checkpoint;
mod defaults;
mod dp_step;
mod drawing;
mod encoded;
mod estimate;
mod frame;
mod generate;
mod given;
mod instrument;
mod largest;
mod marked;
mod measuring;
mod memory;
mod opening;
mod optimiser;
mod perplexity;
mod plan;
mod ports;
mod release;
mod releasing;
mod ruled;
mod run;
mod shape;
mod split;
mod stage_one;
mod stage_two;
mod stages;
mod style;
mod unconstrained;
mod unit;
mod writing;

pub use average::{Average, Averaging};
pub use base::{Base, BaseError};
pub use binned::{bin, binned, binned_schema, decoded, rows_of, table_of};
pub use canaries::{Canaries, CanaryRows};
pub use checkpoint::{BadCheckpoint, Checkpoint, Form};
pub use defaults::{ADAPTER, AVERAGE_DECAY, AVERAGE_SHARE, LORA, MOMENTUM};
pub use dp_step::{Chance, Mechanism, PrivateRows, Work};
pub use drawing::{Drawing, Drawn, Effort};
pub use estimate::{Estimate, estimate, row_seconds};
pub use generate::{Order, generate};
pub use given::{Given, candidates, impose};
pub use instrument::Noise;
pub use largest::{largest_next_epsilon, price_or_beyond};
pub use measuring::{Measuring, ROUNDS, RoundNoise, Shares, axes};
pub use memory::{BASE_BYTES, Largest, Machine, MemoryError, fit, fit_here, memory_bytes};
pub use opening::{Behind, KEPT_KEY_BYTES, Kept, Opening, OpeningError, is_kept_key};
pub use optimiser::{Adam, AdamSettings, Optimiser, Rule, Schedule, Sgd, SgdSettings};
pub use perplexity::{log_likelihoods, perplexity};
pub use plan::{Descent, Facts, Overrides, Plan, PlanError};
pub use ports::{FreshKey, Halt, Host, Meter, Progress, Stage, Stop, Streams, Vault, Witness, system_key};
pub use releasing::{ReleaseWish, Releasing};
pub use ruled::{LIMIT, Ruled, redrawn, ruled, valued};
pub use run::{EngineError, Job, Learnt, Outcome, Seconds, run, run_on};
pub use shape::{Ready, codec, released_shape, shape, written};
pub use split::SplitOverrides;
pub use stages::{Generator, PrivateStage, PublicStage, PublicTable, Source};
pub use style::Style;
pub use unconstrained::{TokenPerplexity, Unconstrained};
pub use unit::{MAX_CELLS_OF_PERSON, MAX_ROWS_OF_PERSON, PersonUnit};
pub use writing::{Wish, Writer, Written};
