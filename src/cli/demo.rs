//! `demo`: the whole story against a simulated tenant.

use anyhow::Result;

#[derive(clap::Args)]
pub(super) struct Arguments {}

pub(super) async fn run(_: Arguments) -> Result<()> {
    Ok(())
}
