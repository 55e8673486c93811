//! The history of a job as server-sent events: what was, then what comes, each event exactly once.

mod feed;
mod lines;
mod route;

pub use feed::Feed;
pub(super) use route::*;
