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
    /// Only ever in the configuration, never in plan or state.
    pub write_only: bool,
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
    /// The whole string matches.
    Pattern(String),
    /// A GUID in its usual form.
    Guid,
    /// One of these strings.
    OneOf(Vec<String>),
    /// A whole number: at least, at most.
    Whole(i128, i128),
    /// The same rule for each element.
    Each(Vec<Check>),
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

/// A provider-defined function.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// One line.
    pub summary: String,
    /// In Markdown.
    pub description: String,
    /// In order.
    pub parameters: Vec<Parameter>,
    /// Takes the rest of the arguments.
    pub variadic: Option<Parameter>,
    /// Type of the result.
    pub returns: Type,
}

/// One parameter of a function. Neither null nor unknown arguments are passed: the CLI answers those itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// An HCL identifier.
    pub name: String,
    /// In Markdown.
    pub description: String,
    /// Type of the argument.
    pub value_type: Type,
}

/// Everything a provider offers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Schemas {
    /// The provider block.
    pub provider: Schema,
    /// Managed resources by type name: the schema, and that of the identity.
    pub resources: BTreeMap<String, (Schema, Schema)>,
    /// Data sources by type name.
    pub data_sources: BTreeMap<String, Schema>,
    /// Ephemeral resources by type name.
    pub ephemeral_resources: BTreeMap<String, Schema>,
    /// Functions by name.
    pub functions: BTreeMap<String, Function>,
}
