//! Values, schemas, planning and the traits that a resource implements. Knows neither protobuf nor Graph.

pub mod diagnostic;
pub mod dynamic;
pub mod plugin;
pub mod schema;

pub use diagnostic::{Diagnostic, Diagnostics, Path, Result, Severity, Step};
pub use dynamic::{Dynamic, Number, Refinement, Type};
pub use plugin::Plugin;
pub use schema::{Attribute, Schema, Schemas, Shape};
