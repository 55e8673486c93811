//! Connections: accepted, perhaps by TLS, and not waited on for ever.

use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, header};
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
            Ok((stream, _)) => {
                // Small answers are not to wait for each other; without it they do, and nothing else is wrong.
                let _ = stream.set_nodelay(true);
                open.spawn(connection(stream, router.clone(), (tls.clone(), patience), stop.clone()));
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

async fn connection(
    stream: TcpStream,
    router: Router,
    (tls, patience): (Option<Tls>, Patience),
    stop: CancellationToken,
) {
    let stream = Reluctant::new(stream, patience.taking);
    match tls {
        None => converse(stream, router, patience, stop).await,
        // A client that does not speak TLS, or not in time, is not answered.
        Some(tls) => match timeout(patience.handshake, tls.accept(stream)).await {
            Ok(Ok(stream)) => converse(stream, router, patience, stop).await,
            Ok(Err(_)) | Err(_) => tracing::debug!("a handshake failed"),
        },
    }
}

/// One request after the other.
async fn converse<S>(stream: S, router: Router, patience: Patience, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(patience.head);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
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
