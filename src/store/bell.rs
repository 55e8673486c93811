//! The bell: hears that some job changed, so that nobody has to ask all the time.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{Executor, PgPool};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long to wait before listening again after the database went away.
const RETRY: Duration = Duration::from_secs(1);

/// After this much silence the database is asked whether it is still there, and has so long to answer.
const SILENCE: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(5);

/// Notifications of the channel `jobs`, fanned out to everyone in this process over one database
/// connection. A ring is a hint: it may be lost, so whoever waits also looks from time to time.
#[derive(Clone)]
pub struct Bell {
    rings: broadcast::Sender<Uuid>,
}

impl Bell {
    /// Starts to listen, until the token is cancelled.
    #[must_use]
    pub fn start(pool: PgPool, stop: CancellationToken) -> Self {
        let (rings, _) = broadcast::channel(1024);
        let sender = rings.clone();
        tokio::spawn(async move {
            while !stop.is_cancelled() {
                tokio::select! {
                    () = stop.cancelled() => {}
                    Err(error) = listen(&pool, &sender) => {
                        tracing::warn!(%error, "listening for job changes failed; polling goes on");
                        tokio::time::sleep(RETRY).await;
                    }
                }
            }
        });
        Self { rings }
    }

    /// Waits until some job changed, or `at_most` has passed. Register with [`Bell::listener`]
    /// before looking at the state, so that no change falls in between.
    pub async fn wait(listener: &mut broadcast::Receiver<Uuid>, job: Option<Uuid>, at_most: Duration) {
        let heard = async {
            loop {
                match listener.recv().await {
                    // The nil id says that something may have been missed.
                    Ok(id) if id.is_nil() || job.is_none_or(|j| j == id) => return,
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(_)) => return,
                    // The process is stopping: fall back to the clock.
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        let _ = tokio::time::timeout(at_most, heard).await;
    }

    /// A listener that hears everything from now on.
    #[must_use]
    pub fn listener(&self) -> broadcast::Receiver<Uuid> {
        self.rings.subscribe()
    }
}

async fn listen(pool: &PgPool, rings: &broadcast::Sender<Uuid>) -> Result<std::convert::Infallible, sqlx::Error> {
    // A connection of its own: one that went deaf may never come back to a pool.
    let options = pool.connect_options().as_ref().clone();
    let own = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect_lazy_with(options);
    let mut listener = PgListener::connect_with(&own).await?;
    listener.listen("jobs").await?;
    loop {
        let Ok(heard) = tokio::time::timeout(SILENCE, listener.try_recv()).await else {
            let asked = tokio::time::timeout(PATIENCE, listener.execute("select 1")).await;
            let silent = |_| sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer"));
            asked.map_err(silent)??;
            continue;
        };
        // None: the connection was lost and made anew, so something may have been missed.
        let id = match heard? {
            Some(note) => Uuid::try_parse(note.payload()).unwrap_or(Uuid::nil()),
            None => Uuid::nil(),
        };
        // Nobody listening is fine.
        let _ = rings.send(id);
    }
}
