//! Ephemeral resources as the protocol calls them. What renewing and closing need travels as bytes through the CLI.

use super::call::{Call, does_not_fit, encode, guarded, referred, told, validate};
use crate::framework::codec::from_dynamic;
use crate::framework::diagnostic::{Diagnostic, Result};
use crate::framework::dynamic::Dynamic;
use crate::framework::model::schema_of;
use crate::framework::planning;
use crate::framework::resource::{Context, EphemeralResource, Lease, Phase};
use crate::framework::schema::Schema;
use crate::framework::timeouts::{Operation, limit};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use std::marker::PhantomData;

/// An ephemeral resource as the protocol sees it.
pub trait ServedEphemeral<S>: Send + Sync {
    /// Of its configuration.
    fn schema(&self) -> &Schema;
    /// Checks a configuration; unknown values are tolerated.
    fn validate(&self, config: Dynamic, call: Call<S>) -> Vec<Diagnostic>;
    /// The configuration with what the provider fills in.
    fn open<'a>(&'a self, config: Dynamic, call: Call<S>) -> BoxFuture<'a, (Opened, Vec<Diagnostic>)>;
    /// Prolongs what was opened. The result is null in the answer.
    fn renew<'a>(&'a self, private: Vec<u8>, call: Call<S>) -> BoxFuture<'a, (Opened, Vec<Diagnostic>)>;
    /// Ends what was opened.
    fn close<'a>(&'a self, private: Vec<u8>, call: Call<S>) -> BoxFuture<'a, Vec<Diagnostic>>;
}

/// What opening or renewing gave.
#[derive(Clone, Default)]
pub struct Opened {
    /// The configuration with what the provider fills in.
    pub result: Dynamic,
    /// For renewing and closing.
    pub private: Vec<u8>,
    /// When the CLI is to renew it.
    pub renew_at: Option<Timestamp>,
}

pub(in crate::framework) struct EphemeralAdapter<E> {
    schema: Schema,
    resource: PhantomData<fn() -> E>,
}

impl<E: EphemeralResource> EphemeralAdapter<E> {
    pub(in crate::framework) fn new() -> std::result::Result<Self, String> {
        Ok(Self { schema: schema_of::<E>()?, resource: PhantomData })
    }

    async fn opened(&self, config: &Dynamic, cx: &Context<E::Services>) -> Result<Opened> {
        referred(&self.schema, config)?;
        let base = planning::with_defaults(&self.schema, config);
        let mut resource: E = from_dynamic(&base).map_err(does_not_fit)?;
        let mut lease = Lease::default();
        guarded(resource.open(&mut lease, cx)).await?;
        // The CLI holds the result against the configuration as it does a plan.
        let result = planning::overlay(&self.schema, &base, encode(&resource)?, &Dynamic::Null, config);
        if result.is_wholly_known() {
            return Ok(Opened { result, ..sealed(&lease)? });
        }
        Err(Diagnostic::bug(format!("{} left a value undecided", E::NAME)).into())
    }

    async fn renewed(&self, private: &[u8], cx: &Context<E::Services>) -> Result<Opened> {
        let mut lease = Lease { private: unsealed::<E>(private)?, renew_at: None };
        guarded(E::renew(&mut lease, cx)).await?;
        sealed(&lease)
    }

    async fn closed(&self, private: &[u8], cx: &Context<E::Services>) -> Result<()> {
        guarded(E::close(unsealed::<E>(private)?, cx)).await
    }
}

fn sealed<P: serde::Serialize>(lease: &Lease<P>) -> Result<Opened> {
    let private =
        serde_json::to_vec(&lease.private).map_err(|why| Diagnostic::bug(format!("an open resource: {why}")))?;
    Ok(Opened { result: Dynamic::Null, private, renew_at: lease.renew_at })
}

fn unsealed<E: EphemeralResource>(private: &[u8]) -> Result<E::Private> {
    serde_json::from_slice(private).map_err(|why| Diagnostic::bug(format!("an open resource: {why}")).into())
}

impl<E: EphemeralResource> ServedEphemeral<E::Services> for EphemeralAdapter<E> {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn validate(&self, config: Dynamic, call: Call<E::Services>) -> Vec<Diagnostic> {
        validate::<E, _>(&self.schema, &config, call, E::validate)
    }

    fn open<'a>(&'a self, config: Dynamic, call: Call<E::Services>) -> BoxFuture<'a, (Opened, Vec<Diagnostic>)> {
        Box::pin(async move {
            let cx = call.context(Phase::Read, &config, limit(&config, Operation::Open));
            let result = self.opened(&config, &cx).await;
            told(result, cx.finish().0)
        })
    }

    fn renew<'a>(&'a self, private: Vec<u8>, call: Call<E::Services>) -> BoxFuture<'a, (Opened, Vec<Diagnostic>)> {
        Box::pin(async move {
            let cx = call.context(Phase::Read, &Dynamic::Null, limit(&Dynamic::Null, Operation::Open));
            let result = self.renewed(&private, &cx).await;
            told(result, cx.finish().0)
        })
    }

    fn close<'a>(&'a self, private: Vec<u8>, call: Call<E::Services>) -> BoxFuture<'a, Vec<Diagnostic>> {
        Box::pin(async move {
            let cx = call.context(Phase::Read, &Dynamic::Null, limit(&Dynamic::Null, Operation::Open));
            let result = self.closed(&private, &cx).await;
            told(result, cx.finish().0).1
        })
    }
}
