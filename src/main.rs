//! Chooses what to be: a plugin when a CLI started it, a small tool when a person did.

use std::process::ExitCode;
use terraform_provider_m365::{cli, protocol, registry};

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => {
            eprintln!("The asynchronous runtime could not be started: {why}");
            return ExitCode::FAILURE;
        }
    };
    let result = if protocol::started_as_plugin() {
        runtime.block_on(protocol::serve(registry::server()))
    } else {
        runtime.block_on(cli::run())
    };
    // Blocking work that is still going on must not hold up the end of the process: the CLI kills after two seconds.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("Error: {why:#}");
            ExitCode::FAILURE
        }
    }
}
