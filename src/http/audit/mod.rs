//! Who did what: a layer that writes it before and after, and routes for admins that show it.

mod layer;
mod routes;

pub(super) use layer::{Touched, layer};
pub(super) use routes::*;
