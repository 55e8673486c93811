//! Keys: made, listed and revoked by admins.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::auth;
use super::desk::Desk;
use super::extract::{Body, Name, Params};
use super::json::word;
use super::moments::written;
use super::page::{self, Listed};
use super::problem::Problem;
use super::role::Caller;
use crate::store::{self, Key, Role};

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyRequest {
    /// What it may do: `analyst` (jobs, released view), `custodian` (uploads, budgets, exact figures) or `admin`.
    #[serde(deserialize_with = "word")]
    role: Role,
    /// On whose behalf it calls: that of the key that makes it, which need not be said. Keys of another tenant are made
    /// with `dp2stage key create --tenant` on the server.
    tenant: Option<String>,
    /// What it is for.
    name: Option<String>,
    /// From when on it opens nothing, as `2027-01-31T00:00:00Z`; never unless given.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// What may be shown of a key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyView {
    /// The public part, between `dp2_` and the secret.
    id: String,
    /// What it may do.
    role: Role,
    /// On whose behalf it calls.
    tenant: String,
    /// What it is for.
    name: Option<String>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// From when on it opens nothing; null for never.
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// When it was revoked; null while it was not.
    #[serde(with = "time::serde::rfc3339::option")]
    revoked_at: Option<OffsetDateTime>,
    /// When it was last used, to about a minute; null if never.
    #[serde(with = "time::serde::rfc3339::option")]
    last_used_at: Option<OffsetDateTime>,
}

impl From<Key> for KeyView {
    fn from(key: Key) -> Self {
        let Key { id, role, tenant, name, created_at, expires_at, revoked_at, used_at } = key;
        Self { id, role, tenant, name, created_at, expires_at, revoked_at, last_used_at: used_at }
    }
}

/// A key at the only moment when its secret is known. Deliberately without `Debug`.
#[derive(Serialize, ToSchema)]
struct FreshKey {
    /// What is sent as `Authorization: Bearer <key>`. Nobody can show it again.
    key: String,
    #[serde(flatten)]
    view: KeyView,
}

/// Make a key. The answer shows it once; only a digest of its secret is kept.
#[utoipa::path(post, path = "/v1/keys", operation_id = "create_key", tag = "keys", request_body = KeyRequest, responses(
    (status = 201, body = inline(FreshKey), headers(("Location", description = "the key"))),
    (status = 403, description = "`forbidden`: a key of another tenant", content_type = "application/problem+json"),
    (status = 422, description = "`request_invalid`", content_type = "application/problem+json"),
))]
pub(super) async fn create(
    desk: Desk,
    caller: Caller,
    Body(request): Body<KeyRequest>,
) -> Result<impl IntoResponse, Problem> {
    let mut issued = auth::issue(request.role).map_err(|_| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
    issued.stored.tenant = request.tenant.unwrap_or_else(|| caller.tenant.clone());
    issued.stored.name = request.name;
    issued.stored.expires_at =
        request.expires_at.as_deref().map(|text| written(text, ("expires_at", "2027-01-31T00:00:00Z"))).transpose()?;
    check(&issued.stored)?;
    if issued.stored.tenant != caller.tenant {
        let detail = "a key makes keys of its own tenant; `dp2stage key create --tenant` on the server makes others";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "This key may not do that", detail));
    }
    store::insert_key(&desk.tenant, &issued.stored).await?;
    let view = KeyView::from(store::shown_key(&desk.tenant, &issued.stored.id).await?);
    let location = [(header::LOCATION, format!("/v1/keys/{}", view.id))];
    Ok((StatusCode::CREATED, location, Json(FreshKey { key: issued.token, view })))
}

fn check(key: &store::NewKey) -> Result<(), Problem> {
    auth::check_tenant(&key.tenant).map_err(|detail| Problem::invalid("tenant", detail))?;
    key.name.as_deref().map_or(Ok(()), auth::check_name).map_err(|detail| Problem::invalid("name", detail))?;
    let now = OffsetDateTime::now_utc();
    // PostgreSQL counts further, but nobody means that.
    if key.expires_at.is_some_and(|end| end <= now || end > now + time::Duration::days(36_500)) {
        let detail = "expires_at lies in the future, within a hundred years; leave it out for a key without an end";
        return Err(Problem::invalid("expires_at", detail));
    }
    Ok(())
}

/// Which keys.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct KeyParams {
    /// Most items in the answer, 1 to 200; 50 unless given.
    limit: Option<u16>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The keys of your tenant, in the order of their making, those that open nothing any more too. No secret is in the answer, nor its
/// digest.
#[utoipa::path(get, path = "/v1/keys", operation_id = "list_keys", tag = "keys", params(KeyParams), responses(
    (status = 200, body = Listed<KeyView>),
))]
pub(super) async fn list(desk: Desk, Params(params): Params<KeyParams>) -> Result<Json<Listed<KeyView>>, Problem> {
    let limit = page::limit(params.limit)?;
    let cursor = params.cursor.as_deref();
    if cursor.is_some_and(|id| !auth::is_id(id)) {
        return Err(Problem::invalid("query.cursor", "a cursor is the `next_cursor` of the page before"));
    }
    let keys = store::list_keys(&desk.tenant, cursor, limit + 1).await?;
    Ok(Json(Listed::cut(keys.into_iter().map(KeyView::from).collect(), limit, |key: &KeyView| key.id.clone())))
}

/// Revoke a key: within a second it opens nothing any more, on any server. The last admin key of a tenant is not revoked by
/// accident; `dp2stage key revoke --even-the-last` on the server does it.
#[utoipa::path(delete, path = "/v1/keys/{key}", operation_id = "revoke_key", tag = "keys",
    params(("key" = String, Path, description = "id")), responses(
    (status = 204, description = "revoked, now or before"),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
    (status = 409, description = "`state_conflict`: it is the last admin key that opens anything", content_type = "application/problem+json"),
))]
pub(super) async fn revoke(desk: Desk, Name(id): Name) -> Result<StatusCode, Problem> {
    // No text of PostgreSQL holds a NUL; asking for one would be an error of the statement.
    if !auth::is_id(&id) {
        return Err(store::StoreError::NotFound("key").into());
    }
    store::revoke_key(&desk.tenant, &id, false).await?;
    desk.keys.forget(&id);
    Ok(StatusCode::NO_CONTENT)
}
