//! Around every RPC: what fails or panics becomes a diagnostic, and one event says what was called, how long it took and how it ended.

use super::convert::diagnostics;
use super::generated::tfplugin6 as wire;
use crate::framework::{Diagnostic, panic_text};
use futures_util::FutureExt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use tokio::time::Instant;
use tonic::{Response, Status};

pub(super) type Answer<T> = Result<Response<T>, Status>;
/// A value that does not decode, or a name that is not served: a fault on either side, told as a diagnostic.
pub(super) type Decoded<T> = Result<T, Diagnostic>;

/// A response that carries findings.
pub(super) trait Told: Default {
    fn told(found: Vec<Diagnostic>) -> Self;
    /// How many errors and warnings it carries.
    fn counted(&self) -> (usize, usize);
}

macro_rules! told {
    ($($module:ident),* $(,)?) => {$(
        impl Told for wire::$module::Response {
            #[allow(clippy::needless_update, reason = "some have no other field")]
            fn told(found: Vec<Diagnostic>) -> Self {
                Self { diagnostics: diagnostics(found), ..Default::default() }
            }

            fn counted(&self) -> (usize, usize) {
                let of = |severity: wire::diagnostic::Severity| {
                    self.diagnostics.iter().filter(|one| one.severity() == severity).count()
                };
                (of(wire::diagnostic::Severity::Error), of(wire::diagnostic::Severity::Warning))
            }
        }
    )*};
}
told![
    validate_provider_config,
    validate_resource_config,
    validate_data_resource_config,
    validate_ephemeral_resource_config,
    validate_list_resource_config,
    upgrade_resource_state,
    upgrade_resource_identity,
    configure_provider,
    read_resource,
    plan_resource_change,
    apply_resource_change,
    import_resource_state,
    move_resource_state,
    read_data_source,
    generate_resource_config,
    open_ephemeral_resource,
    renew_ephemeral_resource,
    close_ephemeral_resource,
];

impl Told for wire::call_function::Response {
    fn told(found: Vec<Diagnostic>) -> Self {
        let text = found.into_iter().map(|one| one.summary).collect::<Vec<_>>().join("\n");
        Self { result: None, error: Some(wire::FunctionError { text, function_argument: None }) }
    }

    fn counted(&self) -> (usize, usize) {
        (self.error.iter().count(), 0)
    }
}

/// Runs the handler of `rpc` for what is called `name`.
pub(super) async fn safe<T: Told>(rpc: &str, name: &str, handler: impl Future<Output = Decoded<T>>) -> Answer<T> {
    let start = Instant::now();
    let answer = match AssertUnwindSafe(handler).catch_unwind().await {
        Ok(Ok(answer)) => answer,
        Ok(Err(found)) => T::told(vec![found]),
        Err(panic) => T::told(vec![Diagnostic::bug(panic_text(&*panic))]),
    };
    let (errors, warnings) = answer.counted();
    let milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(rpc, name, milliseconds, errors, warnings, "call");
    Ok(Response::new(answer))
}
