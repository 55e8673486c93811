//! The task that writes a server's lines: what comes while a transaction is under way goes into the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, PgPool};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::append::append_audit;
use super::entry::{AuditCompletion, AuditLine, AuditOpening};
use crate::store::error::StoreError;
use crate::store::pool::within;

/// Whoever asks for a line waits this long at most.
const PATIENCE: Duration = Duration::from_millis(1700);
/// A transaction takes this long at most.
const LONGEST: Duration = Duration::from_millis(1000);
/// A connection that does not answer for this long is given up.
const QUICK: Duration = Duration::from_millis(600);
/// Completions that could not be written are tried again this soon.
const AGAIN: Duration = Duration::from_millis(500);
/// Lines of one transaction.
const MOST: usize = 256;

enum Message {
    Open(AuditOpening, oneshot::Sender<i64>),
    Complete(AuditCompletion),
    /// Answered when everything before it is written, or could not be.
    Settle(oneshot::Sender<()>),
}

/// Writes the lines of this process; cheap to clone. The channel needs no bound: nobody has more than one opening in it,
/// and only what was opened is completed.
#[derive(Clone, Debug)]
pub struct AuditRecorder {
    messages: UnboundedSender<Message>,
    backlog: Backlog,
}

/// Lines that were said and are not written yet.
#[derive(Clone, Debug, Default)]
struct Backlog(Arc<AtomicUsize>);

impl Backlog {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn done(&self, lines: usize) {
        self.0.fetch_sub(lines, Ordering::Relaxed);
    }
}

impl AuditRecorder {
    /// Starts the task, with a connection of its own to the database of `pool`. It ends with the last clone.
    #[must_use]
    pub fn start(pool: &PgPool) -> Self {
        let (messages, inbox) = unbounded_channel();
        let pen = Pen { options: (*pool.connect_options()).clone(), connection: None };
        let backlog = Backlog::default();
        tokio::spawn(run(pen, inbox, backlog.clone()));
        Self { messages, backlog }
    }

    /// How many lines were said and are not written yet.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.backlog.0.load(Ordering::Relaxed)
    }

    /// Writes the first line about something. It may be done only when this gives the line: `None` says that nothing
    /// could be written in time.
    pub async fn open(&self, opening: AuditOpening) -> Option<OpenedLine> {
        let (written, number) = oneshot::channel();
        self.backlog.add();
        self.messages.send(Message::Open(opening, written)).ok()?;
        let seq = timeout(PATIENCE, number).await.ok()?.ok()?;
        Some(OpenedLine { seq, recorder: self.clone(), completed: false })
    }

    /// Waits until what was said before is written, but for no longer than a moment.
    pub async fn settle(&self) {
        let (settled, done) = oneshot::channel();
        if self.messages.send(Message::Settle(settled)).is_ok() {
            let _ = timeout(2 * PATIENCE, done).await;
        }
    }
}

/// A line that was opened. Dropped without an outcome, it is completed as given up.
#[derive(Debug)]
pub struct OpenedLine {
    seq: i64,
    recorder: AuditRecorder,
    completed: bool,
}

impl OpenedLine {
    /// Writes the second line, in its turn: how it ended, and the ids of what was made or touched.
    pub fn complete(mut self, status: u16, objects: Vec<String>) {
        self.end(Some(status), objects);
    }

    fn end(&mut self, status: Option<u16>, objects: Vec<String>) {
        self.completed = true;
        // Without a task the process is at its end, and the line stays open.
        self.recorder.backlog.add();
        let _ = self.recorder.messages.send(Message::Complete(AuditCompletion { opened: self.seq, status, objects }));
    }
}

impl Drop for OpenedLine {
    fn drop(&mut self) {
        if !self.completed {
            // A panic is answered by 500; all else that ends a request early has no answer of its own.
            self.end(std::thread::panicking().then_some(500), Vec::new());
        }
    }
}

/// A connection that is kept while it works.
struct Pen {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
}

impl Pen {
    async fn write(&mut self, lines: Vec<AuditLine>) -> Result<Vec<i64>, StoreError> {
        let mut connection = self.connection().await?;
        let written = within(LONGEST, append_audit(&mut connection, lines)).await?;
        // Only one that is whole: the others are closed by dropping them, and the database rolls back.
        self.connection = Some(connection);
        Ok(written)
    }

    async fn connection(&mut self) -> Result<PgConnection, StoreError> {
        if let Some(mut kept) = self.connection.take()
            && matches!(timeout(QUICK, kept.ping()).await, Ok(Ok(())))
        {
            return Ok(kept);
        }
        within(LONGEST, async { Ok(PgConnection::connect_with(&self.options).await?) }).await
    }

    /// Forgets completions that were written after all: the answer to their commit was lost.
    async fn forget_written(&mut self, kept: &mut Vec<AuditCompletion>) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let opened: Vec<i64> = kept.iter().map(|completion| completion.opened).collect();
        let written = within(LONGEST, completed(&mut connection, &opened)).await?;
        kept.retain(|completion| !written.contains(&completion.opened));
        self.connection = Some(connection);
        Ok(())
    }
}

async fn run(mut pen: Pen, mut inbox: UnboundedReceiver<Message>, backlog: Backlog) {
    let (mut kept, mut doubtful) = (Vec::new(), false);
    loop {
        let mut messages = Vec::new();
        let more = inbox.recv_many(&mut messages, MOST);
        let closed = if kept.is_empty() { more.await == 0 } else { timeout(AGAIN, more).await == Ok(0) };
        let lines = kept.len() + messages.iter().filter(|message| !matches!(message, Message::Settle(_))).count();
        if doubtful && pen.forget_written(&mut kept).await.is_ok() {
            doubtful = false;
        }
        let batch = Batch::sorted(messages, &mut kept);
        let settled = if doubtful { batch.settled } else { write(&mut pen, batch, (&mut kept, &mut doubtful)).await };
        backlog.done(lines.saturating_sub(kept.len()));
        for waiting in settled {
            let _ = waiting.send(());
        }
        if closed {
            return;
        }
    }
}

/// What was said, by kind.
#[derive(Default)]
struct Batch {
    openings: Vec<AuditOpening>,
    askers: Vec<oneshot::Sender<i64>>,
    settled: Vec<oneshot::Sender<()>>,
}

impl Batch {
    fn sorted(messages: Vec<Message>, kept: &mut Vec<AuditCompletion>) -> Self {
        let mut batch = Self::default();
        for message in messages {
            match message {
                // Whoever gave up meanwhile does nothing that would have to be told of.
                Message::Open(_, asker) if asker.is_closed() => {}
                Message::Open(opening, asker) => {
                    batch.openings.push(opening);
                    batch.askers.push(asker);
                }
                Message::Complete(completion) => kept.push(completion),
                Message::Settle(waiting) => batch.settled.push(waiting),
            }
        }
        batch
    }
}

/// Writes a batch and what is kept. Openings that cannot be written are refused, completions are kept for the next time.
async fn write(
    pen: &mut Pen,
    batch: Batch,
    (kept, doubtful): (&mut Vec<AuditCompletion>, &mut bool),
) -> Vec<oneshot::Sender<()>> {
    let Batch { openings, askers, settled } = batch;
    let opened = openings.into_iter().map(AuditLine::Opened);
    let lines: Vec<AuditLine> = opened.chain(kept.iter().cloned().map(AuditLine::Completed)).collect();
    if lines.is_empty() {
        return settled;
    }
    match pen.write(lines).await {
        Ok(numbers) => {
            kept.clear();
            for (asker, seq) in askers.into_iter().zip(numbers) {
                if asker.send(seq).is_err() {
                    kept.push(AuditCompletion { opened: seq, status: None, objects: Vec::new() });
                }
            }
        }
        Err(error) => {
            tracing::warn!(%error, refused = askers.len(), late = kept.len(), "the audit log was not written");
            *doubtful = !kept.is_empty();
            if !matches!(error, StoreError::Unavailable(_)) {
                // What the database refuses once it refuses for ever: those lines stay open.
                kept.clear();
            }
        }
    }
    settled
}

/// Which of these lines are completed.
async fn completed(connection: &mut PgConnection, opened: &[i64]) -> Result<Vec<i64>, StoreError> {
    let known = sqlx::query_scalar!(
        r#"select opened as "opened!" from audit_entries where opened is not null and opened = any ($1)"#,
        opened,
    );
    Ok(known.fetch_all(connection).await?)
}
