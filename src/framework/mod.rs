//! Values, schemas, planning and the traits that a resource implements. Knows neither protobuf nor Graph.
//!
//! Data flows one way: wire → [`Dynamic`] → defaults, plan rules, checks (by [`Schema`]) → the typed struct → one hook of the
//! [`Resource`] → struct → [`Dynamic`] → wire.

mod adapter;
mod checks;
#[cfg(test)]
pub(crate) mod cli_rules;
mod codec;
mod diagnostic;
mod dynamic;
mod held;
mod json;
mod model;
mod planning;
mod provider;
pub mod requests;
mod resource;
#[cfg(test)]
pub(crate) mod samples;
mod schema;
mod timeouts;
mod value;

pub use adapter::{
    Call, Opened, Parameter, Served, ServedData, ServedEphemeral, ServedFunction, import_form, panic_text,
};
pub use checks::is_guid;
pub use diagnostic::{Diagnostic, Diagnostics, Path, Result, Severity, Step};
pub use dynamic::{Dynamic, Number, Refinement, Type, normalised};
pub use json::{from_json, from_json_text};
pub use model::{configurable, forces_replacement, guid, ignores_case, keeps_state};
pub use provider::{All, Provider, Registry, Server};
pub use resource::{Context, DataSource, EphemeralResource, Function, Lease, Model, Resource, Stored, StoredOf};
pub use schema::{Attribute, Check, Pattern, Schema, Shape};
pub use timeouts::{OpenTimeout, ReadTimeout, Timeouts, Wait};
pub use value::{Computed, Secret, Value};
