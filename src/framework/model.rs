//! From a Rust struct to a [`Schema`], by the JSON Schema that schemars derives. One definition serves schema, codec,
//! validation and documentation, so this accepts a small subset of JSON Schema and refuses every other keyword.

use super::dynamic::Type;
use super::schema::{Attribute, Check, Pattern, Schema, Shape};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json};

/// A transform for a [`super::Computed`] attribute that may also be configured.
pub fn configurable(schema: &mut schemars::Schema) {
    schema.insert("x-configurable".to_owned(), true.into());
}

/// A transform for an attribute whose change replaces the object.
pub fn forces_replacement(schema: &mut schemars::Schema) {
    schema.insert("x-forces-replacement".to_owned(), true.into());
}

/// A transform for a computed attribute that no update changes.
pub fn keeps_state(schema: &mut schemars::Schema) {
    schema.insert("x-keeps-state".to_owned(), true.into());
}

/// A transform for an attribute that is a GUID, or a list, set or map of such. Its form is checked while planning and importing, and
/// it compares without regard to case.
pub fn guid(schema: &mut schemars::Schema) {
    form(schema, "uuid");
}

/// A transform for ids that may stand in other words, or a list, set or map of such: they compare without regard to case, as GUIDs do.
pub fn ignores_case(schema: &mut schemars::Schema) {
    form(schema, CASELESS);
}

/// What [`ignores_case`] writes.
const CASELESS: &str = "x-caseless";

/// Gives a text, or each one of a collection, a format.
fn form(schema: &mut schemars::Schema, format: &str) {
    let element =
        ["items", "additionalProperties"].into_iter().find(|name| schema.get(*name).is_some_and(Json::is_object));
    match element.and_then(|name| schema.get_mut(name)).and_then(Json::as_object_mut) {
        Some(element) => element.insert("format".to_owned(), format.into()),
        None => schema.insert("format".to_owned(), format.into()),
    };
}

/// The schema of a model. Fails, with the attribute's name, on a keyword that has no meaning here and on an attribute
/// without documentation: both are faults of the model that the test of the registry finds.
pub fn schema_of<T: JsonSchema>() -> Result<Schema, String> {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let root = settings.into_generator().into_root_schema_for::<T>();
    let Some(root) = root.as_object() else { return Err(format!("{} is no struct", T::schema_name())) };
    object(root).map_err(|why| format!("{}: {why}", T::schema_name()))
}

fn object(node: &Map<String, Json>) -> Result<Schema, String> {
    let mut schema = Schema { description: description(node), ..Schema::default() };
    let required: Vec<&str> = node
        .get("required")
        .and_then(Json::as_array)
        .map(|names| names.iter().filter_map(Json::as_str).collect())
        .unwrap_or_default();
    let Some(properties) = node.get("properties").and_then(Json::as_object) else { return Ok(schema) };
    for (name, property) in properties {
        let Some(property) = property.as_object() else { return Err(format!("`{name}` has no schema")) };
        let attribute =
            attribute(property, required.contains(&name.as_str())).map_err(|why| format!("`{name}`: {why}"))?;
        schema.attributes.insert(name.clone(), attribute);
        schema.order.push(name.clone());
    }
    Ok(schema)
}

const KNOWN: &[&str] = &[
    "type",
    "description",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "uniqueItems",
    "oneOf",
    "anyOf",
    "const",
    "enum",
    "default",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "pattern",
    "format",
    "readOnly",
    "deprecated",
    "title",
    "$schema",
    "minimum",
    "x-configurable",
    "x-forces-replacement",
    "x-keeps-state",
    "propertyNames",
];

/// Shape of a value that is no attribute, such as a function's result.
pub fn shape_of<T: JsonSchema>() -> Result<Shape, String> {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let root = settings.into_generator().into_root_schema_for::<T>();
    let Some(root) = root.as_object() else { return Err(format!("{} is no value", T::schema_name())) };
    shape(root).map(|(shape, _)| shape).map_err(|why| format!("{}: {why}", T::schema_name()))
}

fn attribute(node: &Map<String, Json>, listed_as_required: bool) -> Result<Attribute, String> {
    let flag = |name: &str| node.get(name).and_then(Json::as_bool).unwrap_or(false);
    let computed_only = flag("readOnly") && !flag("x-configurable");
    let description = description(node);
    if description.is_empty() {
        return Err("has no doc comment".to_owned());
    }
    let (mut shape, checks) = shape(node)?;
    if computed_only {
        shape.read_only();
    }
    let default = node
        .get("default")
        .filter(|value| !value.is_null())
        .map(|value| super::json::from_json(&shape.value_type(), value))
        .transpose()?;
    let required = listed_as_required && default.is_none() && !flag("readOnly");
    Ok(Attribute {
        description,
        required,
        optional: !required && !computed_only,
        computed: flag("readOnly") || default.is_some(),
        sensitive: node.get("format").and_then(Json::as_str) == Some("password"),
        deprecated: flag("deprecated"),
        forces_replacement: flag("x-forces-replacement"),
        keeps_state: flag("x-keeps-state"),
        default,
        shape,
        checks,
    })
}

/// An optional struct is written `anyOf: [T, null]`; a lone alternative stands for itself.
fn without_null(node: &Map<String, Json>) -> Map<String, Json> {
    let Some(alternatives) = node.get("anyOf").and_then(Json::as_array) else { return node.clone() };
    let is_null = |one: &Json| one.get("type").and_then(Json::as_str) == Some("null");
    let mut kept = alternatives.iter().filter(|one| !is_null(one));
    match (kept.next().and_then(Json::as_object), kept.next()) {
        (Some(only), None) => only.clone(),
        _ => node.clone(),
    }
}

fn shape(node: &Map<String, Json>) -> Result<(Shape, Vec<Check>), String> {
    let node = &without_null(node);
    if let Some(unknown) = node.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!("the keyword `{unknown}` has no meaning here"));
    }
    let checks = own_checks(node)?;
    if let Some(choices) = choices(node) {
        return Ok((Shape::Plain(Type::String), vec![Check::OneOf(choices)]));
    }
    let kind = match node.get("type") {
        Some(Json::String(kind)) => kind.as_str(),
        Some(Json::Array(kinds)) => {
            kinds.iter().filter_map(Json::as_str).find(|kind| *kind != "null").unwrap_or_default()
        }
        _ => return Err("has no type".to_owned()),
    };
    match kind {
        "string" => Ok((Shape::Plain(Type::String), checks)),
        "boolean" => Ok((Shape::Plain(Type::Bool), checks)),
        "number" => Err("a float cannot hold a number's digits: use an integer".to_owned()),
        "integer" => {
            let format = node.get("format").and_then(Json::as_str).unwrap_or_default();
            Ok((Shape::Plain(Type::Number), checks.into_iter().chain([whole(format)?]).collect()))
        }
        "array" => {
            let items = node.get("items").and_then(Json::as_object).ok_or("a list needs the type of its elements")?;
            let (inner, each) = shape(items)?;
            let unique = node.get("uniqueItems").and_then(Json::as_bool).unwrap_or(false);
            Ok((collection(inner, if unique { Collection::Set } else { Collection::List })?, with_each(checks, each)))
        }
        "object" => {
            if let Some(values) = node.get("additionalProperties").and_then(Json::as_object) {
                let (inner, each) = shape(values)?;
                return Ok((collection(inner, Collection::Map)?, with_each(checks, each)));
            }
            Ok((Shape::Object(object(node)?), checks))
        }
        other => Err(format!("the type `{other}` has no meaning here")),
    }
}

enum Collection {
    List,
    Set,
    Map,
}

fn collection(inner: Shape, kind: Collection) -> Result<Shape, String> {
    Ok(match (kind, inner) {
        (Collection::List, Shape::Object(nested)) => Shape::ObjectList(nested),
        (Collection::Map, Shape::Object(nested)) => Shape::ObjectMap(nested),
        (Collection::List, Shape::Plain(element)) => Shape::Plain(Type::List(Box::new(element))),
        (Collection::Set, Shape::Plain(element)) => Shape::Plain(Type::Set(Box::new(element))),
        (Collection::Map, Shape::Plain(element)) => Shape::Plain(Type::Map(Box::new(element))),
        _ => return Err("collections of objects inside collections, and sets of objects, are not supported".to_owned()),
    })
}

fn with_each(mut checks: Vec<Check>, each: Vec<Check>) -> Vec<Check> {
    if !each.is_empty() {
        checks.push(Check::Each(each));
    }
    checks
}

fn own_checks(node: &Map<String, Json>) -> Result<Vec<Check>, String> {
    let number = |name: &str| node.get(name).and_then(Json::as_u64);
    let (least, most) = (number("minLength").or(number("minItems")), number("maxLength").or(number("maxItems")));
    let length = (least.is_some() || most.is_some()).then_some(Check::Length(least, most));
    let form = match node.get("format").and_then(Json::as_str) {
        Some("uuid") => Some(Check::Guid),
        Some(CASELESS) => Some(Check::Caseless),
        Some(super::timeouts::FORMAT) => Some(Check::Wait),
        _ => None,
    };
    let pattern =
        node.get("pattern").and_then(Json::as_str).map(|text| Pattern::new(text).map(Check::Pattern)).transpose()?;
    Ok(length.into_iter().chain(pattern).chain(form).collect())
}

/// The range of a Rust integer, by the name that schemars gives it.
fn whole(format: &str) -> Result<Check, String> {
    Ok(match format {
        "uint32" => Check::Whole(0, u32::MAX.into()),
        "uint64" | "uint" => Check::Whole(0, u64::MAX.into()),
        "int32" => Check::Whole(i32::MIN.into(), i32::MAX.into()),
        "int64" | "int" => Check::Whole(i64::MIN.into(), i64::MAX.into()),
        other => return Err(format!("integers of the format `{other}` are not supported")),
    })
}

/// The texts of an enum: `enum`, or `oneOf` constants where the variants are documented.
fn choices(node: &Map<String, Json>) -> Option<Vec<String>> {
    let texts = |list: &Json| Some(list.as_array()?.iter().filter_map(Json::as_str).map(str::to_owned).collect());
    if let Some(list) = node.get("enum") {
        return texts(list);
    }
    let variants = node.get("oneOf")?.as_array()?;
    Some(
        variants
            .iter()
            .flat_map(|variant| match (variant.get("const"), variant.get("enum")) {
                (Some(one), _) => one.as_str().map(str::to_owned).into_iter().collect(),
                (None, Some(list)) => texts(list).unwrap_or_default(),
                _ => Vec::new(),
            })
            .collect(),
    )
}

/// The doc comment, one line per paragraph.
fn description(node: &Map<String, Json>) -> String {
    let text = node.get("description").and_then(Json::as_str).unwrap_or_default();
    let paragraphs = text.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}
