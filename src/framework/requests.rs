//! What is asked of a resource and what it answers, in the framework's own terms. None of it can be printed: all of it may hold
//! secrets.

use super::{Diagnostic, Dynamic, Path};

/// To observe an object.
#[derive(Clone, Default)]
pub struct Read {
    /// Last known.
    pub state: Dynamic,
    /// Bytes that we gave last.
    pub private: Vec<u8>,
    /// Null where none is stored.
    pub identity: Dynamic,
}

/// What is now known of an object, after it was read, changed or named for an import. A null state without an error after a read:
/// gone; with errors after a create: nothing to store.
#[derive(Clone, Default)]
pub struct StateAnswer {
    /// Wholly known, or null.
    pub state: Dynamic,
    /// Stored beside the state.
    pub private: Vec<u8>,
    /// Null where not known.
    pub identity: Dynamic,
    /// Errors and warnings.
    pub diagnostics: Vec<Diagnostic>,
}

/// To plan a change. `config` is null for a destroy, `prior` for a create.
#[derive(Clone, Default)]
pub struct Plan {
    /// State before.
    pub prior: Dynamic,
    /// As written.
    pub config: Dynamic,
    /// Bytes that we gave last.
    pub private: Vec<u8>,
    /// Null where none is stored.
    pub identity: Dynamic,
}

/// A planned change.
#[derive(Clone, Default)]
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
#[derive(Clone, Default)]
pub struct Apply {
    /// State before.
    pub prior: Dynamic,
    /// As planned.
    pub planned: Dynamic,
    /// As written.
    pub config: Dynamic,
    /// Bytes that the plan gave.
    pub private: Vec<u8>,
    /// As planned; null where not known.
    pub identity: Dynamic,
}

/// What to import.
#[derive(Clone)]
pub enum ImportTarget {
    /// The text that a user gave.
    Id(String),
    /// An identity by its attributes.
    Identity(Dynamic),
}
