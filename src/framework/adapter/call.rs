//! What every adapter does around a hook: its context, its checks, its panics, its findings.

use crate::framework::codec::{CodecError, from_dynamic, to_dynamic};
use crate::framework::diagnostic::{Diagnostic, Diagnostics, Result};
use crate::framework::dynamic::Dynamic;
use crate::framework::held::Held;
use crate::framework::resource::{Context, Model, Phase};
use crate::framework::schema::Schema;
use crate::framework::timeouts::{Operation, limit};
use crate::framework::{checks, planning};
use futures_util::FutureExt;
use serde::Serialize;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What a call gets from the provider: services (where configured) and the token that ends it.
pub struct Call<S> {
    pub(in crate::framework) services: Option<Arc<S>>,
    pub(in crate::framework) cancelled: CancellationToken,
    pub(in crate::framework) held: Arc<Held>,
}

impl<S> Clone for Call<S> {
    fn clone(&self) -> Self {
        Self { services: self.services.clone(), cancelled: self.cancelled.clone(), held: self.held.clone() }
    }
}

impl<S> Call<S> {
    pub(super) fn context(self, phase: Phase, config: &Dynamic, limit: Duration) -> Context<S> {
        let mut cx = Context::new(self.services, phase, config.clone(), limit, self.cancelled);
        cx.held = self.held;
        cx
    }
}

/// What there is, or why not, with the warnings of the way.
pub(super) fn told<T: Default>(result: Result<T>, warnings: Vec<Diagnostic>) -> (T, Vec<Diagnostic>) {
    match result {
        Ok(value) => (value, warnings),
        Err(found) => (T::default(), gather(Some(found), warnings)),
    }
}

/// The schema's checks, then the model's own rules; all findings of both.
pub(in crate::framework) fn validate<M: Model, S>(
    schema: &Schema,
    config: &Dynamic,
    call: Call<S>,
    rules: impl Fn(&M, &Context<S>) -> Result<()>,
) -> Vec<Diagnostic> {
    let mut found = checks::check(schema, config);
    let cx = call.context(Phase::Validate, config, limit(&Dynamic::Null, Operation::Read));
    let result = match from_dynamic::<M>(&planning::with_defaults(schema, config)) {
        Ok(value) => rules(&value, &cx),
        Err(CodecError::Unknown) => Ok(()),
        // The schema's own check of the same value says it better, where there is one.
        Err(why) if found.is_empty() => Err(does_not_fit(why)),
        Err(_) => Ok(()),
    };
    found.extend(gather(result.err(), cx.finish().0));
    found
}

/// Fails where a reference of the configuration has the wrong form.
pub(super) fn referred(schema: &Schema, config: &Dynamic) -> Result<()> {
    Diagnostics(checks::references(schema, config)).into_result()
}

pub(super) fn gather(found: Option<Diagnostics>, warnings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    found.map(|found| found.0).into_iter().flatten().chain(warnings).collect()
}

/// Runs a hook; its panic becomes an error, and what it had reached stays with the caller.
pub(super) async fn guarded<T>(hook: impl Future<Output = Result<T>>) -> Result<T> {
    match AssertUnwindSafe(hook).catch_unwind().await {
        Ok(result) => result,
        Err(panic) => Err(Diagnostic::bug(panic_text(&*panic)).into()),
    }
}

/// The text of a panic.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a part of the program panicked".to_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "passed to map_err by name")]
pub(super) fn does_not_fit(why: CodecError) -> Diagnostics {
    Diagnostic::bug(format!("a value does not fit its schema: {why}")).into()
}

pub(super) fn encode<T: Serialize>(value: &T) -> Result<Dynamic> {
    to_dynamic(value).map_err(does_not_fit)
}
