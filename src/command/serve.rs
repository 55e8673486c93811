//! `dp2stage serve`.

use tokio::signal::unix::{SignalKind, signal};

use super::service::Service;
use crate::config::Config;

/// Serves until SIGTERM or SIGINT.
pub async fn run(config: Config, dev: bool) -> anyhow::Result<()> {
    let service = Service::start(config, dev).await?;
    println!("dp2stage listens on http://{}", service.address);
    if let Some(key) = &service.first_key {
        println!("admin key, shown only now: {key}");
    }
    let asked = tokio::select! {
        () = stop_signal() => true,
        () = service.ended() => false,
    };
    tracing::info!("stopping");
    service.stop().await?;
    anyhow::ensure!(asked, "the service had to stop by itself; the log says why");
    Ok(())
}

/// Waits for SIGTERM or SIGINT.
pub async fn stop_signal() {
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(error) => {
                tracing::error!(%error, "a signal cannot be listened to");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::interrupt()) => {}
    }
}
