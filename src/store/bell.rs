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

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ring {
    /// Something about this job changed.
    Job(Uuid),
    /// There is a job to be claimed.
    Work,
    /// This job is to stop.
    Cancel(Uuid),
    /// Something may have been missed.
    Missed,
}

/// Notifications, fanned out to everyone in this process over one database connection. A ring is a hint: it
/// may be lost, so whoever waits also looks from time to time.
#[derive(Clone)]
pub struct Bell {
    rings: broadcast::Sender<Ring>,
}

impl Bell {
    /// Starts to listen to changes of jobs, until the token is cancelled.
    #[must_use]
    pub fn start(pool: PgPool, stop: CancellationToken) -> Self {
        Self::on(&["jobs"], pool, stop)
    }

    /// Starts to listen to what concerns a worker. A thousand workers must not all wake whenever a job changes.
    #[must_use]
    pub fn of_worker(pool: PgPool, stop: CancellationToken) -> Self {
        Self::on(&["work", "cancel"], pool, stop)
    }

    fn on(channels: &'static [&'static str], pool: PgPool, stop: CancellationToken) -> Self {
        let (rings, _) = broadcast::channel(1024);
        let sender = rings.clone();
        tokio::spawn(async move {
            while !stop.is_cancelled() {
                tokio::select! {
                    () = stop.cancelled() => {}
                    Err(error) = listen(channels, &pool, &sender) => {
                        tracing::warn!(%error, "listening for job changes failed; polling goes on");
                        tokio::time::sleep(RETRY).await;
                    }
                }
            }
        });
        Self { rings }
    }

    /// Waits for this ring, or until `at_most` has passed. Register with [`Bell::listener`] before looking at the
    /// state, so that no change falls in between.
    pub async fn wait(listener: &mut broadcast::Receiver<Ring>, awaited: Ring, at_most: Duration) {
        let heard = async {
            loop {
                match listener.recv().await {
                    Ok(ring) if ring == awaited || ring == Ring::Missed => return,
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
    pub fn listener(&self) -> broadcast::Receiver<Ring> {
        self.rings.subscribe()
    }
}

async fn listen(
    channels: &[&str],
    pool: &PgPool,
    rings: &broadcast::Sender<Ring>,
) -> Result<std::convert::Infallible, sqlx::Error> {
    // A connection of its own: one that went deaf may never come back to a pool.
    let options = pool.connect_options().as_ref().clone();
    let own = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect_lazy_with(options);
    let mut listener = PgListener::connect_with(&own).await?;
    listener.listen_all(channels.iter().copied()).await?;
    // Whatever rang before anyone listened was missed.
    let _ = rings.send(Ring::Missed);
    loop {
        let Ok(note) = tokio::time::timeout(SILENCE, listener.try_recv()).await else {
            let asked = tokio::time::timeout(PATIENCE, listener.execute("select 1")).await;
            let silent = |_| sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer"));
            asked.map_err(silent)??;
            continue;
        };
        let ring = match note? {
            Some(note) => heard(note.channel(), note.payload()),
            // The connection was lost and made anew.
            None => Ring::Missed,
        };
        // Nobody listening is fine.
        let _ = rings.send(ring);
    }
}

fn heard(channel: &str, payload: &str) -> Ring {
    match (channel, Uuid::try_parse(payload)) {
        ("work", _) => Ring::Work,
        ("cancel", Ok(job)) => Ring::Cancel(job),
        ("jobs", Ok(job)) => Ring::Job(job),
        _ => Ring::Missed,
    }
}
