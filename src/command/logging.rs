//! Where log lines go: standard error, always.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts logging. A quiet program says errors only, unless `RUST_LOG` asks for more.
pub fn start(log: &Log, quiet: bool) -> anyhow::Result<()> {
    let wanted = std::env::var("RUST_LOG").ok();
    let filter = wanted.as_deref().unwrap_or(if quiet { "error" } else { &log.filter });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
    // A panic may carry anything, a cell included: log where it happened and nothing of what it says.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a thread panicked");
    }));
    Ok(())
}
