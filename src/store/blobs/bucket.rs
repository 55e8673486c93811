//! A bucket of a cloud, or one in memory: objects appear whole or not at all.
//!
//! A large blob comes in parts under a name of the making; when its digest is known it is copied to its name, inside
//! the cloud. Requests run on a thread of their own, so that callers on any thread can wait for them.

use std::future::Future;
use std::io;
use std::sync::{Arc, mpsc};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::handle::Seen;

/// Bytes of a part: the least that S3 takes, so that an upload holds little memory.
const PART: usize = 5 << 20;
/// Bytes that a reader gets at a time, or more.
const PIECE: usize = 1 << 18;
/// Where large blobs are while they are written.
const MAKING: &str = "tmp";

/// A bucket.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    store: Arc<dyn ObjectStore>,
    requests: Arc<Requests>,
}

impl Bucket {
    /// The bucket behind a store.
    pub fn new(store: Arc<dyn ObjectStore>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("storage")
            .enable_all()
            .build()?;
        Ok(Self { store, requests: Arc::new(Requests { runtime: Some(runtime) }) })
    }

    /// Begins an object.
    pub fn begin(&self) -> Parts {
        Parts { bucket: self.clone(), held: Vec::new(), upload: None }
    }

    /// The pieces of an object.
    pub fn pieces(&self, path: &str) -> io::Result<Pieces> {
        let (store, path) = (self.store.clone(), Path::from(path));
        let stream = self.wait(async move { Ok(store.get(&path).await?.into_stream()) })?;
        Ok(Pieces { bucket: self.clone(), stream: Some(stream) })
    }

    /// Removes an object; one that is gone already is fine.
    pub fn remove(&self, path: &str) -> io::Result<()> {
        let (store, path) = (self.store.clone(), Path::from(path));
        self.wait(async move {
            match store.delete(&path).await {
                Err(error) if !matches!(error, Error::NotFound { .. }) => Err(error),
                _ => Ok(()),
            }
        })
    }

    /// The objects right below a path.
    pub fn files(&self, below: &str) -> io::Result<Vec<Seen>> {
        let (store, below) = (self.store.clone(), Path::from(below));
        let listed = self.wait(async move { store.list_with_delimiter(Some(&below)).await })?;
        Ok(listed.objects.iter().filter_map(seen).collect())
    }

    /// The names that have objects below them, right below a path.
    pub fn folders(&self, below: &str) -> io::Result<Vec<String>> {
        let (store, below) = (self.store.clone(), Path::from(below));
        let listed = self.wait(async move { store.list_with_delimiter(Some(&below)).await })?;
        Ok(listed.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect())
    }

    /// Bytes of all objects.
    pub fn used(&self) -> io::Result<u64> {
        let store = self.store.clone();
        self.wait(async move { store.list(None).try_fold(0, async |sum, object| Ok(sum + object.size)).await })
    }

    /// Removes what was half-written when its writers died, before `moment`. Returns how many there were.
    pub fn clear(&self, moment: SystemTime) -> io::Result<usize> {
        let old: Vec<Seen> = self.files(MAKING)?.into_iter().filter(|seen| seen.modified < moment).collect();
        old.iter().try_for_each(|seen| self.remove(&format!("{MAKING}/{}", seen.name)))?;
        Ok(old.len())
    }

    /// Writes an object that is not there yet; says whether it was this call that wrote it.
    pub fn put_new(&self, path: &str, bytes: &[u8]) -> io::Result<bool> {
        let (store, path, payload) = (self.store.clone(), Path::from(path), Bytes::copy_from_slice(bytes));
        self.wait(async move {
            match store.put_opts(&path, payload.into(), PutMode::Create.into()).await {
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
                written => written.map(|_| true),
            }
        })
    }

    /// Writes an object in the place of another one, or of none.
    pub fn put_over(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let (store, path, payload) = (self.store.clone(), Path::from(path), Bytes::copy_from_slice(bytes));
        self.wait(async move { store.put(&path, payload.into()).await.map(|_| ()) })
    }

    /// The content of a small object, if there is one.
    pub fn get(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let (store, path) = (self.store.clone(), Path::from(path));
        self.wait(async move {
            match store.get(&path).await {
                Err(Error::NotFound { .. }) => Ok(None),
                found => Ok(Some(found?.bytes().await?.to_vec())),
            }
        })
    }

    /// Waits for a request.
    fn wait<T, F>(&self, request: F) -> io::Result<T>
    where
        T: Send + 'static,
        F: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        let (done, answer) = mpsc::sync_channel(1);
        let Some(runtime) = &self.requests.runtime else { return Err(io::ErrorKind::BrokenPipe.into()) };
        runtime.spawn(async move {
            let _ = done.send(request.await);
        });
        answer.recv().map_err(io::Error::other)?.map_err(fault)
    }
}

/// An object as it is listed; none for what is no object.
fn seen(object: &ObjectMeta) -> Option<Seen> {
    let name = object.location.filename()?.to_owned();
    Some(Seen { name, bytes: object.size, modified: SystemTime::from(object.last_modified) })
}

fn fault(error: Error) -> io::Error {
    let kind = match &error {
        Error::NotFound { .. } => io::ErrorKind::NotFound,
        Error::AlreadyExists { .. } => io::ErrorKind::AlreadyExists,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// Where requests run.
#[derive(Debug)]
struct Requests {
    runtime: Option<Runtime>,
}

impl Drop for Requests {
    fn drop(&mut self) {
        // The last handle may go on a thread that must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// An object in the making, of which one part is held. Dropped unpublished, it leaves nothing.
pub(super) struct Parts {
    bucket: Bucket,
    held: Vec<u8>,
    upload: Option<(Path, Box<dyn MultipartUpload>)>,
}

impl Parts {
    /// Takes bytes, and sends those that make up a part.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(PART - self.held.len()));
            self.held.extend_from_slice(now);
            rest = later;
            if self.held.len() == PART {
                self.send()?;
            }
        }
        Ok(())
    }

    fn send(&mut self) -> io::Result<()> {
        let part = PutPayload::from(std::mem::take(&mut self.held));
        let store = self.bucket.store.clone();
        let begun = self.upload.take();
        self.upload = Some(self.bucket.wait(async move {
            let (path, mut upload) = match begun {
                Some(begun) => begun,
                None => {
                    let path = Path::from(format!("{MAKING}/{}", Uuid::now_v7().simple()));
                    let upload = store.put_multipart(&path).await?;
                    (path, upload)
                }
            };
            let sent = upload.put_part(part).await;
            if let Err(error) = sent {
                // What was sent before is of no use to anybody.
                let _ = upload.abort().await;
                return Err(error);
            }
            Ok((path, upload))
        })?);
        Ok(())
    }

    /// Completes the object under its name.
    pub fn publish(mut self, name: &str) -> io::Result<()> {
        if self.upload.is_some() && !self.held.is_empty() {
            self.send()?;
        }
        let (store, name, held) = (self.bucket.store.clone(), Path::from(name), std::mem::take(&mut self.held));
        let upload = self.upload.take();
        self.bucket.wait(async move {
            let Some((making, mut upload)) = upload else {
                return store.put(&name, held.into()).await.map(|_| ());
            };
            if let Err(error) = upload.complete().await {
                let _ = upload.abort().await;
                return Err(error);
            }
            let copied = store.copy(&making, &name).await;
            // If this fails, the sweeper does it.
            let _ = store.delete(&making).await;
            copied
        })
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        if let Some((_, mut upload)) = self.upload.take() {
            let _ = self.bucket.wait(async move { upload.abort().await });
        }
    }
}

/// The pieces of an object, one after the other.
pub(super) struct Pieces {
    bucket: Bucket,
    stream: Option<BoxStream<'static, object_store::Result<Bytes>>>,
}

impl Pieces {
    /// The next bytes; none at the end.
    pub fn next(&mut self) -> io::Result<Vec<u8>> {
        let Some(mut stream) = self.stream.take() else { return Ok(Vec::new()) };
        let (stream, piece) = self.bucket.wait(async move {
            let mut piece = Vec::new();
            while piece.len() < PIECE {
                let Some(bytes) = stream.next().await else { return Ok((None, piece)) };
                piece.extend_from_slice(&bytes?);
            }
            Ok((Some(stream), piece))
        })?;
        self.stream = stream;
        Ok(piece)
    }
}
