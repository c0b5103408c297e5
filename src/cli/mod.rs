//! The binary without Terraform: one file per subcommand.

mod catalog;
mod demo;
pub mod docs;
pub mod measure;
mod sandbox;
pub mod terraform;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};

/// Terraform and OpenTofu provider for security connectors to Microsoft 365.
///
/// The CLI starts this program by itself when a configuration uses the provider. Started by a person, it is the small tool
/// below.
#[derive(Parser)]
#[command(version, name = "terraform-provider-m365")]
struct Arguments {
    /// Serve as a plugin for a debugger: prints the value of TF_REATTACH_PROVIDERS and runs until interrupted.
    #[arg(long)]
    debug: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run a simulated tenant.
    Sandbox(sandbox::Arguments),
    /// Show the whole story against a simulated tenant: plan, apply, drift, repair, destroy.
    Demo(demo::Arguments),
    /// Look into the catalogue of connectors and permissions.
    #[command(subcommand)]
    Catalog(catalog::Command),
    /// Write the reference pages below `docs`: for developers of the provider.
    #[command(hide = true)]
    Docs(docs::Arguments),
    /// Measure requests and times with many connectors: prints `docs/performance.md`.
    #[command(hide = true)]
    Measure(measure::Arguments),
}

/// Runs what the arguments ask for.
pub async fn run() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.debug {
        return crate::protocol::debug(crate::registry::server, |value| {
            print(&format!("Provider started. Attach a CLI to it with:\n\n\texport TF_REATTACH_PROVIDERS='{value}'\n"));
        })
        .await;
    }
    match arguments.command {
        Some(Command::Sandbox(arguments)) => sandbox::run(arguments).await,
        Some(Command::Demo(arguments)) => demo::run(arguments).await,
        Some(Command::Catalog(command)) => catalog::run(&command),
        Some(Command::Docs(arguments)) => docs::run(&arguments),
        Some(Command::Measure(arguments)) => measure::run(arguments).await,
        None => {
            print(&Arguments::command().render_long_help().to_string());
            Ok(())
        }
    }
}

/// Listens from now on, and ends when somebody asks the program to: with Ctrl-C, or by the signal that systems stop programs with.
#[cfg(unix)]
fn interrupted() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// The same where there is no such signal.
#[cfg(not(unix))]
fn interrupted() -> Result<impl Future<Output = ()>> {
    Ok(async {
        tokio::signal::ctrl_c().await.ok();
    })
}

/// A line for a person, or for a program that reads ours. A closed pipe is no failure.
fn print(text: &str) {
    use std::io::Write;
    writeln!(anstream::stdout(), "{text}").ok();
}
