//! The counter: routes, problems, authentication. What HTTP knows, and nothing else does.
//!
//! Every error leaves as `application/problem+json` (RFC 9457): handlers return
//! [`Problem`], the outermost layer writes it with the id of the request, and dresses whatever the
//! framework itself refuses in the same form.

mod audit;
mod auth;
mod budget_entry;
mod budgets;
mod certificates;
mod comparisons;
mod dataset_view;
mod datasets;
mod desk;
mod estimates;
mod events;
mod examples;
mod extract;
mod figures;
mod form;
mod headers;
mod health;
mod job_request;
mod job_view;
mod jobs;
mod json;
mod keys;
mod known_keys;
mod left;
mod limits;
mod media;
mod method;
mod moments;
mod oidc;
mod openapi;
mod page;
mod pages;
mod patience;
mod planning;
mod privacy_unit;
mod problem;
mod proposals;
mod ready_made;
mod reluctant;
mod reports;
mod request_id;
mod results;
mod retention;
mod role;
mod router;
mod rows;
mod samples;
mod serving;
mod sessions;
mod shared_answers;
mod state;
mod submission;
mod tagged;
mod tls;
mod webhooks;
mod wishes;
mod workers;

pub use auth::{IssuedKey, check_name, check_tenant, is_id, issue};
pub use events::Feed;
pub use figures::Figures;
pub use known_keys::KnownKeys;
pub use limits::Rates;
pub use oidc::{BadOidc, Oidc, OidcSettings, OidcTimes, is_subject};
pub use openapi::document;
pub use problem::Problem;
pub use router::router;
pub use samples::Writers;
pub use serving::{Patience, serve};
pub use sessions::Sessions;
pub use state::App;
pub use tls::{Tls, TlsFault};
pub use webhooks::{BadReceiver, BadSettings, Courier, Fault, Names, SystemNames, Webhooks, deliver, is_global};
