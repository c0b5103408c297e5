//! The three wrappers with which a model says what Terraform adds to a plain value: unknown, computed, secret.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use secrecy::{ExposeSecret, SecretString};
use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use super::{Diagnostic, Result};

/// Name by which the codec recognises a [`Value`] and a [`Computed`] and lets an unknown value in.
pub(super) const MAY_BE_UNKNOWN: &str = "$may_be_unknown";
/// Name by which the codec recognises an unknown value on its way out.
pub(super) const UNKNOWN: &str = "$unknown";

/// An input that may be unknown while planning, such as an id that another resource makes. As the element of a computed collection: a
/// part that is still to be decided, beside parts that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Value<T> {
    /// Decided during apply. Also a collection of which any part is unknown.
    #[default]
    Unknown,
    /// Decided.
    Known(T),
}

impl<T> Value<T> {
    /// The value where it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown => None,
        }
    }

    /// The value, which apply always knows. Fails as a bug where it does not.
    pub fn get(&self) -> Result<&T> {
        self.known().ok_or_else(|| Diagnostic::bug("an input was still unknown when it was needed").into())
    }
}

impl<T> From<T> for Value<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

/// A value that the provider decides, alone or where nothing is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Computed<T> {
    /// Decided during apply.
    #[default]
    Unknown,
    /// Absent.
    Null,
    /// Decided.
    Known(T),
}

impl<T> Computed<T> {
    /// The value where it is known and present.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            _ => None,
        }
    }

    /// The value. Fails as a bug where it is unknown or absent.
    pub fn get(&self) -> Result<&T> {
        self.known().ok_or_else(|| Diagnostic::bug("a computed value was missing when it was needed").into())
    }

    /// Whether it is still to be decided.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

impl<T> From<T> for Computed<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

impl<T> From<Option<T>> for Computed<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::Known)
    }
}

impl<T: Serialize> Serialize for Value<T> {
    fn serialize<S: Serializer>(&self, out: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Unknown => out.serialize_unit_struct(UNKNOWN),
            Self::Known(value) => value.serialize(out),
        }
    }
}

impl<T: Serialize> Serialize for Computed<T> {
    fn serialize<S: Serializer>(&self, out: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Unknown => out.serialize_unit_struct(UNKNOWN),
            Self::Null => out.serialize_none(),
            Self::Known(value) => value.serialize(out),
        }
    }
}

/// Unknown arrives as a unit, null as none, the rest as some.
struct Tristate<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Tristate<T> {
    type Value = Computed<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value that may be unknown")
    }

    fn visit_unit<E>(self) -> std::result::Result<Self::Value, E> {
        Ok(Computed::Unknown)
    }

    fn visit_none<E>(self) -> std::result::Result<Self::Value, E> {
        Ok(Computed::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, input: D) -> std::result::Result<Self::Value, D::Error> {
        T::deserialize(input).map(Computed::Known)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Computed<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> std::result::Result<Self, D::Error> {
        input.deserialize_newtype_struct(MAY_BE_UNKNOWN, Tristate(PhantomData))
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Value<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> std::result::Result<Self, D::Error> {
        match input.deserialize_newtype_struct(MAY_BE_UNKNOWN, Tristate::<T>(PhantomData))? {
            Computed::Unknown => Ok(Self::Unknown),
            Computed::Known(value) => Ok(Self::Known(value)),
            Computed::Null => Err(serde::de::Error::custom("a value is required here")),
        }
    }
}

impl<T: JsonSchema> JsonSchema for Value<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

impl<T: JsonSchema> JsonSchema for Computed<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = generator.subschema_for::<T>();
        schema.insert("readOnly".to_owned(), true.into());
        schema
    }
}

/// A sensitive text: hidden by the CLI, redacted in `Debug`, wiped from memory when dropped.
#[derive(Clone, Default)]
pub struct Secret(SecretString);

impl Secret {
    /// The text, for the one place that sends it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The text as the crate `secrecy` keeps it.
    pub fn into_inner(self) -> SecretString {
        self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, out: S) -> std::result::Result<S::Ok, S::Error> {
        out.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(input: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(input).map(Self::from)
    }
}

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "format": "password" })
    }
}
