//! JSON → [`Dynamic`], guided by a type: stored states, values of a CLI that sends JSON, and defaults of models.
//!
//! The text is read, not a parsed tree: a tree would hold numbers as `f64`.

use super::dynamic::{Dynamic, Number, Type};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The value that `json` is as a `shape`. Attributes that are missing become null, those that the type lacks are left out.
/// Fails with a text that says where what does not fit, and repeats no value: it may be a secret.
pub fn from_json_text(shape: &Type, json: &[u8]) -> Result<Dynamic, String> {
    let json: &RawValue = serde_json::from_slice(json).map_err(|why| format!("it is no JSON: {why}"))?;
    value(shape, json.get())
}

/// The same of parsed JSON, whose numbers are small.
pub fn from_json(shape: &Type, json: &serde_json::Value) -> Result<Dynamic, String> {
    value(shape, &json.to_string())
}

fn value(shape: &Type, json: &str) -> Result<Dynamic, String> {
    let start = json.bytes().next().unwrap_or_default();
    Ok(match (shape, start) {
        (_, b'n') => Dynamic::Null,
        (Type::String, b'"') => Dynamic::text(&parse::<String>(json)?),
        (Type::Bool, b't' | b'f') => Dynamic::Bool(start == b't'),
        (Type::Number, b'-' | b'0'..=b'9') => {
            Dynamic::Number(Number::parse(json).ok_or("a number has too large an exponent")?)
        }
        (Type::List(element), b'[') => Dynamic::List(elements(element, json)?),
        (Type::Set(element), b'[') => Dynamic::set(elements(element, json)?),
        (Type::Map(element), b'{') => {
            let items = parse::<BTreeMap<String, &RawValue>>(json)?;
            let items = items.into_iter().map(|(key, item)| {
                let item = value(element, item.get()).map_err(|why| format!("`{key}`: {why}"))?;
                Ok((super::dynamic::normalised(&key), item))
            });
            Dynamic::Map(items.collect::<Result<_, String>>()?)
        }
        (Type::Object(attributes), b'{') => {
            let items = parse::<BTreeMap<String, &RawValue>>(json)?;
            let attributes = attributes.iter().map(|(name, shape)| {
                let item = items.get(name).map_or(Ok(Dynamic::Null), |item| value(shape, item.get()));
                item.map(|item| (name.clone(), item)).map_err(|why| format!("`{name}`: {why}"))
            });
            Dynamic::Map(attributes.collect::<Result<_, String>>()?)
        }
        _ => return Err(format!("it should be {}", shape.noun())),
    })
}

fn elements(element: &Type, json: &str) -> Result<Vec<Dynamic>, String> {
    parse::<Vec<&RawValue>>(json)?.into_iter().map(|item| value(element, item.get())).collect()
}

/// Of text whose syntax has been checked. A text may still hold half a surrogate pair.
fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|_| "a text is no Unicode".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        #[test]
        fn what_a_state_holds_is_read_back_equal((shape, value) in samples::typed()) {
            let known = samples::as_stored(&shape, value);
            prop_assert_eq!(from_json_text(&shape, samples::to_json(&known).as_bytes()), Ok(known));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,64}", (shape, value) in samples::typed(), cut in 0..64usize) {
            let _ = from_json_text(&shape, text.as_bytes());
            let mut whole = samples::to_json(&value).into_bytes();
            whole.truncate(cut);
            let _ = from_json_text(&shape, &whole);
        }
    }

    #[test]
    fn numbers_keep_their_digits() {
        for text in ["9007199254740993", "12345678901234567890123", "0.1", "-1e400", "18446744073709551616"] {
            assert_eq!(
                from_json_text(&Type::Number, text.as_bytes()),
                Ok(Dynamic::Number(Number::parse(text).unwrap()))
            );
        }
        assert_eq!(from_json_text(&Type::Number, b"1.50"), Ok(Dynamic::Number(Number::parse("1.5").unwrap())));
    }

    #[test]
    fn text_is_normalised() {
        let e_acute = "\u{e9}";
        assert_eq!(from_json_text(&Type::String, "\"e\u{301}\"".as_bytes()), Ok(e_acute.into()));
        let map = Type::Map(Box::new(Type::Bool));
        let expected = Dynamic::Map(BTreeMap::from([(e_acute.to_owned(), Dynamic::Bool(true))]));
        assert_eq!(from_json_text(&map, "{\"e\u{301}\":true}".as_bytes()), Ok(expected));
    }

    #[test]
    fn an_error_says_where_and_repeats_no_value() {
        let shape = Type::Object(BTreeMap::from([("a".to_owned(), Type::Map(Box::new(Type::Number)))]));
        let found = from_json_text(&shape, json!({ "a": { "k": "hidden" } }).to_string().as_bytes());
        assert_eq!(found, Err("`a`: `k`: it should be a number".to_owned()));
        assert!(from_json_text(&shape, b"{\"a\": tru").unwrap_err().starts_with("it is no JSON: "));
        assert!(from_json_text(&Type::String, br#""\ud800""#).is_err());
    }

    #[test]
    fn deep_nesting_is_refused_without_recursion() {
        let deep = "[".repeat(1_000_000);
        assert!(from_json_text(&Type::List(Box::new(Type::Bool)), deep.as_bytes()).is_err());
        let closed = deep.clone() + &"]".repeat(1_000_000);
        assert!(from_json_text(&Type::List(Box::new(Type::Bool)), closed.as_bytes()).is_err());
    }
}
