//! How long leases last, and how often things are tried.

use std::time::Duration;

/// The times of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTerms {
    /// A lease that is not renewed for this long is lost.
    pub ttl: Duration,
    /// Idle workers look for jobs this often, in case a ring of the bell was missed.
    pub poll: Duration,
    /// A job that was claimed this often without reaching its end has failed.
    pub max_attempts: i32,
    /// Wait before a job is tried again after a fault of its worker; times 4 for each attempt.
    pub backoff: Duration,
    /// A draining worker may finish the private block at work for this long.
    pub drain: Duration,
}

impl Default for LeaseTerms {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(60),
            poll: Duration::from_secs(5),
            max_attempts: 4,
            backoff: Duration::from_secs(30),
            drain: Duration::from_secs(45),
        }
    }
}

impl LeaseTerms {
    /// How often a lease is renewed.
    #[must_use]
    pub fn renew_every(&self) -> Duration {
        self.ttl / 3
    }

    /// How long a holder trusts a renewal, counted from before it was sent.
    #[must_use]
    pub fn trust(&self) -> Duration {
        self.ttl - self.ttl / 6
    }

    /// The wait after the attempt of this number, from 1.
    #[must_use]
    pub fn wait_after(&self, attempt: i32) -> Duration {
        self.backoff * 4u32.saturating_pow(attempt.clamp(1, 5) as u32 - 1)
    }
}
