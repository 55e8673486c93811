//! Ready-made models: where the files of a checkpoint come from, and how they are known to be the right ones.
//!
//! A model is declared by name ([`Declaration`]): a folder in the Hugging Face layout, or a repository of a
//! hub at one commit, each file with its SHA-256. Bytes from a network are never loaded without one.
//! [`Models::describe`] says what a plan must know, [`Models::load`] reads the whole model or nothing,
//! [`Models::fetch`] downloads ahead of time and picks up where it was cut off.

mod catalogue;
mod declaration;
mod download;
mod entry;
mod error;
mod files;
mod hub;
mod part;
mod shelf;

pub use catalogue::{Listed, Models};
pub use declaration::{Declaration, known_models};
pub use entry::{ListedFile, Standing};
pub use error::ModelsError;
pub use hub::{Hub, Token};
