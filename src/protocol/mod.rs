//! Plugin protocol v6: handshake, mTLS, gRPC services, wire codec. The only home of generated code.

mod convert;
mod goplugin;
mod handshake;
mod io;
mod log;
mod msgpack;
mod service;
#[cfg(test)]
mod service_tests;
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

use crate::framework::Plugin;
use anyhow::Context;
use generated::health::health_server::HealthServer;
use generated::plugin::grpc_controller_server::GrpcControllerServer;
use generated::plugin::grpc_stdio_server::GrpcStdioServer;
use generated::tfplugin6::provider_server::ProviderServer;
use handshake::Environment;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Largest message either way. The CLI takes up to this much of a state; tonic's own limit of 4 MiB is too small for one.
const LARGEST_MESSAGE: usize = 256 << 20;
/// After a shutdown request the CLI waits two seconds and then kills.
const LAST_MOMENT: Duration = Duration::from_millis(1500);

/// Whether a CLI started this process as a plugin.
pub fn started_as_plugin() -> bool {
    Environment::of_process().has_cookie()
}

/// Serves the CLI that started this process, until it says that it is done.
pub async fn serve(plugin: Arc<dyn Plugin>) -> anyhow::Result<()> {
    let environment = Environment::of_process();
    log::start();
    let tls = environment.client_certificate.as_deref().map(tls::Identity::pinned_to).transpose()?;
    let listener = io::Listener::bind(&environment)?;
    let certificate = tls.as_ref().map(|identity| identity.certificate.as_slice());
    let line = handshake::line(&environment, &listener.address(), certificate);
    {
        // The first and only thing ever written to standard output.
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush()).context("the handshake could not be written")?;
    }
    swallow_interrupts();
    run(plugin, listener, tls).await
}

/// Serves any CLI that is told where, until interrupted: for debuggers.
pub async fn debug(plugin: Arc<dyn Plugin>, announce: impl FnOnce(String)) -> anyhow::Result<()> {
    log::start();
    let listener = io::Listener::bind(&Environment::default())?;
    announce(handshake::reattach(&listener.address(), std::process::id()));
    tokio::select! {
        done = run(plugin, listener, None) => done,
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot listen for interrupts"),
    }
}

/// Ctrl-C reaches the whole process group; the CLI sends StopProvider instead, and its running operations still have to answer.
fn swallow_interrupts() {
    tokio::spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
}

async fn run(plugin: Arc<dyn Plugin>, listener: io::Listener, tls: Option<tls::Identity>) -> anyhow::Result<()> {
    let (stop, stopped) = watch::channel(false);
    let guarded = tls.is_some();
    let incoming = listener.accept(tls.map(|identity| identity.acceptor), guarded.then(|| stop.clone()));
    let provider = ProviderServer::new(service::Service::new(plugin))
        .max_decoding_message_size(LARGEST_MESSAGE)
        .max_encoding_message_size(LARGEST_MESSAGE);
    let mut until = stopped.clone();
    let server = tonic::transport::Server::builder()
        .add_service(provider)
        .add_service(GrpcControllerServer::new(goplugin::Controller(stop)))
        .add_service(GrpcStdioServer::new(goplugin::Stdio(stopped.clone())))
        .add_service(HealthServer::new(goplugin::Health))
        .serve_with_incoming_shutdown(incoming, async move {
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
