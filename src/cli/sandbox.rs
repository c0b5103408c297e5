//! `sandbox`: a simulated tenant until interrupted.

use super::{interrupted, print};
use crate::sandbox::{Sandbox, Settings};
use anyhow::Result;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Where to listen. Port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8365")]
    listen: SocketAddr,
    /// Keep the tenants in this file: read at the start, written at every change.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Use TLS, as most clients demand, with an authority of its own: `ca_certificate` in the first line is the file to trust.
    #[arg(long)]
    tls: bool,
}

pub(super) async fn run(arguments: Arguments) -> Result<()> {
    let Arguments { listen, state, tls } = arguments;
    let sandbox = Sandbox::open(Settings { listen, state, tls }).await?;
    let stopped = interrupted()?;
    // The first line is for programs.
    print(&serde_json::to_string(sandbox.connection())?);
    stopped.await;
    Ok(sandbox.save()?)
}
