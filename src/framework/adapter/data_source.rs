//! Data sources as the protocol calls them.

use super::call::{Call, does_not_fit, encode, guarded, referred, told, validate};
use crate::framework::codec::from_dynamic;
use crate::framework::diagnostic::{Diagnostic, Result};
use crate::framework::dynamic::Dynamic;
use crate::framework::model::schema_of;
use crate::framework::planning;
use crate::framework::resource::{Context, DataSource, Phase};
use crate::framework::schema::Schema;
use crate::framework::timeouts::{Operation, limit};
use futures_util::future::BoxFuture;
use std::marker::PhantomData;

/// A data source as the protocol sees it.
pub trait ServedData<S>: Send + Sync {
    /// Of its configuration.
    fn schema(&self) -> &Schema;
    /// Checks a configuration; unknown values are tolerated.
    fn validate(&self, config: Dynamic, call: Call<S>) -> Vec<Diagnostic>;
    /// The configuration with what the provider fills in.
    fn read<'a>(&'a self, config: Dynamic, call: Call<S>) -> BoxFuture<'a, (Dynamic, Vec<Diagnostic>)>;
}

pub(in crate::framework) struct DataAdapter<D> {
    schema: Schema,
    source: PhantomData<fn() -> D>,
}

impl<D: DataSource> DataAdapter<D> {
    pub(in crate::framework) fn new() -> std::result::Result<Self, String> {
        Ok(Self { schema: schema_of::<D>()?, source: PhantomData })
    }

    async fn read_object(&self, config: &Dynamic, cx: &Context<D::Services>) -> Result<Dynamic> {
        referred(&self.schema, config)?;
        let base = planning::with_defaults(&self.schema, config);
        let mut source: D = from_dynamic(&base).map_err(does_not_fit)?;
        guarded(source.read(cx)).await?;
        Ok(planning::respelled(&self.schema, encode(&source)?.unknown_as_null(), &base))
    }
}

impl<D: DataSource> ServedData<D::Services> for DataAdapter<D> {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn validate(&self, config: Dynamic, call: Call<D::Services>) -> Vec<Diagnostic> {
        validate::<D, _>(&self.schema, &config, call, D::validate)
    }

    fn read<'a>(&'a self, config: Dynamic, call: Call<D::Services>) -> BoxFuture<'a, (Dynamic, Vec<Diagnostic>)> {
        Box::pin(async move {
            let cx = call.context(Phase::Read, &config, limit(&config, Operation::Read));
            let result = self.read_object(&config, &cx).await;
            told(result, cx.finish().0)
        })
    }
}
