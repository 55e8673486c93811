//! TLS from two files, which may be read again while the server runs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A file cannot be read, or is not what it should be. Names the file and nothing that it holds.
    #[error("{file}: {fault}")]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        fault: &'static str,
    },
    /// Certificate and key do not go together, or are of a kind that is not known.
    #[error("the certificate and the key: {0}")]
    Pair(rustls::Error),
}

/// A certificate with its key; cheap to clone.
#[derive(Clone, Debug)]
pub struct Tls {
    files: Arc<(PathBuf, PathBuf)>,
    current: Arc<watch::Sender<Arc<ServerConfig>>>,
}

impl Tls {
    /// Reads a chain of certificates and its private key, both in PEM.
    ///
    /// # Errors
    /// [`TlsFault`].
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsFault> {
        let (sender, _) = watch::channel(settings(certificate, key)?);
        let files = (certificate.to_path_buf(), key.to_path_buf());
        Ok(Self { files: Arc::new(files), current: Arc::new(sender) })
    }

    /// Reads the files again, for connections from now on.
    ///
    /// # Errors
    /// [`TlsFault`]; what was read before then goes on being used.
    pub fn renew(&self) -> Result<(), TlsFault> {
        self.current.send_replace(settings(&self.files.0, &self.files.1)?);
        Ok(())
    }

    /// Carries out the handshake with a client.
    pub(super) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let current = self.current.borrow().clone();
        TlsAcceptor::from(current).accept(stream).await
    }
}

fn settings(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsFault> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| of_file(certificate, &error, "holds no certificate in PEM"))?;
    if chain.is_empty() {
        return Err(of_file(certificate, &pem::Error::NoItemsFound, "holds no certificate in PEM"));
    }
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| of_file(key, &error, "holds no private key in PEM, or one that a password protects"))?;
    let provider = Arc::new(ring::default_provider());
    let mut settings = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsFault::Pair)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsFault::Pair)?;
    settings.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(settings))
}

fn of_file(file: &Path, error: &pem::Error, otherwise: &'static str) -> TlsFault {
    let fault = match error {
        pem::Error::Io(error) if error.kind() == io::ErrorKind::NotFound => "there is no such file",
        pem::Error::Io(_) => "cannot be read",
        _ => otherwise,
    };
    TlsFault::File { file: file.to_path_buf(), fault }
}
