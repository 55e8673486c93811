//! `dp2stage demo`: a whole job on this machine, and the curl lines it stands for.

mod arguments;
mod clinic;
mod lines;
mod run;
mod summary;

pub use arguments::DemoArguments;
pub use run::run;
