//! Renews a lease while the work goes on, and listens for a request to stop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::tether::{PATIENCE, Tether};
use crate::store::{self, Bell, Ring, StoreError, within};

/// A database that is away is asked again after this long.
const RETRY: Duration = Duration::from_secs(1);

/// Renews until the lease is lost or the task is dropped.
pub(super) async fn beat(tether: Arc<Tether>, bell: Bell) {
    let mut listener = bell.listener();
    loop {
        let sent = Instant::now();
        let patience = PATIENCE.min(tether.terms.renew_every());
        let wait = match within(patience, store::renew(&tether.pool, tether.lease, tether.terms.ttl)).await {
            Ok(cancel_requested) => {
                tether.renewed(sent, cancel_requested);
                tether.terms.renew_every()
            }
            Err(StoreError::LeaseLost) => return tether.lost(),
            Err(error) => {
                tracing::warn!(job = %tether.lease.job_id, %error, "renewing the lease failed");
                RETRY.min(tether.terms.renew_every())
            }
        };
        // A ring may be a cancellation: look at once.
        Bell::wait(&mut listener, Ring::Cancel(tether.lease.job_id), wait).await;
    }
}
