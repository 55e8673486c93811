//! Bearer tokens of an identity provider (OpenID Connect), where the operator names one.
//!
//! A token is a JWT. What is believed of it is what the issuer signed, with a key from its own list ([`issuer`]), by an
//! algorithm that goes with that key ([`jwk`]): a token says which key, and nothing else about how it is to be checked.
//! What its claims allow is in [`token`] and [`door`].

mod door;
mod issuer;
mod jwk;
mod settings;
mod token;

pub use door::{Oidc, is_subject};
pub use settings::{BadOidc, OidcSettings, OidcTimes};
