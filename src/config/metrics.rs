//! Where metrics are told.

use std::net::SocketAddr;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::Config;

/// Where metrics are told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Address and port; empty for nowhere.
    pub bind: String,
}

impl Config {
    /// The address at which a server tells its metrics, if it does.
    ///
    /// # Errors
    /// What is no address with a port; the address of the API.
    pub fn metrics(&self) -> anyhow::Result<Option<SocketAddr>> {
        let bind = self.metrics.bind.trim();
        if bind.is_empty() {
            return Ok(None);
        }
        let address: SocketAddr =
            bind.parse().context("metrics.bind: an address with a port, such as 127.0.0.1:9464, or empty for none")?;
        anyhow::ensure!(
            address.port() == 0 || address != self.server.bind,
            "metrics.bind: {address} is where the API listens; metrics ask for no key, so they need a port of their own"
        );
        Ok(Some(address))
    }
}
