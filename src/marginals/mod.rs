//! A distribution fitted to noisy counts of a table.
//!
//! [`Survey`] asks an [`Instrument`] for noisy counts: histograms of all columns, from which each column gets
//! [`Bins`]; then, in rounds, the tables of two or three columns that the distribution of now gets most wrong; then what
//! is wrong with its labels. Between, and after, everything is post-processing: the distribution of maximum entropy
//! on a junction tree ([`Fitted`]), rows drawn from it, weights of drawn rows. What comes out is a [`Distribution`].
//!
//! Select-measure-generate is the scheme of MWEM and AIM (Hardt, Ligett and McSherry 2012; McKenna et al. 2022); the
//! bins, the joint release of all scores, the fit by a convex dual, the labels and the weights are our own
//! (`benches/QUALITY.md` says what they bring).

mod axis;
mod bins;
mod cleaning;
mod correction;
mod descent;
mod distribution;
mod dual;
mod features;
mod fit;
mod instrument;
mod labels;
mod linear;
mod pool;
mod ranking;
mod recipe;
mod rows;
mod sample;
mod select;
mod stored;
mod survey;
mod tilt;
mod tree;

pub use axis::{Axis, Cells};
pub use bins::{Bins, Coarseness, most_bins};
pub use cleaning::Counted;
pub use correction::Known;
pub use descent::{Patience, minimise};
pub use distribution::Distribution;
pub use features::Features;
pub use fit::{Fit, Fitted, Measured};
pub use instrument::{Instrument, Phase, Refused};
pub use labels::{Labels, StoredLabels};
pub use linear::Symmetric;
pub use pool::{Kept, Pool, pool_of};
pub use recipe::Recipe;
pub use rows::{BinRows, projection, volume};
pub use select::candidates;
pub use stored::BadDistribution;
pub use survey::{Survey, has_classes, histograms};
pub use tilt::{systematic, tilted};
pub use tree::{Tree, cells_of};
