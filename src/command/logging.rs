//! Where log lines go: standard error, always. With the feature `otlp`, spans go to a collector besides.
//!
//! What may be in them is a rule of the house (`tests/suite/architecture/logged.rs`): fields by a list of names, messages
//! that are literals, so that no value gets in by way of either.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::config::{Log, LogFormat};

/// What has to last as long as there is something to log.
pub struct Logging {
    #[cfg(feature = "otlp")]
    _sending: Option<super::spans::Sending>,
}

/// Starts logging, within a runtime. A quiet program says errors only, unless `RUST_LOG` asks for more.
pub fn start(log: &Log, quiet: bool) -> anyhow::Result<Logging> {
    let wanted = std::env::var("RUST_LOG").ok();
    let filter = wanted.as_deref().unwrap_or(if quiet { "error" } else { &log.filter });
    // What the program is built of may trace statements and messages as they pass: whatever is asked for, it says no more
    // than there is to know for an operator.
    let ours = filter_fn(|line| line.target().starts_with("dp2stage") || *line.level() <= Level::INFO);
    let lines = fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
    let lines = match log.format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let registry = tracing_subscriber::registry().with(lines.with_filter(ours)).with(EnvFilter::try_new(filter)?);
    #[cfg(feature = "otlp")]
    let (registry, sending) = {
        let (layer, sending) = super::spans::layer()?.unzip();
        let ours = filter_fn(|span| span.target().starts_with("dp2stage"));
        (registry.with(layer.map(|layer| layer.with_filter(ours))), sending)
    };
    registry.try_init()?;
    // A panic may carry anything, a cell included: log where it happened and nothing of what it says.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a thread panicked");
    }));
    Ok(Logging {
        #[cfg(feature = "otlp")]
        _sending: sending,
    })
}
