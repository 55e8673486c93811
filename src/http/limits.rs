//! How often a key may ask, and how often a stranger may try.
//!
//! Each has a bucket that holds what may be asked in a minute, at once or little by little, and fills evenly. Buckets are
//! in the memory of this server alone: they cost no query, and a fleet of n servers lets n times as much pass.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::problem::Problem;
use super::role::Caller;
use super::state::App;

/// What a bucket holds is said for this long, in which an empty one is full again.
const MINUTE: Duration = Duration::from_secs(60);
/// So many buckets are kept before full ones are thrown away: those are as good as none.
const MOST: usize = 10_000;

/// The limits of a server and what was used of them; cheap to clone. By default there are none.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    reads: u32,
    writes: u32,
    failures: u32,
    /// When each bucket that is not full will be full again.
    full_at: Arc<Mutex<HashMap<String, Instant>>>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Requests that change nothing, by key.
    Reads,
    /// All others, by key.
    Writes,
    /// Requests without a good key, by address.
    Failures,
}

impl Counted {
    fn word(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Failures => "failures",
        }
    }
}

/// How a bucket stands. Times are in seconds, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    counted: Counted,
    per_minute: u32,
    /// What is left.
    left: u32,
    /// Until it is full.
    full_in: u64,
    /// Until there is something left.
    wait: u64,
}

impl Rates {
    /// So many reads, writes and failures a minute; 0 for no limit.
    #[must_use]
    pub fn new(reads: u32, writes: u32, failures: u32) -> Self {
        Self { reads, writes, failures, full_at: Arc::default() }
    }

    /// Takes one from a bucket: how it stands then, or, when it is empty, how it stands. `None` where there is no limit.
    pub(super) fn take(&self, counted: Counted, whose: &str, now: Instant) -> Option<Result<Quota, Quota>> {
        self.weigh(counted, whose, (now, true))
    }

    /// How a bucket stands when one is asked for, and taken if so said.
    fn weigh(&self, counted: Counted, whose: &str, (now, taken): (Instant, bool)) -> Option<Result<Quota, Quota>> {
        let per_minute = match counted {
            Counted::Reads => self.reads,
            Counted::Writes => self.writes,
            Counted::Failures => self.failures,
        };
        let each = MINUTE.checked_div(per_minute)?;
        let name = format!("{} {whose}", counted.word());
        let mut buckets = self.buckets();
        let used = buckets.get(&name).map_or(Duration::ZERO, |full| full.saturating_duration_since(now));
        let quota = |used: Duration| Quota {
            counted,
            per_minute,
            left: (MINUTE.saturating_sub(used).as_nanos() / each.as_nanos().max(1)) as u32,
            full_in: used.as_secs_f64().ceil() as u64,
            wait: (used + each).saturating_sub(MINUTE).as_secs_f64().ceil() as u64,
        };
        if used + each > MINUTE {
            return Some(Err(quota(used)));
        }
        if taken {
            if buckets.len() >= MOST {
                buckets.retain(|_, full| *full > now);
            }
            buckets.insert(name, now + used + each);
        }
        Some(Ok(quota(used + each)))
    }

    /// Counts a failure, and says which refusal it deserves: `otherwise`, or that there were too many.
    pub(super) fn failed(&self, whose: &str, otherwise: Problem) -> Problem {
        match self.take(Counted::Failures, whose, Instant::now()) {
            Some(Err(quota)) => quota.refusal(),
            _ => otherwise,
        }
    }

    /// Refuses whoever has failed too often.
    pub(super) fn bearable(&self, whose: &str) -> Result<(), Problem> {
        match self.weigh(Counted::Failures, whose, (Instant::now(), false)) {
            Some(Err(quota)) => Err(quota.refusal()),
            _ => Ok(()),
        }
    }

    fn buckets(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        // One moment each: whoever panicked while holding it left none of them half-changed.
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Quota {
    /// Says how the bucket stands, as the IETF's draft of RateLimit header fields has it.
    pub fn mark(&self, headers: &mut HeaderMap) {
        let Self { counted, per_minute, left, full_in, .. } = self;
        let word = counted.word();
        for (name, value) in [
            ("ratelimit-policy", format!("\"{word}\";q={per_minute};w={}", MINUTE.as_secs())),
            ("ratelimit", format!("\"{word}\";r={left};t={full_in}")),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }

    /// When it is worth trying again, in seconds.
    pub fn retry_after(&self) -> u64 {
        self.wait.max(1)
    }

    fn refusal(self) -> Problem {
        let (most, wait) = (self.per_minute, self.retry_after());
        let detail = match self.counted {
            Counted::Failures => format!(
                "more than {most} requests without a good key came from this address within a minute: wait {wait} s"
            ),
            kind => format!("a key may send {most} {} a minute: wait {wait} s, and then less often", kind.word()),
        };
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests", detail).limited(self)
    }
}

/// Whose failures count together: an address, or the network that a house has with version 6 of the protocol.
pub(super) fn neighbourhood(peer: Option<IpAddr>) -> String {
    match peer {
        None => "unknown".to_owned(),
        Some(IpAddr::V6(address)) if address.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Some(address) => address.to_canonical().to_string(),
    }
}

/// Lets requests pass as often as their key may ask. Without keys there are no limits.
pub(super) async fn layer(State(app): State<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let counted = match *request.method() {
        Method::GET | Method::HEAD => Counted::Reads,
        _ => Counted::Writes,
    };
    let key = request.extensions().get::<Caller>().and_then(|caller| caller.key.as_deref());
    match key.and_then(|key| app.rates.take(counted, key, Instant::now())) {
        None => Ok(next.run(request).await),
        Some(Err(quota)) => Err(quota.refusal()),
        Some(Ok(quota)) => {
            let mut response = next.run(request).await;
            quota.mark(response.headers_mut());
            Ok(response)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A full bucket at once, then one by one as it fills; keys and kinds have buckets of their own.
    #[test]
    fn a_bucket_holds_a_minute_and_fills_evenly() {
        let rates = Rates::new(6, 3, 0);
        let began = Instant::now();
        let at = |seconds: f64| began + Duration::from_secs_f64(seconds);
        let write = |whose: &str, seconds: f64| rates.take(Counted::Writes, whose, at(seconds)).unwrap();
        let left: Vec<u32> = (0..3).map(|_| write("a", 0.0).unwrap().left).collect();
        assert_eq!(left, [2, 1, 0]);
        let full = write("a", 0.0).unwrap_err();
        assert_eq!((full.left, full.full_in, full.retry_after()), (0, 60, 20));
        assert_eq!(write("b", 0.0).unwrap().left, 2);
        assert_eq!(rates.take(Counted::Reads, "a", at(0.0)).unwrap().unwrap().left, 5);
        assert!(rates.take(Counted::Failures, "a", at(0.0)).is_none());
        assert_eq!(write("a", 19.9).unwrap_err().retry_after(), 1);
        assert_eq!(write("a", 20.0).unwrap().left, 0);
        assert!(write("a", 20.0).is_err());
        // What was refused costs nothing, and nothing is saved beyond a minute.
        assert_eq!(write("a", 500.0).unwrap().left, 2);
        // Of whatever comes in ten minutes, ten times the limit and one bucket pass.
        let passed = (0..60_000).filter(|i| write("c", f64::from(*i) / 100.0).is_ok()).count();
        assert!((32..=33).contains(&passed), "{passed}");
    }

    #[test]
    fn addresses_of_one_house_count_together() {
        let of = |text: &str| neighbourhood(Some(text.parse().unwrap()));
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2:3::4"), of("2001:db8:1:3:3::4"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.2"), of("10.0.0.1"));
    }
}
