//! [`Dynamic`] ↔ msgpack, guided by a type. Whatever the bytes hold, nothing panics: the error says where and what.

use crate::framework::{Dynamic, Number, Path, Refinement, Step, Type};
use rmp::Marker;
use rmp::decode::{self, Bytes};
use rmp::encode;
use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization;

/// Deeper values are hostile: no schema of ours nests that far.
const DEEPEST: usize = 64;
/// Extension type of an unknown value that something is known of.
const REFINED: i8 = 12;

/// Where and why bytes are no value of their type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}`: {why}")]
pub(super) struct DecodeError {
    path: Path,
    why: String,
}

/// The value that `bytes` hold as a `shape`.
pub(super) fn decode(bytes: &[u8], shape: &Type) -> Result<Dynamic, DecodeError> {
    let mut input = Bytes::new(bytes);
    let value = read(&mut input, shape, &Path::default())?;
    if input.remaining_slice().is_empty() {
        Ok(value)
    } else {
        Err(fault(&Path::default(), "there are bytes behind the value"))
    }
}

fn fault(path: &Path, why: impl Into<String>) -> DecodeError {
    DecodeError { path: path.clone(), why: why.into() }
}

fn read(input: &mut Bytes<'_>, shape: &Type, at: &Path) -> Result<Dynamic, DecodeError> {
    if at.0.len() > DEEPEST {
        return Err(fault(at, "the value nests too deeply"));
    }
    let broken = |_| fault(at, "the value is cut short or is no msgpack");
    let marker = input
        .remaining_slice()
        .first()
        .copied()
        .map(Marker::from_u8)
        .ok_or_else(|| fault(at, "the value is cut short"))?;
    match marker {
        Marker::Null => {
            decode::read_nil(input).map(|()| Dynamic::Null).map_err(|_| fault(at, "the value is cut short"))
        }
        Marker::FixExt1
        | Marker::FixExt2
        | Marker::FixExt4
        | Marker::FixExt8
        | Marker::FixExt16
        | Marker::Ext8
        | Marker::Ext16
        | Marker::Ext32 => {
            let meta = decode::read_ext_meta(input).map_err(broken)?;
            let payload = take(input, meta.size, at)?;
            Ok(Dynamic::Unknown(Refinement(if meta.typeid == REFINED { payload.to_vec() } else { Vec::new() })))
        }
        _ => match shape {
            Type::String => text(input, at).map(Dynamic::String),
            Type::Bool => decode::read_bool(input).map(Dynamic::Bool).map_err(|_| fault(at, "it should be a bool")),
            Type::Number => number(input, marker, at).map(|text| Dynamic::Number(Number(text))),
            Type::List(element) => elements(input, element, at, true).map(Dynamic::List),
            Type::Set(element) => {
                let mut items = elements(input, element, at, false)?;
                items.sort();
                items.dedup();
                Ok(Dynamic::List(items))
            }
            Type::Map(element) => {
                let mut items = BTreeMap::new();
                for _ in 0..count(decode::read_map_len(input), input, at)? {
                    let key = text(input, at)?;
                    let value = read(input, element, &at.then(Step::Key(key.clone())))?;
                    items.insert(key, value);
                }
                Ok(Dynamic::Map(items))
            }
            Type::Object(attributes) => object(input, attributes, at),
        },
    }
}

fn object(input: &mut Bytes<'_>, attributes: &BTreeMap<String, Type>, at: &Path) -> Result<Dynamic, DecodeError> {
    let mut items = BTreeMap::new();
    for _ in 0..count(decode::read_map_len(input), input, at)? {
        let name = text(input, at)?;
        let Some(shape) = attributes.get(&name) else {
            return Err(fault(at, format!("there is no attribute `{name}`")));
        };
        let value = read(input, shape, &at.then(Step::Attribute(name.clone())))?;
        items.insert(name, value);
    }
    match attributes.keys().find(|name| !items.contains_key(*name)) {
        Some(missing) => Err(fault(at, format!("the attribute `{missing}` is missing"))),
        None => Ok(Dynamic::Map(items)),
    }
}

fn elements(input: &mut Bytes<'_>, element: &Type, at: &Path, ordered: bool) -> Result<Vec<Dynamic>, DecodeError> {
    let length = count(decode::read_array_len(input), input, at)?;
    let inner = |index| if ordered { at.then(Step::Index(i64::from(index))) } else { at.clone() };
    (0..length).map(|index| read(input, element, &inner(index))).collect()
}

/// A length, which cannot be more than the bytes that are left: each element takes at least one.
fn count<E>(length: Result<u32, E>, input: &Bytes<'_>, at: &Path) -> Result<u32, DecodeError> {
    let length = length.map_err(|_| fault(at, "it should be a collection"))?;
    if usize::try_from(length).is_ok_and(|length| length <= input.remaining_slice().len()) {
        Ok(length)
    } else {
        Err(fault(at, "the value is cut short"))
    }
}

fn take<'a>(input: &mut Bytes<'a>, size: u32, at: &Path) -> Result<&'a [u8], DecodeError> {
    let rest = input.remaining_slice();
    let taken = usize::try_from(size).ok().and_then(|size| rest.split_at_checked(size));
    let (payload, rest) = taken.ok_or_else(|| fault(at, "the value is cut short"))?;
    *input = Bytes::new(rest);
    Ok(payload)
}

fn text(input: &mut Bytes<'_>, at: &Path) -> Result<String, DecodeError> {
    let size = decode::read_str_len(input).map_err(|_| fault(at, "it should be a text"))?;
    let text = std::str::from_utf8(take(input, size, at)?).map_err(|_| fault(at, "the text is not UTF-8"))?;
    // The CLI normalises every text that it reads; comparing needs the same.
    Ok(text.nfc().collect())
}

/// Canonical text of a number that came as integer, float or decimal text.
fn number(input: &mut Bytes<'_>, marker: Marker, at: &Path) -> Result<String, DecodeError> {
    let no_number = || fault(at, "it should be a number");
    match marker {
        Marker::F32 => decode::read_f32(input).map(|value| float(f64::from(value))).map_err(|_| no_number()),
        Marker::F64 => decode::read_f64(input).map(float).map_err(|_| no_number()),
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
            decimal(&text(input, at)?).ok_or_else(no_number)
        }
        Marker::U64 => decode::read_u64(input).map(|value| value.to_string()).map_err(|_| no_number()),
        _ => decode::read_int::<i64, _>(input).map(|value| value.to_string()).map_err(|_| no_number()),
    }
}

fn float(value: f64) -> String {
    decimal(&format!("{value:e}")).unwrap_or_else(|| if value > 0.0 { "inf".to_owned() } else { "-inf".to_owned() })
}

/// One spelling for each number: digits without superfluous zeros, as an integer or decimal fraction while short, with an exponent
/// beyond. `None` for what is no number.
fn decimal(text: &str) -> Option<String> {
    let (negative, text) =
        text.strip_prefix('-').map_or((false, text.strip_prefix('+').unwrap_or(text)), |rest| (true, rest));
    if text.eq_ignore_ascii_case("inf") {
        return Some(if negative { "-inf" } else { "inf" }.to_owned());
    }
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(split) => (text.get(..split)?, text.get(split + 1..)?.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    let zeros = i64::try_from(digits.len() - digits.trim_end_matches('0').len()).ok()?;
    let exponent = exponent.checked_add(zeros)?;
    let length = i64::try_from(significant.len()).ok()?;
    let point = length.checked_add(exponent)?;
    let text = if exponent >= 0 && point <= 400 {
        format!("{significant}{}", "0".repeat(usize::try_from(exponent).ok()?))
    } else if (1..=length).contains(&point) {
        let (whole, fraction) = significant.split_at(usize::try_from(point).ok()?);
        format!("{whole}.{fraction}")
    } else if (-400..=0).contains(&point) {
        format!("0.{}{significant}", "0".repeat(usize::try_from(-point).ok()?))
    } else {
        format!("{significant}e{exponent}")
    };
    Some(if negative { format!("-{text}") } else { text })
}

/// The bytes of a value. Attributes that the type has and the value lacks are written as null: the CLI insists on every one.
pub(super) fn encode(value: &Dynamic, shape: &Type) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, value, shape);
    out
}

/// Writing into a `Vec` cannot fail.
macro_rules! put {
    ($call:expr) => {{
        let _ = $call;
    }};
}

fn write(out: &mut Vec<u8>, value: &Dynamic, shape: &Type) {
    match (value, shape) {
        (Dynamic::Unknown(Refinement(known)), _) if known.is_empty() => out.extend([0xd4, 0, 0]),
        (Dynamic::Unknown(Refinement(known)), _) => {
            put!(encode::write_ext_meta(out, u32::try_from(known.len()).unwrap_or(0), REFINED));
            out.extend(known);
        }
        (Dynamic::Bool(value), _) => put!(encode::write_bool(out, *value)),
        (Dynamic::String(text), _) => put!(encode::write_str(out, text)),
        (Dynamic::Number(Number(text)), _) => write_number(out, text),
        (Dynamic::List(items), Type::List(element) | Type::Set(element)) => {
            put!(encode::write_array_len(out, u32::try_from(items.len()).unwrap_or(u32::MAX)));
            items.iter().for_each(|item| write(out, item, element));
        }
        (Dynamic::Map(items), Type::Map(element)) => {
            put!(encode::write_map_len(out, u32::try_from(items.len()).unwrap_or(u32::MAX)));
            for (key, item) in items {
                put!(encode::write_str(out, key));
                write(out, item, element);
            }
        }
        (Dynamic::Map(items), Type::Object(attributes)) => {
            put!(encode::write_map_len(out, u32::try_from(attributes.len()).unwrap_or(u32::MAX)));
            for (name, shape) in attributes {
                put!(encode::write_str(out, name));
                write(out, items.get(name).unwrap_or(&Dynamic::Null), shape);
            }
        }
        _ => put!(encode::write_nil(out)),
    }
}

fn write_number(out: &mut Vec<u8>, text: &str) {
    if let Ok(value) = text.parse::<i64>() {
        put!(encode::write_sint(out, value));
    } else if let Ok(value) = text.parse::<u64>() {
        put!(encode::write_uint(out, value));
    } else if text.ends_with("inf") {
        put!(encode::write_f64(out, if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }));
    } else {
        put!(encode::write_str(out, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<i64>().prop_map(|n| n.to_string()),
            any::<u64>().prop_map(|n| n.to_string()),
            "-?[1-9][0-9]{0,30}(\\.[0-9]{0,20}[1-9])?",
            any::<f64>().prop_filter("a number", |n| n.is_finite()).prop_map(float)
        ]
    }

    /// A type and a value of it, with nulls and unknowns at any depth.
    fn typed() -> impl Strategy<Value = (Type, Dynamic)> {
        let leaf = prop_oneof![
            "\\PC{0,8}".prop_map(|text| (Type::String, Dynamic::String(text.nfc().collect()))),
            any::<bool>().prop_map(|value| (Type::Bool, Dynamic::Bool(value))),
            canonical().prop_map(|text| (Type::Number, Dynamic::Number(Number(text)))),
            Just((Type::String, Dynamic::unknown())),
            Just((Type::Number, Dynamic::Unknown(Refinement(vec![0x82, 1, 0xc2, 2, 0xa4, b'p', b'r', b'e', b'-'])))),
            Just((Type::Bool, Dynamic::Null)),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                inner.clone().prop_map(|(shape, value)| (
                    Type::List(Box::new(shape)),
                    Dynamic::List(vec![value.clone(), Dynamic::Null, value])
                )),
                inner.clone().prop_map(|(shape, value)| {
                    let mut items = vec![value, Dynamic::Null];
                    items.sort();
                    items.dedup();
                    (Type::Set(Box::new(shape)), Dynamic::List(items))
                }),
                inner.clone().prop_map(|(shape, value)| (
                    Type::Map(Box::new(shape)),
                    Dynamic::Map(BTreeMap::from([("k".to_owned(), value), ("n".to_owned(), Dynamic::Null)]))
                )),
                (inner.clone(), inner).prop_map(|((a, x), (b, y))| (
                    Type::Object(BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)])),
                    Dynamic::Map(BTreeMap::from([("a".to_owned(), x), ("b".to_owned(), y)]))
                )),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_equal((shape, value) in typed()) {
            prop_assert_eq!(decode(&encode(&value, &shape), &shape), Ok(value));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), (shape, _) in typed()) {
            let _ = decode(&bytes, &shape);
        }

        #[test]
        fn a_value_cut_short_is_an_error((shape, value) in typed()) {
            let bytes = encode(&value, &shape);
            for end in 0..bytes.len() {
                prop_assert!(decode(&bytes[..end], &shape).is_err());
            }
        }

        #[test]
        fn a_numbers_text_is_stable(text in canonical()) {
            prop_assert_eq!(decimal(&text), Some(text));
        }
    }

    #[test]
    fn numbers_keep_their_digits() {
        for (bytes, expected) in [
            (vec![0xa3, b'0', b'.', b'1'], "0.1"),
            (vec![0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "18446744073709551615"),
            (vec![0xca, 0x3f, 0xc0, 0, 0], "1.5"),
        ] {
            assert_eq!(decode(&bytes, &Type::Number), Ok(Dynamic::Number(Number(expected.to_owned()))));
        }
        assert_eq!(decimal("1.50e1").as_deref(), Some("15"));
        assert_eq!(decimal("-0").as_deref(), Some("0"));
        assert_eq!(decimal("9007199254740993").as_deref(), Some("9007199254740993"));
        assert_eq!(decimal("10e400").as_deref(), Some("1e401"));
        assert_eq!(decimal("twelve"), None);
    }

    #[test]
    fn a_hostile_length_is_refused_before_memory_is_taken() {
        assert!(decode(&[0xdd, 0xff, 0xff, 0xff, 0xff], &Type::List(Box::new(Type::Bool))).is_err());
        let deep = (0..200).fold(Type::Bool, |inner, _| Type::List(Box::new(inner)));
        assert!(decode(&[0x91; 200], &deep).is_err());
    }

    #[test]
    fn an_objects_attributes_are_exact_and_the_error_says_where() {
        let shape = Type::Object(BTreeMap::from([("a".to_owned(), Type::Bool)]));
        assert_eq!(decode(&[0x80], &shape).unwrap_err().to_string(), "``: the attribute `a` is missing");
        assert_eq!(decode(&[0x81, 0xa1, b'a', 0x01], &shape).unwrap_err().to_string(), "`a`: it should be a bool");
    }
}
