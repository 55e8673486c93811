//! Keys that were looked up a moment ago: a client that polls need not cost two queries each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::PgPool;

use crate::store::{self, KnownKey, StoreError};

/// A key that was revoked is refused after this long at the latest.
const FRESH: Duration = Duration::from_millis(500);
/// So many are kept before stale ones are thrown away.
const MOST: usize = 1024;

/// What is known of keys; cheap to clone. Only keys that exist are kept, and of those the digests of their secrets.
#[derive(Clone, Default)]
pub struct KnownKeys(Arc<Mutex<HashMap<String, (Instant, KnownKey)>>>);

impl KnownKeys {
    /// The unrevoked key of this id, as it was half a second ago at the earliest.
    pub(super) async fn find(&self, pool: &PgPool, id: &str) -> Result<Option<KnownKey>, StoreError> {
        let asked = Instant::now();
        if let Some((at, key)) = self.keys().get(id)
            && asked.duration_since(*at) < FRESH
        {
            return Ok(Some(key.clone()));
        }
        let found = store::find_key(pool, id).await?;
        let mut keys = self.keys();
        match &found {
            // Its age counts from the question: what was answered may have been revoked since.
            Some(key) => keys.insert(id.to_owned(), (asked, key.clone())),
            None => keys.remove(id),
        };
        if keys.len() > MOST {
            keys.retain(|_, (at, _)| asked.duration_since(*at) < FRESH);
        }
        Ok(found)
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<String, (Instant, KnownKey)>> {
        // Nobody panics while holding it, and each entry stands for itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
