//! Pages for people: what the API says, as HTML that is made here, and a little script for what changes something.
//!
//! Pages are read by way of the layers that guard the API (who calls, how often, told of, allowed), and show what the
//! caller's role may ask of it. They change nothing themselves: their script calls the API, with the cookie of a session
//! and a token that only our pages know. Text is escaped by `maud`; scripts set text, never markup; no page holds a script
//! or a style of its own, so that its policy needs no exceptions.

mod assets;
mod dataset;
mod entrance;
mod forms;
mod frame;
mod gauge;
mod history;
mod job;
mod layer;
mod lists;
mod overview;
mod reference;
mod routes;
mod upload;
mod viewer;

pub(super) use layer::{layer, seen};
pub(super) use routes::{open_routes, routes};
