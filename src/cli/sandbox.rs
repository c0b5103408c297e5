//! `sandbox`: a simulated tenant until interrupted.

use super::{interrupted, print};
use crate::sandbox::Sandbox;
use anyhow::{Context, Result};
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
}

pub(super) async fn run(arguments: Arguments) -> Result<()> {
    let sandbox = match arguments.state {
        Some(file) => Sandbox::with_state(arguments.listen, file).await?,
        None => {
            Sandbox::start(arguments.listen).await.with_context(|| format!("cannot listen at {}", arguments.listen))?
        }
    };
    let stopped = interrupted()?;
    // The first line is for programs.
    print(&serde_json::to_string(sandbox.connection())?);
    stopped.await;
    Ok(sandbox.save()?)
}
