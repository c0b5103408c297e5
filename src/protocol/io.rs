//! The socket that the CLI connects to, with or without TLS.

use super::abandonment::{Abandonment, Place};
use super::handshake::{Address, Environment};
use anyhow::Context;
use std::io;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::Stream;
use tonic::transport::server::Connected;

#[cfg(windows)]
use tokio::net::{TcpListener as Inner, TcpStream as Raw};
#[cfg(unix)]
use tokio::net::{UnixListener as Inner, UnixStream as Raw};

/// A stalled handshake must not keep a connection for ever.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// Before the next try, where accepting fails: it does so at once and again while file handles are short.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Longest path that macOS binds.
const LONGEST_PATH: usize = 103;

/// A bound socket.
pub(super) struct Listener {
    inner: Inner,
    address: Address,
    /// Removed with the listener.
    #[cfg(unix)]
    folder: tempfile::TempDir,
}

impl Listener {
    /// A socket in a folder of its own, which only this user may enter.
    #[cfg(unix)]
    pub(super) fn bind(environment: &Environment) -> anyhow::Result<Self> {
        let preferred = environment.socket_folder.clone().unwrap_or_else(std::env::temp_dir);
        // The usual mask would let everybody look in.
        let private = std::fs::Permissions::from_mode(0o700);
        let made = |parent: &std::path::Path| {
            tempfile::Builder::new().prefix("tf-m365-").permissions(private.clone()).tempdir_in(parent)
        };
        let mut folder = made(&preferred)
            .with_context(|| format!("no folder for the socket could be made in {}", preferred.display()))?;
        if folder.path().join("s").as_os_str().len() > LONGEST_PATH {
            folder = made(std::path::Path::new("/tmp")).context("no folder for the socket could be made in /tmp")?;
        }
        let path = folder.path().join("s");
        let inner = Inner::bind(&path).context("the socket could not be bound")?;
        let address = Address { network: "unix", place: path.to_string_lossy().into_owned() };
        Ok(Self { inner, address, folder })
    }

    /// A port of the range that the CLI offers, on the loopback address.
    #[cfg(windows)]
    pub(super) fn bind(environment: &Environment) -> anyhow::Result<Self> {
        let (first, last) = environment.ports;
        let bound = (first..=last).find_map(|port| std::net::TcpListener::bind(("127.0.0.1", port)).ok());
        let listener = bound.context("no free port in the range that the CLI offers")?;
        listener.set_nonblocking(true)?;
        let address = Address { network: "tcp", place: listener.local_addr()?.to_string() };
        Ok(Self { inner: Inner::from_std(listener)?, address })
    }

    pub(super) fn address(&self) -> Address {
        self.address.clone()
    }

    /// The connections, each after its TLS handshake.
    pub(super) fn accept(self, tls: Option<TlsAcceptor>, abandonment: Abandonment) -> Incoming {
        let (send, receive) = mpsc::channel(8);
        abandonment.await_first();
        tokio::spawn(accepting(self.inner, tls, abandonment, send));
        Incoming {
            receive,
            #[cfg(unix)]
            _folder: self.folder,
        }
    }
}

/// Accepts until nobody takes connections any more.
async fn accepting(
    inner: Inner,
    tls: Option<TlsAcceptor>,
    abandonment: Abandonment,
    send: mpsc::Sender<io::Result<Io>>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = inner.accept() => accepted,
            () = send.closed() => return,
        };
        match accepted {
            Ok((raw, _)) => drop(tokio::spawn(guarded(raw, tls.clone(), abandonment.place(), send.clone()))),
            Err(why) => {
                tracing::error!(%why, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// Hands a connection on, after its TLS handshake.
async fn guarded(raw: Raw, tls: Option<TlsAcceptor>, place: Place, send: mpsc::Sender<io::Result<Io>>) {
    let io = match tls {
        None => Io::Plain(raw, place),
        Some(acceptor) => match tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(raw)).await {
            Ok(Ok(stream)) => Io::Tls(Box::new(stream), place),
            Ok(Err(why)) => return tracing::error!(%why, "a TLS handshake failed"),
            Err(_) => return tracing::error!("a TLS handshake took too long"),
        },
    };
    send.send(Ok(io)).await.ok();
}

/// Connections as tonic wants them. Dropped with the server, and the socket's folder with it.
pub(super) struct Incoming {
    receive: mpsc::Receiver<io::Result<Io>>,
    #[cfg(unix)]
    _folder: tempfile::TempDir,
}

impl Stream for Incoming {
    type Item = io::Result<Io>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Self::Item>> {
        self.receive.poll_recv(task)
    }
}

/// One connection.
pub(super) enum Io {
    Plain(Raw, #[expect(dead_code, reason = "counts while it lives")] Place),
    Tls(Box<TlsStream<Raw>>, #[expect(dead_code, reason = "counts while it lives")] Place),
}

impl Connected for Io {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, task: &mut Task<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream, _) => Pin::new(stream).poll_read(task, buffer),
            Self::Tls(stream, _) => Pin::new(stream).poll_read(task, buffer),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, task: &mut Task<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream, _) => Pin::new(stream).poll_write(task, bytes),
            Self::Tls(stream, _) => Pin::new(stream).poll_write(task, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream, _) => Pin::new(stream).poll_flush(task),
            Self::Tls(stream, _) => Pin::new(stream).poll_flush(task),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream, _) => Pin::new(stream).poll_shutdown(task),
            Self::Tls(stream, _) => Pin::new(stream).poll_shutdown(task),
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::path::Path;

    fn listening() -> (Incoming, String) {
        let listener = Listener::bind(&Environment::default()).unwrap();
        let place = listener.address().place;
        (listener.accept(None, Abandonment::never()), place)
    }

    #[tokio::test]
    async fn the_sockets_folder_is_this_users_alone_and_goes_with_the_server() {
        let (incoming, place) = listening();
        let folder = Path::new(&place).parent().unwrap().to_owned();
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        drop(incoming);
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn nobody_is_let_in_once_the_server_is_gone() {
        let (incoming, place) = listening();
        // The socket itself, under a name that outlives its folder.
        let other = tempfile::tempdir().unwrap();
        let path = other.path().join("s");
        std::fs::hard_link(&place, &path).unwrap();
        Raw::connect(&path).await.unwrap();
        drop(incoming);
        while Raw::connect(&path).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}
