//! Signals to the process. A handler is registered when the function returns, not when somebody first waits.

use anyhow::Context;
use std::future::Future;
use tokio::sync::watch;

/// Ctrl-C reaches the whole process group, and does nothing here: the CLI sends StopProvider instead, and its running operations still
/// have to answer. A request to terminate sets `stop`, so that nothing is left behind.
#[cfg(unix)]
pub(super) fn listen(stop: watch::Sender<bool>) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupts = signal(SignalKind::interrupt()).context("cannot listen for interrupts")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    tokio::spawn(async move { while interrupts.recv().await.is_some() {} });
    tokio::spawn(async move {
        terminate.recv().await;
        stop.send_replace(true);
    });
    Ok(())
}

/// The same where there is no such signal but Ctrl-C.
#[cfg(not(unix))]
pub(super) fn listen(_: watch::Sender<bool>) -> anyhow::Result<()> {
    let mut interrupts = tokio::signal::windows::ctrl_c().context("cannot listen for interrupts")?;
    tokio::spawn(async move { while interrupts.recv().await.is_some() {} });
    Ok(())
}

/// Ends when somebody asks the program to: with Ctrl-C, or by the signal that systems stop programs with.
#[cfg(unix)]
pub(super) fn interrupted() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for interrupts")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// The same where there is no such signal but Ctrl-C.
#[cfg(not(unix))]
pub(super) fn interrupted() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c().context("cannot listen for interrupts")?;
    Ok(async move {
        interrupt.recv().await;
    })
}
