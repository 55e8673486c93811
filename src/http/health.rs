//! Whether the service lives, and whether it can work.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use super::state::App;
use crate::store;

/// A sign of life.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`.
    #[schema(example = "ok")]
    status: &'static str,
    /// The version of the program.
    version: &'static str,
}

const OK: Health = Health { status: "ok", version: env!("CARGO_PKG_VERSION") };

/// The process lives.
#[utoipa::path(get, path = "/healthz", operation_id = "is_alive", tag = "health", security(()), responses((status = 200, body = Health)))]
pub(super) async fn alive() -> Json<Health> {
    Json(OK)
}

/// The process can work: the database answers.
#[utoipa::path(get, path = "/readyz", operation_id = "is_ready", tag = "health", security(()), responses(
    (status = 200, body = Health),
    (status = 503, description = "`unavailable`: the database cannot be reached", content_type = "application/problem+json"),
))]
pub(super) async fn ready(State(app): State<App>) -> Result<Json<Health>, Problem> {
    store::ping(&app.operator).await?;
    Ok(Json(OK))
}
