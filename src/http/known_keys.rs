//! Keys that were looked up a moment ago: a client that polls need not cost two queries each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::PgPool;

use crate::store::{self, KnownKey, StoreError};

/// A key that was revoked is refused after this long at the latest.
const FRESH: Duration = Duration::from_millis(500);
/// That a key is in use is written this often at most.
const NOTED: Duration = Duration::from_secs(60);
/// So many are kept before stale ones are thrown away.
const MOST: usize = 1024;

/// What is known of keys; cheap to clone. Only keys that exist are kept, and of those the digests of their secrets.
#[derive(Clone, Default)]
pub struct KnownKeys(Arc<Mutex<HashMap<String, Seen>>>);

/// A key as it was.
struct Seen {
    asked: Instant,
    key: KnownKey,
    /// When it was last written that it is in use.
    noted: Option<Instant>,
}

impl KnownKeys {
    /// The key of this id, unless it opens nothing any more, as it was half a second ago at the earliest.
    pub(super) async fn find(&self, pool: &PgPool, id: &str) -> Result<Option<KnownKey>, StoreError> {
        let asked = Instant::now();
        if let Some(seen) = self.keys().get(id)
            && asked.duration_since(seen.asked) < FRESH
        {
            return Ok(Some(seen.key.clone()));
        }
        let found = store::find_key(pool, id).await?;
        let mut keys = self.keys();
        let before = keys.remove(id);
        if let Some(key) = found.clone() {
            // Its age counts from the question: what was answered may have been revoked since.
            keys.insert(id.to_owned(), Seen { asked, key, noted: before.and_then(|seen| seen.noted) });
        }
        if keys.len() > MOST {
            keys.retain(|_, seen| asked.duration_since(seen.asked) < FRESH);
        }
        Ok(found)
    }

    /// Whether a key of this id was found before. It may open nothing any more.
    pub(super) fn has_seen(&self, id: &str) -> bool {
        self.keys().contains_key(id)
    }

    /// Forgets a key that was revoked here.
    pub(super) fn forget(&self, id: &str) {
        self.keys().remove(id);
    }

    /// Writes that a key is in use, now and then, and lets nobody wait for it.
    pub(super) fn note_use(&self, pool: &PgPool, id: &str) {
        let now = Instant::now();
        let mut keys = self.keys();
        let Some(seen) = keys.get_mut(id).filter(|seen| seen.noted.is_none_or(|at| now.duration_since(at) >= NOTED))
        else {
            return;
        };
        seen.noted = Some(now);
        let (pool, id) = (pool.clone(), id.to_owned());
        tokio::spawn(async move {
            if let Err(error) = store::note_use(&pool, &id).await {
                tracing::debug!(%error, "that a key is in use could not be written");
            }
        });
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        // Nobody panics while holding it, and each entry stands for itself.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
