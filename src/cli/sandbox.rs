//! `sandbox`: a simulated tenant until interrupted.

use super::print;
use crate::sandbox::Sandbox;
use anyhow::{Context, Result};
use std::net::SocketAddr;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Where to listen. Port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8365")]
    listen: SocketAddr,
}

pub(super) async fn run(arguments: Arguments) -> Result<()> {
    let sandbox =
        Sandbox::start(arguments.listen).await.with_context(|| format!("cannot listen at {}", arguments.listen))?;
    // The first line is for programs.
    print(&serde_json::to_string(sandbox.connection())?);
    tokio::signal::ctrl_c().await.context("cannot listen for interrupts")
}
