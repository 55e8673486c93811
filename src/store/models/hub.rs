//! Where the hub is and what may be told to it: the variables that Hugging Face's own programs read.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Client, Url, redirect};

use super::error::ModelsError;

/// The hub unless `HF_ENDPOINT` names a mirror.
const ENDPOINT: &str = "https://huggingface.co";
/// A connection must stand within this.
const CONNECT: Duration = Duration::from_secs(15);
/// A server that sends nothing for this long is taken for gone.
const SILENCE: Duration = Duration::from_secs(30);
/// The hub hands large files to another host, which may hand on once or twice.
const REDIRECTS: usize = 8;

/// A secret word. It never prints itself.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Wraps the word.
    #[must_use]
    pub fn new(word: String) -> Self {
        Self(word)
    }

    /// The word, for the header of a request.
    pub(super) fn word(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// A hub and the cache beside it.
#[derive(Clone, Debug)]
pub struct Hub {
    /// Its address, without a slash at the end.
    pub endpoint: String,
    /// The cache of Hugging Face's programs, whose files are used where they are the right ones.
    pub cache: Option<PathBuf>,
    /// Whether the network is out of bounds.
    pub offline: bool,
    /// What proves who is asking; for the endpoint's ears alone.
    pub token: Option<Token>,
}

impl Hub {
    /// Reads `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`, `HF_HUB_OFFLINE` and `HF_TOKEN` by way of `variable`.
    #[must_use]
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let given = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let folder = |name: &str| given(name).map(PathBuf::from);
        let home = || folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
        let cache = folder("HF_HUB_CACHE").or_else(|| {
            let hub = folder("HF_HOME").or_else(|| Some(home()?.join("huggingface")))?;
            Some(hub.join("hub"))
        });
        let yes = |value: String| ["1", "true", "yes", "on"].contains(&value.trim().to_lowercase().as_str());
        Self {
            endpoint: given("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned()).trim_end_matches('/').to_owned(),
            cache,
            offline: given("HF_HUB_OFFLINE").is_some_and(yes),
            token: given("HF_TOKEN").map(|word| Token::new(word.trim().to_owned())),
        }
    }

    /// The address of a file.
    pub(super) fn url(&self, repository: &str, revision: &str, file: &str) -> Result<Url, ModelsError> {
        let text = format!("{}/{repository}/resolve/{revision}/{file}", self.endpoint);
        let url = Url::parse(&text).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        url.ok_or_else(|| ModelsError::Endpoint(self.endpoint.clone()))
    }

    /// Where the cache would keep a file of a repository.
    pub(super) fn cached(&self, repository: &str, revision: &str, file: &str) -> Option<PathBuf> {
        let folder = format!("models--{}", repository.replace('/', "--"));
        Some(self.cache.as_deref()?.join(folder).join("snapshots").join(revision).join(file))
    }

    /// The token, where it may be sent: not in the clear over a network.
    pub(super) fn token_for(&self, url: &Url) -> Option<&Token> {
        self.token.as_ref().filter(|_| url.scheme() == "https" || is_loopback(url))
    }

    /// A client that follows the hub to the hosts that it keeps large files at. The library takes the
    /// token off as soon as host or port are others than the first.
    pub(super) fn client(&self, url: &Url) -> Result<Client, ModelsError> {
        let policy = redirect::Policy::custom(|attempt| {
            let clear = attempt.previous().last().is_some_and(|from| from.scheme() == "https");
            if clear && attempt.url().scheme() != "https" {
                return attempt.error("a redirection from https to http");
            }
            if attempt.previous().len() > REDIRECTS {
                return attempt.error("too many redirections");
            }
            attempt.follow()
        });
        let builder = Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .redirect(policy)
            .referer(false)
            .user_agent(concat!("dp2stage/", env!("CARGO_PKG_VERSION")));
        let builder = if is_loopback(url) { builder.no_proxy() } else { builder };
        builder.build().map_err(|error| ModelsError::Client(error.without_url()))
    }
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| ["localhost", "127.0.0.1", "[::1]"].contains(&host))
}
