//! What Graph's properties are, and whether a body fits. Source: Graph's v1.0 metadata, in `data/graph-properties.json`.

use super::errors::Failure;
use super::moment::Moment;
use serde_json::{Map, Value};
use std::sync::OnceLock;

fn metadata() -> &'static Value {
    static METADATA: OnceLock<Value> = OnceLock::new();
    METADATA.get_or_init(|| serde_json::from_str(include_str!("data/graph-properties.json")).unwrap_or_default())
}

fn properties(type_name: &str) -> Option<&'static Map<String, Value>> {
    metadata().get("v1")?.get("types")?.get(type_name)?.as_object()
}

/// Names of the structural properties of an entity.
pub(super) fn has_property(type_name: &str, property: &str) -> bool {
    // The base type of all, which the file leaves out.
    if type_name == "directoryObject" {
        return ["id", "deletedDateTime"].contains(&property);
    }
    properties(type_name).is_some_and(|all| all.contains_key(property))
}

/// Properties that hold ids as plain text.
const IDS: &[&str] =
    &["id", "appId", "resourceAppId", "clientId", "resourceId", "principalId", "appOwnerOrganizationId", "keyId"];

/// Ids compare without case, and the service shows them in lower case. Anything that is no GUID stays as it is.
pub(super) fn fold_id(text: &str) -> String {
    if text.len() == 36 && uuid::Uuid::try_parse(text).is_ok() { text.to_lowercase() } else { text.to_owned() }
}

/// A checked body as it is stored: ids in lower case, and without the annotations that clients add.
pub(super) fn stored(type_name: &str, body: Map<String, Value>) -> Map<String, Value> {
    let kinds = properties(type_name);
    let kind_of = |name: &str| kinds.and_then(|all| all.get(name)).and_then(Value::as_str).unwrap_or_default();
    let kept = body.into_iter().filter(|(name, _)| !name.starts_with("@odata."));
    kept.map(|(name, value)| {
        let value = if IDS.contains(&name.as_str()) { fold("Edm.Guid", value) } else { fold(kind_of(&name), value) };
        (name, value)
    })
    .collect()
}

fn fold(kind: &str, value: Value) -> Value {
    let kind = kind.trim_start_matches("[]");
    match value {
        Value::Array(all) => all.into_iter().map(|one| fold(kind, one)).collect(),
        Value::Object(object) => stored(kind, object).into(),
        Value::String(text) if kind == "Edm.Guid" => fold_id(&text).into(),
        other => other,
    }
}

/// What an update leaves of an object: properties that the body does not name keep their values, inside complex ones too.
/// Source: Microsoft's "Update application"; the azuread provider's resources for one member of `api` each rest on it.
pub(super) fn merge(object: &mut Map<String, Value>, body: Map<String, Value>) {
    for (name, value) in body {
        match (object.get_mut(&name), value) {
            (Some(Value::Object(before)), Value::Object(changes)) => merge(before, changes),
            (_, value) => {
                object.insert(name, value);
            }
        }
    }
}

/// Refuses a property that the type lacks, and a value that is not of its property's type.
pub(super) fn check(type_name: &str, body: &Map<String, Value>) -> Result<(), Failure> {
    let Some(properties) = properties(type_name) else {
        return Err(Failure::bad_request(format!("The type '{type_name}' is not known.")));
    };
    for (name, value) in body.iter().filter(|(name, _)| !name.starts_with("@odata.")) {
        let Some(kind) = properties.get(name).and_then(Value::as_str) else {
            return Err(Failure::bad_request(format!(
                "The property '{name}' does not exist on type 'microsoft.graph.{type_name}'. Make sure to only use property names that are defined by the type."
            )));
        };
        if kind == "nav" {
            return Err(Failure::bad_request(format!(
                "The property '{name}' is a navigation property and cannot be written here."
            )));
        }
        check_value(name, kind, value)?;
    }
    Ok(())
}

fn check_value(name: &str, kind: &str, value: &Value) -> Result<(), Failure> {
    let wrong = || {
        Err(Failure::bad_request(format!(
            "Invalid value specified for property '{name}' of resource: a value of type '{kind}' was expected."
        )))
    };
    if let Some(element) = kind.strip_prefix("[]") {
        let Some(items) = value.as_array() else { return wrong() };
        return items
            .iter()
            .try_for_each(|item| if item.is_null() { wrong() } else { check_value(name, element, item) });
    }
    let text = value.as_str();
    let fits = match kind {
        _ if value.is_null() => true,
        "Edm.String" | "Edm.Binary" | "Edm.Stream" => text.is_some(),
        "Edm.Boolean" => value.is_boolean(),
        "Edm.Int32" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        "Edm.Guid" => text.is_some_and(|text| uuid::Uuid::try_parse(text).is_ok()),
        "Edm.DateTimeOffset" => text.is_some_and(|text| text.parse::<Moment>().is_ok()),
        complex => match value.as_object() {
            Some(object) => return check(complex, object),
            None => text.is_some_and(|text| enum_has(complex, text)),
        },
    };
    if fits { Ok(()) } else { wrong() }
}

fn enum_has(name: &str, value: &str) -> bool {
    let members = || metadata().get("v1")?.get("enums")?.get(name)?.as_array();
    members().is_some_and(|all| all.iter().any(|one| one == value))
}
