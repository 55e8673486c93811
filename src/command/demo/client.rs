//! The few calls of the API that a demo makes.

use anyhow::{Context, bail};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;

/// A client of one server.
pub struct Api {
    base: String,
    http: Client,
}

impl Api {
    /// A client of the server at `base`, `http://127.0.0.1:8080`.
    pub fn new(base: String) -> anyhow::Result<Self> {
        Ok(Self { base, http: Client::builder().no_proxy().build()? })
    }

    /// Posts JSON and reads JSON.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        Ok(send(self.request(Method::POST, path).json(body)).await?.json().await?)
    }

    /// Reads JSON.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(send(self.request(Method::GET, path)).await?.json().await?)
    }

    /// Reads a body whole.
    pub async fn download(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        Ok(send(self.request(Method::GET, path)).await?.bytes().await?.to_vec())
    }

    /// Reads a page, whole.
    pub async fn page(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        Ok(send(self.request(Method::GET, path).header("accept", "text/html")).await?.bytes().await?.to_vec())
    }

    /// Uploads a CSV.
    pub async fn upload(&self, path: &str, csv: Vec<u8>) -> anyhow::Result<Value> {
        let request = self.request(Method::PUT, path).header("content-type", "text/csv").body(csv);
        Ok(send(request).await?.json().await?)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }
}

/// Sends, and turns a problem into an error a person can read.
async fn send(request: RequestBuilder) -> anyhow::Result<Response> {
    let response = request.send().await.context("the server does not answer")?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let problem: Value = response.json().await.unwrap_or_default();
    let mut text = format!("{status}: {}", problem["detail"].as_str().unwrap_or("no detail"));
    for fault in problem["problems"].as_array().into_iter().flatten() {
        let column = fault["column"].as_str().map(|c| format!(", column {c}")).unwrap_or_default();
        text += &format!("\n  row {}{column}: {}", fault["row"], fault["reason"].as_str().unwrap_or_default());
    }
    bail!(text)
}
