//! The socket that the CLI connects to, with or without TLS.

use super::handshake::{Address, Environment};
use anyhow::Context;
use std::io;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as Task, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, watch};
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
/// A CLI that was killed tells nobody: without any connection for this long, nobody will come back.
const ABANDONED: Duration = Duration::from_secs(10);
/// A CLI that was killed before it connected tells nobody either. It gives a provider this long to start.
const NEVER_CAME: Duration = Duration::from_secs(60);
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

    /// The connections, each after its TLS handshake. Where `abandoned` is given it is set when there has been no connection for a
    /// while.
    pub(super) fn accept(self, tls: Option<TlsAcceptor>, abandoned: Option<watch::Sender<bool>>) -> Incoming {
        let inner = self.inner;
        let (send, receive) = mpsc::channel(8);
        let open = Arc::new(AtomicUsize::new(0));
        tokio::spawn(async move {
            let mut awaited = Some(Place::take(&open, abandoned.as_ref()));
            let never_came = tokio::time::sleep(NEVER_CAME);
            tokio::pin!(never_came);
            loop {
                let accepted = tokio::select! {
                    accepted = inner.accept() => accepted,
                    () = &mut never_came, if awaited.is_some() => {
                        awaited = None;
                        continue;
                    }
                };
                let raw = match accepted {
                    Ok((raw, _)) => raw,
                    Err(why) => {
                        tracing::error!(%why, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_AGAIN).await;
                        continue;
                    }
                };
                let place = Place::take(&open, abandoned.as_ref());
                awaited = None;
                let (tls, send) = (tls.clone(), send.clone());
                tokio::spawn(async move {
                    let io = match tls {
                        None => Io::Plain(raw, place),
                        Some(acceptor) => match tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(raw)).await {
                            Ok(Ok(stream)) => Io::Tls(Box::new(stream), place),
                            Ok(Err(why)) => return tracing::error!(%why, "a TLS handshake failed"),
                            Err(_) => return tracing::error!("a TLS handshake took too long"),
                        },
                    };
                    send.send(Ok(io)).await.ok();
                });
            }
        });
        Incoming {
            receive,
            #[cfg(unix)]
            _folder: self.folder,
        }
    }
}

/// Counts one connection, until dropped.
pub(super) struct Place {
    open: Arc<AtomicUsize>,
    abandoned: Option<watch::Sender<bool>>,
}

impl Place {
    fn take(open: &Arc<AtomicUsize>, abandoned: Option<&watch::Sender<bool>>) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self { open: open.clone(), abandoned: abandoned.cloned() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.open.fetch_sub(1, Ordering::SeqCst) > 1 {
            return;
        }
        let (open, Some(abandoned)) = (self.open.clone(), self.abandoned.clone()) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            tokio::time::sleep(ABANDONED).await;
            if open.load(Ordering::SeqCst) == 0 {
                abandoned.send_replace(true);
            }
        });
    }
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
    use tokio::time::Instant;
    use tokio_stream::StreamExt;

    fn listening() -> (Incoming, String, watch::Receiver<bool>) {
        let listener = Listener::bind(&Environment::default()).unwrap();
        let (place, (stop, stopped)) = (listener.address().place, watch::channel(false));
        (listener.accept(None, Some(stop)), place, stopped)
    }

    #[tokio::test(start_paused = true)]
    async fn a_cli_that_never_connects_does_not_keep_the_process() {
        let (_incoming, _, mut stopped) = listening();
        let start = Instant::now();
        stopped.wait_for(|stop| *stop).await.unwrap();
        assert!(start.elapsed() >= NEVER_CAME && start.elapsed() < NEVER_CAME + ABANDONED * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_connection_keeps_the_process_and_its_end_does_not() {
        let (mut incoming, place, mut stopped) = listening();
        let client = Raw::connect(place).await.unwrap();
        let accepted = incoming.next().await.unwrap().unwrap();
        tokio::time::sleep(NEVER_CAME * 10).await;
        assert!(!*stopped.borrow());
        drop((client, accepted));
        let start = Instant::now();
        stopped.wait_for(|stop| *stop).await.unwrap();
        assert!(start.elapsed() < ABANDONED * 2);
    }

    #[tokio::test]
    async fn the_sockets_folder_is_this_users_alone_and_goes_with_the_server() {
        let (incoming, place, _) = listening();
        let folder = std::path::Path::new(&place).parent().unwrap().to_owned();
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        drop(incoming);
        assert!(!folder.exists());
    }
}
