//! Who is let in with a token, and as what.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::issuer::{Issuer, Unavailable};
use super::jwk::Algorithm;
use super::settings::{BadOidc, OidcSettings, OidcTimes};
use super::token::Token;
use crate::http::auth::{DEFAULT_TENANT, check_tenant};
use crate::http::role::Caller;

/// What the id of a subject begins with.
const SUBJECT: &str = "oidc:";
/// Digits of its digest.
const DIGITS: usize = 32;

/// An identity provider whose tokens are good here; cheap to clone.
#[derive(Clone)]
pub struct Oidc(Arc<Door>);

struct Door {
    settings: OidcSettings,
    algorithms: Vec<Algorithm>,
    issuer: Issuer,
}

impl Oidc {
    /// An identity provider by its settings. Nothing is asked of it before the first token comes.
    ///
    /// # Errors
    /// Settings that make no sense.
    pub fn new(settings: OidcSettings, times: OidcTimes) -> Result<Self, BadOidc> {
        let (url, algorithms) = settings.checked()?;
        let issuer = Issuer::new((&settings.issuer, &url), times)?;
        Ok(Self(Arc::new(Door { settings, algorithms, issuer })))
    }

    /// Who sent a token; none for whom it does not let in, for whatever reason.
    pub(in crate::http) async fn caller(&self, text: &str) -> Result<Option<Caller>, Unavailable> {
        let Some(token) = Token::parse(text).filter(|token| self.0.algorithms.contains(&token.algorithm)) else {
            return Ok(None);
        };
        let key = self.0.issuer.key((&token.key, token.algorithm)).await?;
        if !key.is_some_and(|key| key.signed(token.message, &token.signature)) {
            return Ok(None);
        }
        Ok(self.0.judge(&token))
    }
}

impl Door {
    /// What a token allows that is signed.
    fn judge(&self, token: &Token<'_>) -> Option<Caller> {
        let OidcSettings { issuer, audience, role_claim, roles, tenant_claim, .. } = &self.settings;
        let claims = token.claims()?;
        let subject = claims.subject(issuer, audience, OffsetDateTime::now_utc().unix_timestamp() as f64)?;
        let said = claims.texts(role_claim);
        let of = |values: &[String]| values.iter().any(|value| said.contains(&value.as_str()));
        let role = roles.iter().filter(|(_, values)| of(values)).map(|(role, _)| *role).max()?;
        let tenant = match tenant_claim {
            None => DEFAULT_TENANT,
            Some(claim) => match claims.texts(claim)[..] {
                [tenant] if check_tenant(tenant).is_ok() => tenant,
                _ => return None,
            },
        };
        Some(Caller { key: Some(id(issuer, subject)), role, tenant: tenant.to_owned() })
    }
}

/// What a subject is called in the audit log and where requests are counted: half of the SHA-256 of the issuer, a line end
/// and the subject. Who knows somebody's subject can compute it; a list of them says nobody's name.
fn id(issuer: &str, subject: &str) -> String {
    let digest = hex::encode(Sha256::digest(format!("{issuer}\n{subject}")));
    format!("{SUBJECT}{}", &digest[..DIGITS])
}

/// Whether a text has the form of the id of a subject.
#[must_use]
pub fn is_subject(text: &str) -> bool {
    let digits = text.strip_prefix(SUBJECT).unwrap_or_default();
    digits.len() == DIGITS && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the README has it computed: `printf '%s\n%s' ISSUER SUBJECT | sha256sum | cut -c 1-32`.
    #[test]
    fn a_subject_is_called_by_a_digest() {
        let id = id("https://login.example.org", "248289761001");
        assert!(is_subject(&id), "{id}");
        for odd in ["", "oidc:", "oidc:0", &id[5..], &id.to_uppercase(), &format!("{id}0")] {
            assert!(!is_subject(odd), "{odd}");
        }
    }
}
