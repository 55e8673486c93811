//! An identity provider.

use dp2stage::http;
use dp2stage::store::Role;
use serde::{Deserialize, Serialize};

use super::Config;

/// Tokens of an identity provider.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Oidc {
    /// The provider; none for keys alone.
    pub issuer: Option<String>,
    /// Whom tokens must be meant for.
    pub audience: String,
    /// The claim that says what somebody may do.
    pub role_claim: String,
    /// Its values for admins.
    pub admin: Vec<String>,
    /// For custodians.
    pub custodian: Vec<String>,
    /// For analysts.
    pub analyst: Vec<String>,
    /// The claim that names the tenant; none for `default`.
    pub tenant_claim: Option<String>,
    /// What tokens may be signed with.
    pub algorithms: Vec<String>,
}

impl Config {
    /// The identity provider whose tokens are good, if there is one.
    ///
    /// # Errors
    /// Settings that make no sense.
    pub fn oidc(&self) -> Result<Option<http::Oidc>, http::BadOidc> {
        let Oidc { issuer, audience, role_claim, admin, custodian, analyst, tenant_claim, algorithms } =
            self.oidc.clone();
        let Some(issuer) = issuer else { return Ok(None) };
        let roles = [(Role::Admin, admin), (Role::Custodian, custodian), (Role::Analyst, analyst)];
        let settings = http::OidcSettings { issuer, audience, role_claim, roles, tenant_claim, algorithms };
        http::Oidc::new(settings, http::OidcTimes::default()).map(Some)
    }
}
