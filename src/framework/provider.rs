//! The provider as one object: the registry of what it serves, its configuration, and what a call gets of both.

use super::adapter::{
    Adapter, Call, DataAdapter, EphemeralAdapter, FunctionAdapter, Served, ServedData, ServedEphemeral, ServedFunction,
    validate,
};
use super::codec::from_dynamic;
use super::diagnostic::{Diagnostic, Result};
use super::dynamic::Dynamic;
use super::model::schema_of;
use super::planning;
use super::resource::{DataSource, EphemeralResource, Function, Model, Resource};
use super::schema::Schema;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio_util::sync::CancellationToken;

/// A provider: its configuration, and what it makes of it.
pub trait Provider: Send + Sync + 'static {
    /// The provider block.
    type Config: Model;
    /// What hooks are given.
    type Services: Send + Sync + 'static;

    /// Rules across attributes; unknown values are tolerated. No environment, no network.
    fn validate(&self, _config: &Self::Config) -> Result<()> {
        Ok(())
    }
    /// Takes the configuration into use. No network.
    fn configure(&self, config: Self::Config) -> Result<Self::Services>;
}

/// What is served of one kind, by name.
pub type All<T> = BTreeMap<&'static str, Box<T>>;

/// Everything a provider serves.
pub struct Registry<S> {
    resources: All<dyn Served<S>>,
    data_sources: All<dyn ServedData<S>>,
    ephemeral_resources: All<dyn ServedEphemeral<S>>,
    functions: All<dyn ServedFunction>,
    faults: Vec<String>,
}

impl<S: Send + Sync + 'static> Default for Registry<S> {
    fn default() -> Self {
        Self {
            resources: BTreeMap::new(),
            data_sources: BTreeMap::new(),
            ephemeral_resources: BTreeMap::new(),
            functions: BTreeMap::new(),
            faults: Vec::new(),
        }
    }
}

impl<S: Send + Sync + 'static> Registry<S> {
    /// With one more managed resource.
    #[must_use]
    pub fn resource<R: Resource<Services = S>>(mut self) -> Self {
        match Adapter::<R>::new() {
            Ok(adapter) => drop(self.resources.insert(R::NAME, Box::new(adapter))),
            Err(why) => self.faults.push(why),
        }
        self
    }

    /// With one more data source.
    #[must_use]
    pub fn data_source<D: DataSource<Services = S>>(mut self) -> Self {
        match DataAdapter::<D>::new() {
            Ok(adapter) => drop(self.data_sources.insert(D::NAME, Box::new(adapter))),
            Err(why) => self.faults.push(why),
        }
        self
    }

    /// With one more ephemeral resource.
    #[must_use]
    pub fn ephemeral<E: EphemeralResource<Services = S>>(mut self) -> Self {
        match EphemeralAdapter::<E>::new() {
            Ok(adapter) => drop(self.ephemeral_resources.insert(E::NAME, Box::new(adapter))),
            Err(why) => self.faults.push(why),
        }
        self
    }

    /// With one more function.
    #[must_use]
    pub fn function<F: Function>(mut self) -> Self {
        match FunctionAdapter::<F>::new() {
            Ok(adapter) => drop(self.functions.insert(F::NAME, Box::new(adapter))),
            Err(why) => self.faults.push(why),
        }
        self
    }

    /// Models that are no schema, each with the reason: faults of the program, which the registry's test finds.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }
}

/// A configured or not yet configured provider.
pub struct Server<P: Provider> {
    provider: P,
    schema: Schema,
    registry: Registry<P::Services>,
    /// Services of the configuration, and the token that ends the calls.
    call: RwLock<Call<P::Services>>,
}

/// What a look-up by name gives; a name that is not served is an error for the user.
type Found<'a, T> = std::result::Result<&'a T, Diagnostic>;

impl<P: Provider> Server<P> {
    /// A server of what `registry` lists. A model that is no schema is left out and reported by [`Registry::faults`].
    pub fn new(provider: P, registry: Registry<P::Services>) -> Self {
        let schema = schema_of::<P::Config>().unwrap_or_default();
        let call = RwLock::new(Call { services: None, cancelled: CancellationToken::new(), held: Arc::default() });
        Self { provider, schema, registry, call }
    }

    /// Of the provider block.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Managed resources by type name.
    pub fn resources(&self) -> &All<dyn Served<P::Services>> {
        &self.registry.resources
    }

    /// Data sources by type name.
    pub fn data_sources(&self) -> &All<dyn ServedData<P::Services>> {
        &self.registry.data_sources
    }

    /// Ephemeral resources by type name.
    pub fn ephemeral_resources(&self) -> &All<dyn ServedEphemeral<P::Services>> {
        &self.registry.ephemeral_resources
    }

    /// Functions by name.
    pub fn functions(&self) -> &All<dyn ServedFunction> {
        &self.registry.functions
    }

    /// The managed resource of this type name.
    pub fn resource(&self, name: &str) -> Found<'_, dyn Served<P::Services>> {
        found(self.resources(), "resource", name)
    }

    /// The data source of this type name.
    pub fn data_source(&self, name: &str) -> Found<'_, dyn ServedData<P::Services>> {
        found(self.data_sources(), "data source", name)
    }

    /// The ephemeral resource of this type name.
    pub fn ephemeral_resource(&self, name: &str) -> Found<'_, dyn ServedEphemeral<P::Services>> {
        found(self.ephemeral_resources(), "ephemeral resource", name)
    }

    /// The function of this name.
    pub fn function(&self, name: &str) -> Found<'_, dyn ServedFunction> {
        found(self.functions(), "function", name)
    }

    /// What a call of this moment gets.
    pub fn call(&self) -> Call<P::Services> {
        self.call.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Checks a provider block; unknown values are tolerated.
    pub fn validate(&self, config: &Dynamic) -> Vec<Diagnostic> {
        validate::<P::Config, _>(&self.schema, config, self.call(), |config, _| self.provider.validate(config))
    }

    /// Takes the provider block into use. No network.
    pub fn configure(&self, config: &Dynamic) -> Vec<Diagnostic> {
        self.configured(config).err().map(|found| found.0).unwrap_or_default()
    }

    fn configured(&self, config: &Dynamic) -> Result<()> {
        let config: P::Config = from_dynamic(&planning::with_defaults(&self.schema, config))
            .map_err(|why| Diagnostic::bug(format!("the provider block does not fit its schema: {why}")))?;
        let services = Arc::new(self.provider.configure(config)?);
        self.call.write().unwrap_or_else(PoisonError::into_inner).services = Some(services);
        Ok(())
    }

    /// Ends running work soon: waits end at once, a write under way may finish. Calls in flight still answer.
    pub fn stop(&self) {
        self.call().cancelled.cancel();
    }
}

fn found<'a, T: ?Sized>(all: &'a All<T>, kind: &str, name: &str) -> Found<'a, T> {
    all.get(name).map(|one| &**one).ok_or_else(|| {
        Diagnostic::error(format!("This provider has no {kind} `{name}`"))
            .help("Check the spelling, or use a newer version of the provider.")
    })
}
