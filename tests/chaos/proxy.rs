//! A road to PostgreSQL that can be cut, or can swallow what is sent on it.

use std::path::PathBuf;

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// How the road is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    /// As it should be.
    Open,
    /// Connections are dropped, and new ones too.
    Cut,
    /// Connections stay, and nothing comes out at the other end; those that met this never carry anything again.
    Swallows,
}

/// The proxy. It ends with its handle.
pub struct Proxy {
    /// The port of 127.0.0.1 on which it listens.
    pub port: u16,
    road: watch::Sender<Road>,
}

/// Where the database listens.
#[derive(Clone)]
enum Place {
    Socket(PathBuf),
    Port(String, u16),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Place {
    fn of(options: &PgConnectOptions) -> Self {
        match options.get_socket() {
            Some(folder) => Self::Socket(folder.join(format!(".s.PGSQL.{}", options.get_port()))),
            None => Self::Port(options.get_host().to_owned(), options.get_port()),
        }
    }

    async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Socket(path) => Box::new(UnixStream::connect(path).await?),
            Self::Port(host, port) => Box::new(TcpStream::connect((host.as_str(), *port)).await?),
        })
    }
}

impl Proxy {
    /// A road to the database of these options, open.
    pub async fn to(options: &PgConnectOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (road, seen) = watch::channel(Road::Open);
        let place = Place::of(options);
        tokio::spawn(async move {
            let mut ended = seen.clone();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        if let Ok((client, _)) = accepted {
                            tokio::spawn(carry(client, place.clone(), seen.clone()));
                        }
                    }
                    // The handle is gone.
                    Err(_) = ended.wait_for(|_| false) => return,
                }
            }
        });
        Self { port, road }
    }

    /// Makes the road like this from now on.
    pub fn set(&self, road: Road) {
        self.road.send_replace(road);
    }
}

async fn carry(mut client: TcpStream, place: Place, mut road: watch::Receiver<Road>) {
    let now = *road.borrow();
    match now {
        Road::Cut => return,
        Road::Swallows => return swallow(client).await,
        Road::Open => {}
    }
    let Ok(mut server) = place.connect().await else { return };
    let met = tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => return,
        met = road.wait_for(|road| *road != Road::Open) => met.map(|road| *road),
    };
    if matches!(met, Ok(Road::Swallows)) {
        // The server knows of nothing either: its end stays open.
        swallow(client).await;
    }
}

async fn swallow(mut client: TcpStream) {
    let mut bytes = [0; 4096];
    while client.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
}
