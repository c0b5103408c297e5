//! What the protocol layer may ask of a provider, in the framework's own terms: one method per operation, no protobuf.

use super::{Diagnostic, Dynamic, Path, Schemas};
use futures_util::future::BoxFuture;

/// A provider as the protocol layer sees it. Values have been decoded by the schemas it gives.
pub trait Plugin: Send + Sync + 'static {
    /// Everything offered. Static: the same for every call of one process.
    fn schemas(&self) -> &Schemas;
    /// Checks a provider block; unknown values are tolerated.
    fn validate_provider(&self, config: Dynamic) -> BoxFuture<'_, Vec<Diagnostic>>;
    /// Takes the provider block into use. No network. The last call wins.
    fn configure(&self, config: Dynamic) -> BoxFuture<'_, Vec<Diagnostic>>;
    /// Checks a resource block; unknown values are tolerated.
    fn validate_resource<'a>(&'a self, type_name: &'a str, config: Dynamic) -> BoxFuture<'a, Vec<Diagnostic>>;
    /// Checks a data block; unknown values are tolerated.
    fn validate_data_source<'a>(&'a self, type_name: &'a str, config: Dynamic) -> BoxFuture<'a, Vec<Diagnostic>>;
    /// Converts a stored state (the attributes' JSON, of schema version `version`) to the present schema.
    fn upgrade<'a>(
        &'a self,
        type_name: &'a str,
        version: i64,
        stored: &'a [u8],
    ) -> BoxFuture<'a, (Dynamic, Vec<Diagnostic>)>;
    /// Converts a stored identity likewise.
    fn upgrade_identity<'a>(
        &'a self,
        type_name: &'a str,
        version: i64,
        stored: &'a [u8],
    ) -> BoxFuture<'a, (Dynamic, Vec<Diagnostic>)>;
    /// Observes an object. A null state in the answer, without an error: the object is gone.
    fn read<'a>(&'a self, type_name: &'a str, request: Read) -> BoxFuture<'a, ReadAnswer>;
    /// Decides what apply will do.
    fn plan<'a>(&'a self, type_name: &'a str, request: Plan) -> BoxFuture<'a, PlanAnswer>;
    /// Creates, updates or deletes.
    fn apply<'a>(&'a self, type_name: &'a str, request: Apply) -> BoxFuture<'a, ReadAnswer>;
    /// Starts to manage an existing object; the CLI reads it next.
    fn import<'a>(&'a self, type_name: &'a str, target: ImportTarget) -> BoxFuture<'a, ReadAnswer>;
    /// Reads a data source. The state repeats the configuration and fills in the rest.
    fn read_data_source<'a>(&'a self, type_name: &'a str, config: Dynamic)
    -> BoxFuture<'a, (Dynamic, Vec<Diagnostic>)>;
    /// Checks an ephemeral block; unknown values are tolerated.
    fn validate_ephemeral<'a>(&'a self, type_name: &'a str, config: Dynamic) -> BoxFuture<'a, Vec<Diagnostic>>;
    /// Opens an ephemeral resource. The result repeats the configuration and fills in the rest; it needs neither renewing nor closing.
    fn open_ephemeral<'a>(&'a self, type_name: &'a str, config: Dynamic) -> BoxFuture<'a, (Dynamic, Vec<Diagnostic>)>;
    /// Calls a function. The error names the argument at fault, counted from 0, where one is.
    fn call_function(&self, name: &str, arguments: Vec<Dynamic>) -> Result<Dynamic, (String, Option<i64>)>;
    /// Ends running work soon: waits end at once, a write under way may finish. Calls in flight still answer.
    fn stop(&self);
}

/// To observe an object.
#[derive(Debug, Clone, Default)]
pub struct Read {
    /// Last known.
    pub state: Dynamic,
    /// Bytes that we gave last.
    pub private: Vec<u8>,
    /// Null where none is stored.
    pub identity: Dynamic,
}

/// What is now known of an object. A null state after `read`: gone; after `apply` with errors: nothing to store.
#[derive(Debug, Clone, Default)]
pub struct ReadAnswer {
    /// Wholly known, or null.
    pub state: Dynamic,
    /// Stored beside the state.
    pub private: Vec<u8>,
    /// Null where not known.
    pub identity: Dynamic,
    /// Errors and warnings.
    pub diagnostics: Vec<Diagnostic>,
}

/// To plan a change. `config` and `proposed` are null for a destroy, `prior` for a create.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// State before.
    pub prior: Dynamic,
    /// The CLI's merge of prior state and configuration.
    pub proposed: Dynamic,
    /// As written.
    pub config: Dynamic,
    /// Bytes that we gave last.
    pub private: Vec<u8>,
    /// Null where none is stored.
    pub identity: Dynamic,
}

/// A planned change.
#[derive(Debug, Clone, Default)]
pub struct PlanAnswer {
    /// May hold unknown values.
    pub planned: Dynamic,
    /// Attributes whose change replaces the object.
    pub requires_replace: Vec<Path>,
    /// Given to apply.
    pub private: Vec<u8>,
    /// Null where not known.
    pub identity: Dynamic,
    /// Errors and warnings.
    pub diagnostics: Vec<Diagnostic>,
}

/// To apply a planned change. `planned` and `config` are null for a delete, `prior` for a create.
#[derive(Debug, Clone, Default)]
pub struct Apply {
    /// State before.
    pub prior: Dynamic,
    /// As planned.
    pub planned: Dynamic,
    /// As written, with write-only values.
    pub config: Dynamic,
    /// Bytes that the plan gave.
    pub private: Vec<u8>,
    /// As planned; null where not known.
    pub identity: Dynamic,
}

/// What to import.
#[derive(Debug, Clone)]
pub enum ImportTarget {
    /// The text that a user gave.
    Id(String),
    /// An identity by its attributes.
    Identity(Dynamic),
}
