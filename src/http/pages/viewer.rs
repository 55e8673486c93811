//! Who looks at a page.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::super::role::Caller;
use super::super::sessions::FormToken;
use super::super::state::App;
use crate::store::Role;

/// Who looks at a page, and what scripts of the page must repeat.
#[derive(Clone, Default)]
pub(in super::super) struct Viewer {
    /// Nobody where a page is for strangers.
    pub caller: Option<Caller>,
    /// None without a session.
    pub token: Option<FormToken>,
}

impl Viewer {
    /// Whether the viewer's role is this one, or one that may do more.
    pub fn may(&self, role: Role) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.role >= role)
    }
}

impl FromRequestParts<App> for Viewer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        let (caller, token) = (parts.extensions.get().cloned(), parts.extensions.get().cloned());
        Ok(Self { caller, token })
    }
}
