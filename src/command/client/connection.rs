//! Where the server is, and which key opens it: flags, then the environment, then the client's file.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use figment::Figment;
use figment::providers::{Format, Toml};
use reqwest::Url;
use serde::Deserialize;

use super::api::Api;
use super::failure::Failure;
use super::output::remark;

/// Where `dp2stage serve` listens unless it is told otherwise.
const USUAL: &str = "http://127.0.0.1:8080";

/// Which server, and how answers are printed.
#[derive(Clone, Debug, clap::Args)]
pub struct Connection {
    /// The server. Else DP2STAGE_SERVER, then `server` in ~/.config/dp2stage/client.toml, then http://127.0.0.1:8080.
    #[arg(long, value_name = "URL", help_heading = "Connection")]
    server: Option<String>,
    /// A file that holds the key and that you alone can read. Else DP2STAGE_KEY, then `key` or `key_file` in client.toml,
    /// which go to the server of that file alone.
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    key_file: Option<PathBuf>,
    /// Print the server's JSON: one document, on standard output. Where the server refuses, it is the problem document.
    #[arg(long, help_heading = "Connection")]
    pub json: bool,
}

/// `client.toml`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ClientFile {
    server: Option<String>,
    key: Option<String>,
    key_file: Option<PathBuf>,
}

impl Connection {
    /// A client of the server. Nothing is sent yet.
    pub fn open(&self) -> Result<Api, Failure> {
        let file = ClientFile::read()?;
        let named = self.server.clone().or_else(|| variable("DP2STAGE_SERVER"));
        let server = address(named.as_deref().or(file.server.as_deref()).unwrap_or(USUAL))?;
        let own = match &file.server {
            Some(of_file) => address(of_file)? == server,
            None => true,
        };
        let key = match (&self.key_file, variable("DP2STAGE_KEY")) {
            (Some(path), _) => Some(read_key(path)?),
            (None, Some(key)) => Some(key),
            (None, None) if own => file.own_key()?,
            (None, None) => None,
        };
        let near = is_near(&server);
        if key.is_some() && server.scheme() == "http" && !near {
            remark("dp2stage: the key and all tables go in the clear to another machine: https is meant for that");
        }
        Api::new(server.as_str().trim_end_matches('/'), key.as_deref(), near)
    }
}

impl ClientFile {
    /// Reads it where it is; an empty one where it is not.
    fn read() -> Result<Self, Failure> {
        let Some(path) = place() else { return Ok(Self::default()) };
        let Ok(mut open) = File::open(&path) else { return Ok(Self::default()) };
        let mut text = String::new();
        open.read_to_string(&mut text).with_context(|| path.display().to_string())?;
        // What is wrong with it in detail might show the key.
        let read: Self = Figment::from(Toml::string(&text)).extract().map_err(|_| {
            Failure::Usage(format!(
                "{} is no client file: it may hold server = \"URL\" and key = \"dp2_...\" or key_file = \"FILE\"",
                path.display()
            ))
        })?;
        if read.key.is_some() {
            own(&open, &path)?;
        }
        Ok(read)
    }

    fn own_key(&self) -> Result<Option<String>, Failure> {
        match (&self.key, &self.key_file) {
            (Some(key), _) => Ok(Some(key.trim().to_owned())),
            (None, Some(path)) => read_key(path).map(Some),
            (None, None) => Ok(None),
        }
    }
}

/// `client.toml` of this user.
fn place() -> Option<PathBuf> {
    let config = variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let config = config.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".config")))?;
    Some(config.join("dp2stage/client.toml"))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn read_key(path: &Path) -> Result<String, Failure> {
    let mut file = File::open(path).with_context(|| path.display().to_string())?;
    own(&file, path)?;
    let mut text = String::new();
    file.read_to_string(&mut text).with_context(|| path.display().to_string())?;
    let key = text.trim();
    if key.is_empty() {
        return Err(Failure::Usage(format!("{} holds no key", path.display())));
    }
    Ok(key.to_owned())
}

/// That a file with a key is its owner's alone. Pipes are nobody's to look into.
fn own(file: &File, path: &Path) -> Result<(), Failure> {
    let about = file.metadata().with_context(|| path.display().to_string())?;
    if about.is_file() && about.mode() & 0o077 != 0 {
        let path = path.display();
        return Err(Failure::Usage(format!(
            "{path} holds a key, and others can read it: chmod 600 {path}, and make a new key if somebody may have"
        )));
    }
    Ok(())
}

/// An address that requests can be sent to.
fn address(text: &str) -> Result<Url, Failure> {
    let usage =
        |why: &str| Failure::Usage(format!("the server's address {why}: it is like https://dp2stage.example.org"));
    let url = Url::parse(text).map_err(|_| usage("is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(usage("is no http or https URL"));
    }
    // They would be in lists of processes and in logs.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(usage("holds a name or password, which belong in a key file"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(usage("ends in a query"));
    }
    Ok(url)
}

/// Whether it is this machine.
fn is_near(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
