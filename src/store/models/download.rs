//! One file from the hub: in pieces, as often as the connection breaks, up to a size, held to its digest.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, HeaderMap, RANGE};
use reqwest::{Client, StatusCode, Url};

use super::error::ModelsError;
use super::files::most_bytes;
use super::hub::Hub;
use super::part::Part;
use crate::model::Digest;

/// Attempts in a row that bring nothing new.
const TRIES: u32 = 4;
/// Wait after the first of them; doubled each time.
const WAIT: Duration = Duration::from_millis(250);

/// A file that is to be fetched.
pub(super) struct Download<'a> {
    pub hub: &'a Hub,
    pub client: Client,
    pub url: Url,
    pub name: String,
    pub file: &'static str,
    /// The folder in which it will lie.
    pub folder: PathBuf,
    /// Its digest; none only where digests are being found out.
    pub wanted: Option<Digest>,
}

/// How an attempt ended without the file.
enum Fault {
    /// It may go better the next time.
    Passing(String),
    /// It will not.
    Lasting(Box<ModelsError>),
}

impl From<ModelsError> for Fault {
    fn from(error: ModelsError) -> Self {
        Self::Lasting(Box::new(error))
    }
}

impl Download<'_> {
    /// Fetches the file and gives it its name. Gives its digest.
    pub async fn run(&self) -> Result<Digest, ModelsError> {
        let target = self.folder.join(self.file);
        let path = self.folder.join(format!("{}.part", self.file));
        let mut part = Part::open(path.clone()).await.map_err(ModelsError::io(&path))?;
        // Another process may have been at it, and done.
        if let Some(wanted) = self.wanted
            && part.bytes() == 0
            && lies_there(&target, wanted).await
        {
            return part.discard().map(|()| wanted).map_err(ModelsError::io(&path));
        }
        let mut tries = 0;
        // An earlier attempt may have been cut off between the last byte and the renaming.
        while self.wanted.is_none_or(|wanted| part.digest() != wanted) {
            let before = part.bytes();
            let reason = match self.attempt(&mut part).await {
                Ok(()) => break,
                Err(Fault::Lasting(error)) => return Err(*error),
                Err(Fault::Passing(reason)) => reason,
            };
            tries = if part.bytes() > before { 1 } else { tries + 1 };
            if tries >= TRIES {
                return Err(self.unreachable(reason));
            }
            tracing::debug!(model = self.name, file = self.file, reason, "a download is tried again");
            tokio::time::sleep(WAIT * 2u32.pow(tries - 1)).await;
        }
        let found = part.digest();
        match self.wanted {
            Some(wanted) if wanted != found => {
                part.discard().map_err(ModelsError::io(&path))?;
                Err(ModelsError::Sent { name: self.name.clone(), file: self.file, found, wanted })
            }
            _ => part.complete(&target).map(|()| found).map_err(ModelsError::io(&target)),
        }
    }

    async fn attempt(&self, part: &mut Part) -> Result<(), Fault> {
        let mut request = self.client.get(self.url.clone());
        if part.bytes() > 0 {
            request = request.header(RANGE, format!("bytes={}-", part.bytes()));
        }
        if let Some(token) = self.hub.token_for(&self.url) {
            request = request.bearer_auth(token.word());
        }
        let mut response = request.send().await.map_err(passing)?;
        self.judge(response.status(), response.headers(), part)?;
        let most = most_bytes(self.file);
        let too_large = || Fault::from(ModelsError::TooLarge { file: self.file, most });
        if response.content_length().is_some_and(|more| part.bytes().saturating_add(more) > most) {
            return Err(too_large());
        }
        while let Some(chunk) = response.chunk().await.map_err(passing)? {
            if part.bytes() + chunk.len() as u64 > most {
                part.restart().map_err(|error| self.disk(error))?;
                return Err(too_large());
            }
            part.push(&chunk).map_err(|error| self.disk(error))?;
        }
        Ok(())
    }

    /// Whether what follows is the file, or its rest.
    fn judge(&self, status: StatusCode, headers: &HeaderMap, part: &mut Part) -> Result<(), Fault> {
        let (name, file, host) = (self.name.clone(), self.file, self.host());
        let number = status.as_u16();
        match status {
            StatusCode::PARTIAL_CONTENT if begins_at(headers, part.bytes()) => Ok(()),
            // The whole file, whatever was asked for.
            StatusCode::OK => part.restart().map_err(|error| self.disk(error)),
            // What has come is longer than the file, or the server sends another piece than was asked for.
            StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PARTIAL_CONTENT => {
                part.restart().map_err(|error| self.disk(error))?;
                Err(Fault::Passing(format!("{status} to a request for the rest")))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(Fault::from(ModelsError::Refused { name, file, host, status: number }))
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Err(Fault::Passing(status.to_string())),
            _ if status.is_server_error() => Err(Fault::Passing(status.to_string())),
            _ => Err(Fault::from(ModelsError::Missing { name, file, host, status: number })),
        }
    }

    fn unreachable(&self, reason: String) -> ModelsError {
        let (name, file, folder) = (self.name.clone(), self.file, self.folder.clone());
        ModelsError::Unreachable { name, file, host: self.host(), folder, reason }
    }

    fn disk(&self, source: std::io::Error) -> Fault {
        Fault::from(ModelsError::Io { path: self.folder.join(self.file), source })
    }

    fn host(&self) -> String {
        self.url.host_str().unwrap_or_default().to_owned()
    }
}

async fn lies_there(target: &Path, wanted: Digest) -> bool {
    let target = target.to_owned();
    let digest = move || File::open(target).and_then(Digest::of_rest);
    matches!(tokio::task::spawn_blocking(digest).await, Ok(Ok(found)) if found == wanted)
}

fn begins_at(headers: &HeaderMap, bytes: u64) -> bool {
    let range = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {bytes}-")))
}

/// In words, down to the cause; without the address, which may be a signed one.
fn passing(error: reqwest::Error) -> Fault {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        words += &format!(": {next}");
        cause = next.source();
    }
    Fault::Passing(words)
}
