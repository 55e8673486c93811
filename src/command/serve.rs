//! `dp2stage serve`.

use dp2stage::http;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::service::Service;
use crate::config::Config;

/// Serves until SIGTERM or SIGINT.
pub async fn run(config: Config, dev: bool) -> anyhow::Result<()> {
    let service = Service::start(config, dev).await?;
    // Before anybody learns that it is there: whoever reads the line may ask it to stop at once.
    let stop = stop_signal();
    if let Some(tls) = service.tls.clone() {
        tokio::spawn(renewals(tls));
    }
    let scheme = if service.tls.is_some() { "https" } else { "http" };
    println!("dp2stage listens on {scheme}://{}", service.address);
    if let Some(address) = service.metrics_address {
        tracing::info!(%address, "metrics are told");
    }
    if let Some(key) = &service.first_key {
        println!("admin key, shown only now: {key}");
    }
    let asked = tokio::select! {
        () = stop => true,
        () = service.ended() => false,
    };
    tracing::info!("stopping");
    service.stop().await?;
    anyhow::ensure!(asked, "the service had to stop by itself; the log says why");
    Ok(())
}

/// Reads the certificate again with each SIGHUP. One that cannot be read leaves the one before in use.
fn renewals(tls: http::Tls) -> impl Future<Output = ()> {
    let mut hangups = listener(SignalKind::hangup());
    async move {
        while let Some(signal) = &mut hangups
            && signal.recv().await.is_some()
        {
            match tls.renew() {
                Ok(()) => tracing::info!("the certificate for TLS was read again"),
                Err(error) => {
                    tracing::error!(%error, "the certificate for TLS is no good; the one before stays in use")
                }
            }
        }
    }
}

/// Ends with the first SIGTERM or SIGINT after this call.
pub fn stop_signal() -> impl Future<Output = ()> {
    let (terminate, interrupt) = (listener(SignalKind::terminate()), listener(SignalKind::interrupt()));
    async move {
        tokio::select! {
            () = heard(terminate) => {}
            () = heard(interrupt) => {}
        }
    }
}

fn listener(kind: SignalKind) -> Option<Signal> {
    signal(kind).inspect_err(|error| tracing::error!(%error, "a signal cannot be listened to")).ok()
}

async fn heard(listener: Option<Signal>) {
    match listener {
        Some(mut signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
