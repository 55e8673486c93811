//! The thread that keeps the server running.
//!
//! ```text
//!            spawn                    ready
//!  waiting --------> starting ----------------> running
//!     ^                  | ended                   | ended
//!     +--- back-off -----+-------------------------+
//! ```
//! A stop leaves from any state. The first start may fail for good; later ones are tried until the service stops.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::EmbeddedError;
use super::launch::Launch;
use super::postmaster::{Condition, Postmaster};
use super::state::Lock;

const TICK_STARTING: Duration = Duration::from_millis(20);
const TICK_RUNNING: Duration = Duration::from_millis(100);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A server that ran this long was sound: the next pause is short again.
const SOUND: Duration = Duration::from_secs(10);
/// What a refusal that passes by itself waits at most.
const LONGEST_PASSING_PAUSE: Duration = Duration::from_millis(400);
/// How long the first start waits for a former server to leave the data folder.
const LEAVING: Duration = Duration::from_secs(30);
/// How long the first start may take, recovery included.
const READY: Duration = Duration::from_secs(300);

/// Refusals that pass by themselves: a former server is still shutting down, is a zombie that nobody has reaped, or its
/// orphaned sessions still hold the shared memory.
const PASSING: [&str; 3] =
    ["already exists", "pre-existing shared memory block", "the database system is shutting down"];

type Announcement = Result<(), EmbeddedError>;

/// The handle of the thread. Dropping it stops the server.
#[derive(Debug)]
pub(super) struct Supervisor {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Supervisor {
    /// Starts the thread and waits until the server is ready. `lock` is held until the server has ended.
    ///
    /// The thread is a plain one and not one of a pool, because the server ends with the thread that spawned it.
    pub fn start(launch: Launch, lock: Lock) -> Result<Self, EmbeddedError> {
        let (stop, stopped) = channel();
        let (announce, announced) = channel();
        let program = launch.program.clone();
        let life = move || {
            Life { launch, postmaster: None, pause: SHORTEST_PAUSE, announce: Some(announce) }.run(&stopped);
            drop(lock);
        };
        let spawned = thread::Builder::new().name("postgres".to_owned()).spawn(life);
        let thread = spawned.map_err(EmbeddedError::io("cannot start a thread for", &program))?;
        // on failure the handle is dropped, which waits for the thread
        let supervisor = Self { stop: Some(stop), thread: Some(thread) };
        announced.recv().unwrap_or(Err(EmbeddedError::SupervisorGone)).map(|()| supervisor)
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // a panic of the thread has been printed, and its server has ended with it
            let _ = thread.join();
        }
    }
}

/// What the thread knows.
struct Life {
    launch: Launch,
    postmaster: Option<Postmaster>,
    pause: Duration,
    /// Where the outcome of the first start is reported; `None` once that is done.
    announce: Option<Sender<Announcement>>,
}

impl Life {
    fn run(mut self, stopped: &Receiver<()>) {
        let began = Instant::now();
        loop {
            let wait = match self.step(began) {
                Ok(wait) => wait,
                Err(error) => match self.announce.take() {
                    Some(announce) => {
                        let _ = announce.send(Err(error));
                        break;
                    }
                    None => {
                        tracing::error!(%error, "PostgreSQL is down; trying again");
                        self.longer_pause(LONGEST_PAUSE)
                    }
                },
            };
            if !matches!(stopped.recv_timeout(wait), Err(RecvTimeoutError::Timeout)) {
                break;
            }
        }
        if let Some(postmaster) = self.postmaster.take() {
            postmaster.stop();
        }
    }

    /// Looks once and acts once; gives the time until the next look.
    fn step(&mut self, began: Instant) -> Result<Duration, EmbeddedError> {
        let Some(mut postmaster) = self.postmaster.take() else {
            self.postmaster = Some(Postmaster::spawn(&self.launch)?);
            return Ok(TICK_STARTING);
        };
        let wait = match postmaster.condition(&self.launch)? {
            Condition::Ended(status) => return self.ended(&postmaster, &status.to_string(), began),
            Condition::Starting if self.announce.is_some() && began.elapsed() > READY => {
                return Err(EmbeddedError::NotReady { seconds: READY.as_secs(), log: self.launch.log.clone() });
            }
            Condition::Starting => TICK_STARTING,
            Condition::Ready => {
                if let Some(announce) = self.announce.take() {
                    let _ = announce.send(Ok(()));
                }
                TICK_RUNNING
            }
        };
        self.postmaster = Some(postmaster);
        Ok(wait)
    }

    /// The server ended: an error when that was the first start and waiting will not help.
    fn ended(&mut self, postmaster: &Postmaster, status: &str, began: Instant) -> Result<Duration, EmbeddedError> {
        let output = postmaster.words(&self.launch);
        let passing = PASSING.iter().any(|words| output.contains(words));
        if self.announce.is_some() && !(passing && began.elapsed() < LEAVING) {
            let log = self.launch.log.clone();
            return Err(EmbeddedError::Startup { status: status.to_owned(), log, output });
        }
        if postmaster.since.elapsed() > SOUND {
            self.pause = SHORTEST_PAUSE;
        }
        if self.announce.is_none() {
            tracing::warn!(%status, "PostgreSQL ended and is started again");
        }
        Ok(self.longer_pause(if passing { LONGEST_PASSING_PAUSE } else { LONGEST_PAUSE }))
    }

    /// The next pause, twice the one before and at most `longest`.
    fn longer_pause(&mut self, longest: Duration) -> Duration {
        let pause = self.pause.min(longest);
        self.pause = pause * 2;
        pause
    }
}
