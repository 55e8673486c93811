//! Keys: `dp2_<id>_<secret>`, the secret 256 bits from the operating system, kept as a digest.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::problem::Problem;
use super::state::App;
use crate::store::{self, NewKey};

/// A key at the only moment when its secret is known.
pub struct IssuedKey {
    /// What to store.
    pub stored: NewKey,
    /// What the caller sends, to be shown once. Deliberately without `Debug`.
    pub token: String,
}

/// Makes a key.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn issue() -> Result<IssuedKey, std::io::Error> {
    let (mut id, mut secret) = ([0u8; 6], [0u8; 32]);
    OsRng.try_fill_bytes(&mut id).map_err(std::io::Error::other)?;
    OsRng.try_fill_bytes(&mut secret).map_err(std::io::Error::other)?;
    let (id, secret) = (hex::encode(id), hex::encode(secret));
    let stored = NewKey { id: id.clone(), secret: Sha256::digest(secret.as_bytes()).into() };
    Ok(IssuedKey { stored, token: format!("dp2_{id}_{secret}") })
}

/// Lets requests with a valid key pass, and all when the server is open.
pub(super) async fn layer(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    if !app.open {
        let token = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        check(&app, token.and_then(|t| t.strip_prefix("Bearer "))).await?;
    }
    Ok(next.run(request).await)
}

async fn check(app: &App, token: Option<&str>) -> Result<(), Problem> {
    let refusal = || {
        let detail = "send Authorization: Bearer <key>, with a key made by `dp2stage key create`";
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "A valid key is needed", detail)
    };
    let (id, secret) = token.and_then(|t| t.strip_prefix("dp2_")?.split_once('_')).ok_or_else(refusal)?;
    let stored = store::key_secret(&app.pool, id).await?.ok_or_else(refusal)?;
    let given = Sha256::digest(secret.as_bytes());
    if bool::from(stored.as_slice().ct_eq(given.as_slice())) { Ok(()) } else { Err(refusal()) }
}
