//! Where a request is served: what handlers share, and the database as the caller's tenant sees it.

use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::problem::Problem;
use super::role::Caller;
use super::state::App;
use crate::store::Tenant;

/// What a handler works with.
#[derive(Clone)]
pub(super) struct Desk {
    app: App,
    /// The database: what is of another tenant is not there.
    pub tenant: Tenant,
}

impl Desk {
    /// That of this caller.
    pub fn of(app: &App, caller: &Caller) -> Self {
        Self { app: app.clone(), tenant: Tenant::new(&app.operator, &caller.tenant) }
    }
}

impl Deref for Desk {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

impl FromRequestParts<App> for Desk {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(Self::of(app, &Caller::from_request_parts(parts, app).await?))
    }
}
