//! Connections, with TLS or without, that can be cut: closed without another byte, as when the network or a machine on the way fails.

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// Longest that a client takes to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(10);

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Accepts connections that can be cut.
pub(super) struct Lines {
    arrivals: mpsc::Receiver<(Line, SocketAddr)>,
    address: SocketAddr,
}

impl Lines {
    /// Those that arrive at `listener`, until this is dropped.
    pub(super) fn at(listener: TcpListener, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let (send, arrivals) = mpsc::channel(16);
        let address = listener.local_addr()?;
        tokio::spawn(accept(listener, tls, send));
        Ok(Self { arrivals, address })
    }
}

/// A client that is slow to agree on keys keeps nobody waiting.
async fn accept(mut listener: TcpListener, tls: Option<TlsAcceptor>, send: mpsc::Sender<(Line, SocketAddr)>) {
    loop {
        let (stream, address) = tokio::select! {
            arrived = Listener::accept(&mut listener) => arrived,
            () = send.closed() => return,
        };
        let (tls, send) = (tls.clone(), send.clone());
        tokio::spawn(async move {
            if let Some(stream) = opened(stream, tls).await {
                send.send((Line { stream, cut: Cut::default() }, address)).await.ok();
            }
        });
    }
}

async fn opened(stream: TcpStream, tls: Option<TlsAcceptor>) -> Option<Box<dyn Stream>> {
    match tls {
        None => Some(Box::new(stream)),
        Some(tls) => {
            let stream = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await.ok()?.ok()?;
            Some(Box::new(stream))
        }
    }
}

/// One connection.
pub(super) struct Line {
    stream: Box<dyn Stream>,
    cut: Cut,
}

/// Cuts the connection of the request that it was handed to.
#[derive(Clone, Default)]
pub(super) struct Cut(Arc<AtomicBool>);

impl Cut {
    /// From now on nothing is written: whatever the handler answers, the connection ends instead.
    pub(super) fn now(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::SeqCst) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl Listener for Lines {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        match self.arrivals.recv().await {
            Some(arrived) => arrived,
            // Nobody accepts any more: the process is at its end.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Connected<IncomingStream<'_, Lines>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Lines>) -> Self {
        stream.io().cut.clone()
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.cut.check()?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.cut.check()?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.cut.check()?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
