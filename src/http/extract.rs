//! Extractors whose rejections are problems.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::json::{Object, plain_words};
use super::problem::Problem;

/// A JSON body of at most 2 MiB.
pub(super) struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Json(Object(value)) =
            Json::<Object<T>>::from_request(request, state).await.map_err(|rejection| match rejection {
                JsonRejection::JsonDataError(e) => Problem::invalid("body", plain_words(&cause(&e))),
                // Numbers like 1e400 are JSON, but none of ours.
                JsonRejection::JsonSyntaxError(e) if cause(&e).contains("number out of range") => {
                    Problem::invalid("body", cause(&e))
                }
                JsonRejection::JsonSyntaxError(e) => {
                    Problem::new(StatusCode::BAD_REQUEST, "json_malformed", "The body is not JSON", cause(&e))
                }
                JsonRejection::MissingJsonContentType(_) => Problem::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "unsupported_media_type",
                    "Unsupported media type",
                    "send the body with Content-Type: application/json",
                ),
                other => Problem::of_status(other.status()),
            })?;
        Ok(Self(value))
    }
}

/// What a framework error says at its root: the place and the fault, without the boilerplate.
fn cause(error: &dyn std::error::Error) -> String {
    let mut root = error;
    while let Some(next) = root.source() {
        root = next;
    }
    root.to_string()
}

/// The query string.
pub(super) struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(QueryRejection::FailedToDeserializeQueryString(e)) => {
                Err(Problem::invalid("query", plain_words(&cause(&e))))
            }
            Err(_) => Err(Problem::of_status(StatusCode::BAD_REQUEST)),
        }
    }
}

/// The id of a job in the path. What is no id names nothing: 404, like an id that is unknown.
pub(super) struct JobId(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for JobId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Name(text) = Name::from_request_parts(parts, state).await?;
        let unknown = || Problem::new(StatusCode::NOT_FOUND, "not_found", "Not found", "no such job");
        Uuid::try_parse(&text).map(Self).map_err(|_| unknown())
    }
}

/// The id or name in the path.
pub(super) struct Name(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(text)| Self(text)).map_err(|_| Problem::of_status(StatusCode::NOT_FOUND))
    }
}
