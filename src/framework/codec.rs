//! Typed structs ↔ [`Dynamic`], by serde. Pure; the only place that knows how unknown travels through serde.

use super::dynamic::Dynamic;
use super::value::{MAY_BE_UNKNOWN, UNKNOWN};
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer, Visitor};
use serde::ser::{SerializeMap, SerializeSeq, SerializeStruct};
use serde::{Serialize, forward_to_deserialize_any};
use std::collections::BTreeMap;
use std::fmt;

/// Why a value does not fit a struct.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Something is unknown where the struct needs a known value: no fault while planning.
    #[error("a value is not known yet")]
    Unknown,
    /// A fault.
    #[error("{0}")]
    Other(String),
}

/// The struct that `value` describes.
pub fn from_dynamic<T: DeserializeOwned>(value: &Dynamic) -> Result<T, CodecError> {
    T::deserialize(From(value))
}

/// The value that describes the struct. Sets come out sorted, as serde sees `BTreeSet`s.
pub fn to_dynamic<T: Serialize>(value: &T) -> Result<Dynamic, CodecError> {
    value.serialize(To)
}

impl serde::de::Error for CodecError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::Other(text.to_string())
    }
}

impl serde::ser::Error for CodecError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::Other(text.to_string())
    }
}

/// Deserializer over a borrowed value.
struct From<'a>(&'a Dynamic);

impl<'de> IntoDeserializer<'de, CodecError> for From<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> serde::Deserializer<'de> for From<'de> {
    type Error = CodecError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.0 {
            Dynamic::Unknown(_) => Err(CodecError::Unknown),
            Dynamic::Null => visitor.visit_none(),
            Dynamic::Bool(value) => visitor.visit_bool(*value),
            Dynamic::String(text) => visitor.visit_str(text),
            Dynamic::Number(number) => {
                let text = number.as_str();
                if let Ok(number) = text.parse::<i64>() {
                    visitor.visit_i64(number)
                } else if let Ok(number) = text.parse::<u64>() {
                    visitor.visit_u64(number)
                } else {
                    Err(CodecError::Other("a whole number of at most 64 bits is expected here".to_owned()))
                }
            }
            Dynamic::List(items) => visitor.visit_seq(SeqDeserializer::new(items.iter().map(From))),
            Dynamic::Map(items) => {
                visitor.visit_map(MapDeserializer::new(items.iter().map(|(key, item)| (key.as_str(), From(item)))))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        if name != MAY_BE_UNKNOWN {
            return visitor.visit_newtype_struct(self);
        }
        if self.0.is_null() {
            visitor.visit_none()
        } else if self.0.is_wholly_known() {
            visitor.visit_some(self)
        } else {
            visitor.visit_unit()
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        match self.0 {
            Dynamic::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Dynamic::Unknown(_) => Err(CodecError::Unknown),
            _ => Err(CodecError::Other("one of a few texts is expected here".to_owned())),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// Serializer into an owned value.
struct To;

/// Collects the parts of a collection.
struct Parts {
    list: Vec<Dynamic>,
    map: BTreeMap<String, Dynamic>,
    key: Option<String>,
}

impl Parts {
    fn new() -> Self {
        Self { list: Vec::new(), map: BTreeMap::new(), key: None }
    }
}

fn unsupported<T>(what: &str) -> Result<T, CodecError> {
    Err(CodecError::Other(format!("a model may not hold {what}")))
}

impl serde::Serializer for To {
    type Ok = Dynamic;
    type Error = CodecError;
    type SerializeSeq = Parts;
    type SerializeTuple = serde::ser::Impossible<Dynamic, CodecError>;
    type SerializeTupleStruct = serde::ser::Impossible<Dynamic, CodecError>;
    type SerializeTupleVariant = serde::ser::Impossible<Dynamic, CodecError>;
    type SerializeMap = Parts;
    type SerializeStruct = Parts;
    type SerializeStructVariant = serde::ser::Impossible<Dynamic, CodecError>;

    fn serialize_bool(self, value: bool) -> Result<Dynamic, CodecError> {
        Ok(Dynamic::Bool(value))
    }
    fn serialize_i8(self, value: i8) -> Result<Dynamic, CodecError> {
        self.serialize_i64(value.into())
    }
    fn serialize_i16(self, value: i16) -> Result<Dynamic, CodecError> {
        self.serialize_i64(value.into())
    }
    fn serialize_i32(self, value: i32) -> Result<Dynamic, CodecError> {
        self.serialize_i64(value.into())
    }
    fn serialize_i64(self, value: i64) -> Result<Dynamic, CodecError> {
        Ok(Dynamic::Number(value.into()))
    }
    fn serialize_u8(self, value: u8) -> Result<Dynamic, CodecError> {
        self.serialize_u64(value.into())
    }
    fn serialize_u16(self, value: u16) -> Result<Dynamic, CodecError> {
        self.serialize_u64(value.into())
    }
    fn serialize_u32(self, value: u32) -> Result<Dynamic, CodecError> {
        self.serialize_u64(value.into())
    }
    fn serialize_u64(self, value: u64) -> Result<Dynamic, CodecError> {
        Ok(Dynamic::Number(value.into()))
    }
    fn serialize_f32(self, _: f32) -> Result<Dynamic, CodecError> {
        unsupported("a float")
    }
    fn serialize_f64(self, _: f64) -> Result<Dynamic, CodecError> {
        unsupported("a float")
    }
    fn serialize_char(self, value: char) -> Result<Dynamic, CodecError> {
        Ok(Dynamic::text(&value.to_string()))
    }
    fn serialize_str(self, value: &str) -> Result<Dynamic, CodecError> {
        Ok(Dynamic::text(value))
    }
    fn serialize_bytes(self, _: &[u8]) -> Result<Dynamic, CodecError> {
        unsupported("bytes")
    }
    fn serialize_none(self) -> Result<Dynamic, CodecError> {
        Ok(Dynamic::Null)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Dynamic, CodecError> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Dynamic, CodecError> {
        Ok(Dynamic::Null)
    }
    fn serialize_unit_struct(self, name: &'static str) -> Result<Dynamic, CodecError> {
        Ok(if name == UNKNOWN { Dynamic::unknown() } else { Dynamic::Null })
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Dynamic, CodecError> {
        Ok(variant.into())
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Dynamic, CodecError> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Dynamic, CodecError> {
        unsupported("an enum with contents")
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Parts, CodecError> {
        Ok(Parts::new())
    }
    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, CodecError> {
        unsupported("a tuple")
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, CodecError> {
        unsupported("a tuple")
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, CodecError> {
        unsupported("an enum with contents")
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Parts, CodecError> {
        Ok(Parts::new())
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts, CodecError> {
        Ok(Parts::new())
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, CodecError> {
        unsupported("an enum with contents")
    }
}

impl SerializeSeq for Parts {
    type Ok = Dynamic;
    type Error = CodecError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        self.list.push(value.serialize(To)?);
        Ok(())
    }

    fn end(self) -> Result<Dynamic, CodecError> {
        Ok(Dynamic::List(self.list))
    }
}

impl SerializeMap for Parts {
    type Ok = Dynamic;
    type Error = CodecError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CodecError> {
        let Dynamic::String(key) = key.serialize(To)? else { return unsupported("a map key that is no text") };
        self.key = Some(key);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        let Some(key) = self.key.take() else { return unsupported("a map value without its key") };
        self.map.insert(key, value.serialize(To)?);
        Ok(())
    }

    fn end(self) -> Result<Dynamic, CodecError> {
        Ok(Dynamic::Map(self.map))
    }
}

impl SerializeStruct for Parts {
    type Ok = Dynamic;
    type Error = CodecError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), CodecError> {
        self.map.insert(key.to_owned(), value.serialize(To)?);
        Ok(())
    }

    fn end(self) -> Result<Dynamic, CodecError> {
        Ok(Dynamic::Map(self.map))
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::{Computed, Value};
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeSet;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Sample {
        name: String,
        note: Option<String>,
        target: Value<String>,
        id: Computed<String>,
        tags: Option<Value<Vec<String>>>,
    }

    fn object(parts: &[(&str, Dynamic)]) -> Dynamic {
        Dynamic::Map(parts.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
    }

    #[test]
    fn unknown_null_and_known_stay_apart() {
        let value = object(&[
            ("name", "a".into()),
            ("note", Dynamic::Null),
            ("target", Dynamic::unknown()),
            ("id", Dynamic::Null),
            ("tags", Dynamic::List(vec!["x".into(), Dynamic::unknown()])),
        ]);
        let sample: Sample = from_dynamic(&value).unwrap();
        assert_eq!(sample.target, Value::Unknown);
        assert_eq!(sample.id, Computed::Null);
        assert_eq!(sample.tags, Some(Value::Unknown));
        let back = to_dynamic(&sample).unwrap();
        assert_eq!(back.get("target"), &Dynamic::unknown());
        assert_eq!(back.get("id"), &Dynamic::Null);
    }

    #[test]
    fn a_hook_may_plan_a_set_of_which_one_element_is_still_to_be_decided() {
        let ids = |all: Vec<Value<String>>| Computed::from(all.into_iter().collect::<BTreeSet<_>>());
        let planned = to_dynamic(&ids(vec![Value::from("b".to_owned()), Value::Unknown])).unwrap();
        // In the order in which the wire sorts sets, so that equal sets are equal values.
        let mut sorted = vec![Dynamic::from("b"), Dynamic::unknown()];
        sorted.sort();
        assert_eq!(planned, Dynamic::List(sorted));
        // On its way back the whole is unknown: apply decides all of it.
        assert_eq!(from_dynamic::<Computed<BTreeSet<Value<String>>>>(&planned), Ok(Computed::Unknown));
        let known = to_dynamic(&ids(vec![Value::from("b".to_owned()), Value::from("a".to_owned())])).unwrap();
        assert_eq!(known, Dynamic::List(vec!["a".into(), "b".into()]));
        assert_eq!(from_dynamic(&known), Ok(ids(vec![Value::from("a".to_owned()), Value::from("b".to_owned())])));
    }

    #[test]
    fn a_plain_field_that_is_unknown_is_reported_as_such() {
        let value = object(&[
            ("name", Dynamic::unknown()),
            ("note", Dynamic::Null),
            ("target", "t".into()),
            ("id", "i".into()),
        ]);
        assert_eq!(from_dynamic::<Sample>(&value), Err(CodecError::Unknown));
    }
}
