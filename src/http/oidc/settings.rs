//! What an operator says of an identity provider.

use std::time::Duration;

use reqwest::Url;

use super::jwk::Algorithm;
use crate::store::Role;

/// What an operator says of an identity provider.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// Its name, an https URL, as tokens and its own description have it.
    pub issuer: String,
    /// Whom tokens must be meant for.
    pub audience: String,
    /// The claim that says what somebody may do: a name, or names with dots where it lies deeper.
    pub role_claim: String,
    /// What values of that claim mean. Of several, the one that may do most counts.
    pub roles: [(Role, Vec<String>); 3],
    /// The claim that says on whose behalf somebody calls; none for the tenant `default`.
    pub tenant_claim: Option<String>,
    /// What tokens may be signed with: `RS256`, `ES256`, `EdDSA`.
    pub algorithms: Vec<String>,
}

/// The times of dealing with an issuer.
#[derive(Clone, Copy, Debug)]
pub struct OidcTimes {
    /// Its keys are asked for again when they are older than this.
    pub fresh: Duration,
    /// Where they cannot be had they are used for this long at most.
    pub stale: Duration,
    /// Keys that are known are asked for again no more often than this, whatever tokens name.
    pub refresh: Duration,
    /// Where none are known and the issuer does not answer, it is asked again after this.
    pub retry: Duration,
    /// It has to answer within this.
    pub patience: Duration,
}

impl Default for OidcTimes {
    fn default() -> Self {
        Self {
            fresh: Duration::from_secs(600),
            stale: Duration::from_secs(3600),
            refresh: Duration::from_secs(60),
            retry: Duration::from_secs(5),
            patience: Duration::from_secs(5),
        }
    }
}

/// Settings that make no sense.
#[derive(Debug, thiserror::Error)]
pub enum BadOidc {
    /// The issuer is no URL that may be asked.
    #[error("oidc.issuer is an https URL without user, query or fragment (http on this machine alone)")]
    Issuer,
    /// It is not said whom tokens must be meant for.
    #[error(
        "oidc.audience says whom tokens must be meant for: without it a token for any other service would open this one"
    )]
    Audience,
    /// No claim says what somebody may do.
    #[error("oidc.role_claim names the claim that says what somebody may do")]
    RoleClaim,
    /// A value that means nothing, or two things.
    #[error(
        "oidc.admin, custodian and analyst list values of the role claim, none empty or twice, and at least one in all"
    )]
    Roles,
    /// An algorithm that is not taken.
    #[error("oidc.algorithms are some of RS256, ES256 and EdDSA")]
    Algorithms,
    /// The system has no usable certificates.
    #[error("no client for the identity provider could be made")]
    Client(#[source] reqwest::Error),
}

impl OidcSettings {
    /// The issuer and the algorithms, if all settings make sense.
    pub(super) fn checked(&self) -> Result<(Url, Vec<Algorithm>), BadOidc> {
        let issuer = Url::parse(&self.issuer).ok().filter(|url| may_be_asked(url, is_here(url)));
        let issuer = issuer.ok_or(BadOidc::Issuer)?;
        if self.audience.trim().is_empty() {
            return Err(BadOidc::Audience);
        }
        if self.role_claim.trim().is_empty() || self.tenant_claim.as_ref().is_some_and(|claim| claim.trim().is_empty())
        {
            return Err(BadOidc::RoleClaim);
        }
        let mut values: Vec<&str> =
            self.roles.iter().flat_map(|(_, values)| values.iter().map(String::as_str)).collect();
        let count = values.len();
        values.sort_unstable();
        values.dedup();
        if count == 0 || values.len() != count || values.iter().any(|value| value.is_empty()) {
            return Err(BadOidc::Roles);
        }
        let algorithms: Option<Vec<_>> = self.algorithms.iter().map(|word| Algorithm::of_word(word)).collect();
        let algorithms = algorithms.filter(|all| !all.is_empty()).ok_or(BadOidc::Algorithms)?;
        Ok((issuer, algorithms))
    }
}

/// Whether a URL may be asked: by https, or by http where `here` says that this machine alone is meant and it is.
pub(super) fn may_be_asked(url: &Url, here: bool) -> bool {
    let safe = url.scheme() == "https" || here && url.scheme() == "http" && is_here(url);
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    safe && plain && url.query().is_none() && url.has_host()
}

/// Whether a URL names this machine by its address: names may lead elsewhere.
pub(super) fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(issuer: &str) -> OidcSettings {
        OidcSettings {
            issuer: issuer.into(),
            audience: "dp2stage".into(),
            role_claim: "roles".into(),
            roles: [Role::Admin, Role::Custodian, Role::Analyst].map(|role| (role, vec![role.word().to_owned()])),
            tenant_claim: None,
            algorithms: vec!["RS256".into()],
        }
    }

    #[test]
    fn issuers_are_asked_by_https_or_at_home() {
        for good in
            ["https://login.example.org", "https://a.example/realms/x", "http://127.0.0.1:80/x", "http://[::1]/"]
        {
            assert!(settings(good).checked().is_ok(), "{good}");
        }
        for bad in [
            "",
            "login.example.org",
            "http://login.example.org",
            "http://localhost.evil.example",
            "http://localhost",
            "ftp://127.0.0.1",
            "file:///etc/passwd",
            "https://user@login.example.org",
            "https://login.example.org?x",
            "https://login.example.org#x",
        ] {
            assert!(matches!(settings(bad).checked(), Err(BadOidc::Issuer)), "{bad}");
        }
    }

    #[test]
    fn settings_that_would_open_too_much_are_refused() {
        let with = |change: fn(&mut OidcSettings)| {
            let mut settings = settings("https://login.example.org");
            change(&mut settings);
            settings.checked().map(|_| ()).unwrap_err()
        };
        assert!(matches!(with(|s| s.audience = " ".into()), BadOidc::Audience));
        assert!(matches!(with(|s| s.role_claim = String::new()), BadOidc::RoleClaim));
        assert!(matches!(with(|s| s.tenant_claim = Some(String::new())), BadOidc::RoleClaim));
        assert!(matches!(with(|s| s.roles[0].1 = vec!["analyst".into()]), BadOidc::Roles));
        assert!(matches!(with(|s| s.roles[0].1 = vec![String::new()]), BadOidc::Roles));
        assert!(matches!(with(|s| s.roles.iter_mut().for_each(|role| role.1.clear())), BadOidc::Roles));
        for bad in ["none", "HS256", "RS1", "rs256", "PS256", ""] {
            let mut settings = settings("https://login.example.org");
            settings.algorithms.push(bad.into());
            assert!(matches!(settings.checked(), Err(BadOidc::Algorithms)), "{bad}");
        }
        assert!(matches!(with(|s| s.algorithms.clear()), BadOidc::Algorithms));
    }
}
