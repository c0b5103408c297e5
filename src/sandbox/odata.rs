//! The part of OData that the sandbox knows. What it does not know is refused, as a filter that is ignored would return too much.

use super::call::Call;
use super::errors::Failure;
use super::shapes;
use super::types::{fold_id, has_property};
use serde_json::{Map, Value, json};

/// Percent-decoding; a broken escape stays as it is.
pub(super) fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail
            .get(..2)
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Query options, decoded.
pub(super) struct Options {
    select: Option<Vec<String>>,
    filter: Vec<Condition>,
    top: usize,
    skip: usize,
}

enum Condition {
    Equal(String, Value),
    HasTag(String),
}

impl Options {
    /// Reads the options of a request for `type_name`. `filterable`: what Graph lets one filter by here.
    pub(super) fn read(call: &Call, type_name: &str, filterable: &[&str]) -> Result<Self, Failure> {
        let mut options = Self { select: None, filter: Vec::new(), top: call.page_size, skip: 0 };
        for pair in call.query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = unescape(&value.replace('+', " "));
            match unescape(name).as_str() {
                "$select" => options.select = Some(select(&value, type_name)?),
                "$filter" => options.filter = filter(&value, filterable)?,
                "$top" => {
                    options.top = value
                        .parse()
                        .ok()
                        .filter(|top| (1..=999).contains(top))
                        .ok_or_else(|| Failure::bad_request("Invalid page size specified."))?;
                }
                "$skiptoken" => {
                    options.skip = value.parse().map_err(|_| Failure::bad_request("The skip token is not valid."))?;
                }
                other => return Err(Failure::bad_request(format!("The query option '{other}' is not known here."))),
            }
        }
        Ok(options)
    }

    /// The same for one of several, of which the keys of certificates are never shown.
    fn project_in_list(&self, object: &Map<String, Value>) -> Value {
        let mut shown = self.project(object);
        if let Value::Object(shown) = &mut shown {
            shapes::hide_keys(shown);
        }
        shown
    }

    /// The properties that were asked for.
    pub(super) fn project(&self, object: &Map<String, Value>) -> Value {
        let Some(select) = &self.select else {
            let mut shown = object.clone();
            shapes::hide_keys(&mut shown);
            return Value::Object(shown);
        };
        object
            .iter()
            .filter(|(name, _)| select.contains(name) || *name == "id" && select.is_empty())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect::<Map<_, _>>()
            .into()
    }

    /// One page of what fits the filter.
    pub(super) fn page<'a>(&self, call: &Call, objects: impl Iterator<Item = &'a Map<String, Value>>) -> Value {
        let all: Vec<_> =
            objects.filter(|object| self.filter.iter().all(|condition| condition.holds(object))).collect();
        let page = all.iter().skip(self.skip).take(self.top).map(|object| self.project_in_list(object));
        let page: Vec<_> = page.collect();
        let mut body = json!({ "value": page });
        let next = self.skip + self.top;
        if next < all.len() {
            let kept: Vec<_> =
                call.query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("$skiptoken=")).collect();
            let query =
                kept.into_iter().map(str::to_owned).chain([format!("$skiptoken={next}")]).collect::<Vec<_>>().join("&");
            body["@odata.nextLink"] = format!("{}{}?{query}", call.base, call.path).into();
        }
        body
    }
}

fn select(text: &str, type_name: &str) -> Result<Vec<String>, Failure> {
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    match names.iter().find(|name| !has_property(type_name, name)) {
        Some(unknown) => Err(Failure::bad_request(format!(
            "Could not find a property named '{unknown}' on type 'microsoft.graph.{type_name}'."
        ))),
        None => Ok(names),
    }
}

fn filter(text: &str, filterable: &[&str]) -> Result<Vec<Condition>, Failure> {
    text.split(" and ").map(|part| condition(part.trim(), filterable)).collect()
}

fn condition(text: &str, filterable: &[&str]) -> Result<Condition, Failure> {
    let refuse = || Failure::bad_request(format!("Unsupported or invalid query filter clause specified: '{text}'."));
    let quoted = |text: &str| text.strip_prefix('\'')?.strip_suffix('\'').map(|inner| inner.replace("''", "'"));
    if let Some(tag) = text.strip_prefix("tags/any(t:t eq ").and_then(|rest| rest.strip_suffix(')')) {
        return if filterable.contains(&"tags") {
            quoted(tag).map(Condition::HasTag).ok_or_else(refuse)
        } else {
            Err(refuse())
        };
    }
    let (name, value) = text.split_once(" eq ").ok_or_else(refuse)?;
    if !filterable.contains(&name) {
        return Err(refuse());
    }
    let value = match value {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        guid if uuid::Uuid::try_parse(guid).is_ok() => fold_id(guid).into(),
        text => quoted(text).ok_or_else(refuse)?.into(),
    };
    Ok(Condition::Equal(name.to_owned(), value))
}

impl Condition {
    fn holds(&self, object: &Map<String, Value>) -> bool {
        match self {
            Self::Equal(name, value) => object.get(name).is_some_and(|found| are_equal(name, found, value)),
            Self::HasTag(tag) => {
                object.get("tags").and_then(Value::as_array).is_some_and(|tags| tags.iter().any(|one| one == tag))
            }
        }
    }
}

/// Ids and display names compare without case. Source for names: azuread's `TestAccServicePrincipalDataSource_builtInByDisplayName`.
fn are_equal(name: &str, found: &Value, value: &Value) -> bool {
    match (found.as_str(), value.as_str()) {
        (Some(found), Some(value)) if name == "displayName" => found.to_lowercase() == value.to_lowercase(),
        (Some(found), Some(value)) => found == value || fold_id(found) == fold_id(value),
        _ => found == value,
    }
}
