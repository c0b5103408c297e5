//! The provider as one object: the registry of what it serves, its configuration, and the dispatch of every operation.

use super::codec::from_dynamic;
use super::diagnostic::Diagnostic;
use super::dynamic::Dynamic;
use super::model::schema_of;
use super::planning;
use super::plugin::{Apply, ImportTarget, Plan, PlanAnswer, Plugin, Read, ReadAnswer};
use super::resource::{DataSource, EphemeralResource, Provider, Resource};
use super::schema::{Schema, Schemas};
use super::served::{Adapter, Call, DataAdapter, EphemeralAdapter, Served, ServedData, validate};
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio_util::sync::CancellationToken;

/// Everything a provider serves, by type name.
pub struct Registry<S> {
    resources: BTreeMap<&'static str, Box<dyn Served<S>>>,
    data_sources: BTreeMap<&'static str, Box<dyn ServedData<S>>>,
    ephemeral_resources: BTreeMap<&'static str, Box<dyn ServedData<S>>>,
    faults: Vec<String>,
}

impl<S: Send + Sync + 'static> Default for Registry<S> {
    fn default() -> Self {
        Self {
            resources: BTreeMap::new(),
            data_sources: BTreeMap::new(),
            ephemeral_resources: BTreeMap::new(),
            faults: Vec::new(),
        }
    }
}

impl<S: Send + Sync + 'static> Registry<S> {
    /// With one more managed resource.
    #[must_use]
    pub fn resource<R: Resource<Services = S>>(mut self) -> Self {
        match Adapter::<R>::new() {
            Ok(adapter) => {
                self.resources.insert(R::NAME, Box::new(adapter));
            }
            Err(why) => self.faults.push(why),
        }
        self
    }

    /// With one more data source.
    #[must_use]
    pub fn data_source<D: DataSource<Services = S>>(mut self) -> Self {
        match DataAdapter::<D>::new() {
            Ok(adapter) => {
                self.data_sources.insert(D::NAME, Box::new(adapter));
            }
            Err(why) => self.faults.push(why),
        }
        self
    }

    /// With one more ephemeral resource.
    #[must_use]
    pub fn ephemeral<E: EphemeralResource<Services = S>>(mut self) -> Self {
        match EphemeralAdapter::<E>::new() {
            Ok(adapter) => {
                self.ephemeral_resources.insert(E::NAME, Box::new(adapter));
            }
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
    registry: Registry<P::Services>,
    schemas: Schemas,
    /// Services of the last configuration, and the token that ends the calls of this run.
    run: RwLock<Call<P::Services>>,
}

impl<P: Provider> Server<P> {
    /// A server of what `registry` lists. A model that is no schema is left out and reported by [`Registry::faults`].
    pub fn new(provider: P, registry: Registry<P::Services>) -> Self {
        let schemas = Schemas {
            provider: schema_of::<P::Config>().unwrap_or_default(),
            resources: registry
                .resources
                .iter()
                .map(|(name, one)| ((*name).to_owned(), (one.schema().clone(), one.identity().clone())))
                .collect(),
            data_sources: schemas_of(&registry.data_sources),
            ephemeral_resources: schemas_of(&registry.ephemeral_resources),
            functions: BTreeMap::new(),
        };
        let run = RwLock::new(Call { services: None, cancelled: CancellationToken::new() });
        Self { provider, registry, schemas, run }
    }

    fn call(&self) -> Call<P::Services> {
        self.run.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn configured(&self, config: &Dynamic) -> super::Result<()> {
        let schema: &Schema = &self.schemas.provider;
        let config = planning::with_defaults(schema, config);
        let config: P::Config = from_dynamic(&config)
            .map_err(|why| Diagnostic::bug(format!("the provider block does not fit its schema: {why}")))?;
        let services = Arc::new(self.provider.configure(config)?);
        // In debug mode one process serves many runs: an earlier run's stop must not end this one.
        *self.run.write().unwrap_or_else(PoisonError::into_inner) =
            Call { services: Some(services), cancelled: CancellationToken::new() };
        Ok(())
    }
}

fn schemas_of<S>(served: &BTreeMap<&'static str, Box<dyn ServedData<S>>>) -> BTreeMap<String, Schema> {
    served.iter().map(|(name, one)| ((*name).to_owned(), one.schema().clone())).collect()
}

fn no_such(kind: &str, name: &str) -> Diagnostic {
    Diagnostic::error(format!("This provider has no {kind} `{name}`"))
        .help("Check the spelling, or use a newer version of the provider.")
}

impl<P: Provider> Plugin for Server<P> {
    fn schemas(&self) -> &Schemas {
        &self.schemas
    }

    fn validate_provider(&self, config: Dynamic) -> BoxFuture<'_, Vec<Diagnostic>> {
        let call = self.call();
        Box::pin(async move {
            validate::<P::Config, _>(&self.schemas.provider, &config, call, |config, _| self.provider.validate(config))
        })
    }

    fn configure(&self, config: Dynamic) -> BoxFuture<'_, Vec<Diagnostic>> {
        Box::pin(async move { self.configured(&config).err().map(|found| found.0).unwrap_or_default() })
    }

    fn validate_resource<'a>(&'a self, type_name: &'a str, config: Dynamic) -> BoxFuture<'a, Vec<Diagnostic>> {
        Box::pin(async move {
            match self.registry.resources.get(type_name) {
                Some(one) => one.validate(config, self.call()),
                None => vec![no_such("resource", type_name)],
            }
        })
    }

    fn validate_data_source<'a>(&'a self, type_name: &'a str, config: Dynamic) -> BoxFuture<'a, Vec<Diagnostic>> {
        Box::pin(async move {
            match self.registry.data_sources.get(type_name) {
                Some(one) => one.validate(config, self.call()),
                None => vec![no_such("data source", type_name)],
            }
        })
    }

    fn upgrade<'a>(
        &'a self,
        type_name: &'a str,
        version: i64,
        stored: &'a [u8],
    ) -> BoxFuture<'a, (Dynamic, Vec<Diagnostic>)> {
        Box::pin(async move {
            let result = self
                .registry
                .resources
                .get(type_name)
                .map_or_else(|| Err(no_such("resource", type_name).into()), |one| one.upgrade(version, stored));
            result.map_or_else(|found| (Dynamic::Null, found.0), |state| (state, Vec::new()))
        })
    }

    fn upgrade_identity<'a>(
        &'a self,
        type_name: &'a str,
        version: i64,
        stored: &'a [u8],
    ) -> BoxFuture<'a, (Dynamic, Vec<Diagnostic>)> {
        Box::pin(async move {
            let result = self.registry.resources.get(type_name).map_or_else(
                || Err(no_such("resource", type_name).into()),
                |one| one.upgrade_identity(version, stored),
            );
            result.map_or_else(|found| (Dynamic::Null, found.0), |identity| (identity, Vec::new()))
        })
    }

    fn read<'a>(&'a self, type_name: &'a str, request: Read) -> BoxFuture<'a, ReadAnswer> {
        match self.registry.resources.get(type_name) {
            Some(one) => one.read(request, self.call()),
            None => Box::pin(async move {
                ReadAnswer { diagnostics: vec![no_such("resource", type_name)], ..ReadAnswer::default() }
            }),
        }
    }

    fn plan<'a>(&'a self, type_name: &'a str, request: Plan) -> BoxFuture<'a, PlanAnswer> {
        match self.registry.resources.get(type_name) {
            Some(one) => one.plan(request, self.call()),
            None => Box::pin(async move {
                PlanAnswer { diagnostics: vec![no_such("resource", type_name)], ..PlanAnswer::default() }
            }),
        }
    }

    fn apply<'a>(&'a self, type_name: &'a str, request: Apply) -> BoxFuture<'a, ReadAnswer> {
        match self.registry.resources.get(type_name) {
            Some(one) => one.apply(request, self.call()),
            None => Box::pin(async move {
                ReadAnswer {
                    state: request.prior,
                    diagnostics: vec![no_such("resource", type_name)],
                    ..ReadAnswer::default()
                }
            }),
        }
    }

    fn import<'a>(&'a self, type_name: &'a str, target: ImportTarget) -> BoxFuture<'a, ReadAnswer> {
        Box::pin(async move {
            match self.registry.resources.get(type_name) {
                Some(one) => one.import(target),
                None => ReadAnswer { diagnostics: vec![no_such("resource", type_name)], ..ReadAnswer::default() },
            }
        })
    }

    fn read_data_source<'a>(
        &'a self,
        type_name: &'a str,
        config: Dynamic,
    ) -> BoxFuture<'a, (Dynamic, Vec<Diagnostic>)> {
        match self.registry.data_sources.get(type_name) {
            Some(one) => one.read(config, self.call()),
            None => Box::pin(async move { (Dynamic::Null, vec![no_such("data source", type_name)]) }),
        }
    }

    fn validate_ephemeral<'a>(&'a self, type_name: &'a str, config: Dynamic) -> BoxFuture<'a, Vec<Diagnostic>> {
        Box::pin(async move {
            match self.registry.ephemeral_resources.get(type_name) {
                Some(one) => one.validate(config, self.call()),
                None => vec![no_such("ephemeral resource", type_name)],
            }
        })
    }

    fn open_ephemeral<'a>(&'a self, type_name: &'a str, config: Dynamic) -> BoxFuture<'a, (Dynamic, Vec<Diagnostic>)> {
        match self.registry.ephemeral_resources.get(type_name) {
            Some(one) => one.read(config, self.call()),
            None => Box::pin(async move { (Dynamic::Null, vec![no_such("ephemeral resource", type_name)]) }),
        }
    }

    fn call_function(&self, name: &str, _: Vec<Dynamic>) -> Result<Dynamic, (String, Option<i64>)> {
        Err((format!("This provider has no function `{name}`."), None))
    }

    fn stop(&self) {
        self.call().cancelled.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Computed, Context, Result, StoredOf, Value};
    use super::*;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    /// A resource that is made and then panics.
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    struct Clumsy {
        /// Name.
        name: String,
        /// Id.
        id: Computed<String>,
    }

    /// Its identity.
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    struct Key {
        /// Id.
        id: String,
    }

    impl Resource for Clumsy {
        const NAME: &'static str = "m365_clumsy";
        type Services = ();
        type Key = Key;
        type Private = ();

        async fn create(state: &mut StoredOf<Self>, cx: &Context<()>) -> Result<()> {
            state.value.id = "1".to_owned().into();
            state.exists = true;
            if state.value.name == "patient" {
                cx.cancelled.cancelled().await;
                return Err(Diagnostic::error("Interrupted").into());
            }
            panic!("fell over");
        }

        async fn read(_: Key, prior: Option<StoredOf<Self>>, _: &Context<()>) -> Result<Option<StoredOf<Self>>> {
            Ok(prior)
        }

        async fn update(_: &mut StoredOf<Self>, _: StoredOf<Self>, _: &Context<()>) -> Result<()> {
            Ok(())
        }

        async fn delete(_: StoredOf<Self>, _: &Context<()>) -> Result<()> {
            Ok(())
        }
    }

    /// An ephemeral resource that can fail in every way.
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    struct Fleeting {
        /// What to do.
        wish: Value<String>,
        /// Kept as it is.
        note: Option<String>,
        /// Result.
        answer: Computed<String>,
    }

    impl EphemeralResource for Fleeting {
        const NAME: &'static str = "m365_fleeting";
        type Services = ();

        async fn open(&mut self, _: &Context<()>) -> Result<()> {
            match self.wish.get()?.as_str() {
                "panic" => panic!("fell over"),
                "forget" => self.answer = Computed::Unknown,
                "meddle" => self.note = Some("meddled".to_owned()),
                "refuse" => return Err(Diagnostic::error("Refused").into()),
                wish => self.answer = wish.to_owned().into(),
            }
            Ok(())
        }

        fn validate(&self, _: &Context<()>) -> Result<()> {
            match self.wish.known() {
                Some(wish) if wish == "never" => Err(Diagnostic::error("Never").at("wish").into()),
                _ => Ok(()),
            }
        }
    }

    fn fleeting(wish: Dynamic, note: Dynamic, answer: Dynamic) -> Dynamic {
        Dynamic::Map(
            [("wish", wish), ("note", note), ("answer", answer)].map(|(key, value)| (key.to_owned(), value)).into(),
        )
    }

    #[tokio::test]
    async fn an_ephemeral_result_repeats_the_configuration_and_is_wholly_known() {
        let server = Server::new(Nothing, Registry::default().ephemeral::<Fleeting>());
        let open = async |wish: &str, note: Dynamic| {
            let config = fleeting(wish.into(), note, Dynamic::Null);
            let (result, found) = server.open_ephemeral(Fleeting::NAME, config.clone()).await;
            let schema = &server.schemas().ephemeral_resources[Fleeting::NAME];
            if found.is_empty() {
                assert_eq!(planning::plan_faults(schema, &Dynamic::Null, &config, &result), Vec::<String>::new());
            }
            (result, found.into_iter().map(|found| found.summary).collect::<Vec<_>>())
        };
        let note = || Dynamic::from("n");
        assert_eq!(open("x", note()).await, (fleeting("x".into(), note(), "x".into()), vec![]));
        assert_eq!(open("meddle", note()).await.0, fleeting("meddle".into(), note(), Dynamic::Null));
        assert_eq!(open("refuse", note()).await, (Dynamic::Null, vec!["Refused".to_owned()]));
        let bug = |what: &str| (Dynamic::Null, vec![format!("Bug in the m365 provider: {what}")]);
        assert_eq!(open("panic", note()).await, bug("fell over"));
        assert_eq!(open("forget", note()).await, bug("m365_fleeting left a value undecided"));
    }

    #[tokio::test]
    async fn an_ephemeral_block_is_checked_also_where_it_is_unknown() {
        let server = Server::new(Nothing, Registry::default().ephemeral::<Fleeting>());
        let check = async |wish| {
            server.validate_ephemeral(Fleeting::NAME, fleeting(wish, Dynamic::unknown(), Dynamic::Null)).await
        };
        assert_eq!(check(Dynamic::unknown()).await, Vec::new());
        let known = fleeting("never".into(), Dynamic::Null, Dynamic::Null);
        let found = server.validate_ephemeral(Fleeting::NAME, known).await;
        assert_eq!((found[0].summary.as_str(), found[0].path.clone()), ("Never", Some("wish".into())));
        assert_eq!(server.validate_ephemeral("m365_x", Dynamic::Null).await.len(), 1);
    }

    struct Nothing;

    impl Provider for Nothing {
        type Config = Key;
        type Services = ();

        fn configure(&self, _: Key) -> Result<()> {
            Ok(())
        }
    }

    fn object(name: &str, id: Dynamic) -> Dynamic {
        Dynamic::Map([("name".to_owned(), name.into()), ("id".to_owned(), id)].into())
    }

    fn server() -> Arc<Server<Nothing>> {
        Arc::new(Server::new(Nothing, Registry::default().resource::<Clumsy>()))
    }

    #[tokio::test]
    async fn a_panic_in_a_hook_is_an_error_that_keeps_what_was_made() {
        let request =
            Apply { planned: object("x", Dynamic::unknown()), config: object("x", Dynamic::Null), ..Apply::default() };
        let answer = server().apply(Clumsy::NAME, request).await;
        assert_eq!(answer.diagnostics[0].summary, "Bug in the m365 provider: fell over");
        assert_eq!(answer.state, object("x", "1".into()));
    }

    #[tokio::test]
    async fn a_stop_ends_running_work_which_still_answers() {
        let server = server();
        let request = Apply {
            planned: object("patient", Dynamic::unknown()),
            config: object("patient", Dynamic::Null),
            ..Apply::default()
        };
        let work = tokio::spawn({
            let server = server.clone();
            async move { server.apply(Clumsy::NAME, request).await }
        });
        tokio::task::yield_now().await;
        server.stop();
        let answer = work.await.unwrap();
        assert_eq!(
            (answer.diagnostics[0].summary.as_str(), answer.state),
            ("Interrupted", object("patient", "1".into()))
        );
    }
}
