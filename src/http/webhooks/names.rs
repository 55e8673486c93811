//! Names become addresses here and nowhere else, and each address is judged before it is connected to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::is_global;

/// Addresses that were looked up.
pub type Looked = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Looks names up.
pub trait Names: Send + Sync + 'static {
    /// The addresses that a name has at this moment.
    fn look_up(&self, name: &str) -> Looked;
}

/// The names that the operating system knows.
#[derive(Clone, Copy, Debug)]
pub struct SystemNames;

impl Names for SystemNames {
    fn look_up(&self, name: &str) -> Looked {
        let name = name.to_owned();
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// A name led to an address that is not on the public internet.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the name leads to an address that is not public")]
pub(super) struct NotPublic;

/// Hands on addresses of the public internet alone; the connection goes to one of those, since it is these that the
/// client gets, so that a name which means something else a moment later gains nothing.
pub(super) struct Judged(pub Arc<dyn Names>);

impl Resolve for Judged {
    fn resolve(&self, name: Name) -> Resolving {
        let looked = self.0.look_up(name.as_str());
        Box::pin(async move {
            let found = looked.await?;
            // One bad address among good ones is no accident.
            if !found.iter().copied().all(is_global) {
                return Err(NotPublic.into());
            }
            Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

/// Hands on every address: for places that the operator named.
pub(super) struct Trusted(pub Arc<dyn Names>);

impl Resolve for Trusted {
    fn resolve(&self, name: Name) -> Resolving {
        let looked = self.0.look_up(name.as_str());
        Box::pin(async move {
            let found = looked.await?;
            Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}
