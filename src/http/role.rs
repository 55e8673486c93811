//! Who calls, and what they may do and see.

use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;
use crate::store::{CustodianKey, Role};

/// The least role for each route, the one place where that is said. A route that is not here is for
/// admins. GET stands for HEAD too.
const LEAST: [(&str, &str, Role); 29] = [
    ("GET", "/v1/datasets", Role::Analyst),
    ("GET", "/v1/datasets/{dataset}", Role::Analyst),
    ("GET", "/v1/datasets/{dataset}/budget", Role::Analyst),
    ("GET", "/v1/datasets/{dataset}/comparison", Role::Analyst),
    ("GET", "/v1/datasets/{dataset}/ledger", Role::Analyst),
    ("POST", "/v1/estimates", Role::Analyst),
    ("GET", "/v1/jobs", Role::Analyst),
    ("POST", "/v1/jobs", Role::Analyst),
    ("GET", "/v1/jobs/{job}", Role::Analyst),
    ("GET", "/v1/jobs/{job}/events", Role::Analyst),
    ("POST", "/v1/jobs/{job}/cancel", Role::Analyst),
    ("GET", "/v1/jobs/{job}/report", Role::Analyst),
    ("GET", "/v1/jobs/{job}/certificate", Role::Analyst),
    ("GET", "/v1/certificate-keys", Role::Analyst),
    ("GET", "/v1/jobs/{job}/attempts", Role::Custodian),
    ("GET", "/v1/jobs/{job}/synthetic", Role::Analyst),
    ("POST", "/v1/jobs/{job}/samples", Role::Analyst),
    ("POST", "/v1/datasets", Role::Custodian),
    ("DELETE", "/v1/datasets/{dataset}", Role::Custodian),
    ("PUT", "/v1/datasets/{dataset}/rows", Role::Custodian),
    ("POST", "/v1/datasets/{dataset}/budget", Role::Custodian),
    ("PUT", "/v1/datasets/{dataset}/retention", Role::Custodian),
    ("POST", "/v1/schema-proposals", Role::Custodian),
    // Pages. They show what these roles may ask of the routes above.
    ("GET", "/", Role::Analyst),
    ("GET", "/datasets/{dataset}", Role::Analyst),
    ("GET", "/jobs", Role::Analyst),
    ("GET", "/jobs/{job}", Role::Analyst),
    ("POST", "/sign-out", Role::Analyst),
    ("GET", "/upload", Role::Custodian),
];

/// The least role for a route.
fn least(method: &Method, path: &str) -> Role {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    LEAST.iter().find(|entry| (entry.0, entry.1) == (method, path)).map_or(Role::Admin, |entry| entry.2)
}

/// Lets requests pass whose key may do what they ask for.
pub(super) async fn layer(caller: Caller, request: Request, next: Next) -> Result<Response, Problem> {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
    let needed = least(request.method(), path);
    if caller.role < needed { Err(forbidden(needed)) } else { Ok(next.run(request).await) }
}

/// Which facts an answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum View {
    /// What is public or differentially private.
    Released,
    /// Exact facts about private rows too.
    Custodian,
}

/// Which view of one thing.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ViewParams {
    /// `released` or `custodian`; the most that the key may see unless given.
    #[param(inline)]
    pub view: Option<View>,
}

/// Whoever sent a request, as the keys say.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The public part of the key, or the id of the subject of a token; none where no key is asked for.
    pub key: Option<String>,
    /// What the key may do.
    pub role: Role,
    /// On whose behalf it calls.
    pub tenant: String,
}

impl Caller {
    /// The proof for the custodian's view, when that is asked for, or nothing is and the role may have it.
    pub fn key_for(&self, view: Option<View>) -> Result<Option<CustodianKey>, Problem> {
        match (view, self.role.custodian_key()) {
            (Some(View::Released), _) => Ok(None),
            (Some(View::Custodian), None) => Err(forbidden(Role::Custodian)),
            (_, key) => Ok(key),
        }
    }
}

/// 403 for a key that may not.
pub(super) fn forbidden(needed: Role) -> Problem {
    let detail = format!("this needs a key with the role {}", needed.word());
    Problem::new(StatusCode::FORBIDDEN, "forbidden", "This key may not do that", detail)
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))
    }
}
