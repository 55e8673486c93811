//! The round through all checks.

use std::path::Path;

use anyhow::ensure;
use dp2stage::store::Keyring;

use super::database::{Reached, database};
use super::finding::{Finding, State, chain};
use super::{machine, storage};
use crate::config::Config;

/// Looks at everything and prints what was found, as lines or as JSON.
///
/// # Errors
/// When something is bad.
pub fn run(settings: Option<&Path>, state_dir: Option<&Path>, json: bool) -> anyhow::Result<()> {
    let found = match Config::load(settings) {
        Ok(mut config) => {
            if let Some(folder) = state_dir {
                config.server.state_dir = Some(folder.into());
            }
            tokio::runtime::Runtime::new()?.block_on(examine(&config))
        }
        Err(error) => vec![Finding::bad("settings", chain(&error), "config.toml of this version lists every key")],
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        found.iter().for_each(|finding| println!("{finding}"));
    }
    let bad = found.iter().filter(|finding| finding.state == State::Bad).count();
    ensure!(bad == 0, "{bad} of {} checks are bad", found.len());
    Ok(())
}

async fn examine(config: &Config) -> Vec<Finding> {
    let mut found = vec![settings(config)];
    found.extend(machine::all(config));
    found.push(storage::state_folder(config));
    let (seen, reached) = database(config).await;
    found.extend(seen);
    let keys = config.storage_keys().map(|source| Keyring::of(&source));
    found.push(storage::storage_keys(config, &keys, reached.as_ref().map(Reached::storage_keys)));
    found.push(storage::certificate_key(config));
    let keys = keys.ok().and_then(Result::ok);
    found.extend(storage::blobs(config, keys, reached.as_ref().filter(|reached| reached.is_ready())).await);
    found.extend(storage::models(config));
    if let Some(reached) = reached {
        reached.close().await;
    }
    found
}

/// Settings that are read at the start only.
fn settings(config: &Config) -> Finding {
    let read = || -> anyhow::Result<bool> {
        config.webhooks()?;
        config.oidc()?;
        Ok(config.tls()?.is_some())
    };
    let bind = config.server.bind;
    match read() {
        Ok(false) if !bind.ip().is_loopback() => Finding::warning(
            "settings",
            format!("{bind} is open to others and without TLS: keys and tables would come in the clear"),
            "set server.tls_cert and server.tls_key, or bind to loopback behind a proxy",
        ),
        Ok(_) => {
            let here = || "config.toml here, if there is one".into();
            let source = config.file.as_deref().map_or_else(here, |file| file.display().to_string());
            Finding::ok("settings", format!("{source}, and the environment; serves {bind}"))
        }
        Err(error) => Finding::bad("settings", chain(&error), "config.toml of this version lists every key"),
    }
}
