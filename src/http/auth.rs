//! Keys: `dp2_<id>_<secret>`, the secret 256 bits from the operating system, kept as a digest.

use std::net::IpAddr;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::problem::Problem;
use super::role::{Caller, forbidden, least};
use super::state::App;
use crate::store::{NewKey, Role};

/// A key at the only moment when its secret is known.
pub struct IssuedKey {
    /// What to store.
    pub stored: NewKey,
    /// What the caller sends, to be shown once. Deliberately without `Debug`.
    pub token: String,
}

/// Whose keys are that name no other tenant.
const DEFAULT_TENANT: &str = "default";

/// Makes a key of the default tenant.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn issue(role: Role) -> Result<IssuedKey, std::io::Error> {
    let (mut id, mut secret) = ([0u8; 6], [0u8; 32]);
    OsRng.try_fill_bytes(&mut id).map_err(std::io::Error::other)?;
    OsRng.try_fill_bytes(&mut secret).map_err(std::io::Error::other)?;
    let (id, secret) = (hex::encode(id), hex::encode(secret));
    let stored = NewKey {
        id: id.clone(),
        secret: Sha256::digest(secret.as_bytes()).into(),
        role,
        tenant: DEFAULT_TENANT.into(),
    };
    Ok(IssuedKey { stored, token: format!("dp2_{id}_{secret}") })
}

/// Lets requests pass whose key may do what they ask for, and all when the server is open.
pub(super) async fn layer(State(app): State<App>, mut request: Request, next: Next) -> Result<Response, Problem> {
    let caller = if app.open {
        local(request.headers())?;
        Caller { role: Role::Admin, tenant: DEFAULT_TENANT.into() }
    } else {
        let token = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        check(&app, token.and_then(|t| t.strip_prefix("Bearer "))).await?
    };
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
    let needed = least(request.method(), path);
    if caller.role < needed {
        return Err(forbidden(needed));
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// Without keys, only pages and programs of this machine may call: a page of another site that had
/// its name resolved to loopback, or that posts across sites, is refused.
fn local(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
    let host = text(header::HOST).unwrap_or_default();
    let origin = text(header::ORIGIN).map(|o| o.split_once("://").map_or(o, |(_, host)| host));
    if is_loopback(host) && origin.is_none_or(is_loopback) {
        return Ok(());
    }
    let detail = "without keys (--dev), only localhost, 127.0.0.1 and [::1] are served";
    Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "Not from here", detail))
}

/// Whether a host, with or without a port, is this machine by name or address.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name.eq_ignore_ascii_case("localhost")
        || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn check(app: &App, token: Option<&str>) -> Result<Caller, Problem> {
    let refusal = || {
        let detail = "send Authorization: Bearer <key>, with a key made by `dp2stage key create`";
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "A valid key is needed", detail)
    };
    let (id, secret) = token.and_then(|t| t.strip_prefix("dp2_")?.split_once('_')).ok_or_else(refusal)?;
    let known = app.keys.find(&app.pool, id).await?.ok_or_else(refusal)?;
    let given = Sha256::digest(secret.as_bytes());
    let same = bool::from(known.secret.as_slice().ct_eq(given.as_slice()));
    if same { Ok(Caller { role: known.role, tenant: known.tenant }) } else { Err(refusal()) }
}
