//! Connections: accepted, perhaps by TLS, and not waited on for ever.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use axum::{BoxError, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::set_header::SetResponseHeaderLayer;

use super::reluctant::Reluctant;
use super::tls::Tls;

/// Half a year, for browsers that have once come by TLS.
const HSTS: &str = "max-age=15552000";
/// After a fault of the system, such as too many open files.
const BREATH: Duration = Duration::from_millis(500);

/// How long clients are waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From a connection, or the end of an answer, to the end of the next request's head.
    pub head: Duration,
    /// For a TLS handshake.
    pub handshake: Duration,
    /// For a client to take the next bytes of its answer.
    pub taking: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { head: seconds(30), handshake: seconds(10), taking: seconds(60) }
    }
}

/// Serves until `stop` is cancelled; then waits for the requests under way.
///
/// # Errors
/// None at present; a connection that fails is closed, and others go on.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    (tls, patience): (Option<Tls>, Patience),
    stop: CancellationToken,
) -> io::Result<()> {
    let hsts = tls.is_some().then_some(HeaderValue::from_static(HSTS));
    let router = router.layer(SetResponseHeaderLayer::overriding(header::STRICT_TRANSPORT_SECURITY, hsts));
    let open = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Small answers are not to wait for each other; without it they do, and nothing else is wrong.
                let _ = stream.set_nodelay(true);
                let counter = Counter { router: router.clone(), peer };
                open.spawn(connection(stream, counter, (tls.clone(), patience), stop.clone()));
            }
            // A client that went away before it was let in.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop(listener);
    open.close();
    open.wait().await;
    Ok(())
}

/// The service as one peer meets it: every request knows where it came from.
#[derive(Clone)]
struct Counter {
    router: Router,
    peer: SocketAddr,
}

impl<B> tower::Service<Request<B>> for Counter
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = <Router as tower::Service<Request<B>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A router is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(ConnectInfo(self.peer));
        tower::Service::call(&mut self.router, request)
    }
}

async fn connection(
    stream: TcpStream,
    counter: Counter,
    (tls, patience): (Option<Tls>, Patience),
    stop: CancellationToken,
) {
    let stream = Reluctant::new(stream, patience.taking);
    match tls {
        None => converse(stream, counter, patience, stop).await,
        // A client that does not speak TLS, or not in time, is not answered.
        Some(tls) => match timeout(patience.handshake, tls.accept(stream)).await {
            Ok(Ok(stream)) => converse(stream, counter, patience, stop).await,
            Ok(Err(_)) | Err(_) => tracing::debug!("a handshake failed"),
        },
    }
}

/// One request after the other.
async fn converse<S>(stream: S, counter: Counter, patience: Patience, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(patience.head);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(counter)));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if ended.is_err() {
        tracing::debug!("a connection broke off");
    }
}
