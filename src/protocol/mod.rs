//! Plugin protocol v6: handshake, mTLS, gRPC services, wire codec. The only home of generated code.

mod abandonment;
mod convert;
mod goplugin;
mod handshake;
mod io;
mod log;
mod msgpack;
mod rpc;
#[cfg(test)]
mod rpc_tests;
mod safe;
mod signals;
mod tls;

#[allow(
    missing_docs,
    dead_code,
    clippy::all,
    clippy::needless_pass_by_value,
    clippy::semicolon_if_nothing_returned,
    reason = "generated; wrapper messages are never made"
)]
mod generated {
    pub mod tfplugin6 {
        tonic::include_proto!("tfplugin6");
    }
    pub mod plugin {
        tonic::include_proto!("plugin");
    }
    pub mod health {
        tonic::include_proto!("grpc.health.v1");
    }
}

use crate::framework::{Provider, Server};
use abandonment::Abandonment;
use anyhow::Context;
use futures_util::stream;
use generated::health::health_server::HealthServer;
use generated::plugin::grpc_controller_server::GrpcControllerServer;
use generated::plugin::grpc_stdio_server::GrpcStdioServer;
use generated::tfplugin6::provider_server::ProviderServer;
use handshake::Environment;
use io::Io;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_stream::{Stream, StreamExt};

/// Largest message either way. Source: `grpcMaxMessageSize` of HashiCorp's own plugin server; the CLI itself would take 2 GiB. tonic's
/// 4 MiB are too small for a state.
const LARGEST_MESSAGE: usize = 256 << 20;
/// After a shutdown request the CLI waits two seconds and then kills.
const LAST_MOMENT: Duration = Duration::from_millis(1500);

/// Whether a CLI started this process as a plugin.
pub fn started_as_plugin() -> bool {
    Environment::of_process().has_cookie()
}

/// Serves the CLI that started this process, until it says that it is done or is gone.
pub async fn serve<P: Provider>(provider: Server<P>) -> anyhow::Result<()> {
    let environment = Environment::of_process();
    log::start();
    let tls = environment.client_certificate.as_deref().map(tls::Identity::pinned_to).transpose()?;
    let listener = io::Listener::bind(&environment)?;
    let certificate = tls.as_ref().map(|identity| identity.certificate.as_slice());
    let line = handshake::line(&environment, &listener.address(), certificate);
    let (stop, stopped) = watch::channel(false);
    // Before the line: the CLI's user may press Ctrl-C right after it.
    signals::listen(stop.clone())?;
    {
        // The first and only thing ever written to standard output.
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush()).context("the handshake could not be written")?;
    }
    let connections = listener.accept(tls.map(|identity| identity.acceptor), Abandonment::sets(stop.clone()));
    run(Arc::new(provider), connections, stop, stopped).await
}

/// Serves any CLI that is told where, until interrupted: for debuggers. Each connection gets a provider of its own, since a CLI makes
/// one for each provider block: two blocks for two tenants must not share a configuration.
pub async fn debug<P: Provider>(provider: impl Fn() -> Server<P>, announce: impl FnOnce(String)) -> anyhow::Result<()> {
    log::start();
    let interrupted = signals::interrupted()?;
    let listener = io::Listener::bind(&Environment::default())?;
    announce(handshake::reattach(&listener.address(), std::process::id()));
    let mut connections = listener.accept(None, Abandonment::never());
    let serve = async {
        while let Some(connection) = connections.next().await {
            let (stop, stopped) = watch::channel(false);
            tokio::spawn(run(Arc::new(provider()), stream::iter([connection]), stop, stopped));
        }
    };
    tokio::select! {
        () = serve => {}
        () = interrupted => {}
    }
    Ok(())
}

async fn run<P: Provider>(
    provider: Arc<Server<P>>,
    connections: impl Stream<Item = std::io::Result<Io>>,
    stop: watch::Sender<bool>,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let provider = ProviderServer::new(rpc::Rpc(provider))
        .max_decoding_message_size(LARGEST_MESSAGE)
        .max_encoding_message_size(LARGEST_MESSAGE);
    let mut until = stopped.clone();
    let server = tonic::transport::Server::builder()
        .add_service(provider)
        .add_service(GrpcControllerServer::new(goplugin::Controller(stop)))
        .add_service(GrpcStdioServer::new(goplugin::Stdio(stopped.clone())))
        .add_service(HealthServer::new(goplugin::Health))
        .serve_with_incoming_shutdown(connections, async move {
            until.wait_for(|stop| *stop).await.ok();
        });
    let mut last = stopped;
    let forced = async move {
        last.wait_for(|stop| *stop).await.ok();
        tokio::time::sleep(LAST_MOMENT).await;
    };
    tokio::select! {
        done = server => done.context("the gRPC server failed"),
        () = forced => Ok(()),
    }
}
