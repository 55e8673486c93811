//! Requests, and the patience to repeat those that do no harm twice.

use std::time::Duration;

use anyhow::Context;
use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect};
use serde_json::Value;

use super::failure::Failure;
use super::output::remark;
use super::problem::Problem;

/// Tries of a request that may be repeated.
pub const SEVERAL: u32 = 4;
/// Tries while a job is waited for: a server that is started anew is back by then.
pub const MANY: u32 = 40;
/// Tries of what may have happened although no answer came.
pub const ONCE: u32 = 1;

/// An answer of JSON is there by then; requests wait for up to a minute on purpose.
const LONGEST: Duration = Duration::from_secs(150);
/// Waits longer than this are told of.
const UNTOLD: Duration = Duration::from_secs(2);

/// A client of one server.
pub struct Api {
    base: String,
    key: Option<HeaderValue>,
    http: Client,
}

/// An answer of JSON.
pub struct Answer {
    /// As it came.
    pub text: String,
    /// As it reads.
    pub document: Value,
}

impl Api {
    /// A client of the server at `base`, without a slash at its end, that shows `key`. A server that is `near` is asked
    /// without a proxy.
    pub fn new(base: &str, key: Option<&str>, near: bool) -> Result<Self, Failure> {
        let header = |key: &str| {
            let made = HeaderValue::from_str(&format!("Bearer {key}"));
            let mut value = made.map_err(|_| Failure::Usage("the key holds what no key holds".into()))?;
            value.set_sensitive(true);
            Ok::<_, Failure>(value)
        };
        // A redirection would take tables and keys somewhere else.
        let http = Client::builder().redirect(redirect::Policy::none()).connect_timeout(Duration::from_secs(10));
        let http = if near { http.no_proxy() } else { http };
        let http = http.build().context("a client of HTTP")?;
        Ok(Self { base: base.to_owned(), key: key.map(header).transpose()?, http })
    }

    /// A request for `path`, which begins with a slash.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.key {
            Some(key) => request.header(AUTHORIZATION, key.clone()),
            None => request,
        }
    }

    /// Reads JSON.
    pub async fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.get_patiently(path, SEVERAL).await
    }

    /// Reads JSON, with so many tries.
    pub async fn get_patiently(&self, path: &str, tries: u32) -> Result<Answer, Failure> {
        self.read(self.request(Method::GET, path).timeout(LONGEST), tries).await
    }

    /// Posts JSON and reads JSON, with so many tries.
    pub async fn post(&self, path: &str, body: &Value, tries: u32) -> Result<Answer, Failure> {
        self.read(self.request(Method::POST, path).timeout(LONGEST).json(body), tries).await
    }

    /// Sends, and reads JSON.
    pub async fn read(&self, request: RequestBuilder, tries: u32) -> Result<Answer, Failure> {
        let response = self.send(request, tries).await?;
        let text = response.text().await.map_err(|error| self.unreachable(error))?;
        match serde_json::from_str(&text) {
            Ok(document) => Ok(Answer { text, document }),
            Err(_) => Err(Failure::Refused(Box::new(Problem::new(200, String::new())))),
        }
    }

    /// Reads a body whole.
    pub async fn download(&self, request: RequestBuilder) -> Result<Vec<u8>, Failure> {
        let response = self.send(request, SEVERAL).await?;
        Ok(response.bytes().await.map_err(|error| self.unreachable(error))?.to_vec())
    }

    /// Sends, up to so many times where nobody answers or the server asks for it, and gives what succeeded.
    pub async fn send(&self, request: RequestBuilder, tries: u32) -> Result<Response, Failure> {
        let mut request = Some(request);
        for left in (0..tries).rev() {
            let again = request.as_ref().and_then(RequestBuilder::try_clone);
            let Some(now) = std::mem::replace(&mut request, again) else { break };
            let pause = backoff(tries - 1 - left);
            match now.send().await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => {
                    let status = response.status();
                    let wait = retry_after(&response).unwrap_or(pause);
                    let problem = Problem::new(status.as_u16(), response.text().await.unwrap_or_default());
                    if left == 0 || request.is_none() || !is_passing(status) {
                        return Err(Failure::Refused(Box::new(problem)));
                    }
                    if wait > UNTOLD {
                        let code = problem.code();
                        remark(&format!("dp2stage: not now ({status}, {code}); trying again in {} s", wait.as_secs()));
                    }
                    tokio::time::sleep(wait).await;
                }
                Err(error) if left == 0 || request.is_none() || error.is_builder() => {
                    return Err(self.unreachable(error));
                }
                Err(_) => tokio::time::sleep(pause).await,
            }
        }
        Err(Failure::Other(anyhow::anyhow!("a request that cannot be sent")))
    }

    /// Nobody answered, or not to the end.
    pub fn unreachable(&self, error: reqwest::Error) -> Failure {
        let error = error.without_url();
        let mut root: &dyn std::error::Error = &error;
        while let Some(next) = root.source() {
            root = next;
        }
        Failure::Unreachable { server: self.base.clone(), cause: root.to_string() }
    }
}

/// Whether it may be another answer in a moment.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// What the server asks for, a minute at most.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds: u64 = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.clamp(1, 60)))
}

/// A quarter of a second, and twice as long each time, up to five seconds.
fn backoff(tried: u32) -> Duration {
    Duration::from_millis((250 << tried.min(10)).min(5000))
}
