//! Values as Terraform sees them: each may be unknown or null at any depth.
//!
//! `Dynamic` is what travels between the wire and the typed structs. It knows neither msgpack nor any schema;
//! [`Type`] says which shape a value has to have.

use std::collections::BTreeMap;

/// A value that may be unknown (not decided before apply) or null (absent), at any depth.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Dynamic {
    /// Absent.
    #[default]
    Null,
    /// Known only after apply.
    Unknown(Refinement),
    /// `true` or `false`.
    Bool(bool),
    /// A number of any size and precision.
    Number(Number),
    /// Text, in Unicode's normalization form C.
    String(String),
    /// List, set or tuple. Sets are sorted and free of duplicates, so that equal sets are equal values.
    List(Vec<Dynamic>),
    /// Map or object. An object has exactly the attributes of its type.
    Map(BTreeMap<String, Dynamic>),
}

/// What the CLI says of an unknown value beyond its type: the msgpack map of extension 12, as it came, so that an echo
/// is exact. Empty for a plain unknown value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Refinement(pub Vec<u8>);

/// A number in canonical decimal text (`-12`, `0.1`, `1e400`), or `inf` and `-inf`. Text, because 2^53 + 1 and 0.1 have no exact
/// `f64`, and Terraform compares numbers by their decimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(pub String);

impl Dynamic {
    /// A plain unknown value.
    pub fn unknown() -> Self {
        Self::Unknown(Refinement::default())
    }

    /// Whether the value as a whole is unknown.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// Whether the value is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether nothing in it, at any depth, is unknown.
    pub fn is_wholly_known(&self) -> bool {
        match self {
            Self::Unknown(_) => false,
            Self::List(items) => items.iter().all(Self::is_wholly_known),
            Self::Map(items) => items.values().all(Self::is_wholly_known),
            _ => true,
        }
    }

    /// The value with everything unknown replaced by null, as a state may hold no unknown value.
    #[must_use]
    pub fn unknown_as_null(self) -> Self {
        match self {
            Self::Unknown(_) => Self::Null,
            Self::List(items) => Self::List(items.into_iter().map(Self::unknown_as_null).collect()),
            Self::Map(items) => {
                Self::Map(items.into_iter().map(|(key, value)| (key, value.unknown_as_null())).collect())
            }
            other => other,
        }
    }

    /// The attribute of an object; null where the value is null or has no such attribute, unknown where it is unknown.
    pub fn attribute(&self, name: &str) -> Dynamic {
        match self {
            Self::Map(items) => items.get(name).cloned().unwrap_or_default(),
            Self::Unknown(_) => Self::unknown(),
            _ => Self::Null,
        }
    }

    /// The text of a known string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&str> for Dynamic {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

/// A type of the plugin protocol (cty). Only what provider schemas may use: no tuples and no `dynamic`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// Text.
    String,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// Ordered elements.
    List(Box<Type>),
    /// Elements without order or duplicates.
    Set(Box<Type>),
    /// Elements by name.
    Map(Box<Type>),
    /// Named attributes, each of its own type.
    Object(BTreeMap<String, Type>),
}
