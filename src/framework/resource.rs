//! What a resource, data source, ephemeral resource or function implements, and what it is given.

use super::held::Held;
use super::{Diagnostic, Dynamic, Path, Result};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A struct that is schema, codec, validation and documentation at once.
pub trait Model: JsonSchema + Serialize + DeserializeOwned + Clone + Send + Sync + 'static {}

impl<T: JsonSchema + Serialize + DeserializeOwned + Clone + Send + Sync + 'static> Model for T {}

/// A state and what only we remember beside it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stored<R, P> {
    /// What the user sees.
    pub value: R,
    /// What only we remember: when we wrote, what we added, what we observed.
    pub private: P,
    /// Whether the object exists, be it in part. A create sets it with its first write: after a failure it decides whether there
    /// is anything to store.
    pub exists: bool,
}

/// The stored form of a resource.
pub type StoredOf<R> = Stored<R, <R as Resource>::Private>;

/// A managed resource. `plan` computes from configuration and state; the other hooks do the work.
pub trait Resource: Model {
    /// Type name, such as `m365_connector_app`.
    const NAME: &'static str;
    /// What the provider offers its hooks.
    type Services: Send + Sync + 'static;
    /// The identity: attributes of the resource by the same names, in the order of the import id.
    type Key: Model;
    /// Beside the state, as JSON.
    type Private: Serialize + DeserializeOwned + Default + Clone + Send + Sync + 'static;
    /// Version of the schema and of the private data. Raised for a change that stored ones have to be converted for; an attribute
    /// that is new needs none.
    const VERSION: i64 = 0;
    /// Attributes by whose value an import id may name the object instead of by the last of its identity's.
    const ALSO_NAMED_BY: &'static [&'static str] = &[];

    /// Converts a stored state, as JSON, from an earlier version. Fails with the reason, as a sentence.
    fn upgrade_state(_version: i64, stored: Json) -> std::result::Result<Json, String> {
        Ok(stored)
    }
    /// Converts private data, as JSON, from an earlier version.
    fn upgrade_private(_version: i64, stored: Json) -> std::result::Result<Json, String> {
        Ok(stored)
    }
    /// Fills in what the API says. On failure, what `state` holds by then is stored where `state.exists`.
    fn create(state: &mut StoredOf<Self>, cx: &Context<Self::Services>) -> impl Future<Output = Result<()>> + Send;
    /// `prior` is absent after an import; `None` in the answer means that the object is gone.
    fn read(
        key: Self::Key,
        prior: Option<StoredOf<Self>>,
        cx: &Context<Self::Services>,
    ) -> impl Future<Output = Result<Option<StoredOf<Self>>>> + Send;
    /// Changes the object in place.
    fn update(
        state: &mut StoredOf<Self>,
        prior: StoredOf<Self>,
        cx: &Context<Self::Services>,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Takes the whole prior state, because how to delete is part of it.
    fn delete(prior: StoredOf<Self>, cx: &Context<Self::Services>) -> impl Future<Output = Result<()>> + Send;
    /// Rules across attributes. No network; the provider may be unconfigured. Skipped while a plain attribute is unknown.
    fn validate(&self, _cx: &Context<Self::Services>) -> Result<()> {
        Ok(())
    }
    /// Makes computed values known early, from its inputs alone: neither clock nor network decides a value here. Skipped
    /// while a plain attribute is unknown.
    fn plan(
        _state: &mut StoredOf<Self>,
        _prior: Option<&StoredOf<Self>>,
        _cx: &Context<Self::Services>,
    ) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
    /// Takes notice of an object that the state holds, as it is stored there: before anything else is asked of it in this process, also
    /// where nothing is refreshed.
    fn stored(&self, _services: &Self::Services) {}
    /// Says what a destroy will not do. The plan itself is fixed. Skipped where the stored state cannot be used.
    fn plan_destroy(_prior: &StoredOf<Self>, _cx: &Context<Self::Services>) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
}

/// A data source: its configuration in, the same with its results out.
pub trait DataSource: Model {
    /// Type name, such as `m365_tenant`.
    const NAME: &'static str;
    /// What the provider offers.
    type Services: Send + Sync + 'static;

    /// Fills in the computed attributes. Nothing found is an error.
    fn read(&mut self, cx: &Context<Self::Services>) -> impl Future<Output = Result<()>> + Send;
    /// Rules across attributes. No network; the provider may be unconfigured.
    fn validate(&self, _cx: &Context<Self::Services>) -> Result<()> {
        Ok(())
    }
}

/// What is kept of an open ephemeral resource until it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lease<P> {
    /// What renewing and closing need; the CLI keeps it in memory.
    pub private: P,
    /// When the CLI is to renew it; `None` where it lasts long enough.
    pub renew_at: Option<jiff::Timestamp>,
}

/// An ephemeral resource: its configuration in, the same with its results out, in every phase of a run that needs it. Neither plan
/// nor state keeps anything of it.
pub trait EphemeralResource: Model {
    /// Type name, such as `m365_connector_token`.
    const NAME: &'static str;
    /// What the provider offers.
    type Services: Send + Sync + 'static;
    /// What renewing and closing need, as JSON.
    type Private: Serialize + DeserializeOwned + Default + Send + Sync + 'static;

    /// Fills in the computed attributes, all of them. Happens while planning and again in apply, with a known configuration.
    fn open(
        &mut self,
        lease: &mut Lease<Self::Private>,
        cx: &Context<Self::Services>,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Prolongs it, when the time that it asked for has come.
    fn renew(
        _lease: &mut Lease<Self::Private>,
        _cx: &Context<Self::Services>,
    ) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
    /// Ends it.
    fn close(_private: Self::Private, _cx: &Context<Self::Services>) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
    /// Rules across attributes. No network; the provider may be unconfigured.
    fn validate(&self, _cx: &Context<Self::Services>) -> Result<()> {
        Ok(())
    }
}

/// A function: pure, without network and provider. Its documentation is that of its arguments.
pub trait Function: Send + Sync + 'static {
    /// Name, such as `permission_id`.
    const NAME: &'static str;
    /// Whether the last argument, a list, takes the rest of what is passed.
    const VARIADIC: bool = false;
    /// The arguments, in the order of the fields. An optional one may be `null`.
    type Arguments: JsonSchema + DeserializeOwned;
    /// The result.
    type Output: JsonSchema + Serialize;

    /// The result for these arguments. An error's path names the argument at fault.
    fn call(arguments: Self::Arguments) -> Result<Self::Output>;
}

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// A configuration is checked.
    Validate,
    /// A change, or a destroy, is planned. `second`: a moment ago as a change of the object that this create replaces.
    Plan { second: bool },
    /// An object is only looked at.
    Refresh,
    /// A change is made. `tainted`: a tainted object is deleted.
    Apply { tainted: bool },
    /// A data source is read, or an ephemeral resource is opened, renewed or closed.
    Read,
}

/// What one call may use: the provider's services, its time limit, and where its warnings go.
pub struct Context<S> {
    services: Option<Arc<S>>,
    /// As written; null in a refresh.
    config: Dynamic,
    phase: Phase,
    /// The private data of the plan; null but in apply.
    pub(super) planned_private: Json,
    findings: Mutex<Findings>,
    pub(super) held: Arc<Held>,
    /// When this call has to be done.
    pub deadline: Instant,
    /// Ends waiting soon: the CLI asked the provider to stop.
    pub cancelled: CancellationToken,
}

#[derive(Default)]
struct Findings {
    warnings: Vec<Diagnostic>,
    replacements: Vec<Path>,
}

impl<S> Context<S> {
    pub(super) fn new(
        services: Option<Arc<S>>,
        phase: Phase,
        config: Dynamic,
        limit: Duration,
        cancelled: CancellationToken,
    ) -> Self {
        Self {
            services,
            config,
            phase,
            planned_private: Json::Null,
            findings: Mutex::default(),
            held: Arc::default(),
            deadline: Instant::now() + limit,
            cancelled,
        }
    }

    /// A call with nothing configured, for unit tests.
    #[cfg(test)]
    pub fn of(services: Arc<S>) -> Self {
        Self::new(Some(services), Phase::Refresh, Dynamic::Null, Duration::from_secs(60), CancellationToken::new())
    }

    /// What the provider offers. Fails while the provider is not configured.
    pub fn services(&self) -> Result<&S> {
        self.services
            .as_deref()
            .ok_or_else(|| Diagnostic::bug("a resource was used before the provider was configured").into())
    }

    /// What the provider offers; `None` during `validate` and in functions.
    pub fn configured_services(&self) -> Option<&S> {
        self.services.as_deref()
    }

    /// Whether the user wrote this attribute, be its value known or not. Only while planning and applying.
    pub fn is_configured(&self, attribute: &str) -> bool {
        !self.config.get(attribute).is_null()
    }

    /// The known texts of a configured collection, of which another part may be unknown. Only while planning and applying.
    pub fn configured_texts(&self, attribute: &str) -> BTreeSet<String> {
        match self.config.get(attribute) {
            Dynamic::List(items) => items.iter().filter_map(Dynamic::as_str).map(str::to_owned).collect(),
            _ => BTreeSet::new(),
        }
    }

    /// Whether a configured value is unknown as a whole. Only while planning and applying.
    pub fn is_wholly_unknown(&self, attribute: &str) -> bool {
        self.config.get(attribute).is_unknown()
    }

    /// Whether this create was planned a moment ago as a change of the object that it replaces. Only while planning.
    pub fn is_second_plan(&self) -> bool {
        self.phase == Phase::Plan { second: true }
    }

    /// Whether an object is only looked at, for a refresh or after an import.
    pub fn is_refresh(&self) -> bool {
        self.phase == Phase::Refresh
    }

    /// Whether a tainted object is deleted. Its private data are what the plan of its replacement gave. Only while deleting.
    pub fn is_tainted(&self) -> bool {
        self.phase == Phase::Apply { tainted: true }
    }

    /// Fails with `error` where this process is known to plan. Else it is held until a call of any resource shows that, and given there;
    /// where none does, the create itself has to refuse: the CLI does not tell a plan from the one that it makes again in apply, which
    /// must not fail. Only while planning.
    pub fn refuse_in_plan(&self, error: Diagnostic) -> Result<()> {
        self.held.refuse(error)
    }

    /// What the plan of a create noted in its private data, the default where it noted nothing. The CLI gives what the last plan said,
    /// which it asks for once more in apply.
    pub fn planned_private<P: DeserializeOwned + Default>(&self) -> P {
        serde_json::from_value(self.planned_private.clone()).unwrap_or_default()
    }

    /// Adds a warning to the answer.
    pub fn warn(&self, warning: Diagnostic) {
        self.locked().warnings.push(warning);
    }

    /// Makes the planned change a replacement, because of this attribute.
    pub fn requires_replacement(&self, attribute: &str) {
        self.locked().replacements.push(Path::attribute(attribute));
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Findings> {
        // A panic elsewhere leaves nothing half-written here.
        self.findings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn finish(self) -> (Vec<Diagnostic>, Vec<Path>) {
        let findings = self.findings.into_inner().unwrap_or_else(PoisonError::into_inner);
        (findings.warnings, findings.replacements)
    }
}
