//! [`Dynamic`] ↔ msgpack, guided by a type. Whatever the bytes hold, nothing panics: the error says where and what.
//!
//! The type bounds the depth, and the bytes bound the size: nothing is reserved for what a length only claims.

use crate::framework::{Dynamic, Number, Path, Refinement, Step, Type, normalised};
use rmp::Marker;
use rmp::decode::{self, Bytes};
use rmp::encode;
use std::collections::BTreeMap;

/// Extension type of an unknown value that something is known of.
const REFINED: i8 = 12;

/// Where and why bytes or a value do not fit their type. Repeats no value: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}`: {why}")]
pub(super) struct Misfit {
    path: Path,
    why: String,
}

impl Misfit {
    /// The same, seen from one level above.
    fn within(mut self, step: Step) -> Self {
        self.path.0.insert(0, step);
        self
    }
}

fn misfit(why: impl Into<String>) -> Misfit {
    Misfit { path: Path::default(), why: why.into() }
}

fn cut_short<E>(_: E) -> Misfit {
    misfit("the value is cut short")
}

/// The value that `bytes` hold as a `shape`.
pub(super) fn decode(bytes: &[u8], shape: &Type) -> Result<Dynamic, Misfit> {
    let mut input = Bytes::new(bytes);
    let value = read(&mut input, shape)?;
    if input.remaining_slice().is_empty() { Ok(value) } else { Err(misfit("there are bytes behind the value")) }
}

fn read(input: &mut Bytes<'_>, shape: &Type) -> Result<Dynamic, Misfit> {
    let marker = input.remaining_slice().first().copied().map(Marker::from_u8).ok_or_else(|| cut_short(()))?;
    match marker {
        Marker::Null => decode::read_nil(input).map(|()| Dynamic::Null).map_err(cut_short),
        Marker::FixExt1
        | Marker::FixExt2
        | Marker::FixExt4
        | Marker::FixExt8
        | Marker::FixExt16
        | Marker::Ext8
        | Marker::Ext16
        | Marker::Ext32 => {
            let meta = decode::read_ext_meta(input).map_err(cut_short)?;
            let payload = take(input, meta.size)?;
            Ok(Dynamic::Unknown(Refinement(if meta.typeid == REFINED { payload.to_vec() } else { Vec::new() })))
        }
        _ => match shape {
            Type::String => text(input).map(Dynamic::String),
            Type::Bool => decode::read_bool(input)
                .map(Dynamic::Bool)
                .map_err(|_| misfit(format!("it should be {}", shape.noun()))),
            Type::Number => number(input, marker).map(Dynamic::Number),
            Type::List(element) => elements(input, element, true).map(Dynamic::List),
            Type::Set(element) => elements(input, element, false).map(Dynamic::set),
            Type::Map(element) => pairs(input, Step::Key, |_| Ok(element.as_ref())).map(Dynamic::Map),
            Type::Object(attributes) => object(input, attributes),
        },
    }
}

fn object(input: &mut Bytes<'_>, attributes: &BTreeMap<String, Type>) -> Result<Dynamic, Misfit> {
    let items = pairs(input, Step::Attribute, |name| {
        attributes.get(name).ok_or_else(|| misfit(format!("there is no attribute `{name}`")))
    })?;
    match attributes.keys().find(|name| !items.contains_key(*name)) {
        Some(missing) => Err(misfit(format!("the attribute `{missing}` is missing"))),
        None => Ok(Dynamic::Map(items)),
    }
}

fn pairs<'t>(
    input: &mut Bytes<'_>,
    step: fn(String) -> Step,
    shape_of: impl Fn(&str) -> Result<&'t Type, Misfit>,
) -> Result<BTreeMap<String, Dynamic>, Misfit> {
    let length = count(decode::read_map_len(input), input)?;
    let mut items = BTreeMap::new();
    for _ in 0..length {
        let key = text(input)?;
        let value = read(input, shape_of(&key)?).map_err(|why| why.within(step(key.clone())))?;
        if items.contains_key(&key) {
            return Err(misfit("it is there twice").within(step(key)));
        }
        items.insert(key, value);
    }
    Ok(items)
}

fn elements(input: &mut Bytes<'_>, element: &Type, ordered: bool) -> Result<Vec<Dynamic>, Misfit> {
    let length = count(decode::read_array_len(input), input)?;
    let one = |index| {
        // A set's element has no address.
        read(input, element).map_err(|why| if ordered { why.within(Step::Index(i64::from(index))) } else { why })
    };
    (0..length).map(one).collect()
}

/// A length, which cannot be more than the bytes that are left: each element takes at least one.
fn count<E>(length: Result<u32, E>, input: &Bytes<'_>) -> Result<u32, Misfit> {
    let length = length.map_err(|_| misfit("it should be a collection"))?;
    if usize::try_from(length).is_ok_and(|length| length <= input.remaining_slice().len()) {
        Ok(length)
    } else {
        Err(cut_short(()))
    }
}

fn take<'a>(input: &mut Bytes<'a>, size: u32) -> Result<&'a [u8], Misfit> {
    let rest = input.remaining_slice();
    let taken = usize::try_from(size).ok().and_then(|size| rest.split_at_checked(size));
    let (payload, rest) = taken.ok_or_else(|| cut_short(()))?;
    *input = Bytes::new(rest);
    Ok(payload)
}

fn text(input: &mut Bytes<'_>) -> Result<String, Misfit> {
    let size = decode::read_str_len(input).map_err(|_| misfit("it should be a text"))?;
    std::str::from_utf8(take(input, size)?).map(normalised).map_err(|_| misfit("the text is not UTF-8"))
}

/// A number that came as integer, as float (where that is exact, so 2^63 does) or as decimal text.
fn number(input: &mut Bytes<'_>, marker: Marker) -> Result<Number, Misfit> {
    let number = match marker {
        Marker::F32 => decode::read_f32(input).ok().and_then(|value| Number::exact(value.into())),
        Marker::F64 => decode::read_f64(input).ok().and_then(Number::exact),
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => Number::parse(&text(input)?),
        Marker::U64 => decode::read_u64(input).ok().map(Number::from),
        _ => decode::read_int::<i64, _>(input).ok().map(Number::from),
    };
    number.ok_or_else(|| misfit("it should be a number"))
}

/// The bytes of a value. Attributes that the type has and the value lacks are written as null: the CLI insists on every one.
/// Fails where the value is of another type: written as null it would mean that the object is gone.
pub(super) fn encode(value: &Dynamic, shape: &Type) -> Result<Vec<u8>, Misfit> {
    let mut out = Vec::new();
    write(&mut out, value, shape)?;
    Ok(out)
}

/// Writing into a `Vec` cannot fail.
macro_rules! put {
    ($call:expr) => {{
        let _ = $call;
    }};
}

fn write(out: &mut Vec<u8>, value: &Dynamic, shape: &Type) -> Result<(), Misfit> {
    let size = |length: usize| u32::try_from(length).map_err(|_| misfit("it is too large to be sent"));
    match (value, shape) {
        (Dynamic::Null, _) => put!(encode::write_nil(out)),
        (Dynamic::Unknown(Refinement(known)), _) if known.is_empty() => out.extend([0xd4, 0, 0]),
        (Dynamic::Unknown(Refinement(known)), _) => {
            put!(encode::write_ext_meta(out, size(known.len())?, REFINED));
            out.extend(known);
        }
        (Dynamic::Bool(value), Type::Bool) => put!(encode::write_bool(out, *value)),
        (Dynamic::String(text), Type::String) => put!(encode::write_str(out, text)),
        (Dynamic::Number(number), Type::Number) => write_number(out, number.as_str()),
        (Dynamic::List(items), Type::List(element) | Type::Set(element)) => {
            put!(encode::write_array_len(out, size(items.len())?));
            for (item, index) in items.iter().zip(0..) {
                write(out, item, element).map_err(|why| why.within(Step::Index(index)))?;
            }
        }
        (Dynamic::Map(items), Type::Map(element)) => {
            put!(encode::write_map_len(out, size(items.len())?));
            for (key, item) in items {
                put!(encode::write_str(out, key));
                write(out, item, element).map_err(|why| why.within(Step::Key(key.clone())))?;
            }
        }
        (Dynamic::Map(items), Type::Object(attributes)) => {
            put!(encode::write_map_len(out, size(attributes.len())?));
            for (name, shape) in attributes {
                put!(encode::write_str(out, name));
                let item = items.get(name).unwrap_or(&Dynamic::Null);
                write(out, item, shape).map_err(|why| why.within(Step::Attribute(name.clone())))?;
            }
        }
        _ => return Err(misfit(format!("it should be {}", shape.noun()))),
    }
    Ok(())
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
    use crate::framework::samples;
    use proptest::prelude::*;

    /// A value as the CLI sends it: texts as they were typed, a number as the shortest integer where it fits, as a float where that is
    /// exact, else as text. Source: go-cty's msgpack package.
    fn as_the_cli(out: &mut Vec<u8>, value: &Dynamic, shape: &Type) {
        match (value, shape) {
            (Dynamic::Number(number), _) => {
                let text = number.as_str();
                let float = text.parse::<f64>().unwrap();
                if let Ok(value) = text.parse::<i64>() {
                    put!(encode::write_sint(out, value));
                } else if Number::exact(float).as_ref() == Some(number) {
                    put!(encode::write_f64(out, float));
                } else {
                    put!(encode::write_str(out, text));
                }
            }
            (Dynamic::List(items), Type::List(element) | Type::Set(element)) => {
                put!(encode::write_array_len(out, u32::try_from(items.len()).unwrap()));
                // A set comes in the CLI's own order.
                let reversed = matches!(shape, Type::Set(_));
                let ordered: Vec<_> = if reversed { items.iter().rev().collect() } else { items.iter().collect() };
                ordered.into_iter().for_each(|item| as_the_cli(out, item, element));
            }
            (Dynamic::Map(items), _) => {
                put!(encode::write_map_len(out, u32::try_from(items.len()).unwrap()));
                for (key, item) in items {
                    put!(encode::write_str(out, key));
                    let inner = match shape {
                        Type::Object(attributes) => &attributes[key],
                        Type::Map(element) => element,
                        _ => unreachable!("samples fit their types"),
                    };
                    as_the_cli(out, item, inner);
                }
            }
            _ => put!(write(out, value, shape)),
        }
    }

    fn sent(value: &Dynamic, shape: &Type) -> Vec<u8> {
        let mut out = Vec::new();
        as_the_cli(&mut out, value, shape);
        out
    }

    proptest! {
        #[test]
        fn what_the_cli_sends_is_read_and_comes_back_equal((shape, value) in samples::typed()) {
            let read = decode(&sent(&value, &shape), &shape);
            prop_assert_eq!(read.as_ref(), Ok(&value));
            prop_assert_eq!(decode(&encode(&value, &shape).unwrap(), &shape), Ok(value));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), shape in samples::shape()) {
            let _ = decode(&bytes, &shape);
        }

        #[test]
        fn no_changed_byte_panics((shape, value) in samples::typed(), at: prop::sample::Index, byte: u8) {
            let mut bytes = sent(&value, &shape);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = decode(&bytes, &shape);
        }

        #[test]
        fn a_value_of_another_type_is_no_panic((shape, _) in samples::typed(), (other, value) in samples::typed()) {
            let _ = decode(&sent(&value, &other), &shape);
            let _ = encode(&value, &shape);
        }

        #[test]
        fn a_value_cut_short_is_an_error((shape, value) in samples::typed()) {
            let bytes = sent(&value, &shape);
            for end in 0..bytes.len() {
                prop_assert!(decode(&bytes[..end], &shape).is_err());
            }
        }
    }

    fn number_of(bytes: &[u8]) -> Result<Dynamic, Misfit> {
        decode(bytes, &Type::Number)
    }

    fn a_number(text: &str) -> Dynamic {
        Dynamic::Number(Number::parse(text).unwrap())
    }

    #[test]
    fn numbers_keep_their_digits() {
        for (bytes, expected) in [
            (vec![0xa3, b'0', b'.', b'1'], "0.1"),
            (vec![0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "18446744073709551615"),
            (vec![0xca, 0x3f, 0xc0, 0, 0], "1.5"),
            (vec![0xff], "-1"),
            (vec![0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], "-9223372036854775808"),
            // Integers beyond 64 bits come as floats, where those are exact: 2^63, 2^64.
            (vec![0xcb, 0x43, 0xe0, 0, 0, 0, 0, 0, 0], "9223372036854775808"),
            (vec![0xcb, 0x43, 0xf0, 0, 0, 0, 0, 0, 0], "18446744073709551616"),
            (vec![0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0], "0"),
            (vec![0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0], "inf"),
            (vec![0xcb, 0xff, 0xf0, 0, 0, 0, 0, 0, 0], "-inf"),
        ] {
            assert_eq!(number_of(&bytes), Ok(a_number(expected)));
        }
        let long = format!("1{}", "0".repeat(400));
        let bytes = [&[0xda, 0x01, 0x91], long.as_bytes()].concat();
        assert_eq!(number_of(&bytes), Ok(a_number("1e400")));
        assert_eq!(encode(&a_number("1e400"), &Type::Number), Ok(b"\xa51e400".to_vec()));
        // 2^63 as an integer, not as a text or float of fewer digits.
        let sent = encode(&a_number("9223372036854775808"), &Type::Number).unwrap();
        assert_eq!(sent, [0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn no_number_is_taken_for_one() {
        let no_number = Err(misfit("it should be a number"));
        assert_eq!(number_of(&[0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]), no_number, "NaN");
        assert_eq!(number_of(b"\xa3NaN"), no_number);
        assert_eq!(number_of(&[0xc3]), no_number);
    }

    #[test]
    fn any_extension_is_an_unknown_value_and_a_refinement_is_echoed_byte_for_byte() {
        for bytes in [&[0xd4, 0, 0][..], &[0xc7, 0, 0], &[0xd4, 5, 0], &[0xc7, 3, 0x7f, 1, 2, 3]] {
            assert_eq!(decode(bytes, &Type::Bool), Ok(Dynamic::unknown()));
        }
        assert_eq!(encode(&Dynamic::unknown(), &Type::Bool), Ok(vec![0xd4, 0, 0]));
        // As `"pre-${other.id}"` arrives.
        let refined = [0xc7, 0x09, 0x0c, 0x82, 0x01, 0xc2, 0x02, 0xa4, 0x70, 0x72, 0x65, 0x2d];
        let value = decode(&refined, &Type::String).unwrap();
        assert_eq!(encode(&value, &Type::String), Ok(refined.to_vec()));
    }

    #[test]
    fn unknown_elements_of_a_set_are_counted_and_equal_ones_are_not() {
        let set = Type::Set(Box::new(Type::String));
        let sent = [0x95, 0xd4, 0, 0, 0xa1, b'b', 0xa1, b'a', 0xd4, 0, 0, 0xa1, b'b'];
        let back = encode(&decode(&sent, &set).unwrap(), &set).unwrap();
        assert_eq!(back, [0x94, 0xd4, 0, 0, 0xd4, 0, 0, 0xa1, b'a', 0xa1, b'b']);
    }

    #[test]
    fn texts_and_keys_are_normalised() {
        let decomposed = [&[0xa3], "e\u{301}".as_bytes()].concat();
        assert_eq!(decode(&decomposed, &Type::String), Ok("\u{e9}".into()));
        let map = Type::Map(Box::new(Type::Bool));
        let both = [&[0x82, 0xa3], "e\u{301}".as_bytes(), &[0xc3, 0xa2], "\u{e9}".as_bytes(), &[0xc2]].concat();
        assert_eq!(decode(&both, &map).unwrap_err().to_string(), "`[\"\u{e9}\"]`: it is there twice");
    }

    #[test]
    fn a_hostile_length_is_refused_before_memory_is_taken() {
        let huge = [0xff; 4];
        for (marker, shape) in [
            (0xdd, Type::List(Box::new(Type::Bool))),
            (0xdd, Type::Set(Box::new(Type::Bool))),
            (0xdf, Type::Map(Box::new(Type::Bool))),
            (0xdf, Type::Object(BTreeMap::new())),
            (0xdb, Type::String),
            (0xdb, Type::Number),
            (0xc9, Type::Bool),
        ] {
            let bytes = [&[marker][..], &huge, &[12]].concat();
            assert!(decode(&bytes, &shape).is_err(), "{shape:?}");
        }
        let deep = (0..200).fold(Type::Bool, |inner, _| Type::List(Box::new(inner)));
        assert!(decode(&[0x91; 200], &deep).is_err());
        assert!(decode(&[0x91; 1_000_000], &Type::List(Box::new(Type::Bool))).is_err());
    }

    #[test]
    fn an_objects_attributes_are_exact_and_the_error_says_where() {
        let shape = Type::Object(BTreeMap::from([("a".to_owned(), Type::List(Box::new(Type::Bool)))]));
        let text = |bytes: &[u8]| decode(bytes, &shape).unwrap_err().to_string();
        assert_eq!(text(&[0x80]), "``: the attribute `a` is missing");
        assert_eq!(text(&[0x82, 0xa1, b'a', 0xc0, 0xa1, b'b', 0xc0]), "``: there is no attribute `b`");
        assert_eq!(text(&[0x82, 0xa1, b'a', 0xc0, 0xa1, b'a', 0xc0]), "`a`: it is there twice");
        assert_eq!(text(&[0x81, 0xa1, b'a', 0x92, 0xc3, 0x01]), "`a[1]`: it should be `true` or `false`");
        assert_eq!(text(&[0xc0, 0xc0]), "``: there are bytes behind the value");
        // What a value lacks is written as null, never left out.
        assert_eq!(encode(&Dynamic::Map(BTreeMap::new()), &shape), Ok(vec![0x81, 0xa1, b'a', 0xc0]));
    }

    #[test]
    fn a_value_of_the_wrong_type_is_not_written_as_null() {
        let shape = Type::Object(BTreeMap::from([("a".to_owned(), Type::Bool)]));
        let value = Dynamic::Map(BTreeMap::from([("a".to_owned(), "x".into())]));
        assert_eq!(encode(&value, &shape).unwrap_err().to_string(), "`a`: it should be `true` or `false`");
        assert!(encode(&Dynamic::List(Vec::new()), &shape).is_err());
    }
}
