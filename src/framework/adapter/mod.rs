//! From typed resources, data sources, ephemeral resources and functions to what the protocol calls: decoding, planning rules, the
//! hook, encoding. The one place that boxes futures and catches panics of hooks, so that what a hook reached before is not lost.

mod call;
mod data_source;
mod ephemeral;
mod function;
mod import;
mod private;
mod resource;
#[cfg(test)]
mod tests;

pub(super) use call::validate;
pub use call::{Call, panic_text};
pub(super) use data_source::DataAdapter;
pub use data_source::ServedData;
pub(super) use ephemeral::EphemeralAdapter;
pub use ephemeral::{Opened, ServedEphemeral};
pub(super) use function::FunctionAdapter;
pub use function::{Parameter, ServedFunction};
pub use import::import_form;
pub(super) use resource::Adapter;
pub use resource::Served;
