//! The contract as a document, made from the routes themselves.

use axum::http::StatusCode;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, RefOr};
use utoipa::{Modify, OpenApi as _};

use super::router::{guarded_routes, open_routes};
use super::{examples, shared_answers};
use crate::privacy::Certificate;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "dp2stage",
        description = "Differentially private synthetic tables from private ones, as a job service.\n\nEvery error is \
            `application/problem+json` (RFC 9457) with a stable `code`, a `detail` that helps to mend the request, and \
            the `request_id`. No error holds a cell of a table.\n\nWhere a key is asked for, `401 unauthorized`, `403 \
            forbidden`, `429 rate_limited` (with `Retry-After`, `RateLimit` and `RateLimit-Policy`) and `503 unavailable` \
            (with `Retry-After`) may be the answer to anything.",
    ),
    tags(
        (name = "datasets", description = "Declared tables and their rows"),
        (name = "budgets", description = "What was granted, and where it went"),
        (name = "jobs", description = "Synthesis jobs"),
        (name = "results", description = "What succeeded jobs left"),
        (name = "workers", description = "Who is there to work"),
        (name = "keys", description = "Keys of the API"),
        (name = "audit", description = "Who did what"),
        (name = "health", description = "Whether the service lives and works"),
    ),
    // What is carried in base64 is a part of the contract too.
    components(schemas(Certificate)),
    modifiers(&Bearer),
    security(("key" = [])),
)]
struct Contract;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        document.components.get_or_insert_default().add_security_scheme("key", scheme);
    }
}

/// The contract: `/openapi.json`, `/openapi.yaml` and `openapi/openapi.yaml` are this document.
#[must_use]
pub fn document() -> OpenApi {
    let mut document = Contract::openapi();
    // The manifest names no licence, and the macro would write an empty one.
    document.info.license = None;
    document.merge(guarded_routes().into_openapi());
    shared_answers::add(&mut document);
    document.merge(open_routes().into_openapi());
    examples::add(&mut document);
    describe(&mut document);
    document
}

/// Every answer needs a description; those that say it all by their status have the words for that.
fn describe(document: &mut OpenApi) {
    let answers = shared_answers::operations(document).flat_map(|operation| operation.responses.responses.iter_mut());
    for (status, answer) in answers {
        if let RefOr::T(answer) = answer
            && answer.description.is_empty()
        {
            let status = StatusCode::from_bytes(status.as_bytes()).ok();
            answer.description = status.and_then(|status| status.canonical_reason()).unwrap_or("An answer").to_owned();
        }
    }
}
