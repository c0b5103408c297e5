//! Types and values for property tests: every type at any depth, with nulls, unknown values and the numbers and texts that break
//! codecs.

use super::dynamic::{Dynamic, Number, Refinement, Type};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

/// A type and a value of it.
pub(crate) fn typed() -> impl Strategy<Value = (Type, Dynamic)> {
    shape().prop_flat_map(|shape| {
        let value = value_of(&shape);
        (Just(shape), value)
    })
}

/// A type that a schema may use.
pub(crate) fn shape() -> impl Strategy<Value = Type> {
    prop_oneof![Just(Type::String), Just(Type::Bool), Just(Type::Number)].prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|element| Type::List(Box::new(element))),
            inner.clone().prop_map(|element| Type::Set(Box::new(element))),
            inner.clone().prop_map(|element| Type::Map(Box::new(element))),
            btree_map("[a-z]{1,3}", inner, 0..4).prop_map(Type::Object),
        ]
    })
}

/// A value of `shape`.
pub(crate) fn value_of(shape: &Type) -> BoxedStrategy<Dynamic> {
    let known = match shape {
        Type::String => text().prop_map(|text| Dynamic::text(&text)).boxed(),
        Type::Bool => any::<bool>().prop_map(Dynamic::Bool).boxed(),
        Type::Number => number().prop_map(Dynamic::Number).boxed(),
        Type::List(element) => vec(value_of(element), 0..4).prop_map(Dynamic::List).boxed(),
        Type::Set(element) => vec(value_of(element), 0..4).prop_map(Dynamic::set).boxed(),
        Type::Map(element) => btree_map(text(), value_of(element), 0..4)
            .prop_map(|items| {
                Dynamic::Map(items.into_iter().map(|(key, item)| (super::dynamic::normalised(&key), item)).collect())
            })
            .boxed(),
        Type::Object(attributes) => {
            let names: Vec<_> = attributes.keys().cloned().collect();
            let values: Vec<_> = attributes.values().map(value_of).collect();
            values.prop_map(move |values| Dynamic::Map(names.iter().cloned().zip(values).collect())).boxed()
        }
    };
    // The refinement: not null, and with the prefix "pre-".
    let refined = Refinement(vec![0x82, 1, 0xc2, 2, 0xa4, b'p', b'r', b'e', b'-']);
    prop_oneof![
        8 => known,
        1 => Just(Dynamic::Null),
        1 => Just(Dynamic::unknown()),
        1 => Just(Dynamic::Unknown(refined)),
    ]
    .boxed()
}

/// Composed and decomposed, long, empty.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,8}", "(e\u{301}|\u{e9}|\u{1e9b}\u{323}|\u{212b}){1,3}", "a{0,300}"]
}

/// Where codecs break: zeros, fractions, the ends of the integers of a machine, beyond floats.
const EDGES: &[&str] = &[
    "0",
    "-0",
    "0.1",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "1e400",
    "-1e-400",
    "inf",
    "-inf",
];

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        any::<f64>().prop_filter_map("a number", Number::exact),
        "-?[0-9]{1,30}(\\.[0-9]{1,20})?(e-?[0-9]{1,3})?".prop_filter_map("a number", |text| Number::parse(&text)),
        proptest::sample::select(EDGES).prop_filter_map("a number", Number::parse),
    ]
}

/// The value as a state can hold it: wholly known, and no infinite number.
pub(crate) fn as_stored(shape: &Type, value: Dynamic) -> Dynamic {
    match (shape, value) {
        (_, Dynamic::Unknown(_)) => Dynamic::Null,
        (_, Dynamic::Number(number)) if number.as_str().ends_with("inf") => Dynamic::Null,
        (Type::List(element), Dynamic::List(items)) => {
            Dynamic::List(items.into_iter().map(|item| as_stored(element, item)).collect())
        }
        (Type::Set(element), Dynamic::List(items)) => {
            Dynamic::set(items.into_iter().map(|item| as_stored(element, item)).collect())
        }
        (Type::Map(element), Dynamic::Map(items)) => {
            Dynamic::Map(items.into_iter().map(|(key, item)| (key, as_stored(element, item))).collect())
        }
        (Type::Object(attributes), Dynamic::Map(items)) => {
            let stored = |(key, item): (String, Dynamic)| {
                let item = attributes.get(&key).map_or(Dynamic::Null, |shape| as_stored(shape, item));
                (key, item)
            };
            Dynamic::Map(items.into_iter().map(stored).collect())
        }
        (_, value) => value,
    }
}

/// A value as JSON text, as a state file has it; unknown values as null.
pub(crate) fn to_json(value: &Dynamic) -> String {
    let joined = |parts: Vec<String>| parts.join(", ");
    match value {
        Dynamic::Null | Dynamic::Unknown(_) => "null".to_owned(),
        Dynamic::Bool(value) => value.to_string(),
        Dynamic::Number(number) => number.as_str().to_owned(),
        Dynamic::String(text) => serde_json::Value::from(text.as_str()).to_string(),
        Dynamic::List(items) => format!("[{}]", joined(items.iter().map(to_json).collect())),
        Dynamic::Map(items) => {
            let parts = items
                .iter()
                .map(|(key, item)| format!("{}:\n{}", serde_json::Value::from(key.as_str()), to_json(item)));
            format!("{{{}}}", joined(parts.collect()))
        }
    }
}
