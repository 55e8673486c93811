//! Keys: `dp2_<id>_<secret>`, the secret 256 bits from the operating system, kept as a digest. Where the operator names an
//! identity provider, its tokens are good too ([`super::oidc`]).

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::limits::neighbourhood;
use super::problem::Problem;
use super::role::Caller;
use super::sessions::{FormToken, Ticket};
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
pub(super) const DEFAULT_TENANT: &str = "default";

/// What keys begin with, and no token does.
pub(super) const PREFIX: &str = "dp2_";

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
        name: None,
        expires_at: None,
    };
    Ok(IssuedKey { stored, token: format!("{PREFIX}{id}_{secret}") })
}

/// Whether a text has the form of a key's public part.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// What is wrong with the name of a tenant, if anything is.
///
/// # Errors
/// A sentence that helps.
pub fn check_tenant(name: &str) -> Result<(), &'static str> {
    let fits = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if fits { Ok(()) } else { Err("1 to 64 letters, digits, dots, dashes and underscores") }
}

/// What is wrong with the name of a key, if anything is.
///
/// # Errors
/// A sentence that helps.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let fits = (1..=200).contains(&name.chars().count()) && !name.contains(char::is_control);
    if fits { Ok(()) } else { Err("1 to 200 characters, no control characters") }
}

/// Lets requests pass whose key is a good one, and all when the server is open, and says who calls.
pub(super) async fn layer(State(app): State<App>, mut request: Request, next: Next) -> Result<Response, Problem> {
    let caller = if app.open {
        local(request.headers())?;
        Caller { key: None, role: Role::Admin, tenant: DEFAULT_TENANT.into() }
    } else if let Some(ticket) = Ticket::of(request.headers()) {
        let peer = whereabouts(&request);
        let (caller, told) = of_session(&app, (&ticket, &peer), (request.method(), request.headers())).await?;
        request.extensions_mut().insert(told);
        caller
    } else {
        let token = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        check(&app, &whereabouts(&request), token.and_then(|t| t.strip_prefix("Bearer "))).await?
    };
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// Where a request comes from, for those who count failures.
pub(super) fn whereabouts(request: &Request) -> String {
    neighbourhood(request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip()))
}

/// Whose session the cookie of a request stands for. The request has to come from a page of ours, and the key has to open
/// something still.
async fn of_session(
    app: &App,
    (ticket, peer): (&Ticket, &str),
    (method, headers): (&Method, &HeaderMap),
) -> Result<(Caller, FormToken), Problem> {
    let ended = || {
        let detail = "the session has ended: sign in again";
        let refusal = Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "A valid key is needed", detail);
        app.rates.failed(peer, refusal)
    };
    let Some(session) = app.sessions.find(ticket, Instant::now()) else { return Err(ended()) };
    let Some(known) = app.keys.find(&app.operator, &session.key).await? else {
        app.sessions.end(ticket);
        return Err(ended());
    };
    if !session.asked_for(method, headers) {
        let detail =
            "the cookie of a session counts for requests of this server's own pages alone: programs send a key";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "Not from here", detail));
    }
    app.keys.note_use(&app.operator, &session.key);
    Ok((Caller { key: Some(session.key), role: known.role, tenant: known.tenant }, session.form_token))
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

/// Who has this key. Whoever sends bad ones is made to wait: an address that names none, or none that exists, and whoever
/// guesses at the secret of one. Those who share an address with them are not, once this server has seen their key.
pub(super) async fn check(app: &App, peer: &str, token: Option<&str>) -> Result<Caller, Problem> {
    let refusal = || {
        let detail = match app.oidc {
            None => "send Authorization: Bearer <key>, with a key made by `dp2stage key create`",
            Some(_) => {
                "send Authorization: Bearer <key>, with a key made by `dp2stage key create` or a token of the identity \
                 provider"
            }
        };
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "A valid key is needed", detail)
    };
    if let (Some(oidc), Some(token)) = (&app.oidc, token.filter(|token| !token.starts_with(PREFIX))) {
        let caller = oidc.caller(token).await.map_err(|_| {
            let detail = "the identity provider does not answer right now, so nobody can say whether the token is good";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again in a moment", detail)
        })?;
        return caller.ok_or_else(|| app.rates.failed(peer, refusal()));
    }
    let Some((id, secret)) = token.and_then(|t| t.strip_prefix(PREFIX)?.split_once('_')) else {
        return Err(app.rates.failed(peer, refusal()));
    };
    if !app.keys.has_seen(id) {
        app.rates.bearable(peer)?;
    }
    let Some(known) = app.keys.find(&app.operator, id).await? else {
        return Err(app.rates.failed(peer, refusal()));
    };
    let guesser = format!("{peer} {id}");
    app.rates.bearable(&guesser)?;
    let given = Sha256::digest(secret.as_bytes());
    if !bool::from(known.secret.as_slice().ct_eq(given.as_slice())) {
        return Err(app.rates.failed(&guesser, refusal()));
    }
    app.keys.note_use(&app.operator, id);
    Ok(Caller { key: Some(id.to_owned()), role: known.role, tenant: known.tenant })
}
