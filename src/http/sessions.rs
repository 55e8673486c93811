//! Sessions of people at pages: a key is sent once, and a cookie stands for it from then on.
//!
//! A page cannot send `Authorization` when it is navigated to. So a key is posted once, and what the browser keeps is a
//! random name of a session that no script can read. Sessions are in the memory of each server alone, by the digest of
//! that name: nothing to steal from the database, and a restart ends all of them. A session opens what its key opens at
//! the moment: the key is looked up for each request, so that a revocation ends its sessions too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, Method, header};
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A session ends so long after its beginning.
const LONGEST: Duration = Duration::from_secs(8 * 60 * 60);
/// And so long after it was last used.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// Sessions of one key; the one that was used the longest ago gives way.
const MOST: usize = 20;
/// The header in which scripts of our pages repeat what a page told them.
const FORM_TOKEN: &str = "x-form-token";
/// The cookie where people come by TLS. With this name a browser takes it from this very host and by TLS alone.
const BY_TLS: &str = "__Host-dp2stage";
/// The cookie where they come in the clear: on this machine, if all is well.
const IN_THE_CLEAR: &str = "dp2stage";

/// The sessions of a server; cheap to clone.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<HashMap<[u8; 32], Session>>>);

/// A session.
#[derive(Clone)]
pub(super) struct Session {
    /// The public part of its key.
    pub key: String,
    /// What scripts of its pages must repeat where they change something.
    pub form_token: FormToken,
    began: Instant,
    used: Instant,
}

/// What a page tells its scripts, and no other site can read. In requests of a session.
#[derive(Clone)]
pub(super) struct FormToken(pub String);

/// The cookie of a session, as it comes with a request.
#[derive(Clone)]
pub(super) struct Ticket {
    name: &'static str,
    secret: String,
}

impl Ticket {
    /// That of a request without `Authorization`, which goes before cookies.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        if headers.contains_key(header::AUTHORIZATION) {
            return None;
        }
        let named = |name: &'static str| {
            let lists = headers.get_all(header::COOKIE).iter().filter_map(|list| list.to_str().ok());
            let mut cookies = lists.flat_map(|list| list.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
            cookies.find(|cookie| cookie.0 == name).map(|cookie| Self { name, secret: cookie.1.to_owned() })
        };
        named(BY_TLS).or_else(|| named(IN_THE_CLEAR))
    }

    /// The value of `Set-Cookie` that hands it out.
    pub fn handed_out(&self) -> String {
        self.cookie(&self.secret, LONGEST.as_secs())
    }

    /// The value of `Set-Cookie` that takes it back.
    pub fn taken_back(&self) -> String {
        self.cookie("", 0)
    }

    fn cookie(&self, value: &str, seconds: u64) -> String {
        let secure = if self.name == BY_TLS { "; Secure" } else { "" };
        format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}", self.name)
    }

    /// A session that was begun by TLS has another digest than one in the clear: a cookie that somebody on the way, or
    /// a neighbouring host, put under the plain name opens none of the first kind.
    fn digest(&self) -> [u8; 32] {
        Sha256::new().chain_update(self.name).chain_update([0]).chain_update(&self.secret).finalize().into()
    }
}

impl Sessions {
    /// Begins a session of this key, `by_tls` or not.
    pub(super) fn begin(&self, key: &str, by_tls: bool, now: Instant) -> std::io::Result<Ticket> {
        let ticket = Ticket { name: if by_tls { BY_TLS } else { IN_THE_CLEAR }, secret: random()? };
        let form_token = FormToken(random()?);
        let mut sessions = self.sessions();
        sessions.retain(|_, session| session.is_open(now));
        let own = || sessions.iter().filter(|(_, session)| session.key == key);
        let oldest = own().min_by_key(|(_, session)| session.used).map(|(digest, _)| *digest);
        if let Some(oldest) = oldest.filter(|_| own().count() >= MOST) {
            sessions.remove(&oldest);
        }
        sessions.insert(ticket.digest(), Session { key: key.to_owned(), form_token, began: now, used: now });
        Ok(ticket)
    }

    /// The session of this cookie, unless it has ended.
    pub(super) fn find(&self, ticket: &Ticket, now: Instant) -> Option<Session> {
        let (digest, mut sessions) = (ticket.digest(), self.sessions());
        let session = sessions.get_mut(&digest)?;
        if !session.is_open(now) {
            sessions.remove(&digest);
            return None;
        }
        session.used = now;
        Some(session.clone())
    }

    /// Ends the session of this cookie.
    pub(super) fn end(&self, ticket: &Ticket) {
        self.sessions().remove(&ticket.digest());
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        // Nobody panics while holding it, and each entry stands for itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn is_open(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) < LONGEST && now.saturating_duration_since(self.used) < IDLE
    }

    /// Whether a request with this cookie was made by our own page: browsers say so themselves, and what changes
    /// something repeats besides what only our pages were told.
    pub fn asked_for(&self, method: &Method, headers: &HeaderMap) -> bool {
        let token = headers.get(FORM_TOKEN).map_or(&[][..], |token| token.as_bytes());
        let told = bool::from(token.ct_eq(self.form_token.0.as_bytes()));
        is_not_from_elsewhere(headers) && (method.is_safe() || is_of_this_origin(headers) && told)
    }
}

/// Whether a browser does not say that another site, or another port of this host, had it ask.
fn is_not_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none")
}

/// Whether a page of this very host and port sent a request that changes something. Browsers say `Origin` with all of those.
pub(super) fn is_of_this_origin(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://"));
    let same = |(_, host): (&str, &str)| text(header::HOST).is_some_and(|own| own.eq_ignore_ascii_case(host));
    is_not_from_elsewhere(headers) && origin.is_some_and(same)
}

/// Whether the page that sent a request came by TLS, whoever ended it.
pub(super) fn is_by_tls(headers: &HeaderMap) -> bool {
    headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

fn random() -> std::io::Result<String> {
    let mut bytes = [0u8; 32];
    OsRng.try_fill_bytes(&mut bytes).map_err(std::io::Error::other)?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_by_itself() {
        let (sessions, began) = (Sessions::default(), Instant::now());
        let at = |minutes: u64| began + Duration::from_secs(60 * minutes);
        let ticket = sessions.begin("k", false, began).unwrap();
        assert!(sessions.find(&ticket, at(29)).is_some(), "it is in use");
        assert!(sessions.find(&ticket, at(58)).is_some(), "each use counts");
        assert!(sessions.find(&ticket, at(88)).is_none(), "after half an hour without use");
        assert!(sessions.find(&ticket, at(59)).is_none(), "and for good");
        let busy = sessions.begin("k", false, began).unwrap();
        let last = (0..).step_by(20).take_while(|minute| sessions.find(&busy, at(*minute)).is_some()).last();
        assert_eq!(last, Some(460), "after eight hours in use");
    }

    #[test]
    fn a_key_has_so_many_sessions_and_each_ends_alone() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let tickets: Vec<_> =
            (0..=MOST as u64).map(|i| sessions.begin("k", false, now + Duration::from_secs(i)).unwrap()).collect();
        let other = sessions.begin("other", false, now).unwrap();
        let later = now + Duration::from_secs(60);
        let open = |ticket: &Ticket| sessions.find(ticket, later).is_some();
        assert!(!open(&tickets[0]) && tickets[1..].iter().all(open) && open(&other));
        sessions.end(&tickets[1]);
        assert!(!open(&tickets[1]) && open(&tickets[2]));
    }

    /// What came by TLS is opened by the cookie that browsers keep for TLS, and by no other.
    #[test]
    fn a_plain_cookie_opens_nothing_that_began_by_tls() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let ticket = sessions.begin("k", true, now).unwrap();
        assert!(ticket.handed_out().starts_with("__Host-dp2stage=") && ticket.handed_out().ends_with("; Secure"));
        let plain = Ticket { name: IN_THE_CLEAR, secret: ticket.secret.clone() };
        assert!(sessions.find(&plain, now).is_none() && sessions.find(&ticket, now).is_some());
    }
}
