//! Spans on their way to a collector of OpenTelemetry: OTLP over HTTP, where the environment names one.

use std::pin::Pin;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, Response};
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

/// Variables that name a collector.
const COLLECTORS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// What is not sent in this time at the end is lost.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Sends what is left when it is dropped; the runtime that it was started in has to be there still.
pub struct Sending(SdkTracerProvider);

impl Drop for Sending {
    fn drop(&mut self) {
        // A collector that is gone misses the last spans, and nobody else does.
        let _ = self.0.shutdown_with_timeout(LAST_WORDS);
    }
}

/// The layer that sends spans, if there is a collector. Called within a runtime.
///
/// # Errors
/// An address that is none.
pub fn layer<S>() -> anyhow::Result<Option<(OpenTelemetryLayer<S, opentelemetry_sdk::trace::SdkTracer>, Sending)>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let named = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    if !COLLECTORS.iter().any(|name| named(name)) {
        return Ok(None);
    }
    let client = Client { client: reqwest::Client::builder().build()?, runtime: Handle::current() };
    let exporter = SpanExporter::builder().with_http().with_http_client(client).build()?;
    let resource = Resource::builder();
    let resource = if named("OTEL_SERVICE_NAME") { resource } else { resource.with_service_name("dp2stage") };
    let provider = SdkTracerProvider::builder().with_resource(resource.build()).with_batch_exporter(exporter).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("dp2stage"));
    Ok(Some((layer.with_location(false).with_threads(false), Sending(provider))))
}

/// The client of HTTP that is used everywhere here. Spans are sent from a thread that is no runtime's.
#[derive(Debug)]
struct Client {
    client: reqwest::Client,
    runtime: Handle,
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for Client {
    fn send_bytes<'client, 'answer>(&'client self, request: Request<Bytes>) -> Answer<'answer>
    where
        'client: 'answer,
        Self: 'answer,
    {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let answer = client.execute(request.try_into()?).await?;
            let head = Response::builder().status(answer.status());
            Ok(head.body(answer.bytes().await?)?)
        });
        Box::pin(async move { sent.await? })
    }
}
