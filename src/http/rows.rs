//! The way in for private rows: a stream that is checked, encoded and stored as it comes.
//!
//! Memory is bounded by one chunk in flight and the reader's buffers, whatever the size of the
//! table. All rows are valid, or nothing is stored.
//!
//! A Parquet file says at its end where everything is. It goes to a sealed file without a name first
//! ([`Spool`]), so that neither the memory nor the disk holds it in the clear.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::{BodyDataStream, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use futures_util::StreamExt;
use rand::RngCore;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use super::dataset_view::VersionView;
use super::desk::Desk;
use super::extract::Name;
use super::media::uploaded;
use super::metrics::Metrics;
use super::problem::{Problem, storage};
use crate::privacy::{NoiseSource, Pseudonyms, Purpose};
use crate::store::{self, Blob, BlobWriter, Blobs, Spool, Version};
use crate::tabular::{
    Form, Mark, Packing, ParquetReader, RowsWriter, Schema, Source, Summary, Upload, UploadError, UploadLimits,
};

/// Uploads under way at once, each with a thread and about 3 MiB; further ones wait.
static UPLOADS: Semaphore = Semaphore::const_new(16);
/// Parquet files that are read at once, each with up to 100 MiB of pages; further ones wait on the disk.
static FILES: Semaphore = Semaphore::const_new(2);
/// An upload that could not begin for this long is told to come back.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Chunks that may wait for the parser.
const IN_FLIGHT: usize = 4;
/// After a refusal, up to this much of the rest is read, so that the client gets to the answer.
const DRAIN: u64 = 64 << 20;
/// And no more once its client has paused for this long.
const PAUSE: Duration = Duration::from_secs(1);

/// Upload the rows: the table as the raw body, CSV with a header, JSON Lines or Parquet, and with the column that says whose
/// row it is where persons are the unit of privacy. A second upload is a new version;
/// it restores no budget.
#[utoipa::path(put, path = "/v1/datasets/{dataset}/rows", operation_id = "upload_rows", tag = "datasets",
    params(("dataset" = String, Path, description = "id or name"),
           ("Content-Encoding" = Option<String>, Header, description = "`gzip`, `zstd` or none; none for Parquet, which is packed within")),
    request_body(content(
        (String = "text/csv"), (String = "application/jsonl"), (String = "application/x-ndjson"),
        (String = "application/vnd.apache.parquet"))), responses(
    (status = 201, body = VersionView),
    (status = 404, description = "`not_found`", content_type = "application/problem+json"),
    (status = 408, description = "`upload_stalled`: nothing came for 30 seconds, or less than 1 KiB a second", content_type = "application/problem+json"),
    (status = 413, description = "`table_too_large`", content_type = "application/problem+json"),
    (status = 415, description = "`unsupported_media_type`", content_type = "application/problem+json"),
    (status = 422, description = "`csv_invalid`, `jsonl_invalid` or `parquet_invalid` with up to 20 `problems` of \
        `{row, column, reason}`, never a value; `gzip_invalid`, `gzip_truncated`, `gzip_trailing`, `gzip_ratio`, and the same of `zstd`", content_type = "application/problem+json"),
    (status = 503, description = "`unavailable`: too many uploads under way", content_type = "application/problem+json"),
    (status = 507, description = "`storage_full`: the disk is full, or the quota used up; nothing was stored", content_type = "application/problem+json"),
))]
pub(super) async fn put(desk: Desk, Name(name): Name, request: Request) -> Result<impl IntoResponse, Problem> {
    let (form, packing) = uploaded(request.headers())?;
    announced(request.headers(), desk.limits.table_bytes)?;
    let dataset = store::find_dataset(&desk.tenant, &name).await?;
    let schema = dataset.declared()?;
    let persons = dataset.persons().map(|persons| persons.name);
    let blobs = desk.blobs.of(dataset.id);
    let intake =
        Intake { blobs, limits: desk.limits, schema, persons, form: (form, packing), holdout: dataset.holdout };
    let version = receive(request, intake, desk.metrics.clone()).await?;
    let version = store::add_version(&desk.tenant, dataset.id, &version).await?;
    Ok((StatusCode::CREATED, Json(VersionView::from(version).beside(dataset.rows_public))))
}

/// Refuses a body that says itself that it is too large, before any of it is read.
fn announced(headers: &HeaderMap, limit: u64) -> Result<(), Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(length) if length > limit => Err(UploadError::TooLarge { limit }.into()),
        _ => Ok(()),
    }
}

/// What the parser needs to know.
struct Intake {
    /// The storage as the dataset writes to it.
    blobs: Blobs,
    limits: UploadLimits,
    schema: Schema,
    /// The column that says whose row it is.
    persons: Option<String>,
    form: (Form, Packing),
    holdout: f64,
}

/// Feeds the body to a parser on a blocking thread and waits for its verdict.
async fn receive(request: Request, intake: Intake, metrics: Metrics) -> Result<Version, Problem> {
    let turn = tokio::time::timeout(LONGEST_WAIT, UPLOADS.acquire()).await;
    let turn = turn.ok().and_then(Result::ok).ok_or_else(busy)?;
    let (chunks, inbox) = mpsc::channel::<Bytes>(IN_FLIGHT);
    let limits = intake.limits;
    let parser = tokio::task::spawn_blocking(move || {
        // Its turn ends with the thread, not with a client that went away.
        let _turn = turn;
        parse(inbox, &intake)
    });
    let body = request.into_body().into_data_stream();
    let mut body = Sent { body, limits, waited: Duration::ZERO, bytes: 0, metrics };
    let refused = loop {
        tokio::select! {
            biased;
            // The parser has refused: its answer is worth more than the rest of the body.
            () = chunks.closed() => break true,
            chunk = body.next() => match chunk? {
                None => break false,
                Some(chunk) if chunk.is_empty() => {}
                // One that is not taken any more is no loss.
                Some(chunk) => drop(chunks.send(chunk).await),
            }
        }
    };
    if refused {
        let _ = tokio::time::timeout(LONGEST_WAIT, body.drain()).await;
    } else {
        // An empty chunk marks the whole body; a channel that merely closes marks a client that left.
        let _ = chunks.send(Bytes::new()).await;
    }
    parser.await.unwrap_or_else(|_| Err(Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR)))
}

fn busy() -> Problem {
    let detail = "too many uploads are under way; nothing was stored";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Try again in a moment", detail)
}

/// The body as its client sends it, not waited for for ever.
struct Sent {
    body: BodyDataStream,
    limits: UploadLimits,
    /// How long its client was waited for, all in all: a parser that takes its time is not the client's fault.
    waited: Duration,
    bytes: u64,
    metrics: Metrics,
}

impl Sent {
    /// The next bytes, or none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let (patience, rate) = (self.limits.patience, self.limits.least_rate.max(1));
        // Who sends a byte now and then would hold a place for ever.
        let left = (patience + Duration::from_secs(self.bytes / rate)).saturating_sub(self.waited);
        let began = Instant::now();
        let chunk = tokio::time::timeout(left.min(patience), self.body.next()).await.map_err(|_| self.stalled())?;
        self.waited += began.elapsed();
        // The client went away, or broke the framing: there is nobody to answer to.
        let chunk = chunk.transpose().map_err(|_| Problem::of_status(StatusCode::BAD_REQUEST))?;
        let came = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        self.metrics.uploaded(came);
        self.bytes += came;
        Ok(chunk)
    }

    /// Reads some of the rest, until its client pauses: most send first and listen later.
    async fn drain(mut self) {
        let mut read = 0;
        while let Ok(Some(Ok(chunk))) = tokio::time::timeout(PAUSE, self.body.next()).await {
            read += chunk.len() as u64;
            if read > DRAIN {
                return;
            }
        }
    }

    fn stalled(&self) -> Problem {
        let detail = format!(
            "nothing came for {} seconds, or less than {} bytes a second; nothing was stored",
            self.limits.patience.as_secs(),
            self.limits.least_rate
        );
        Problem::new(StatusCode::REQUEST_TIMEOUT, "upload_stalled", "The upload stalled", detail)
    }
}

/// The body on its way to the parser, with its digest so far.
struct Inbox {
    chunks: mpsc::Receiver<Bytes>,
    digest: Sha256,
    bytes: u64,
}

impl Inbox {
    /// The next bytes, none at the end.
    fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let chunk = self.chunks.blocking_recv().ok_or_else(|| Problem::of_status(StatusCode::BAD_REQUEST))?;
        self.digest.update(&chunk);
        self.bytes += chunk.len() as u64;
        Ok((!chunk.is_empty()).then_some(chunk))
    }
}

/// Parses, encodes and stores, on a blocking thread. Leaves nothing behind on a refusal.
fn parse(chunks: mpsc::Receiver<Bytes>, intake: &Intake) -> Result<Version, Problem> {
    let mut inbox = Inbox { chunks, digest: Sha256::new(), bytes: 0 };
    let (summary, sink) = match intake.form {
        (Form::Parquet, _) => parse_file(&mut inbox, intake)?,
        (form, packing) => parse_text(&mut inbox, intake, (form, packing))?,
    };
    let blob = sink.close()?;
    Ok(Version {
        version: 0,
        rows: summary.rows as i64,
        bytes: inbox.bytes as i64,
        sha256: hex::encode(inbox.digest.finalize()),
        blob,
        created_at: time::OffsetDateTime::UNIX_EPOCH,
    })
}

/// A table that is read as it comes.
fn parse_text(
    inbox: &mut Inbox,
    intake: &Intake,
    (form, packing): (Form, Packing),
) -> Result<(Summary, Sink), Problem> {
    let mut upload = match form {
        Form::JsonLines => Upload::of_json_lines(&intake.schema, packing, intake.limits),
        _ => Upload::new(&intake.schema, packing, intake.limits),
    };
    if let Some(column) = &intake.persons {
        upload = upload.of_persons(column);
    }
    let mut sink = Sink::open(intake)?;
    while let Some(chunk) = inbox.next()? {
        upload.push(&chunk, &mut |row, person| sink.write(row, person))?;
        sink.fault()?;
    }
    let summary = upload.finish(&mut |row, person| sink.write(row, person))?;
    Ok((summary, sink))
}

/// A table that is read once all of it has come.
fn parse_file(inbox: &mut Inbox, intake: &Intake) -> Result<(Summary, Sink), Problem> {
    let mut spool = intake.blobs.spool().map_err(|e| storage(&e))?;
    while let Some(chunk) = inbox.next()? {
        if inbox.bytes > intake.limits.table_bytes {
            return Err(UploadError::TooLarge { limit: intake.limits.table_bytes }.into());
        }
        spool.write_all(&chunk).map_err(|e| storage(&e))?;
    }
    spool.complete().map_err(|e| storage(&e))?;
    let place = Handle::current().block_on(FILES.acquire());
    let _place = place.map_err(|_| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
    let of = (&intake.schema, intake.persons.as_deref());
    let mut reader = ParquetReader::open(Spooled(spool), of, intake.limits)?;
    let mut sink = Sink::open(intake)?;
    while reader.next_rows(&mut |row, person| sink.write(row, person))? {
        sink.fault()?;
    }
    Ok((reader.finish()?, sink))
}

/// A file that waits to be read.
struct Spooled(Spool);

impl Source for Spooled {
    fn length(&self) -> u64 {
        self.0.length()
    }

    fn read_at(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_at(at, buffer)
    }
}

/// Where checked rows go: a blob, each row with the outcome of its own coin, or of its person's.
struct Sink {
    writer: RowsWriter<BlobWriter>,
    coins: rand_chacha::ChaCha20Rng,
    persons: Option<Pseudonyms>,
    threshold: u64,
    fault: Option<io::Error>,
}

impl Sink {
    fn open(intake: &Intake) -> Result<Self, Problem> {
        let blob = intake.blobs.create().map_err(|e| storage(&e))?;
        let key = NoiseSource::from_os();
        let of_persons = intake.persons.is_some();
        Ok(Self {
            writer: RowsWriter::new(blob, intake.schema.width(), of_persons).map_err(|e| storage(&e))?,
            // A coin for each row, not a function of its place: removing one row must not move
            // another one in or out of training.
            coins: key.stream(Purpose::Holdout, 0),
            persons: of_persons.then(|| Pseudonyms::new(&key)),
            threshold: (intake.holdout * 2f64.powi(64)) as u64,
            fault: None,
        })
    }

    fn write(&mut self, row: &[u32], person: &[u8]) {
        let person = self.persons.as_ref().map(|persons| persons.of(person));
        let coin = person.map_or_else(|| self.coins.next_u64(), |person| person.coin);
        let mark = Mark { held_out: coin < self.threshold, person: person.map(|person| person.pseudonym) };
        if self.fault.is_none() {
            self.fault = self.writer.push(row, mark).err();
        }
    }

    fn fault(&mut self) -> Result<(), Problem> {
        self.fault.take().map_or(Ok(()), |e| Err(storage(&e)))
    }

    fn close(mut self) -> Result<Blob, Problem> {
        self.fault()?;
        let stored = self.writer.into_inner().publish().map_err(|e| storage(&e))?;
        Ok(stored.blob)
    }
}
