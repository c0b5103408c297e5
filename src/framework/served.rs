//! From a typed resource to what the server calls: decoding, planning rules, the hook, encoding. The one place that boxes
//! futures and catches panics of hooks, so that what a hook reached before is not lost.

use super::codec::{CodecError, from_dynamic, to_dynamic};
use super::diagnostic::{Diagnostic, Diagnostics, Result};
use super::dynamic::Dynamic;
use super::model::schema_of;
use super::plugin::{Apply, ImportTarget, Plan, PlanAnswer, Read, ReadAnswer};
use super::resource::{Context, DataSource, EphemeralResource, Model, Resource, Stored, StoredOf};
use super::schema::Schema;
use super::timeouts::{Operation, limit};
use super::{checks, json, planning};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What a call gets from the server: services (where configured) and the token that ends it.
pub(super) struct Call<S> {
    pub services: Option<Arc<S>>,
    pub cancelled: CancellationToken,
}

impl<S> Clone for Call<S> {
    fn clone(&self) -> Self {
        Self { services: self.services.clone(), cancelled: self.cancelled.clone() }
    }
}

impl<S> Call<S> {
    fn context(self, config: &Dynamic, limit: Duration) -> Context<S> {
        Context::new(self.services, config.clone(), limit, self.cancelled)
    }
}

/// A managed resource as the server sees it.
pub(super) trait Served<S>: Send + Sync {
    fn schema(&self) -> &Schema;
    fn identity(&self) -> &Schema;
    fn validate(&self, config: Dynamic, call: Call<S>) -> Vec<Diagnostic>;
    fn upgrade(&self, version: i64, stored: &[u8]) -> Result<Dynamic>;
    fn upgrade_identity(&self, version: i64, stored: &[u8]) -> Result<Dynamic>;
    fn import(&self, target: ImportTarget) -> ReadAnswer;
    fn read<'a>(&'a self, request: Read, call: Call<S>) -> BoxFuture<'a, ReadAnswer>;
    fn plan<'a>(&'a self, request: Plan, call: Call<S>) -> BoxFuture<'a, PlanAnswer>;
    fn apply<'a>(&'a self, request: Apply, call: Call<S>) -> BoxFuture<'a, ReadAnswer>;
}

/// A data source or an ephemeral resource as the server sees it.
pub(super) trait ServedData<S>: Send + Sync {
    fn schema(&self) -> &Schema;
    fn validate(&self, config: Dynamic, call: Call<S>) -> Vec<Diagnostic>;
    /// Reads or opens: the configuration with what the provider fills in.
    fn read<'a>(&'a self, config: Dynamic, call: Call<S>) -> BoxFuture<'a, (Dynamic, Vec<Diagnostic>)>;
}

/// The bytes stored beside a state.
#[derive(Serialize, Deserialize, Default)]
struct Envelope<P> {
    /// The state holds nothing but an import's identity.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    imported: bool,
    /// Which plan wrote this; absent beside a state. The CLI hands it to the second plan of a replacement, and to the delete of the
    /// replaced object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    planned: Option<Planned>,
    #[serde(default)]
    private: P,
}

/// Which plan wrote the private data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Planned {
    /// A create that is planned for the first time: of a new object, or in place of a tainted one, of which the CLI tells the
    /// provider nothing while planning.
    Create,
    /// A change of an existing object, perhaps the first plan of its replacement.
    Change,
    /// The second plan of a replacement.
    Replacement,
}

pub(super) struct Adapter<R> {
    schema: Schema,
    identity: Schema,
    resource: PhantomData<fn() -> R>,
}

impl<R: Resource> Adapter<R> {
    pub(super) fn new() -> std::result::Result<Self, String> {
        Ok(Self { schema: schema_of::<R>()?, identity: schema_of::<R::Key>()?, resource: PhantomData })
    }

    fn decode(&self, value: &Dynamic, private: &[u8]) -> std::result::Result<StoredOf<R>, CodecError> {
        let envelope = envelope::<R>(private)?;
        Ok(Stored { value: from_dynamic(value)?, private: envelope.private, exists: !value.is_null() })
    }

    fn answer(&self, stored: &StoredOf<R>) -> Result<ReadAnswer> {
        let state = encode(&stored.value)?.unknown_as_null();
        let identity = planning::project(&self.identity, &state);
        Ok(ReadAnswer { state, identity, private: seal(None, &stored.private)?, diagnostics: Vec::new() })
    }

    async fn read_object(&self, request: &Read, cx: &Context<R::Services>) -> Result<ReadAnswer> {
        let key = from_dynamic::<R::Key>(&Dynamic::Map(
            self.identity.attributes.keys().map(|name| (name.clone(), request.state.attribute(name))).collect(),
        ));
        let key = key.map_err(does_not_fit)?;
        let imported = envelope::<R>(&request.private).map_err(does_not_fit)?.imported;
        let prior =
            if imported { None } else { Some(self.decode(&request.state, &request.private).map_err(does_not_fit)?) };
        match guarded(R::read(key, prior, cx)).await? {
            Some(stored) => self.answer(&stored),
            None => Ok(ReadAnswer::default()),
        }
    }

    async fn plan_object(
        &self,
        request: &Plan,
        base: &Dynamic,
        cx: &Context<R::Services>,
    ) -> Result<(Dynamic, Vec<u8>)> {
        let mut state = match self.decode(base, &request.private) {
            Ok(state) => state,
            // Something plain is not known yet: what the schema alone decides stands, and apply plans once more.
            Err(CodecError::Unknown) => {
                let private = envelope::<R>(&request.private).map_err(does_not_fit)?.private;
                return Ok((base.clone(), seal(Some(planned_as::<R>(request)), &private)?));
            }
            Err(why) => return Err(does_not_fit(why)),
        };
        let prior = match request.prior {
            Dynamic::Null => None,
            ref prior => Some(self.decode(prior, &request.private).map_err(does_not_fit)?),
        };
        state.exists = prior.is_some();
        guarded(R::plan(&mut state, prior.as_ref(), cx)).await?;
        let planned = planning::overlay(&self.schema, base, encode(&state.value)?, &request.config);
        Ok((planned, seal(Some(planned_as::<R>(request)), &state.private)?))
    }

    async fn plan_change(&self, request: Plan, call: Call<R::Services>) -> PlanAnswer {
        let mut cx = call.context(&request.config, limit(&request.prior, Operation::Read));
        cx.second_plan = planned_as::<R>(&request) == Planned::Replacement;
        if request.config.is_null() {
            let prior = self.decode(&request.prior, &request.private).map_err(does_not_fit);
            let result = match prior {
                Ok(prior) => guarded(R::plan_destroy(&prior, &cx)).await,
                Err(found) => Err(found),
            };
            let diagnostics = gather(result.err(), cx.finish().0);
            return PlanAnswer {
                private: request.private,
                identity: request.identity,
                diagnostics,
                ..PlanAnswer::default()
            };
        }
        let base = planning::initial(&self.schema, &request.prior, &request.config);
        let result = self.plan_object(&request, &base, &cx).await;
        let (warnings, mut requires_replace) = cx.finish();
        let (planned, private, found) = match result {
            Ok((planned, private)) => (planned, private, None),
            Err(found) => (base, request.private, Some(found)),
        };
        if request.prior.is_null() {
            requires_replace.clear();
        } else {
            requires_replace.extend(planning::replacements(&self.schema, &request.prior, &planned));
        }
        let identity = match planning::project(&self.identity, &planned) {
            Dynamic::Null => request.identity,
            known => known,
        };
        PlanAnswer { planned, requires_replace, private, identity, diagnostics: gather(found, warnings) }
    }

    async fn apply_change(&self, request: Apply, call: Call<R::Services>) -> ReadAnswer {
        let (operation, subject) = match (request.prior.is_null(), request.planned.is_null()) {
            (true, _) => (Operation::Create, &request.planned),
            (_, true) => (Operation::Delete, &request.prior),
            _ => (Operation::Update, &request.planned),
        };
        let mut cx = call.context(&request.config, limit(subject, operation));
        cx.tainted = envelope::<R>(&request.private).is_ok_and(|private| private.planned == Some(Planned::Create));
        let answer = match operation {
            Operation::Delete => self.delete(&request, &cx).await,
            Operation::Create => self.create(&request, &cx).await,
            _ => self.update(&request, &cx).await,
        };
        let mut answer = answer.unwrap_or_else(|found| ReadAnswer {
            state: request.prior.clone(),
            private: request.private.clone(),
            identity: planning::project(&self.identity, &request.prior),
            diagnostics: found.0,
        });
        answer.diagnostics.extend(cx.finish().0);
        answer
    }

    async fn create(&self, request: &Apply, cx: &Context<R::Services>) -> Result<ReadAnswer> {
        // Nothing is remembered of a new object: what a replacement's plan carries is the old one's.
        let mut state = self.decode(&request.planned, &[]).map_err(does_not_fit)?;
        state.exists = false;
        let Err(found) = guarded(R::create(&mut state, cx)).await else { return self.answer(&state) };
        if !state.exists {
            return Ok(ReadAnswer { diagnostics: found.0, ..ReadAnswer::default() });
        }
        // Half made: what exists goes into the state with the error, or it would be orphaned. The CLI taints it.
        self.answer(&state).map(|answer| ReadAnswer { diagnostics: found.0, ..answer })
    }

    async fn update(&self, request: &Apply, cx: &Context<R::Services>) -> Result<ReadAnswer> {
        let mut state = self.decode(&request.planned, &request.private).map_err(does_not_fit)?;
        let prior = self.decode(&request.prior, &request.private).map_err(does_not_fit)?;
        let before = prior.value.clone();
        let Err(found) = guarded(R::update(&mut state, prior, cx)).await else { return self.answer(&state) };
        // The next refresh sees what was reached; until then the prior state is the better guess than the planned one.
        let reached = Stored { value: before, private: state.private, exists: true };
        self.answer(&reached).map(|answer| ReadAnswer { diagnostics: found.0, ..answer })
    }

    async fn delete(&self, request: &Apply, cx: &Context<R::Services>) -> Result<ReadAnswer> {
        let prior = self.decode(&request.prior, &request.private).map_err(does_not_fit)?;
        guarded(R::delete(prior, cx)).await?;
        Ok(ReadAnswer::default())
    }

    fn named_by(&self, target: ImportTarget) -> Result<Dynamic> {
        match target {
            ImportTarget::Identity(identity) => Ok(identity),
            ImportTarget::Id(text) => import_id(&self.identity, &text),
        }
    }
}

impl<R: Resource> Served<R::Services> for Adapter<R> {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn identity(&self) -> &Schema {
        &self.identity
    }

    fn validate(&self, config: Dynamic, call: Call<R::Services>) -> Vec<Diagnostic> {
        validate::<R, _>(&self.schema, &config, call, R::validate)
    }

    fn upgrade(&self, version: i64, stored: &[u8]) -> Result<Dynamic> {
        stored_json(&self.schema, version, stored)
    }

    fn upgrade_identity(&self, version: i64, stored: &[u8]) -> Result<Dynamic> {
        stored_json(&self.identity, version, stored)
    }

    fn import(&self, target: ImportTarget) -> ReadAnswer {
        let by_identity = matches!(target, ImportTarget::Identity(_));
        let key = match self.named_by(target) {
            Ok(key) => key,
            Err(found) => return ReadAnswer { diagnostics: found.0, ..ReadAnswer::default() },
        };
        let state =
            Dynamic::Map(self.schema.attributes.keys().map(|name| (name.clone(), key.attribute(name))).collect());
        let private = br#"{"imported":true}"#.to_vec();
        // An import by id may name the object in another way than its identity does; the read that follows tells.
        let identity = if by_identity { key } else { Dynamic::Null };
        ReadAnswer { state, private, identity, diagnostics: Vec::new() }
    }

    fn read<'a>(&'a self, request: Read, call: Call<R::Services>) -> BoxFuture<'a, ReadAnswer> {
        Box::pin(async move {
            let mut cx = call.context(&Dynamic::Null, limit(&request.state, Operation::Read));
            cx.refreshing = true;
            let mut answer = self.read_object(&request, &cx).await.unwrap_or_else(|found| ReadAnswer {
                state: request.state.clone(),
                private: request.private.clone(),
                identity: request.identity.clone(),
                diagnostics: found.0,
            });
            answer.diagnostics.extend(cx.finish().0);
            answer
        })
    }

    fn plan<'a>(&'a self, request: Plan, call: Call<R::Services>) -> BoxFuture<'a, PlanAnswer> {
        Box::pin(self.plan_change(request, call))
    }

    fn apply<'a>(&'a self, request: Apply, call: Call<R::Services>) -> BoxFuture<'a, ReadAnswer> {
        Box::pin(self.apply_change(request, call))
    }
}

pub(super) struct DataAdapter<D> {
    schema: Schema,
    source: PhantomData<fn() -> D>,
}

impl<D: DataSource> DataAdapter<D> {
    pub(super) fn new() -> std::result::Result<Self, String> {
        Ok(Self { schema: schema_of::<D>()?, source: PhantomData })
    }

    async fn read_object(&self, config: &Dynamic, cx: &Context<D::Services>) -> Result<Dynamic> {
        let mut source: D = from_dynamic(&planning::with_defaults(&self.schema, config)).map_err(does_not_fit)?;
        guarded(source.read(cx)).await?;
        Ok(encode(&source)?.unknown_as_null())
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
            let cx = call.context(&config, limit(&config, Operation::Read));
            let result = self.read_object(&config, &cx).await;
            told(result, cx.finish().0)
        })
    }
}

pub(super) struct EphemeralAdapter<E> {
    schema: Schema,
    resource: PhantomData<fn() -> E>,
}

impl<E: EphemeralResource> EphemeralAdapter<E> {
    pub(super) fn new() -> std::result::Result<Self, String> {
        Ok(Self { schema: schema_of::<E>()?, resource: PhantomData })
    }

    async fn open(&self, config: &Dynamic, cx: &Context<E::Services>) -> Result<Dynamic> {
        let base = planning::with_defaults(&self.schema, config);
        let mut resource: E = from_dynamic(&base).map_err(does_not_fit)?;
        guarded(resource.open(cx)).await?;
        // The CLI holds the result against the configuration as it does a plan.
        let result = planning::overlay(&self.schema, &base, encode(&resource)?, config);
        if result.is_wholly_known() {
            return Ok(result);
        }
        Err(Diagnostic::bug(format!("{} left a value undecided", E::NAME)).into())
    }
}

impl<E: EphemeralResource> ServedData<E::Services> for EphemeralAdapter<E> {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn validate(&self, config: Dynamic, call: Call<E::Services>) -> Vec<Diagnostic> {
        validate::<E, _>(&self.schema, &config, call, E::validate)
    }

    fn read<'a>(&'a self, config: Dynamic, call: Call<E::Services>) -> BoxFuture<'a, (Dynamic, Vec<Diagnostic>)> {
        Box::pin(async move {
            let cx = call.context(&config, limit(&config, Operation::Open));
            let result = self.open(&config, &cx).await;
            told(result, cx.finish().0)
        })
    }
}

/// What there is, or why not, with the warnings of the way.
fn told(result: Result<Dynamic>, warnings: Vec<Diagnostic>) -> (Dynamic, Vec<Diagnostic>) {
    match result {
        Ok(value) => (value, warnings),
        Err(found) => (Dynamic::Null, gather(Some(found), warnings)),
    }
}

/// The schema's checks, then the model's own rules; all findings of both.
pub(super) fn validate<M: Model, S>(
    schema: &Schema,
    config: &Dynamic,
    call: Call<S>,
    rules: impl Fn(&M, &Context<S>) -> Result<()>,
) -> Vec<Diagnostic> {
    let mut found = checks::check(schema, config);
    let cx = call.context(config, limit(&Dynamic::Null, Operation::Read));
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

fn gather(found: Option<Diagnostics>, warnings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    found.map(|found| found.0).into_iter().flatten().chain(warnings).collect()
}

/// Runs a hook; its panic becomes an error, and what it had reached stays with the caller.
async fn guarded<T>(hook: impl Future<Output = Result<T>>) -> Result<T> {
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
fn does_not_fit(why: CodecError) -> Diagnostics {
    Diagnostic::bug(format!("a value does not fit its schema: {why}")).into()
}

fn encode<T: Serialize>(value: &T) -> Result<Dynamic> {
    to_dynamic(value).map_err(does_not_fit)
}

fn envelope<R: Resource>(private: &[u8]) -> std::result::Result<Envelope<R::Private>, CodecError> {
    if private.is_empty() {
        return Ok(Envelope { imported: false, planned: None, private: R::Private::default() });
    }
    serde_json::from_slice(private)
        .map_err(|why| CodecError::Other(format!("the private data beside the state: {why}")))
}

fn planned_as<R: Resource>(request: &Plan) -> Planned {
    if !request.prior.is_null() {
        return Planned::Change;
    }
    match envelope::<R>(&request.private) {
        Ok(private) if private.planned == Some(Planned::Change) => Planned::Replacement,
        _ => Planned::Create,
    }
}

fn seal<P: Serialize>(planned: Option<Planned>, private: &P) -> Result<Vec<u8>> {
    serde_json::to_vec(&Envelope { imported: false, planned, private })
        .map_err(|why| Diagnostic::bug(format!("private data: {why}")).into())
}

fn stored_json(schema: &Schema, version: i64, stored: &[u8]) -> Result<Dynamic> {
    if version > schema.version {
        return Err(Diagnostic::error("The state was written by a newer version of the provider").help(format!("Its schema version is {version}, this provider knows up to {}. Use at least the provider version that wrote it.", schema.version)).into());
    }
    // What the state lacks was added since: it is as if it had been left out of the configuration.
    json::from_json_text(&schema.object_type(), stored)
        .map(|stored| planning::with_defaults(schema, &stored))
        .map_err(|why| Diagnostic::error("The stored state does not fit the schema").help(why).into())
}

/// The form of an import id, such as `[<tenant_id>/]<id>`.
pub fn import_form(identity: &Schema) -> String {
    let part = |name: &String| match identity.attributes.get(name) {
        Some(one) if one.required => format!("<{name}>"),
        _ => format!("[<{name}>/]"),
    };
    identity.order.iter().map(part).collect::<Vec<_>>().join("/").replace("/]/", "/]")
}

/// An import id: the identity's values in their order, joined by `/`; what is optional (the tenant) may be left out in front.
fn import_id(identity: &Schema, text: &str) -> Result<Dynamic> {
    let required =
        identity.order.iter().filter(|name| identity.attributes.get(*name).is_some_and(|one| one.required)).count();
    let parts: Vec<&str> = text.split('/').map(str::trim).collect();
    let skipped = identity.order.len().saturating_sub(parts.len());
    if parts.len() < required || parts.len() > identity.order.len() || parts.iter().any(|part| part.is_empty()) {
        return Err(Diagnostic::error(format!("\"{text}\" is not an import id of this resource"))
            .help(format!("Its form is {}.", import_form(identity)))
            .into());
    }
    let mut values = Dynamic::Map(identity.order.iter().map(|name| (name.clone(), Dynamic::Null)).collect());
    if let Dynamic::Map(values) = &mut values {
        for (name, part) in identity.order.iter().skip(skipped).zip(parts) {
            values.insert(name.clone(), part.into());
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::JsonSchema;

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Key {
        /// Tenant.
        tenant_id: Option<String>,
        /// Application.
        application_id: String,
        /// Key.
        key_id: String,
    }

    #[test]
    fn the_tenant_in_front_of_an_import_id_is_optional() {
        let schema = schema_of::<Key>().unwrap();
        let whole = import_id(&schema, "t/a/k").unwrap();
        assert_eq!((whole.attribute("tenant_id"), whole.attribute("key_id")), ("t".into(), "k".into()));
        let short = import_id(&schema, "a/k").unwrap();
        assert_eq!((short.attribute("tenant_id"), short.attribute("application_id")), (Dynamic::Null, "a".into()));
    }

    #[test]
    fn a_wrong_import_id_says_the_form() {
        let found = import_id(&schema_of::<Key>().unwrap(), "a").unwrap_err();
        assert_eq!(found.0[0].detail, "Its form is [<tenant_id>/]<application_id>/<key_id>.");
    }
}
