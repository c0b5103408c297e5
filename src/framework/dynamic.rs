//! Values as Terraform sees them: each may be unknown or null at any depth.
//!
//! `Dynamic` is what travels between the wire and the typed structs. It knows neither msgpack nor any schema;
//! [`Type`] says which shape a value has to have.

use std::collections::BTreeMap;
use std::fmt;
use unicode_normalization::UnicodeNormalization;

/// A value that may be unknown (not decided before apply) or null (absent), at any depth.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
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
    /// List or set. Sets are as [`Dynamic::set`] makes them, so that equal sets are equal values.
    List(Vec<Dynamic>),
    /// Map or object. An object has exactly the attributes of its type.
    Map(BTreeMap<String, Dynamic>),
}

/// What the CLI says of an unknown value beyond its type: the msgpack map of extension 12, as it came, so that an echo
/// is exact. Empty for a plain unknown value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Refinement(pub Vec<u8>);

/// A number in canonical decimal text (`-12`, `0.1`, `1e400`), or `inf` and `-inf`. Text, because 2^53 + 1 and 0.1 have no exact
/// `f64`, and Terraform compares numbers by their decimal digits. Models take whole numbers of at most 64 bits only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(String);

impl Number {
    /// One spelling for each number: digits without superfluous zeros, as an integer or decimal fraction while short, with an
    /// exponent beyond. `None` for what is no number.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, text) =
            text.strip_prefix('-').map_or((false, text.strip_prefix('+').unwrap_or(text)), |rest| (true, rest));
        let digits = if text.eq_ignore_ascii_case("inf") { "inf".to_owned() } else { canonical(text)? };
        Some(Self(if negative && digits != "0" { format!("-{digits}") } else { digits }))
    }

    /// All digits of a float, as many as its binary fraction has: 2^63 is 9223372036854775808, not the shorter 9223372036854776000
    /// that would be read as the same float. `None` for NaN.
    pub fn exact(value: f64) -> Option<Self> {
        // No f64 has more than 767 significant digits.
        Self::parse(&format!("{value:.766e}"))
    }

    /// Canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The canonical text of an unsigned decimal number.
fn canonical(text: &str) -> Option<String> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(split) => (text.get(..split)?, text.get(split + 1..)?.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    let zeros = i64::try_from(digits.len() - digits.trim_end_matches('0').len()).ok()?;
    let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(zeros)?;
    let length = i64::try_from(significant.len()).ok()?;
    let point = length.checked_add(exponent)?;
    Some(if exponent >= 0 && point <= 400 {
        format!("{significant}{}", "0".repeat(usize::try_from(exponent).ok()?))
    } else if (1..=length).contains(&point) {
        let (whole, fraction) = significant.split_at(usize::try_from(point).ok()?);
        format!("{whole}.{fraction}")
    } else if (-400..=0).contains(&point) {
        format!("0.{}{significant}", "0".repeat(usize::try_from(-point).ok()?))
    } else {
        format!("{significant}e{exponent}")
    })
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(value.to_string())
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self(value.to_string())
    }
}

impl Dynamic {
    /// A text, in normalization form C: the CLI normalises every text that it reads, so comparing needs the same.
    pub fn text(text: &str) -> Self {
        Self::String(normalised(text))
    }

    /// A set: sorted, and free of duplicates. What is not wholly known is no duplicate of anything: two ids that are both unknown will
    /// be two.
    pub fn set(mut items: Vec<Dynamic>) -> Self {
        items.sort();
        items.dedup_by(|a, b| a == b && a.is_wholly_known());
        Self::List(items)
    }

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
    pub fn get(&self, name: &str) -> &Dynamic {
        static NULL: Dynamic = Dynamic::Null;
        static UNKNOWN: Dynamic = Dynamic::Unknown(Refinement(Vec::new()));
        match self {
            Self::Map(items) => items.get(name).unwrap_or(&NULL),
            Self::Unknown(_) => &UNKNOWN,
            _ => &NULL,
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

/// The shape alone: a value may be a secret, and need not be marked as one.
impl fmt::Debug for Dynamic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Unknown(_) => out.write_str("unknown"),
            Self::Bool(_) => out.write_str("a bool"),
            Self::Number(_) => out.write_str("a number"),
            Self::String(_) => out.write_str("a text"),
            Self::List(items) => out.debug_list().entries(items).finish(),
            Self::Map(items) => out.debug_map().entries(items).finish(),
        }
    }
}

/// The text in normalization form C.
pub fn normalised(text: &str) -> String {
    text.nfc().collect()
}

impl From<&str> for Dynamic {
    fn from(text: &str) -> Self {
        Self::text(text)
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

impl Type {
    /// For messages: "a number".
    pub fn noun(&self) -> &'static str {
        match self {
            Self::String => "a text",
            Self::Bool => "`true` or `false`",
            Self::Number => "a number",
            Self::List(_) => "a list",
            Self::Set(_) => "a set",
            Self::Map(_) => "a map",
            Self::Object(_) => "an object",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Option<String> {
        Number::parse(text).map(|number| number.0)
    }

    #[test]
    fn a_number_has_one_spelling() {
        for (text, canonical) in [
            ("1.50e1", "15"),
            ("0015.0", "15"),
            ("-0", "0"),
            ("-0.0e5", "0"),
            ("+7", "7"),
            ("9007199254740993", "9007199254740993"),
            ("9223372036854775808", "9223372036854775808"),
            ("18446744073709551615", "18446744073709551615"),
            ("0.1", "0.1"),
            ("10e400", "1e401"),
            ("-2.5E-500", "-25e-501"),
            ("Inf", "inf"),
            ("-inf", "-inf"),
        ] {
            assert_eq!(parsed(text).as_deref(), Some(canonical), "{text}");
        }
        for text in ["", "-", "e5", "1e", "1.2.3", "--1", "-+1", "NaN", "twelve", "0x10", "1e99999999999999999999", "٣"]
        {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn a_huge_exponent_takes_no_memory() {
        assert_eq!(parsed("1e9223372036854775806").as_deref(), Some("1e9223372036854775806"));
        assert_eq!(parsed("1e-9223372036854775808").as_deref(), Some("1e-9223372036854775808"));
        assert_eq!(parsed("10e9223372036854775807"), None);
    }

    #[test]
    fn a_float_has_all_its_digits() {
        let exact = |value| Number::exact(value).map(|number| number.0);
        assert_eq!(exact(2f64.powi(100)).as_deref(), Some("1267650600228229401496703205376"));
        assert_eq!(exact(1e23).as_deref(), Some("99999999999999991611392"));
        assert_eq!(exact(0.1f64).as_deref(), Some("0.1000000000000000055511151231257827021181583404541015625"));
        assert_eq!(exact(-0.0).as_deref(), Some("0"));
        assert_eq!(exact(f64::NEG_INFINITY).as_deref(), Some("-inf"));
        assert_eq!(exact(f64::NAN), None);
    }

    proptest! {
        #[test]
        fn a_float_that_is_an_integer_is_that_integer(odd: i32, shift in 0..90u32) {
            let whole = i128::from(odd) << shift;
            let float = f64::from(odd) * 2f64.powi(i32::try_from(shift).unwrap());
            prop_assert_eq!(Number::exact(float), Some(Number(whole.to_string())));
        }

        #[test]
        fn every_float_is_read_back_from_its_digits(value: f64) {
            let number = Number::exact(value);
            prop_assert_eq!(number.map(|number| number.0.parse::<f64>().unwrap()), (!value.is_nan()).then_some(value));
        }

        #[test]
        fn no_text_panics_and_a_canonical_one_stays(text in "[-+]?[0-9.eE+-]{0,12}|\\PC{0,12}") {
            if let Some(once) = parsed(&text) {
                prop_assert_eq!(parsed(&once), Some(once));
            }
        }
    }

    #[test]
    fn two_unknown_elements_of_a_set_are_two() {
        let set = Dynamic::set(vec![Dynamic::unknown(), "b".into(), "a".into(), "b".into(), Dynamic::unknown()]);
        assert_eq!(set, Dynamic::List(vec![Dynamic::unknown(), Dynamic::unknown(), "a".into(), "b".into()]));
    }
}
