//! One reader of histories for all streams of this process: thousands of clients cost one connection.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::store::{self, Bell, Happening, JobEvent, Progress, Ring, StoreError};

/// All watched jobs are looked at this often, whether the bell rang or not; also how often progress is told.
const LOOK: Duration = Duration::from_secs(1);
/// What happens within this time is read together.
const GATHER: Duration = Duration::from_millis(20);

/// What is known of a watched job.
#[derive(Clone, Default)]
pub(super) struct History {
    /// Whether it was read at all.
    pub loaded: bool,
    /// All events so far, in order.
    pub events: Vec<JobEvent>,
    /// How far it is, while it runs.
    pub progress: Option<Progress>,
}

impl History {
    /// Whether nothing will ever be added.
    pub fn is_over(&self) -> bool {
        let last = self.events.last().and_then(|event| event.released.as_ref());
        last.is_some_and(|last| matches!(last.happening, Happening::Status(status) if status.is_final()))
    }
}

/// A history that grows. Its latest state alone is handed on, which holds everything before it.
pub(super) type Watched = watch::Receiver<Arc<History>>;

/// Histories of the jobs that somebody in this process follows, kept up to date by one task.
#[derive(Clone)]
pub struct Feed {
    watched: Arc<Mutex<HashMap<Uuid, watch::Sender<Arc<History>>>>>,
    asked: mpsc::UnboundedSender<Uuid>,
    places: Arc<Semaphore>,
}

impl Feed {
    /// Starts to read, until the token is cancelled, for at most `streams` followers at a time.
    #[must_use]
    pub fn start(pool: PgPool, bell: &Bell, streams: usize, stop: CancellationToken) -> Self {
        let (asked, asking) = mpsc::unbounded_channel();
        let places = Arc::new(Semaphore::new(streams.min(Semaphore::MAX_PERMITS)));
        let feed = Self { watched: Arc::default(), asked, places };
        let (reader, rings) = (feed.clone(), bell.listener());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = reader.read(&pool, rings, asking) => {}
            }
        });
        feed
    }

    /// A place for a follower, if there is one.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// Follows a job.
    pub(super) fn watch(&self, job: Uuid) -> Watched {
        let history = self.watched().entry(job).or_default().subscribe();
        // The reader ends with the server, and then so does every stream.
        let _ = self.asked.send(job);
        history
    }

    fn watched(&self) -> MutexGuard<'_, HashMap<Uuid, watch::Sender<Arc<History>>>> {
        // Nobody panics while holding it, and each entry stands for itself.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(
        &self,
        pool: &PgPool,
        mut rings: broadcast::Receiver<Ring>,
        mut asking: mpsc::UnboundedReceiver<Uuid>,
    ) {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut due, mut deaf) = (HashSet::new(), false);
        loop {
            let mut all = false;
            tokio::select! {
                _ = tick.tick() => all = true,
                Some(job) = asking.recv() => { due.insert(job); }
                ring = rings.recv(), if !deaf => match ring {
                    Ok(Ring::Job(job)) => { due.insert(job); }
                    // Something may have been missed.
                    Ok(_) | Err(RecvError::Lagged(_)) => all = true,
                    Err(RecvError::Closed) => deaf = true,
                },
            }
            while let Ok(job) = asking.try_recv() {
                due.insert(job);
            }
            if let Err(error) = self.look(pool, (!all).then_some(&due)).await {
                // Nothing is lost: what is not known yet is asked for again with the next tick.
                tracing::warn!(%error, "events of jobs cannot be read right now");
            }
            due.clear();
            tokio::time::sleep(GATHER).await;
        }
    }

    /// Reads what is new about these jobs, or all, and hands it on.
    async fn look(&self, pool: &PgPool, due: Option<&HashSet<Uuid>>) -> Result<(), StoreError> {
        let known: Vec<(Uuid, i32)> = {
            let mut watched = self.watched();
            watched.retain(|_, history| history.receiver_count() > 0);
            let due = watched.iter().filter(|(job, _)| due.is_none_or(|due| due.contains(job)));
            // Events are numbered from 1, without gaps.
            due.map(|(job, history)| (*job, history.borrow().events.len() as i32)).collect()
        };
        if known.is_empty() {
            return Ok(());
        }
        let jobs: Vec<Uuid> = known.iter().map(|(job, _)| *job).collect();
        let mut progress = HashMap::new();
        if due.is_none() {
            progress.extend(store::progress_of(pool, &jobs).await?.into_iter().map(|p| (p.job_id, p)));
        }
        let mut news: HashMap<Uuid, Vec<JobEvent>> = HashMap::new();
        for event in store::events_since(pool, &known).await? {
            news.entry(event.job_id).or_default().push(event);
        }
        let mut watched = self.watched();
        for (job, held) in known {
            let news = news.remove(&job).unwrap_or_default();
            let progress = due.is_none().then(|| progress.remove(&job));
            // Somebody may have gone and come back meanwhile, whose history begins anew.
            let same = |history: &&watch::Sender<Arc<History>>| history.borrow().events.len() as i32 == held;
            let Some(history) = watched.get(&job).filter(same) else { continue };
            history.send_if_modified(|history| grow(history, news, progress));
            if history.borrow().is_over() {
                watched.remove(&job);
            }
        }
        Ok(())
    }
}

/// Adds what is new; says whether anything was.
fn grow(history: &mut Arc<History>, news: Vec<JobEvent>, progress: Option<Option<Progress>>) -> bool {
    let moved = progress.as_ref().is_some_and(|progress| *progress != history.progress);
    if history.loaded && news.is_empty() && !moved {
        return false;
    }
    let history = Arc::make_mut(history);
    history.loaded = true;
    history.events.extend(news);
    if let Some(progress) = progress {
        history.progress = progress;
    }
    true
}
