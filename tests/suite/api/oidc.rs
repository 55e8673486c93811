//! Tokens of an identity provider.

mod issuer;
mod provider;
mod tokens;
