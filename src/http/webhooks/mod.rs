//! Messages to receivers that jobs name, as Standard Webhooks, when a job has ended.
//!
//! A receiver is named by whoever submits a job, so its address is hostile until shown otherwise: [`Webhooks`] judges
//! the URL, and the name in it is resolved here, judged, and connected to at exactly the address that was judged. What
//! is sent is what analysts may know.

mod address;
mod courier;
mod deliverer;
mod message;
mod names;
mod policy;
mod view;

pub use address::is_global;
pub use courier::{Courier, Fault};
pub use deliverer::deliver;
pub use names::{Names, SystemNames};
pub use policy::{BadReceiver, BadSettings, Webhooks};
pub(super) use view::*;
