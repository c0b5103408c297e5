//! Schemas as data: what a resource's attributes are, how they are planned and checked, and what they are for.

use super::dynamic::{Dynamic, Type};
use std::collections::BTreeMap;

/// The attributes of a resource, data source, provider or nested object.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Schema {
    /// Raised for a change that stored states have to be converted for.
    pub version: i64,
    /// What the whole is for, in Markdown.
    pub description: String,
    /// By name.
    pub attributes: BTreeMap<String, Attribute>,
    /// Names in the order in which the struct declares them: the order of an import id.
    pub order: Vec<String>,
}

/// Shape of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A value without attributes of its own.
    Plain(Type),
    /// An object with attributes of its own.
    Object(Schema),
    /// A list of such objects.
    ObjectList(Schema),
    /// Such objects by name.
    ObjectMap(Schema),
}

/// One attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// What users read in the registry, in Markdown.
    pub description: String,
    /// Type, and attributes of nested objects.
    pub shape: Shape,
    /// Must be configured.
    pub required: bool,
    /// May be configured.
    pub optional: bool,
    /// May be decided by the provider. With a default, an attribute is optional and computed on the wire.
    pub computed: bool,
    /// Hidden in the CLI's output.
    pub sensitive: bool,
    /// Shown as deprecated.
    pub deprecated: bool,
    /// Planned where nothing is configured.
    pub default: Option<Dynamic>,
    /// A change replaces the object.
    pub forces_replacement: bool,
    /// A computed value that no update changes: planned as it was.
    pub keeps_state: bool,
    /// What a configured value has to satisfy.
    pub checks: Vec<Check>,
}

/// A rule for a configured value.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    /// Characters of a string, elements of a collection: at least, at most.
    Length(Option<u64>, Option<u64>),
    /// Some part of the string matches.
    Pattern(Pattern),
    /// A GUID in its usual form. GUIDs compare without regard to case.
    Guid,
    /// Any text, which compares without regard to case.
    Caseless,
    /// A [`Wait`](super::Wait).
    Wait,
    /// One of these strings.
    OneOf(Vec<String>),
    /// A whole number: at least, at most.
    Whole(i128, i128),
    /// The same rule for each element.
    Each(Vec<Check>),
}

/// A regular expression, compiled once: a counted class costs a millisecond each time.
#[derive(Debug, Clone)]
pub struct Pattern(regex::Regex);

impl Pattern {
    /// The expression that `text` is. Fails with the reason why it is none.
    pub fn new(text: &str) -> Result<Self, String> {
        regex::Regex::new(text).map(Self).map_err(|why| why.to_string())
    }

    /// Whether some part of `text` matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Attribute {
    /// Whether it, or each element of it, compares without regard to case.
    pub fn ignores_case(&self) -> bool {
        let folds = |checks: &[Check]| checks.iter().any(|check| matches!(check, Check::Guid | Check::Caseless));
        folds(&self.checks) || self.checks.iter().any(|check| matches!(check, Check::Each(inner) if folds(inner)))
    }
}

impl Schema {
    /// The type of the whole object.
    pub fn object_type(&self) -> Type {
        Type::Object(
            self.attributes.iter().map(|(name, attribute)| (name.clone(), attribute.shape.value_type())).collect(),
        )
    }
}

impl Shape {
    /// Makes nested attributes computed only: the provider decides them with the object that they are part of.
    pub(super) fn read_only(&mut self) {
        if let Self::Object(nested) | Self::ObjectList(nested) | Self::ObjectMap(nested) = self {
            for attribute in nested.attributes.values_mut() {
                (attribute.required, attribute.optional, attribute.computed) = (false, false, true);
                attribute.default = None;
                attribute.shape.read_only();
            }
        }
    }

    /// The type of its values.
    pub fn value_type(&self) -> Type {
        match self {
            Self::Plain(plain) => plain.clone(),
            Self::Object(nested) => nested.object_type(),
            Self::ObjectList(nested) => Type::List(Box::new(nested.object_type())),
            Self::ObjectMap(nested) => Type::Map(Box::new(nested.object_type())),
        }
    }
}
