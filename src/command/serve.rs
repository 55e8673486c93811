//! `dp2stage serve`.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::service::Service;
use crate::config::Config;

/// Serves until SIGTERM or SIGINT.
pub async fn run(config: Config, dev: bool) -> anyhow::Result<()> {
    let service = Service::start(config, dev).await?;
    // Before anybody learns that it is there: whoever reads the line may ask it to stop at once.
    let stop = stop_signal();
    println!("dp2stage listens on http://{}", service.address);
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
