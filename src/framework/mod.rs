//! Values, schemas, planning and the traits that a resource implements. Knows neither protobuf nor Graph.
//!
//! Data flows one way: wire → [`Dynamic`] → defaults, plan rules, checks (by [`Schema`]) → the typed struct → one hook of the
//! [`Resource`] → struct → [`Dynamic`] → wire.

pub mod checks;
mod codec;
pub mod diagnostic;
pub mod dynamic;
mod json;
pub mod model;
pub mod planning;
pub mod plugin;
pub mod resource;
#[cfg(test)]
pub(crate) mod samples;
pub mod schema;
mod served;
mod server;
pub mod timeouts;
mod value;

pub use checks::is_guid;
pub use diagnostic::{Diagnostic, Diagnostics, Path, Result, Severity, Step};
pub use dynamic::{Dynamic, Number, Refinement, Type, normalised};
pub use json::{from_json, from_json_text};
pub use model::{configurable, forces_replacement, guid, keeps_state, write_only};
pub use plugin::Plugin;
pub use resource::{Context, DataSource, EphemeralResource, Model, Provider, Resource, Stored, StoredOf};
pub use schema::{Attribute, Check, Function, Parameter, Schema, Schemas, Shape};
pub use served::{import_form, panic_text};
pub use server::{Registry, Server};
pub use timeouts::{OpenTimeout, ReadTimeout, Timeouts};
pub use value::{Computed, Secret, Value};
